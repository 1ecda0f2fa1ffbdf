/*
Package index finds the entries of a log by their terms, their id or their entity.

It speaks of positions and terms, and knows no events: what a record's terms are
comes from above, and what it leads to is read and checked above. It may lead to
too much, and never to too little. All of it is derived: a part that is lost or
damaged is a hole, whose entries are read until the part is made again.

# Parts

An [Index] is a list of parts in the order of positions. A run is an immutable
file. A tail is in memory and takes new entries. A hole is what neither has. A
tail that is full is written as a run by [Index.Maintain], which also fills
holes. [Index.Merge] merges neighbouring runs, so that there are about eight of
each size at most, and never many in all.
Readers take a [View], which never changes.

# Files

	index/{first:016x}-{next:016x}.idx   a run; next is exclusive

docs/format.md has their bytes.
*/
package index

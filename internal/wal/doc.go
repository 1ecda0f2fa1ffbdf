/*
Package wal is the log: the one place where entries are stored for good.

A log is a directory of segments. A segment is a header and records; a record is
one append call, of one entry or many, all or none. The writer ([Log]) adds
records at the end of the newest segment, in groups: one write and one sync for
everything that waited. Readers see a [View], an immutable picture of what is
durable, and never wait for the writer.

What a record means is not known here: entries are bytes with a position and a
SHA-256. The package promises four things.

  - What [Log.Sync] made durable is found again by [Open], whatever was cut, lost
    or reordered among the bytes written since.
  - A byte that changes in anything proven durable is reported as an
    [engine.CorruptError] and never dropped, repaired or jumped over in silence.
  - A record that was never proven durable is either kept whole, in a new segment
    that is synced before anyone reads it, or set aside in a file of its own.
  - [Open] reads the names of all segments and the contents of the last two.

docs/format.md has the layout, docs/durability.md the order of writes and the
steps of recovery with the test of each.
*/
package wal

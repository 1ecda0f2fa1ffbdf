/*
Package export writes entries in the formats of an export: [NDJSON], [JSON], [CSV] and
[Journald].

[New] makes a [Writer] of [Options], which takes entries one after another and keeps none
of them. In every format but NDJSON, whose lines are the bytes that are hashed and proven,
a [Redaction] hides values. CSV is safe for spreadsheets, and has a sentence about each
entry, as JSON can have: of actor, action, entity and changes, or of [Templates].

[Rows] are what Journald consists of, for answers that have them in another frame, and
[JournaldValue] is how they are read back. The package knows no journal, request or
command; where entries come from, and what happens when one cannot be read, is its
caller's.
*/
package export

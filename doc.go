/*
Package annals is a journal of record: an append-only, tamper-evident store for
audit events and domain events.

A [Journal] is a directory. [Journal.Append] adds events to its end and returns
once they are on stable storage; from then on nothing changes or removes them.
Every event becomes an entry with a place in one total order, and a leaf of a
Merkle tree whose signed root, the checkpoint, lets anyone prove later that the
entry was there and is unchanged.

	j, err := annals.Open("/var/lib/annals", nil)
	...
	receipts, err := j.Append(ctx, annals.Event{
		Type:   "order.placed",
		Entity: annals.Entity{Type: "order", ID: "1001"},
		Data:   map[string]any{"total": 129.5},
	})

# What is promised

A receipt means written, checksummed and synced. One call of Append is all or
none. An event's id identifies it for the journal's whole life, so a call may be
repeated until it succeeds. Expectations make an append conditional on an
entity's last sequence. Order comes from positions, never from clocks.

Damage is reported as a [*CorruptError] and never repaired, skipped or hidden:
what can be read stays readable around it. Docs/durability.md has the argument,
docs/format.md the bytes.

# Two forms of an event

[Event] is for Go programs: a struct with ordinary fields. [Encoded] is an event
checked and in canonical form; [ParseEvent] makes one directly from JSON, so that
what a producer sent is stored byte for byte, numbers and order of members
included.
*/
package annals

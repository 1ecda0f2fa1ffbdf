package annals

import (
	"bytes"
	"math/bits"
)

// sameContent reports whether an event is a retry of a stored entry with its
// tenant and id: every member that was sent has the stored bytes, and what the
// entry has beyond that are only members that the journal fills in or assigns,
// or that differ between attempts (trace_id and span_id). The event must have
// been redacted as the entry was.
func sameContent(sent *Encoded, stored []byte) bool {
	missing := sent.sent
	expected := 0
	w := walk(stored)
	for w.next() {
		i := eventShape.index(w.name, expected)
		if i < 0 {
			return false
		}
		expected = i + 1
		bit := uint64(1) << i
		switch {
		case missing&bit != 0:
			if !bytes.Equal(sent.raw(member(i)), w.value) {
				return false
			}
			missing &^= bit
		case bit&(mayLackOnRetry|assignedMembers) == 0:
			return false
		}
	}
	return !w.bad && bits.OnesCount64(missing) == 0
}

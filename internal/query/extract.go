package query

import "fmt"

// Facts are what an index has to know of an entry.
type Facts struct {
	Tenant, ID, Type, Time string // as the entry has them, empty if it has none
	Entity                 Entity // zero if it has none
	Terms                  []Term // none is repeated, as no name of an entry is
}

// keepBytes is how large the buffers are at most that an [Extractor] keeps.
const keepBytes = 1 << 20

// An Extractor reads the facts of entries. The zero Extractor is ready. It may
// not be used concurrently; reusing one saves its buffers.
type Extractor struct {
	entry  []byte
	pos    int
	policy *policyNode
	arrays int // that pos is in

	// What has been read. All texts are in one arena, which becomes one string.
	arena []byte
	slots [slotCount]place
	terms []placedTerm
	seen  seenTerms
	below scalars

	scratch []byte // for names with escapes
	facts   Facts
}

// A slot is a text that is more than a term, or not one at all.
type slot uint8

const (
	noSlot slot = iota
	slotTenant
	slotID
	slotType
	slotTime
	slotEntityType
	slotEntityID
	slotActorType
	slotActorID
	slotCount
)

// slotFields are the fields whose first text is kept by itself.
var slotFields = map[string]slot{
	"tenant": slotTenant, "id": slotID, "type": slotType, "time": slotTime,
	"entity_type": slotEntityType, "entity_id": slotEntityID, "actor_type": slotActorType, "actor_id": slotActorID,
}

// A place is where a text lies in the arena.
type place struct {
	start, end int
	set        bool
}

// A placedTerm is a term whose texts are in the arena. A field with a path is
// there from start to value, any other one is name.
type placedTerm struct {
	name              string
	start, value, end int
}

// Read returns the facts of an entry in one pass over its bytes, with the terms
// that policy has it have. The entry may lack its last members and the closing
// brace, as the body does that is not finished yet. Terms and [Eval] agree: what
// a filter can ask of the members with terms is in them, or [MoreField] is.
//
// The facts are the Extractor's, until its next Read; their strings stay valid,
// and hold each other in memory. An error means that the bytes are not those of a
// canonical entry. There is no promise to notice: time and memory are bounded by
// the bytes, whatever they are, but wrong bytes may have wrong facts.
func (x *Extractor) Read(entry []byte, policy *Policy) (*Facts, error) {
	x.reset(entry, policy.node())
	err := x.members()
	x.entry = nil
	if err != nil {
		return nil, err
	}
	x.finish()
	return &x.facts, nil
}

func (x *Extractor) reset(entry []byte, policy *policyNode) {
	x.entry, x.pos, x.policy, x.arrays = entry, 1, policy, 0
	x.slots = [slotCount]place{}
	x.arena, x.scratch = reuse(x.arena), reuse(x.scratch)
	x.terms = x.terms[:0]
	x.seen.reset()
	x.below = scalars{path: reuse(x.below.path)}
}

// reuse returns b without content, or nothing if it is large.
func reuse(b []byte) []byte {
	if cap(b) > keepBytes {
		return nil
	}
	return b[:0]
}

// fail says that the bytes at pos are not those of a canonical entry.
func (x *Extractor) fail(what string) error {
	return fmt.Errorf("entry is not canonical: %s at byte %d", what, min(x.pos, len(x.entry)))
}

// members reads the members of the entry, each of which comes once and in order.
func (x *Extractor) members() error {
	if len(x.entry) == 0 || x.entry[0] != '{' {
		return x.fail("no object")
	}
	for next := 0; ; x.pos++ {
		name, start, ok := memberName(x.entry, x.pos)
		if !ok {
			break
		}
		x.pos = start
		index := memberIndex(name, next)
		if index < 0 {
			x.pos = skipValue(x.entry, start)
		} else if err := x.member(index); err != nil {
			return err
		} else {
			next = index + 1
		}
		if x.pos >= len(x.entry) || x.entry[x.pos] != ',' {
			break
		}
	}
	if x.pos < len(x.entry)-1 || x.pos == len(x.entry)-1 && x.entry[x.pos] != '}' {
		return x.fail("no member")
	}
	return nil
}

// memberIndex returns the place of a member that is not before next, or -1.
func memberIndex(name []byte, next int) int {
	for i := next; i < len(members); i++ {
		if members[i] == string(name) {
			return i
		}
	}
	return -1
}

// member reads the value of a member.
func (x *Extractor) member(index int) error {
	n := typedMembers[index]
	switch name := members[index]; {
	case isDataMember(name):
		x.data(name)
		return nil
	case n == nil:
		x.pos = skipValue(x.entry, x.pos)
		return nil
	default:
		err := x.typed(n, n.list)
		switch name {
		case "type":
			x.typeParts()
		case "actor":
			x.actorPair()
		}
		return err
	}
}

// finish makes facts of what has been read.
func (x *Extractor) finish() {
	all := string(x.arena)
	text := func(s slot) string { return all[x.slots[s].start:x.slots[s].end] }
	x.facts = Facts{
		Tenant: text(slotTenant), ID: text(slotID), Type: text(slotType), Time: text(slotTime),
		Entity: Entity{text(slotEntityType), text(slotEntityID)},
		Terms:  x.facts.Terms[:0],
	}
	for i := range x.terms {
		t := &x.terms[i]
		name := t.name
		if name == "" {
			name = all[t.start:t.value]
		}
		x.facts.Terms = append(x.facts.Terms, Term{name, all[t.value:t.end]})
	}
	if x.below.over {
		x.facts.Terms = append(x.facts.Terms, Term{Field: MoreField})
	}
}

package query

import (
	"bytes"
	"hash/maphash"
)

// scalars is the state of the walk through tags, changes and data.
type scalars struct {
	path  []byte // to the value at hand, as the fields of terms have it
	count int    // terms so far
	over  bool   // there are too many: none is kept

	begun       bool // what follows is set
	terms, text int  // how much there was before the first of these members
}

// data adds the terms of tags, changes or data.
func (x *Extractor) data(name string) {
	s := &x.below
	if !s.begun {
		s.begun, s.terms, s.text = true, len(x.terms), len(x.arena)
	}
	node := x.policy.child([]byte(name))
	named := name == "changes" && x.pos < len(x.entry) && x.entry[x.pos] == '{'
	start := x.pos
	if node != nil || named {
		s.path = append(s.path[:0], name...)
		if !s.over && x.values(node, 0, named) {
			return
		}
		x.terms, x.arena, x.arrays, s.over = x.terms[:s.terms], x.arena[:s.text], 0, true
	}
	x.pos = skipValue(x.entry, start)
}

// values adds the terms of the value at pos and goes behind it, as walker.value
// does. A nil node covers nothing. It returns false when there are too many terms.
func (x *Extractor) values(node *policyNode, depth int, named bool) bool {
	if x.pos >= len(x.entry) || depth > MaxDepth || node == nil && !named {
		x.pos = skipValue(x.entry, x.pos)
		return true
	}
	switch x.entry[x.pos] {
	case '{':
		return x.valuesOfObject(node, depth, named)
	case '[':
		return x.valuesOfArray(node, depth)
	}
	if !node.all {
		x.pos = skipValue(x.entry, x.pos)
		return true
	}
	return x.scalar()
}

func (x *Extractor) valuesOfArray(node *policyNode, depth int) bool {
	x.arrays++
	for x.pos++; x.pos < len(x.entry) && x.entry[x.pos] != ']'; x.pos++ {
		if !x.values(node, depth+1, false) {
			return false
		}
		if x.pos >= len(x.entry) || x.entry[x.pos] != ',' {
			break
		}
	}
	x.pos++
	x.arrays--
	return true
}

// valuesOfObject is values of an object, with terms for its names if named.
func (x *Extractor) valuesOfObject(node *policyNode, depth int, named bool) bool {
	s := &x.below
	outside := len(s.path)
	for x.pos++; ; x.pos++ {
		raw, start, ok := memberName(x.entry, x.pos)
		if !ok {
			break
		}
		x.pos = start
		name := unescaped(raw, &x.scratch)
		if named && !x.changed(name) {
			return false
		}
		var below *policyNode
		if node != nil {
			below = node.child(name)
		}
		if below != nil {
			s.path = appendName(s.path[:outside], name)
		}
		if !x.values(below, depth+1, false) {
			return false
		}
		if x.pos >= len(x.entry) || x.entry[x.pos] != ',' {
			break
		}
	}
	s.path = s.path[:outside]
	x.pos++
	return true
}

// changed adds the term of the name of a changed field.
func (x *Extractor) changed(name []byte) bool {
	start := len(x.arena)
	x.arena = append(x.arena, name...)
	return x.counted(placedTerm{"field", start, start, len(x.arena)})
}

// scalar adds the term of the string, number, true, false or null at pos.
func (x *Extractor) scalar() bool {
	s := &x.below
	if len(s.path) > maxFieldBytes {
		return false
	}
	from := x.pos
	start := len(x.arena)
	x.arena = append(x.arena, s.path...)
	value := len(x.arena)
	ok := true
	if x.entry[from] == '"' {
		var escaped bool
		x.pos, escaped, _ = cutString(x.entry, from)
		x.arena = appendCharacters(append(x.arena, '"'), x.entry[from:x.pos], escaped)
	} else {
		x.pos = skipValue(x.entry, from)
		x.arena, ok = appendScalar(x.arena, x.entry[from:x.pos])
	}
	if !ok {
		x.arena = x.arena[:start]
		return true
	}
	return x.counted(placedTerm{"", start, value, len(x.arena)})
}

// counted adds a term that counts, unless there are too many.
func (x *Extractor) counted(t placedTerm) bool {
	if x.add(t) {
		x.below.count++
	}
	return x.below.count <= maxDataTerms
}

// add adds a term, whose text is the end of the arena, unless there is one equal.
// Only elements of arrays can have equal ones: each place outside of them is there
// once, as its name is.
func (x *Extractor) add(t placedTerm) (added bool) {
	if x.arrays > 0 && x.seen.find(x, t) {
		x.arena = x.arena[:t.start]
		return false
	}
	x.terms = append(x.terms, t)
	return true
}

// seenTerms finds equal terms of elements: a table with open addressing, of more slots than
// an entry may have terms.
type seenTerms struct {
	seed  maphash.Seed
	round uint32 // of the entry at hand; slots of other rounds are free
	slots [2 * maxEntryTerms]struct{ round, term uint32 }
}

// reset forgets the terms.
func (s *seenTerms) reset() {
	if s.round++; s.round == 1 || s.round == 0 {
		*s = seenTerms{seed: maphash.MakeSeed(), round: 1}
	}
}

// find reports whether x has a term equal to t. If not, the next term of x is
// taken to be t.
func (s *seenTerms) find(x *Extractor, t placedTerm) bool {
	text := x.arena[t.start:t.end]
	for i := maphash.Bytes(s.seed, text); ; i++ {
		slot := &s.slots[i%uint64(len(s.slots))]
		if slot.round != s.round {
			slot.round, slot.term = s.round, uint32(len(x.terms))
			return false
		}
		if int(slot.term) >= len(x.terms) {
			continue // left out since
		}
		other := &x.terms[slot.term]
		if other.name == t.name && other.value-other.start == t.value-t.start &&
			bytes.Equal(x.arena[other.start:other.end], text) {
			return true
		}
	}
}

package query

// A typedNode is a place among the members whose values have terms or are facts:
// a string, or an object with such places below it.
type typedNode struct {
	field string // of the term, or empty
	slot  slot
	list  bool // it is an array of these
	leaf  bool // a string
	names []string
	below []*typedNode
}

// typedMembers has the top of each tree of places, by the index of the member.
var typedMembers = func() (top [len(members)]*typedNode) {
	for _, f := range fields {
		if !termFields[f.Name] && slotFields[f.Name] == noSlot || f.Keys {
			continue
		}
		i := memberIndex([]byte(f.Member), 0)
		if top[i] == nil {
			top[i] = &typedNode{list: f.Member == "related" || f.Member == "subjects"}
		}
		n := top[i]
		for _, name := range f.Sub {
			n = n.child(name)
		}
		n.leaf, n.slot = true, slotFields[f.Name]
		if termFields[f.Name] {
			n.field = f.Name
		}
	}
	return top
}()

// child returns the place below n with a name, and makes it if there is none.
func (n *typedNode) child(name string) *typedNode {
	if next := n.find([]byte(name)); next != nil {
		return next
	}
	n.names, n.below = append(n.names, name), append(n.below, &typedNode{})
	return n.below[len(n.below)-1]
}

// find returns the place below n with a name, or nil.
func (n *typedNode) find(name []byte) *typedNode {
	for i, s := range n.names {
		if s == string(name) {
			return n.below[i]
		}
	}
	return nil
}

// typed reads the value at pos, which must have the shape of n.
func (x *Extractor) typed(n *typedNode, list bool) error {
	if x.pos >= len(x.entry) {
		return x.fail("no value")
	}
	switch c := x.entry[x.pos]; {
	case c == '[' && list:
		return x.list(n)
	case c == '"' && n.leaf && !list:
		return x.text(n)
	case c == '{' && !n.leaf && !list:
		return x.object(n)
	}
	return x.fail("unexpected value")
}

// list reads an array of n.
func (x *Extractor) list(n *typedNode) error {
	x.arrays++
	for x.pos++; x.pos < len(x.entry) && x.entry[x.pos] != ']'; x.pos++ {
		if err := x.typed(n, false); err != nil {
			return err
		}
		if x.pos >= len(x.entry) || x.entry[x.pos] != ',' {
			break
		}
	}
	x.arrays--
	return x.close(']')
}

// object reads an object with the places below n.
func (x *Extractor) object(n *typedNode) error {
	for x.pos++; ; x.pos++ {
		name, start, ok := memberName(x.entry, x.pos)
		if !ok {
			break
		}
		x.pos = start
		if below := n.find(unescaped(name, &x.scratch)); below == nil {
			x.pos = skipValue(x.entry, start)
		} else if err := x.typed(below, false); err != nil {
			return err
		}
		if x.pos >= len(x.entry) || x.entry[x.pos] != ',' {
			break
		}
	}
	return x.close('}')
}

// close reads the end of an array or object.
func (x *Extractor) close(c byte) error {
	if x.pos >= len(x.entry) || x.entry[x.pos] != c {
		return x.fail("no end of a value")
	}
	x.pos++
	return nil
}

// text reads a string.
func (x *Extractor) text(n *typedNode) error {
	end, escaped, ok := cutString(x.entry, x.pos)
	if !ok {
		return x.fail("no end of a string")
	}
	start := len(x.arena)
	x.arena = appendCharacters(x.arena, x.entry[x.pos:end], escaped)
	x.pos = end
	if s := &x.slots[n.slot]; n.slot != noSlot && !s.set {
		*s = place{start, len(x.arena), true}
	}
	if n.field == "" {
		return nil
	}
	if n.field == "actor_address" {
		x.arena = normalAddress(x.arena, start)
	}
	x.add(placedTerm{n.field, start, start, len(x.arena)})
	if len(x.terms) > maxEntryTerms {
		return x.fail("too many values")
	}
	return nil
}

// typeParts adds the parts of the type before its dots. They share its text.
func (x *Extractor) typeParts() {
	at := x.slots[slotType]
	n := 0
	for i := at.start; i < at.end && n < maxTypeParts; i++ {
		if x.arena[i] == '.' {
			x.terms = append(x.terms, placedTerm{typeParts, at.start, at.start, i})
			n++
		}
	}
}

// actorPair adds the term of the actor's type and id together.
func (x *Extractor) actorPair() {
	kind, id := x.slots[slotActorType], x.slots[slotActorID]
	if !kind.set || !id.set {
		return
	}
	start := len(x.arena)
	x.arena = append(append(x.arena, x.arena[kind.start:kind.end]...), 0)
	x.arena = append(x.arena, x.arena[id.start:id.end]...)
	x.terms = append(x.terms, placedTerm{actorPair, start, start, len(x.arena)})
}

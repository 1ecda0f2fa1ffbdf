package query

import "slices"

// allOf returns the conjunction of nodes in its simplest form.
func allOf(nodes []Node) Node {
	flat, distinct := make(All, 0, len(nodes)), make(leaves)
	for _, n := range nodes {
		if isEmpty(n) {
			return Any{}
		}
		parts, ok := n.(All)
		if !ok {
			parts = All{n}
		}
		for _, part := range parts {
			if part != nil && distinct.add(part) {
				flat = append(flat, part)
			}
		}
	}
	flat = pair(flat, "entity_type", "entity_id", func(kind, id string) Node { return Entity{kind, id} })
	flat = pair(flat, "actor_type", "actor_id", func(kind, id string) Node { return Term{actorPair, kind + "\x00" + id} })
	flat = factor(flat)
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	}
	return flat
}

// anyOf returns the disjunction of nodes in its simplest form.
func anyOf(nodes []Node) Node {
	flat, distinct := make(Any, 0, len(nodes)), make(leaves)
	for _, n := range nodes {
		if n == nil {
			return nil
		}
		parts, ok := n.(Any)
		if !ok {
			parts = Any{n}
		}
		for _, part := range parts {
			if distinct.add(part) {
				flat = append(flat, part)
			}
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return flat
}

// leaves is a set of nodes without parts.
type leaves map[Node]bool

// add adds n and reports whether it is new. Nodes with parts always are.
func (s leaves) add(n Node) bool {
	switch n.(type) {
	case All, Any:
		return true
	}
	if s[n] {
		return false
	}
	s[n] = true
	return true
}

// pair puts one node in place of the first terms of two fields that an entry has
// once, if both are there.
func pair(all All, kind, id string, join func(kind, id string) Node) All {
	i, j := indexOfField(all, kind), indexOfField(all, id)
	if i < 0 || j < 0 {
		return all
	}
	all[min(i, j)] = join(all[i].(Term).Value, all[j].(Term).Value)
	return slices.Delete(all, max(i, j), max(i, j)+1)
}

// indexOfField returns the place of the first term of a field, or -1.
func indexOfField(all All, field string) int {
	return slices.IndexFunc(all, func(n Node) bool {
		t, ok := n.(Term)
		return ok && t.Field == field
	})
}

// factor makes (a or more) and (b or more) into (a and b) or more, so that the
// many entries of more are looked at once.
func factor(all All) All {
	var with, without All
	for _, n := range all {
		some, ok := n.(Any)
		if ok && slices.ContainsFunc(some, isMore) {
			with = append(with, anyOf(slices.DeleteFunc(slices.Clone(some), isMore)))
		} else {
			without = append(without, n)
		}
	}
	if len(with) < 2 {
		return all
	}
	return append(without, anyOf([]Node{allOf(with), more}))
}

func isMore(n Node) bool { return n == more }

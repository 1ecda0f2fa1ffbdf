package query

import "time"

// A Node chooses entries by their terms: an [All], [Any], [Term], [ID] or
// [Entity]. A nil Node chooses every entry.
type Node interface{ node() }

// All chooses the entries that all its parts choose, of which there are two at
// least.
type All []Node

// Any chooses the entries that any of its parts chooses. The empty Any chooses
// none.
type Any []Node

// ID chooses the entries with an id.
type ID string

// Entity chooses the entries of an entity.
type Entity struct {
	Type, ID string
}

func (All) node()    {}
func (Any) node()    {}
func (ID) node()     {}
func (Entity) node() {}
func (Term) node()   {}

// A Plan is what an index can answer of an expression. Every entry for which the
// expression holds is within all that the plan says; others may be too, so
// entries are evaluated all the same. Any of its parts may be left out.
type Plan struct {
	// Filter chooses by terms; nil chooses every entry.
	Filter Node

	// Tenants are those that the filter allows, sorted; nil means all.
	Tenants []string

	// Since (inclusive) and Until (exclusive) bound the time; the zero time is no
	// bound.
	Since, Until time.Time

	// From (inclusive) and To (exclusive) bound the positions; a To of zero is no
	// bound.
	From, To uint64

	checked []Expr // the parts that the rest does not answer for
}

// NewPlan returns the plan of an expression. Its size is in proportion to that of
// the expression.
func NewPlan(e Expr) *Plan {
	parts, ok := e.(And)
	if !ok {
		parts = And{e}
	}
	p := &Plan{}
	var b bounds
	nodes := make([]Node, 0, len(parts))
	for _, part := range parts {
		if b.narrow(part) {
			continue
		}
		n, whole := nodeOf(part)
		if !whole {
			p.checked = append(p.checked, part)
		}
		nodes = append(nodes, n)
	}
	p.Filter = allOf(nodes)
	b.apply(p)
	if p.Empty() {
		p.checked = nil
	}
	return p
}

// Empty reports whether the expression holds for no entry, as that of two times
// that exclude each other.
func (p *Plan) Empty() bool { return isEmpty(p.Filter) }

// isEmpty reports whether n chooses nothing.
func isEmpty(n Node) bool {
	some, ok := n.(Any)
	return ok && len(some) == 0
}

// nodeOf returns what terms say of an expression; whole is false if that is less
// than the expression does.
func nodeOf(e Expr) (n Node, whole bool) {
	switch e := e.(type) {
	case And:
		nodes, whole := nodesOf(e)
		return allOf(nodes), whole
	case Or:
		nodes, whole := nodesOf(e)
		return anyOf(nodes), whole
	case Not:
		if inner, ok := e.X.(Not); ok {
			return nodeOf(inner.X)
		}
	case *Match:
		return nodeOfMatch(e)
	}
	return nil, false
}

// nodesOf is nodeOf for each part.
func nodesOf(parts []Expr) (nodes []Node, whole bool) {
	whole = true
	for _, e := range parts {
		n, all := nodeOf(e)
		nodes = append(nodes, n)
		whole = whole && all
	}
	return nodes, whole
}

// nodeOfMatch is nodeOf for a comparison.
func nodeOfMatch(m *Match) (n Node, whole bool) {
	name := m.Field.Name
	switch {
	case m.Op == Prefix && name == "type":
		part, ok := typePart(m.Value.Text)
		if !ok {
			return nil, false
		}
		return Term{typeParts, part}, part+"." == m.Value.Text
	case m.Field.Kind == Enum && m.Op != Prefix && m.Op != Exists:
		return enumNode(m), true
	case m.Op != Equal:
		return nil, false
	case name == "id":
		return ID(m.Value.Text), true
	case m.Field.Kind == Path && isDataMember(name):
		return dataNode(m), true
	case name == "field":
		return Any{Term{name, m.Value.Text}, more}, true
	case m.Field.Kind == Address && termFields[name]:
		var nodes []Node
		for _, value := range addressTerms(&m.Value) {
			nodes = append(nodes, Term{name, value})
		}
		return anyOf(nodes), true
	case termFields[name]:
		return Term{name, m.Value.Text}, true
	}
	return nil, false
}

// enumNode returns what chooses the values that a match accepts.
func enumNode(m *Match) Node {
	var nodes []Node
	for _, value := range m.Field.Values {
		if m.Test(Value{Kind: StringValue, Text: []byte(value)}) {
			nodes = append(nodes, Term{m.Field.Name, value})
		}
	}
	return anyOf(nodes)
}

// more is the term of entries that have more than their terms say.
var more = Term{Field: MoreField}

// dataNode returns what chooses the entries with a value at a path.
func dataNode(m *Match) Node {
	path := []byte(m.Field.Name)
	for _, name := range m.Path {
		path = appendName(path, []byte(name))
	}
	nodes := Any{Term{string(path), `"` + m.Value.Text}}
	if m.Value.numeric {
		if key, ok := NumberKey(m.Value.Text); ok {
			nodes = append(nodes, Term{string(path), "#" + key})
		}
	} else if m.Value.Bare {
		nodes = append(nodes, Term{string(path), m.Value.Text})
	}
	return append(nodes, more)
}

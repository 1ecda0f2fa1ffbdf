package query

import (
	"strings"
	"unicode"
)

// An Expr is a filter: an [And], [Or], [Not], *[Match] or *[Text]. Expressions
// are never changed after they are made and may be shared.
type Expr interface {
	// String returns filter text that parses to an equal expression, whatever
	// the time: distances before now have become times.
	String() string

	expr()
}

// And holds when all its parts do. The empty And holds always; it is what empty
// filter text means, and appears only at the top.
type And []Expr

// Or holds when any of its parts does.
type Or []Expr

// Not holds when X does not.
type Not struct{ X Expr }

// A Match holds when any value of a field passes [Match.Test].
type Match struct {
	Field *Field
	Path  []string // member names below a field of kind [Path]
	Op    Op
	Value Operand // for all but Exists
	High  Operand // for Between: the upper end, included
}

// An Op is how a [Match] compares.
type Op uint8

// The operators.
const (
	Exists         Op = iota // has any value
	Equal                    // is Value
	Prefix                   // is a string that begins with Value
	Less                     // is below Value
	LessOrEqual              // is not above Value
	Greater                  // is above Value
	GreaterOrEqual           // is not below Value
	Between                  // is from Value to High
)

// A Text holds when a string of the document contains Text, ignoring case.
type Text struct {
	Text string

	folded []byte // by [Fold]
}

func (And) expr()    {}
func (Or) expr()     {}
func (Not) expr()    {}
func (*Match) expr() {}
func (*Text) expr()  {}

// AllOf returns the conjunction of parts, the empty [And] for none.
func AllOf(parts ...Expr) Expr {
	all := make(And, 0, len(parts))
	for _, e := range parts {
		if inner, ok := e.(And); ok {
			all = append(all, inner...)
		} else {
			all = append(all, e)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// AnyOf returns the disjunction of parts, of which there must be one at least.
// A part that holds always makes the whole hold always.
func AnyOf(parts ...Expr) Expr {
	some := make(Or, 0, len(parts))
	for _, e := range parts {
		switch e := e.(type) {
		case Or:
			some = append(some, e...)
		case And:
			if len(e) == 0 {
				return e
			}
			some = append(some, e)
		default:
			some = append(some, e)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return some
}

func (e And) String() string { return string(write(nil, e)) }
func (e Or) String() string  { return string(write(nil, e)) }
func (e Not) String() string { return string(write(nil, e)) }

// write appends the text of e to dst. One buffer for the whole tree keeps it linear.
func write(dst []byte, e Expr) []byte {
	switch e := e.(type) {
	case And:
		for i, x := range e {
			if i > 0 {
				dst = append(dst, ' ')
			}
			_, group := x.(Or)
			dst = writeGroup(dst, x, group)
		}
	case Or:
		for i, x := range e {
			if i > 0 {
				dst = append(dst, " OR "...)
			}
			dst = write(dst, x)
		}
	case Not:
		dst = append(dst, '-')
		switch e.X.(type) {
		case *Match, *Text:
			dst = write(dst, e.X)
		default:
			dst = writeGroup(dst, e.X, true)
		}
	default:
		dst = append(dst, e.String()...)
	}
	return dst
}

// writeGroup appends e, in parentheses if asked for.
func writeGroup(dst []byte, e Expr, parens bool) []byte {
	if !parens {
		return write(dst, e)
	}
	return append(write(append(dst, '('), e), ')')
}

// parens returns how deep the parentheses in e's text are.
func parens(e Expr) int {
	deepest := 0
	switch e := e.(type) {
	case And:
		for _, x := range e {
			n := parens(x)
			if _, ok := x.(Or); ok {
				n++
			}
			deepest = max(deepest, n)
		}
	case Or:
		for _, x := range e {
			deepest = max(deepest, parens(x))
		}
	case Not:
		switch e.X.(type) {
		case *Match, *Text:
		default:
			deepest = parens(e.X) + 1
		}
	}
	return deepest
}

func (m *Match) String() string {
	name := m.name() + ":"
	switch m.Op {
	case Exists:
		return name + "*"
	case Prefix:
		return name + m.Value.string(m.Field.Kind) + "*"
	case Between:
		return name + m.end(&m.Value) + ".." + m.end(&m.High)
	}
	signs := map[Op]string{Less: "<", LessOrEqual: "<=", Greater: ">", GreaterOrEqual: ">="}
	return name + signs[m.Op] + m.Value.string(m.Field.Kind)
}

// end returns one end of a range. A dot next to the two of the range would be
// taken for one of them.
func (m *Match) end(o *Operand) string {
	if strings.HasPrefix(o.Text, ".") || strings.HasSuffix(o.Text, ".") {
		return quote(o.Text)
	}
	return o.string(m.Field.Kind)
}

// name returns the field and path as filter text has them.
func (m *Match) name() string {
	if len(m.Path) == 0 {
		return m.Field.Name
	}
	var b strings.Builder
	b.WriteString(m.Field.Name)
	for _, name := range m.Path {
		b.WriteByte('.')
		for _, r := range name {
			if endsName(r) || r == '.' || r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (t *Text) String() string {
	for _, r := range t.Text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return quote(t.Text)
		}
	}
	if t.Text == "" || t.Text == "OR" || t.Text == "AND" || t.Text == "NOT" {
		return quote(t.Text)
	}
	return t.Text
}

// bare reports whether a value can stand without quotes.
func bare(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+./:@", r) {
			return false
		}
	}
	return s != "" && !strings.Contains(s, "..")
}

// quote returns s in quotes, with the escapes of JSON.
func quote(s string) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

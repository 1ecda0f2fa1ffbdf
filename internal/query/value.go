package query

import (
	"net/netip"
	"slices"
	"strings"
)

// A ValueKind is the JSON type of a [Value].
type ValueKind uint8

// The types of value.
const (
	StringValue ValueKind = iota
	NumberValue
	BoolValue
	NullValue
	CompositeValue // an object or array itself, which only [Exists] accepts
)

// A Value is one value of a document.
type Value struct {
	Kind ValueKind

	// Text is a string's characters, without quotes and escapes, and the text of
	// a number, true, false and null. It need not outlive the call it is given to.
	Text []byte
}

// An Operand is what a [Match] compares with.
type Operand struct {
	// Text is the value's text: of a [Time] in the canonical form of entries, of
	// others as it was written.
	Text string

	// Bare says that Text also stands for the JSON number, true, false or null
	// of that text. In a [Number] or [Bool] field it stands for nothing else.
	Bare bool

	number  number     // if Bare and Text is one
	numeric bool       // number is set
	address netip.Addr // of an [Address] that is one
	rank    int        // of an [Enum]'s value
}

// newOperand returns the operand for a text in a field of the given kind. A time
// must be canonical already. ok is false when no such field could have the value.
func newOperand(f *Field, text string, quoted bool) (o Operand, ok bool) {
	o.Text = text
	switch f.Kind {
	case Number:
		o.Bare = !quoted
		o.number, o.numeric = parseNumber([]byte(text))
		return o, o.Bare && o.numeric
	case Bool:
		o.Bare = !quoted
		return o, o.Bare && (text == "true" || text == "false")
	case Path:
		if quoted {
			return o, true
		}
		o.number, o.numeric = parseNumber([]byte(text))
		o.Bare = o.numeric || text == "true" || text == "false" || text == "null"
	case Enum:
		o.rank = slices.Index(f.Values, text)
		return o, o.rank >= 0
	case Address:
		o.address = parseAddress(text)
	}
	return o, true
}

// parseAddress returns the normal form of an IP address, and the zero address
// for any other text.
func parseAddress(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// maxAddressBytes is longer than any text of an IP address without a zone. Zones
// make addresses equal only by their text.
const maxAddressBytes = 64

// valueAddress is parseAddress of a document's value.
func valueAddress(s []byte) netip.Addr {
	if len(s) > maxAddressBytes {
		return netip.Addr{}
	}
	return parseAddress(string(s))
}

// Test reports whether v is a value that m looks for.
func (m *Match) Test(v Value) bool {
	switch m.Op {
	case Exists:
		return true
	case Equal:
		return m.equal(v)
	case Prefix:
		return v.Kind == StringValue && len(v.Text) >= len(m.Value.Text) &&
			string(v.Text[:len(m.Value.Text)]) == m.Value.Text
	}
	c, ok := m.compare(v, &m.Value)
	if !ok {
		return false
	}
	switch m.Op {
	case Less:
		return c < 0
	case LessOrEqual:
		return c <= 0
	case Greater:
		return c > 0
	case GreaterOrEqual:
		return c >= 0
	case Between:
		high, ok := m.compare(v, &m.High)
		return ok && c >= 0 && high <= 0
	}
	return false
}

func (m *Match) equal(v Value) bool {
	o := &m.Value
	switch v.Kind {
	case StringValue:
		if string(v.Text) == o.Text {
			return true
		}
		return o.address.IsValid() && valueAddress(v.Text) == o.address
	case NumberValue:
		if !o.numeric {
			return false
		}
		n, ok := parseNumber(v.Text)
		return ok && n.compare(&o.number) == 0
	case BoolValue, NullValue:
		return o.Bare && string(v.Text) == o.Text
	}
	return false
}

// compare orders v and o; ok is false when they have no order, being of
// different types.
func (m *Match) compare(v Value, o *Operand) (c int, ok bool) {
	if o.numeric {
		if v.Kind != NumberValue {
			return 0, false
		}
		n, ok := parseNumber(v.Text)
		return n.compare(&o.number), ok
	}
	if v.Kind != StringValue {
		return 0, false
	}
	switch {
	case m.Field.Kind == Enum:
		rank := slices.Index(m.Field.Values, string(v.Text))
		return rank - o.rank, rank >= 0
	case o.address.IsValid():
		a := valueAddress(v.Text)
		return a.Compare(o.address), a.IsValid()
	}
	return compareText(v.Text, o.Text), true
}

// compareText is [strings.Compare] of bytes and a string, without a copy.
func compareText(a []byte, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

// string returns o as filter text has it.
func (o *Operand) string(k Kind) string {
	switch {
	case k == Time:
		return shortTime(o.Text)
	case k == Number || k == Bool || o.Bare:
		return o.Text
	case k == Path && isLiteral(o.Text), !bare(o.Text):
		return quote(o.Text)
	}
	return o.Text
}

// isLiteral reports whether a text without quotes is more than a string.
func isLiteral(s string) bool {
	_, numeric := parseNumber([]byte(s))
	return numeric || s == "true" || s == "false" || s == "null"
}

// kindHint says what an operand of a field may be.
func kindHint(f *Field, text string) string {
	switch f.Kind {
	case Number:
		return "write a number without quotes, such as " + f.Name + ":>=100"
	case Bool:
		return "write true or false, without quotes"
	case Enum:
		if near := Nearest(text, f.Values); near != "" {
			return "did you mean " + near + "?"
		}
		return "write one of " + strings.Join(f.Values, ", ")
	}
	return ""
}

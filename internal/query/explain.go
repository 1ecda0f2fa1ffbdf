package query

import (
	"strconv"
	"strings"
	"time"
)

// String returns the plan in words, on lines of their own: what the index is
// asked, within which bounds, and what has to be checked on each entry then.
func (p *Plan) String() string {
	b := []byte("index: ")
	b = explain(b, p.Filter, 1)
	if len(p.Tenants) > 0 {
		b = append(b, "tenant: "...)
		for i, tenant := range p.Tenants {
			if i > 0 {
				b = append(b, " or "...)
			}
			b = strconv.AppendQuote(b, tenant)
		}
		b = append(b, '\n')
	}
	b = appendBounds(b, "time", momentText(p.Since), momentText(p.Until))
	b = appendBounds(b, "position", positionText(p.From), positionText(p.To))
	if len(p.checked) > 0 {
		b = append(b, "checked on each entry: "...)
		b = append(write(b, AllOf(p.checked...)), '\n')
	}
	return string(b)
}

// explain appends what a node chooses. Its parts, if it has any, follow on lines
// of their own at a depth.
func explain(b []byte, n Node, depth int) []byte {
	var parts []Node
	switch n := n.(type) {
	case nil:
		b = append(b, "every entry"...)
	case All:
		b, parts = append(b, "all of"...), n
	case Any:
		b, parts = append(b, "any of"...), n
		if len(n) == 0 {
			b = append(b[:len(b)-len("any of")], "no entry"...)
		}
	case ID:
		b = strconv.AppendQuote(append(b, "id "...), string(n))
	case Entity:
		b = strconv.AppendQuote(append(b, "entity "...), n.Type)
		b = strconv.AppendQuote(append(b, ' '), n.ID)
	case Term:
		b = n.explain(b)
	}
	b = append(b, '\n')
	for _, part := range parts {
		b = append(b, strings.Repeat("  ", depth)...)
		b = explain(b, part, depth+1)
	}
	return b
}

// explain appends a term's field and value.
func (t Term) explain(b []byte) []byte {
	switch {
	case t == more:
		return append(b, "~more (entries with more values than the index keeps)"...)
	case t.Field == actorPair:
		kind, id, _ := strings.Cut(t.Value, "\x00")
		b = strconv.AppendQuote(append(b, "actor "...), kind)
		return strconv.AppendQuote(append(b, ' '), id)
	}
	b = append(appendPrintable(b, t.Field), ' ')
	if member, _, _ := strings.Cut(t.Field, "."); !isDataMember(member) {
		return strconv.AppendQuote(b, t.Value)
	}
	switch text, kind := t.Value[1:], t.Value[0]; kind {
	case '"':
		return strconv.AppendQuote(b, text)
	case '#':
		return appendKeyNumber(append(b, "number "...), text)
	}
	return append(b, t.Value...)
}

// appendPrintable appends a field, in quotes if a terminal would not show it as
// it is.
func appendPrintable(b []byte, field string) []byte {
	if quoted := strconv.Quote(field); strings.ReplaceAll(quoted, `\\`, `\`) != `"`+field+`"` {
		return append(b, quoted...)
	}
	return append(b, field...)
}

// appendKeyNumber appends the number of a [NumberKey] as one that reads well.
func appendKeyNumber(b []byte, key string) []byte {
	digits, negative := strings.CutPrefix(key, "-")
	if negative {
		b = append(b, '-')
	}
	digits, power, _ := strings.Cut(digits, "e")
	exponent, err := strconv.Atoi(power)
	switch {
	case digits == "0":
		return append(b, digits...)
	case err != nil || exponent < 1 || exponent > 20:
		return append(append(append(append(b, "0."...), digits...), 'e'), power...)
	case exponent >= len(digits):
		return append(append(b, digits...), strings.Repeat("0", exponent-len(digits))...)
	}
	return append(append(append(b, digits[:exponent]...), '.'), digits[exponent:]...)
}

// momentText returns the text of a bound, which is empty if there is none.
func momentText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return shortTime(t.Format(timeFormat))
}

// positionText is momentText for a position.
func positionText(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// appendBounds appends a line with bounds, if there are any.
func appendBounds(b []byte, what, from, to string) []byte {
	var words []string
	if from != "" {
		words = append(words, "from "+from)
	}
	if to != "" {
		words = append(words, "before "+to)
	}
	if words == nil {
		return b
	}
	return append(b, what+": "+strings.Join(words, " ")+"\n"...)
}

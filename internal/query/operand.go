package query

import (
	"strings"
	"time"
)

// A token is an operand as it was written.
type token struct {
	text   string
	quoted bool
	offset int
}

// present reports whether there is anything.
func (t token) present() bool { return t.quoted || t.text != "" }

// A value is the right side of field:value as it was written.
type value struct {
	op        Op // Between for any range
	low, high token
}

// value reads the right side of a term of the field in.
func (p *parser) value(in target) (Expr, error) {
	start := p.pos
	v, err := p.readValue(in)
	if err != nil {
		return nil, err
	}
	m, err := p.match(in, v)
	if err != nil {
		return nil, err
	}
	return m, p.count(start, m)
}

// comparisons are the signs before an operand, the longer ones first.
var comparisons = []struct {
	sign string
	op   Op
}{{">=", GreaterOrEqual}, {"<=", LessOrEqual}, {">", Greater}, {"<", Less}}

func (p *parser) readValue(in target) (v value, err error) {
	start := p.pos
	v.op = Equal
	for _, c := range comparisons {
		if strings.HasPrefix(p.text[p.pos:], c.sign) {
			p.pos += len(c.sign)
			v.op = c.op
			break
		}
	}
	if v.low, err = p.token(); err != nil {
		return v, err
	}
	ranged := p.skip("..")
	if ranged {
		if v.high, err = p.token(); err != nil {
			return v, err
		}
	}
	star := p.skip("*")
	switch {
	case !ranged && !star && !v.low.present(), ranged && !v.low.present() && !v.high.present():
		return v, p.fail(start, "write "+in.field.Name+":* for any value and -"+in.field.Name+":* for none",
			"%s without a value", in.field.Name)
	case v.op != Equal && ranged:
		return v, p.fail(start, "write one of both", "a comparison and a range")
	case star && (ranged || v.op != Equal):
		return v, p.fail(p.pos-1, "", "* after a comparison or range")
	case star && !v.low.present():
		v.op = Exists
	case star:
		v.op = Prefix
	case ranged:
		v.op = Between
	}
	return v, nil
}

// token reads one operand, which may be absent.
func (p *parser) token() (t token, err error) {
	t.offset = p.pos
	if r, _ := p.peek(); r == '"' {
		t.quoted = true
		t.text, err = p.quoted()
		return t, err
	}
	t.text = p.bare()
	if before, _, ranged := strings.Cut(t.text, ".."); ranged {
		t.text = before
	} else {
		t.text = strings.TrimSuffix(t.text, "*")
	}
	p.pos = t.offset + len(t.text)
	if i := strings.IndexByte(t.text, '*'); i >= 0 {
		return t, p.fail(t.offset+i, "put a value with a * in it in quotes", "* before the end of a value")
	}
	return t, nil
}

// skip skips s if it comes next.
func (p *parser) skip(s string) bool {
	if !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

// match returns the match of a field and a value as far as the field's kind
// allows it.
func (p *parser) match(in target, v value) (*Match, error) {
	m := &Match{Field: in.field, Path: in.path, Op: v.op}
	kind := in.field.Kind
	switch {
	case v.op == Exists:
		return m, nil
	case v.op == Prefix && (kind == Time || kind == Number || kind == Bool):
		return nil, p.fail(v.low.offset, "write a range a..b or a comparison such as :>=a",
			"%s is no text, so * cannot follow a part of it", in.field.Name)
	case v.op == Prefix:
		m.Value = Operand{Text: v.low.text}
		return m, nil
	case v.op != Equal && kind == Bool:
		return nil, p.fail(v.low.offset, kindHint(in.field, ""), "%s is true or false and has no order", in.field.Name)
	case kind == Time:
		return m, p.setTimes(m, v)
	}
	return m, p.setOperands(m, v)
}

// setOperands sets what m compares with, where that is no time.
func (p *parser) setOperands(m *Match, v value) (err error) {
	low, high := v.low, v.high
	if v.op == Between {
		switch {
		case !low.present():
			m.Op, low = LessOrEqual, high
		case !high.present():
			m.Op = GreaterOrEqual
		default:
			if m.High, err = p.operand(m, high); err != nil {
				return err
			}
		}
	}
	if m.Value, err = p.operand(m, low); err != nil {
		return err
	}
	if m.Op == Between && m.Value.numeric != m.High.numeric {
		return p.fail(low.offset, "quotes force a string on both ends", "a range from a number to a text or back")
	}
	return nil
}

// operand returns what t stands for in the field of m.
func (p *parser) operand(m *Match, t token) (Operand, error) {
	o, ok := newOperand(m.Field, t.text, t.quoted)
	if !ok {
		return o, p.fail(t.offset, kindHint(m.Field, t.text), "%s cannot be %q", m.Field.Name, clip(t.text))
	}
	if m.Op != Equal && !o.numeric {
		o.Bare = false // true and null have no order, so they are texts here
	}
	return o, nil
}

// setTimes sets what m compares with, where that is a time. A date is its whole
// day, so that its end depends on the comparison.
func (p *parser) setTimes(m *Match, v value) error {
	var low, high moment
	var err error
	if v.low.present() {
		if low, err = p.moment(v.low); err != nil {
			return err
		}
	}
	if v.high.present() {
		if high, err = p.moment(v.high); err != nil {
			return err
		}
	}
	first, last := low.first, low.last
	switch {
	case v.op == Between && !v.low.present():
		m.Op, first = LessOrEqual, high.last
	case v.op == Between && !v.high.present():
		m.Op = GreaterOrEqual
	case v.op == Between:
		m.setBetween(first, high.last)
	case v.op == LessOrEqual || v.op == Greater:
		first = last
	case v.op == Equal && low.relative:
		m.Op = GreaterOrEqual
	case v.op == Equal && !first.Equal(last):
		m.setBetween(first, last)
	}
	m.Value = canonicalTime(first)
	return nil
}

// setBetween makes m the times from first to last.
func (m *Match) setBetween(first, last time.Time) {
	m.Op, m.Value, m.High = Between, canonicalTime(first), canonicalTime(last)
}

func (p *parser) moment(t token) (moment, error) {
	m, what := parseMoment(t.text, p.now)
	if what != "" {
		return m, p.fail(t.offset, timeHint, "%s", what)
	}
	return m, nil
}

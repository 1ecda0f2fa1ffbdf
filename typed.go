package annals

import (
	"bytes"
	"strconv"
	"strings"
)

// wrongType reports that the value at pos is not what it must be.
func (s *scanner) wrongType(want string) error {
	if s.pos >= len(s.in) {
		return s.unexpected("a value")
	}
	if s.in[s.pos] == 'n' {
		return invalidHint(s.pos, "may not be null", "leave out what you do not send")
	}
	return invalidAt(s.pos, "must be "+want)
}

// typed reads the value of a field and appends its canonical form, or nothing
// if the value counts as not sent. An object or array in it is at depth.
func (s *scanner) typed(f *field, depth int) error {
	switch f.kind {
	case kindString:
		return s.text(f.max, f.choices)
	case kindTime:
		return s.time()
	case kindRecord:
		return s.record(f.shape, depth)
	case kindRecords, kindStrings:
		return s.list(f, depth)
	case kindCounter:
		return s.counter()
	case kindDays:
		return s.days(f.max)
	case kindDuration:
		return s.duration()
	case kindBool:
		return s.boolean()
	case kindTags, kindChanges, kindObject:
		return s.embedded(f, depth)
	case kindAny:
		return s.verbatim(depth)
	}
	return invalidAt(s.pos, "is assigned by the journal")
}

// text reads a string of at most max bytes that is one of choices, if there are
// any.
func (s *scanner) text(max int, choices []string) error {
	start := s.pos
	if s.peek() != '"' {
		return s.wrongType("a string")
	}
	plain, err := s.str()
	if err != nil {
		return err
	}
	raw := s.in[start+1 : s.pos-1]
	if !plain {
		s.tmp = appendUnquoted(s.tmp[:0], raw)
		raw = s.tmp
	}
	switch {
	case len(raw) == 0:
		return nil
	case len(raw) > max:
		return errLong(start, len(raw), max)
	case !plain && bytes.IndexByte(raw, 0) >= 0:
		return errNUL(start)
	}
	if choices != nil && !contains(choices, raw) {
		return errChoice(start, choices, string(raw))
	}
	if !plain {
		s.out = appendQuoted(s.out, raw)
		return nil
	}
	s.out = append(s.out, s.in[start:s.pos]...)
	return nil
}

func errLong(offset, length, max int) error {
	return invalidAt(offset, "is "+strconv.Itoa(length)+" bytes long, the limit is "+strconv.Itoa(max))
}

func errNUL(offset int) error {
	return invalidHint(offset, "may not contain NUL", "data, metadata, snapshot, changes and tags may")
}

func contains(choices []string, text []byte) bool {
	for _, c := range choices {
		if c == string(text) {
			return true
		}
	}
	return false
}

// time reads a time.
func (s *scanner) time() error {
	start := s.pos
	if s.peek() != '"' {
		return s.wrongType("a string in RFC 3339 form")
	}
	plain, err := s.str()
	if err != nil {
		return err
	}
	raw := s.in[start+1 : s.pos-1]
	if !plain {
		s.tmp = appendUnquoted(s.tmp[:0], raw)
		raw = s.tmp
	}
	if len(raw) == 0 {
		return nil
	}
	t, detail := parseTime(raw)
	if detail != "" {
		return invalidHint(start, detail, "times look like 2026-01-31T23:59:59.123456789Z or 2026-01-31T23:59:59+01:00")
	}
	s.out = appendTime(s.out, t)
	return nil
}

// record reads an object of a shape and appends it with its fields in order.
func (s *scanner) record(sh *shape, depth int) error {
	open, start := s.pos, len(s.out)
	var at [maxShapeFields]span
	var seen uint32
	expected := 0
	err := s.fields(sh, depth, func(name []byte, pos int) error {
		i := sh.index(name, expected)
		if i < 0 {
			return errUnknown(pos, sh, name)
		}
		if seen&(1<<i) != 0 {
			return errDuplicate(pos)
		}
		seen |= 1 << i
		expected = i + 1
		from := len(s.out)
		err := s.typed(&sh.fields[i], depth+1)
		at[i] = span{uint32(from - start), uint32(len(s.out) - start)}
		return err
	})
	if err != nil || len(s.out) == start {
		return err
	}
	for i, f := range sh.fields {
		if f.required && at[i].empty() {
			return errLacks(open, sh, f.name)
		}
	}
	s.tmp = append(s.tmp[:0], s.out[start:]...)
	s.out = appendRecord(s.out[:start], sh, s.tmp, &at)
	return nil
}

func errLacks(offset int, sh *shape, name string) error {
	return &InvalidError{Pointer: "/" + name, Offset: offset, Detail: "is required in " + sh.name}
}

// appendRecord appends the object of a shape whose fields are at places in
// values.
func appendRecord(dst []byte, sh *shape, values []byte, at *[maxShapeFields]span) []byte {
	next := byte('{')
	for i := range sh.fields {
		if at[i].empty() {
			continue
		}
		dst = append(dst, next, '"')
		dst = append(dst, sh.fields[i].name...)
		dst = append(dst, '"', ':')
		dst = append(dst, values[at[i].from:at[i].to]...)
		next = ','
	}
	return append(dst, '}')
}

// list reads an array of objects or strings. Elements that count as not sent
// are left out, and not counted.
func (s *scanner) list(f *field, depth int) error {
	if s.peek() != '[' {
		return s.wrongType("an array")
	}
	open, start, n := s.pos, len(s.out), 0
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		before := len(s.out)
		s.out = append(s.out, ',')
		if err := s.element(f, depth+1); err != nil {
			return err
		}
		if len(s.out) == before+1 {
			s.out = s.out[:before]
		} else if n++; n > f.max {
			return invalidAt(open, "has more than "+strconv.Itoa(f.max)+" elements")
		}
		s.space()
		if s.peek() == ']' {
			break
		}
		if err := s.token(','); err != nil {
			return err
		}
		s.space()
	}
	s.pos++
	if n > 0 {
		s.out[start] = '['
		s.out = append(s.out, ']')
	}
	return nil
}

// element reads an element of a list.
func (s *scanner) element(f *field, depth int) error {
	if f.kind == kindRecords {
		return s.record(f.shape, depth)
	}
	return s.text(f.each, nil)
}

// numberText reads a number and returns its text.
func (s *scanner) numberText(want string) ([]byte, error) {
	start := s.pos
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return nil, s.wrongType(want)
	}
	if err := s.number(); err != nil {
		return nil, err
	}
	return s.in[start:s.pos], nil
}

// counter reads an unsigned 64-bit integer.
func (s *scanner) counter() error {
	const want = "an integer from 0 to 18446744073709551615"
	start := s.pos
	text, err := s.numberText(want)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(string(text), 10, 64); err != nil {
		return invalidAt(start, "must be "+want)
	}
	s.out = append(s.out, text...)
	return nil
}

// days reads an integer from 1 to max.
func (s *scanner) days(max int) error {
	want := "an integer from 1 to " + strconv.Itoa(max)
	start := s.pos
	text, err := s.numberText(want)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(string(text)); err != nil || n < 1 || n > max {
		return invalidAt(start, "must be "+want)
	}
	s.out = append(s.out, text...)
	return nil
}

// duration reads a number that is zero or more, and that a float64 can hold.
func (s *scanner) duration() error {
	const want = "a number, zero or more"
	start := s.pos
	text, err := s.numberText(want)
	if err != nil {
		return err
	}
	if text[0] == '-' && strings.ContainsAny(mantissa(text), "123456789") {
		return invalidAt(start, "must be "+want)
	}
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return invalidAt(start, "must be a number below 1.8e308")
	}
	s.out = append(s.out, text...)
	return nil
}

// mantissa returns a number's text up to its exponent.
func mantissa(number []byte) string {
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		number = number[:i]
	}
	return string(number)
}

// boolean reads true or false.
func (s *scanner) boolean() error {
	if c := s.peek(); c != 't' && c != 'f' {
		return s.wrongType("true or false")
	}
	return s.verbatim(0)
}

// embedded reads an object that is kept verbatim. An empty one counts as not
// sent.
func (s *scanner) embedded(f *field, depth int) error {
	if s.peek() != '{' {
		return s.wrongType("an object")
	}
	open, start := s.pos, len(s.out)
	s.from = s.pos
	members, err := s.object(depth, f.kind)
	if err != nil {
		return err
	}
	if f.kind == kindTags && members > f.max {
		return invalidAt(open, "has more than "+strconv.Itoa(f.max)+" members")
	}
	s.flush()
	if string(s.out[start:]) == "{}" {
		s.out = s.out[:start]
	}
	return nil
}

package ingest

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// A stepKind is what a step does to a text.
type stepKind uint8

const (
	stepText stepKind = iota // takes numbers and booleans, too
	stepLower
	stepUpper
	stepTrim
	stepBefore
	stepBeforeLast
	stepAfter
	stepAfterLast
	stepMap
	stepJoin
	stepTime
)

// A step is one of the small changes that an expression makes to a text.
type step struct {
	kind  stepKind
	arg   []byte
	table map[string][]byte // of stepMap
	time  timeForm          // of stepTime
}

// anyKey is the key of a table that stands for all others.
const anyKey = "*"

// step changes v. What comes out empty is nothing.
func (r *run) step(s *step, v *value) found {
	switch s.kind {
	case stepText, stepJoin:
		return usable
	case stepTime:
		return r.time(&s.time, v)
	case stepMap:
		return lookUp(s.table, v)
	}
	text, ok := r.change(s, v.text)
	if !ok || len(text) == 0 || r.m.isEmpty(text) {
		return nothing
	}
	if len(text) != len(v.text) || &text[0] != &v.text[0] {
		v.raw, v.text = nil, text
	}
	return usable
}

func lookUp(table map[string][]byte, v *value) found {
	to, ok := table[string(v.text)]
	if !ok {
		to, ok = table[anyKey]
	}
	v.raw, v.text = nil, to
	if !ok {
		return nothing
	}
	return usable
}

// change does what the kinds do that make one text of another.
func (r *run) change(s *step, text []byte) (out []byte, ok bool) {
	switch s.kind {
	case stepLower:
		return r.mapRunes(text, unicode.ToLower), true
	case stepUpper:
		return r.mapRunes(text, unicode.ToUpper), true
	case stepTrim:
		return bytes.TrimSpace(text), true
	case stepBefore:
		if i := bytes.Index(text, s.arg); i >= 0 {
			return text[:i], true
		}
		return text, true
	case stepBeforeLast:
		if i := bytes.LastIndex(text, s.arg); i >= 0 {
			return text[:i], true
		}
		return text, true
	case stepAfter:
		_, after, ok := bytes.Cut(text, s.arg)
		return after, ok
	}
	i := bytes.LastIndex(text, s.arg) // stepAfterLast
	if i < 0 {
		return nil, false
	}
	return text[i+len(s.arg):], true
}

// mapRunes changes each character, those that are not valid excepted.
func (r *run) mapRunes(text []byte, f func(rune) rune) []byte {
	from := len(r.scratch)
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			r.scratch = append(r.scratch, text[i])
		} else {
			r.scratch = utf8.AppendRune(r.scratch, f(c))
		}
		i += size
	}
	return r.scratch[from:]
}

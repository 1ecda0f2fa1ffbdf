package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A walker reads JSON without a tree: it finds the ends of values and leaves what
// is inside strings and numbers to the journal's strict parser, which sees the
// same bytes in the event's data. It does match brackets with quotes, so that what
// is one value here is one value there, or none.
type walker struct {
	in  []byte
	pos int
}

// errAt adds the place to an error.
func (w *walker) errAt(err error) error {
	return fmt.Errorf("byte %d: %w", w.pos, err)
}

// unexpected says what stands where something else should.
func (w *walker) unexpected(want string) error {
	if w.pos >= len(w.in) {
		w.pos = len(w.in)
		return w.errAt(io.ErrUnexpectedEOF)
	}
	return w.errAt(fmt.Errorf("unexpected %q, want %s", rune(w.in[w.pos]), want))
}

// space skips white space.
func (w *walker) space() {
	for w.pos < len(w.in) && isSpace(w.in[w.pos]) {
		w.pos++
	}
}

// skip goes over a value and returns where it begins.
func (w *walker) skip() (from int, err error) {
	w.space()
	from = w.pos
	if from == len(w.in) {
		return from, w.unexpected("a value")
	}
	switch w.in[from] {
	case '"':
		return from, w.text()
	case '{', '[':
		return from, w.container()
	}
	return from, w.scalar()
}

// text goes over the string at pos.
func (w *walker) text() error {
	start := w.pos + 1
	for at := start; ; {
		n := bytes.IndexByte(w.in[at:], '"')
		if n < 0 {
			w.pos = len(w.in)
			return w.unexpected("the end of a string")
		}
		end := at + n
		slashes := 0
		for end-slashes > start && w.in[end-slashes-1] == '\\' {
			slashes++
		}
		at = end + 1
		if slashes%2 == 0 {
			w.pos = at
			return nil
		}
	}
}

// Classes of bytes outside strings.
const (
	classOther = iota
	classText
	classOpen
	classClose
)

var classes = [256]uint8{'"': classText, '{': classOpen, '[': classOpen, '}': classClose, ']': classClose}

// container goes over the object or array at pos, matching brackets by number
// only: a kind that does not match is an error of syntax for the journal too.
func (w *walker) container() error {
	depth := 0
	for w.pos < len(w.in) {
		switch classes[w.in[w.pos]] {
		case classOther:
			w.pos++
		case classText:
			if err := w.text(); err != nil {
				return err
			}
		case classOpen:
			w.pos++
			depth++
		case classClose:
			w.pos++
			if depth--; depth == 0 {
				return nil
			}
		}
	}
	return w.unexpected("a bracket")
}

// scalar goes over a number, true, false or null.
func (w *walker) scalar() error {
	from := w.pos
	for w.pos < len(w.in) && isWord[w.in[w.pos]] {
		w.pos++
	}
	word := w.in[from:w.pos]
	if !isScalar(word) {
		w.pos = from
		return w.unexpected("a value")
	}
	return nil
}

// isWord marks the bytes of numbers, true, false and null.
var isWord = func() (t [256]bool) {
	for _, c := range []byte("0123456789+-.Eaeflnrstu") {
		t[c] = true
	}
	return t
}()

func isScalar(word []byte) bool {
	switch string(word) {
	case "true", "false", "null":
		return true
	}
	return isNumber(word)
}

// isNumber reports whether text is a JSON number.
func isNumber(text []byte) bool {
	state := startNumber
	for _, c := range text {
		if state = state.next(c); state == notNumber {
			return false
		}
	}
	return state.complete()
}

// member goes on in an object, from its bracket or from the value before: over
// the next name and colon, or over the end, which done reports.
func (w *walker) member(first bool) (name []byte, done bool, err error) {
	if done, err := w.next(first, '}'); done || err != nil {
		return nil, done, err
	}
	if w.space(); w.pos == len(w.in) || w.in[w.pos] != '"' {
		return nil, false, w.unexpected("a name")
	}
	from := w.pos
	if err := w.text(); err != nil {
		return nil, false, err
	}
	name = w.in[from+1 : w.pos-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(nil, w.in[from:w.pos]) // an error is for the journal
	}
	if w.space(); w.pos == len(w.in) || w.in[w.pos] != ':' {
		return nil, false, w.unexpected("':'")
	}
	w.pos++
	w.space()
	return name, false, nil
}

// next goes on in an array or object, from its bracket or from the value before:
// to the next element or member, or over the end, which done reports.
func (w *walker) next(first bool, end byte) (done bool, err error) {
	if first {
		w.pos++
	}
	w.space()
	switch {
	case w.pos == len(w.in):
		return false, w.unexpected("more")
	case w.in[w.pos] == end:
		w.pos++
		return true, nil
	case first:
		return false, nil
	case w.in[w.pos] == ',':
		w.pos++
		return false, nil
	}
	return false, w.unexpected("',' or '" + string(rune(end)) + "'")
}

// end checks that only white space follows.
func (w *walker) end() error {
	if w.space(); w.pos < len(w.in) {
		return errors.New("something follows the event")
	}
	return nil
}

// plain returns a value's text: what a string says, anything else as it is.
func plain(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return raw
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return text
}

// says reports whether a value says anything: null, "", {} and [] do not.
func says(raw []byte) bool {
	switch {
	case len(raw) == 0, string(raw) == `""`, string(raw) == `null`:
		return false
	case raw[0] == '{' || raw[0] == '[':
		return len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0
	}
	return true
}

package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a value may nest: twice what a journal takes, so that the
// journal's own error, which names the place, is the usual one. It also bounds
// how often the reader looks at one byte again after an error: once per level.
const maxDepth = 128

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// maxContainers is how many names of containers a reader looks for: a bit each.
const maxContainers = 64

// An expect is what the grammar allows next.
type expect uint8

const (
	wantValue expect = iota
	wantElemOrEnd
	wantName
	wantNameOrEnd
	wantColon
	wantCommaOrEnd
	wantNothing // the value is complete
)

func (e expect) String() string {
	return [...]string{
		wantValue:      "a value",
		wantElemOrEnd:  "a value or ']'",
		wantName:       "a member name",
		wantNameOrEnd:  "a member name or '}'",
		wantColon:      "':'",
		wantCommaOrEnd: "',' or the end of the array or object",
		wantNothing:    "nothing",
	}[e]
}

// A status is why a scan stopped.
type status uint8

const (
	more    status = iota // the input ends before the value does
	done                  // the value is complete
	entered               // the next elements are those of a container's array
)

// A scanner checks the grammar of one JSON value as it arrives, in pieces of any
// size, without keeping any of it. The zero scanner is ready for a value.
//
// It accepts what RFC 8259 does, and UTF-8 only. Repeated names and unpaired
// surrogate escapes pass: whoever uses the value decides about them.
type scanner struct {
	want  expect
	depth int
	kinds [maxDepth/64 + 1]uint64 // bit d is set if level d is an object

	inString bool
	inName   bool        // that string is a member name
	number   numberState // zero if not within a number

	hunt  []string // names of arrays to look for in the outermost object
	match uint64   // bits of those that the current name has begun like so far
	name  int      // bytes of the current name so far
}

// scan consumes b up to the end of the value, and returns how many bytes that
// were. With eof, b is the last piece. After entered, the caller reads the
// array's elements and its end, and then goes on with scan behind it.
//
// On an error the status is more, and n is the offset of the offending byte.
func (s *scanner) scan(b []byte, eof bool) (n int, st status, err error) {
	i := 0
	for {
		if s.inString {
			if i, err = s.text(b, i); err != nil || s.inString {
				return i, more, err
			}
		}
		if s.number != notNumber {
			if i, err = s.digits(b, i, eof); err != nil || s.number != notNumber {
				return i, more, err
			}
		}
		if s.want == wantNothing {
			return i, done, nil
		}
		for i < len(b) && isSpace(b[i]) {
			i++
		}
		if i == len(b) {
			return i, more, nil
		}
		if s.match != 0 && s.atContainer(b[i]) {
			s.want = wantCommaOrEnd
			return i + 1, entered, nil
		}
		size, err := s.token(b[i:], eof)
		if err != nil || size == 0 {
			return i, more, err
		}
		i += size
	}
}

// atContainer reports whether c opens an array that hunt looks for.
func (s *scanner) atContainer(c byte) bool {
	if c != '[' || s.depth != 1 || s.want != wantValue {
		return false
	}
	for i, name := range s.hunt {
		if s.match>>i&1 == 1 && len(name) == s.name {
			return true
		}
	}
	return false
}

// token consumes the token that starts b, of a string or number only the first
// byte, and returns its length; 0 if b ends before the token does.
func (s *scanner) token(b []byte, eof bool) (int, error) {
	c := b[0]
	switch s.want {
	case wantValue, wantElemOrEnd:
		return s.value(b, eof)
	case wantName, wantNameOrEnd:
		if c == '"' {
			s.openString(true)
			return 1, nil
		}
	case wantColon:
		if c == ':' {
			s.want = wantValue
			return 1, nil
		}
	case wantCommaOrEnd:
		if c == ',' {
			s.want = wantValue
			if s.inObject() {
				s.want = wantName
			}
			return 1, nil
		}
	}
	return s.closing(c)
}

// value consumes the first token of a value.
func (s *scanner) value(b []byte, eof bool) (int, error) {
	switch c := b[0]; {
	case c == '"':
		s.openString(false)
		return 1, nil
	case c == '{':
		return 1, s.push(1, wantNameOrEnd)
	case c == '[':
		return 1, s.push(0, wantElemOrEnd)
	case c == '-' || '0' <= c && c <= '9':
		s.number = startNumber.next(c)
		return 1, nil
	case c == 't' || c == 'f' || c == 'n':
		return s.literal(b, eof)
	default:
		return s.closing(c)
	}
}

func (s *scanner) literal(b []byte, eof bool) (int, error) {
	word := "null"
	switch b[0] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	n := 1
	for n < len(word) && n < len(b) && b[n] == word[n] {
		n++
	}
	switch {
	case n == len(word):
		s.pop()
		return n, nil
	case n == len(b) && !eof:
		return 0, nil
	}
	return 0, fmt.Errorf("invalid literal %q", b[:min(n+1, len(b))])
}

// digits consumes what b[i:] holds of the number that began before it.
func (s *scanner) digits(b []byte, i int, eof bool) (int, error) {
	for ; i < len(b); i++ {
		next := s.number.next(b[i])
		if next == notNumber {
			break
		}
		s.number = next
	}
	if i == len(b) && !eof {
		return i, nil
	}
	if !s.number.complete() {
		return i, errors.New("incomplete number")
	}
	s.number = notNumber
	s.pop()
	return i, nil
}

// closing consumes the end of an array or object, the only token left.
func (s *scanner) closing(c byte) (int, error) {
	ok := false
	switch s.want {
	case wantElemOrEnd:
		ok = c == ']'
	case wantNameOrEnd:
		ok = c == '}'
	case wantCommaOrEnd:
		ok = c == '}' && s.inObject() || c == ']' && !s.inObject()
	}
	if !ok {
		return 0, fmt.Errorf("unexpected %q, want %s", rune(c), s.want)
	}
	s.depth--
	s.pop()
	return 1, nil
}

// inObject reports whether the innermost level is an object.
func (s *scanner) inObject() bool {
	return s.kinds[s.depth/64]>>(s.depth%64)&1 == 1
}

// push enters an object (kind 1) or an array (kind 0).
func (s *scanner) push(kind uint64, want expect) error {
	if s.depth == maxDepth {
		return errDepth
	}
	s.depth++
	word, bit := s.depth/64, s.depth%64
	s.kinds[word] = s.kinds[word]&^(1<<bit) | kind<<bit
	s.want = want
	return nil
}

// pop marks the end of a value.
func (s *scanner) pop() {
	s.want = wantCommaOrEnd
	if s.depth == 0 {
		s.want = wantNothing
	}
}

func (s *scanner) openString(name bool) {
	s.inString, s.inName, s.match, s.name = true, name, 0, 0
	if name && s.depth == 1 {
		s.match = 1<<len(s.hunt) - 1
	}
}

func (s *scanner) closeString() {
	s.inString = false
	if s.inName {
		s.want = wantColon
		return
	}
	s.pop()
}

// text consumes the inside of a string from b[i] on. If b ends first it stops
// before an incomplete escape or character and leaves inString set.
func (s *scanner) text(b []byte, i int) (int, error) {
	start := i
	for i < len(b) {
		c := b[i]
		if isPlain[c] {
			i++
			continue
		}
		size, err := 0, error(nil)
		switch {
		case c == '"':
			s.matchName(b[start:i])
			s.closeString()
			return i + 1, nil
		case c == '\\':
			size, err = escapeLen(b[i:])
		case c < ' ':
			return i, fmt.Errorf("control character %q in a string", rune(c))
		default:
			size, err = runeLen(b[i:])
		}
		if err != nil {
			return i, err
		}
		if size == 0 {
			break
		}
		i += size
	}
	s.matchName(b[start:i])
	return i, nil
}

// matchName compares the next piece of a name with those that hunt looks for.
func (s *scanner) matchName(piece []byte) {
	if s.match == 0 {
		return
	}
	for i, name := range s.hunt {
		if s.match>>i&1 == 1 && !strings.HasPrefix(name[min(s.name, len(name)):], string(piece)) {
			s.match &^= 1 << i
		}
	}
	s.name += len(piece)
}

// escapeLen returns the length of the escape that starts b, 0 if b is too short.
func escapeLen(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0, fmt.Errorf("invalid escape %q", b[:2])
		}
		return 2, nil
	}
	for i := 2; i < min(len(b), 6); i++ {
		if c := b[i]; !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
			return 0, fmt.Errorf("invalid escape %q", b[:i+1])
		}
	}
	if len(b) < 6 {
		return 0, nil
	}
	return 6, nil
}

var errUTF8 = errors.New("invalid UTF-8")

// runeLen returns the length of the character that starts b, 0 if b is too short.
func runeLen(b []byte) (int, error) {
	r, size := utf8.DecodeRune(b)
	if r == utf8.RuneError && size == 1 {
		if !utf8.FullRune(b) {
			return 0, nil
		}
		return 0, errUTF8
	}
	return size, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// isPlain marks the bytes that need no look inside a string.
var isPlain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

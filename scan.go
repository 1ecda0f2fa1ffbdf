package annals

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"
)

// A scanner reads JSON text once, from front to back, and refuses whatever RFC
// 8259 and I-JSON (RFC 7493) do not allow: it takes no duplicate member names,
// no lone surrogates, no invalid UTF-8, no byte order mark.
//
// Verbatim text goes to out as it is read, without the white space between
// tokens.
type scanner struct {
	in  []byte
	pos int // next byte of in

	out  []byte // canonical text being built
	from int    // first byte of verbatim text that is not in out yet

	names    []scannedName // of all open objects, innermost last
	unquoted []byte        // text of the names that had escapes; only grows
	tmp      []byte        // scratch of one step
}

// A scannedName is a member name of an open object: its text is
// in[from:to], or unquoted[from-len(in):to-len(in)] if it had escapes.
type scannedName struct {
	hash     uint64
	from, to uint32
	at       uint32 // of its opening quote in in
}

// linearNames is up to how many names an object is checked for duplicates as it
// is read, by comparing hashes; larger ones are sorted when they end. (At 32 the
// two cost the same.)
const linearNames = 32

// nameSeed keys the hashes of member names, so that nobody can craft collisions.
var nameSeed = maphash.MakeSeed()

// scanners keeps scanners for the sake of their scratch memory.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// newScanner returns a scanner that reads in and appends to out.
func newScanner(in, out []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.in, s.out = in, out
	return s
}

// maxScratch bounds the scratch memory that a scanner keeps for the next text,
// in names and in bytes.
const maxScratch = 4096

// release gives the scanner back. It must not be used afterwards.
func (s *scanner) release() {
	kept := scanner{names: s.names[:0], unquoted: s.unquoted[:0], tmp: s.tmp[:0]}
	if cap(s.names) <= maxScratch && cap(s.unquoted) <= maxScratch && cap(s.tmp) <= maxScratch {
		*s = kept
		scanners.Put(s)
	}
}

// space skips white space.
func (s *scanner) space() {
	for s.pos < len(s.in) {
		switch s.in[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// gap skips white space between the tokens of verbatim text.
func (s *scanner) gap() {
	if s.pos < len(s.in) && s.in[s.pos] > ' ' {
		return
	}
	s.out = append(s.out, s.in[s.from:s.pos]...)
	s.space()
	s.from = s.pos
}

// peek returns the next byte, or zero at the end, which no token starts with.
func (s *scanner) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// token consumes c.
func (s *scanner) token(c byte) error {
	if s.peek() != c {
		return s.unexpected("'" + string(c) + "'")
	}
	s.pos++
	return nil
}

// unexpected reports that what comes next is not what was wanted.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.in) {
		return invalidAt(s.pos, "the text ends where "+want+" should be")
	}
	return invalidAt(s.pos, "found "+quoteStart(s.in[s.pos:])+" where "+want+" should be")
}

// end requires that nothing but white space follows.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.in) {
		return s.unexpected("the end of the text")
	}
	return nil
}

// verbatim reads the value at pos and appends it to out.
func (s *scanner) verbatim(depth int) error {
	s.from = s.pos
	if err := s.value(depth); err != nil {
		return err
	}
	s.flush()
	return nil
}

// flush appends the verbatim text read so far.
func (s *scanner) flush() {
	s.out = append(s.out, s.in[s.from:s.pos]...)
	s.from = s.pos
}

// value reads a value; an object or array at it would be at the given depth.
func (s *scanner) value(depth int) error {
	switch s.peek() {
	case '"':
		_, err := s.str()
		return err
	case '{':
		_, err := s.object(depth, kindAny)
		return err
	case '[':
		return s.array(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.in[s.pos:], []byte(word)) {
		return s.unexpected("a value")
	}
	s.pos += len(word)
	return nil
}

// number reads a number.
func (s *scanner) number() error {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		if s.pos > start {
			return s.unexpected("a digit")
		}
		return s.unexpected("a value")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	return nil
}

// digits skips digits and reports whether there were any.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.in) && '0' <= s.in[s.pos] && s.in[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// array reads an array.
func (s *scanner) array(depth int) error {
	if depth > MaxDepth {
		return errDepth(s.pos)
	}
	s.pos++
	s.gap()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.gap()
		if s.peek() == ']' {
			s.pos++
			return nil
		}
		if err := s.token(','); err != nil {
			return err
		}
		s.gap()
	}
}

// object reads a verbatim object and returns how many members it has. The kind
// says what its values may be: kindTags, kindChanges, else anything.
func (s *scanner) object(depth int, values kind) (members int, err error) {
	if depth > MaxDepth {
		return 0, errDepth(s.pos)
	}
	s.pos++
	s.gap()
	if s.peek() == '}' {
		s.pos++
		return 0, nil
	}
	base := len(s.names)
	for {
		if err := s.name(base); err != nil {
			return 0, err
		}
		s.gap()
		if err := s.token(':'); err != nil {
			return 0, err
		}
		s.gap()
		if err := s.valueOf(depth+1, values); err != nil {
			return 0, err
		}
		s.gap()
		if s.peek() == '}' {
			s.pos++
			members = len(s.names) - base
			return members, s.closeNames(base)
		}
		if err := s.token(','); err != nil {
			return 0, err
		}
		s.gap()
	}
}

// valueOf reads a member's value in an object of a kind.
func (s *scanner) valueOf(depth int, in kind) error {
	switch in {
	case kindTags:
		if s.peek() != '"' {
			return invalidHint(s.pos, "must be a string", "tags are strings; put other values into data or metadata")
		}
	case kindChanges:
		return s.change(depth)
	}
	return s.value(depth)
}

// change reads [old, new] or [new].
func (s *scanner) change(depth int) error {
	const detail = "must be an array of one or two values"
	const hint = "[old, new], or [new] when the old value is unknown"
	start := s.pos
	if s.peek() != '[' {
		return invalidHint(start, detail, hint)
	}
	s.pos++
	s.gap()
	for n := range 3 {
		if n == 2 || s.peek() == ']' {
			return invalidHint(start, detail, hint)
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.gap()
		if s.peek() == ']' {
			break
		}
		if err := s.token(','); err != nil {
			return err
		}
		s.gap()
	}
	s.pos++
	return nil
}

// name reads a member name of the object whose names start at base, and keeps
// it for the search for duplicates.
func (s *scanner) name(base int) error {
	start := s.pos
	if s.peek() != '"' {
		return s.unexpected("a member name")
	}
	plain, err := s.str()
	if err != nil {
		return err
	}
	n := scannedName{from: uint32(start + 1), to: uint32(s.pos - 1), at: uint32(start)}
	if !plain {
		n.from = uint32(len(s.in) + len(s.unquoted))
		s.unquoted = appendUnquoted(s.unquoted, s.in[start+1:s.pos-1])
		n.to = uint32(len(s.in) + len(s.unquoted))
	}
	text := s.nameText(n)
	n.hash = maphash.Bytes(nameSeed, text)
	if open := s.names[base:]; len(open) < linearNames {
		for _, o := range open {
			if o.hash == n.hash && bytes.Equal(s.nameText(o), text) {
				return errDuplicate(start)
			}
		}
	}
	s.names = append(s.names, n)
	return nil
}

// closeNames forgets the names from base on, after looking for duplicates where
// [scanner.name] has not.
func (s *scanner) closeNames(base int) error {
	open := s.names[base:]
	s.names = s.names[:base]
	if len(open) <= linearNames {
		return nil
	}
	slices.SortFunc(open, func(a, b scannedName) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), bytes.Compare(s.nameText(a), s.nameText(b)))
	})
	for i := range open[1:] {
		a, b := open[i], open[i+1]
		if a.hash == b.hash && bytes.Equal(s.nameText(a), s.nameText(b)) {
			return errDuplicate(int(max(a.at, b.at)))
		}
	}
	return nil
}

func (s *scanner) nameText(n scannedName) []byte {
	if int(n.from) >= len(s.in) {
		return s.unquoted[int(n.from)-len(s.in) : int(n.to)-len(s.in)]
	}
	return s.in[n.from:n.to]
}

// str reads a string from its opening quote on, and reports whether it is plain:
// free of escapes.
func (s *scanner) str() (plain bool, err error) {
	in, start := s.in, s.pos
	i := start + 1
	plain = true
	high := uint64(0) // has a byte's top bit once a character is not ASCII
	for {
		i, high = plainText(in, i, high)
		if i >= len(in) {
			return false, invalidAt(start, "string does not end")
		}
		switch in[i] {
		case '"':
			s.pos = i + 1
			if high&topBits != 0 && !utf8.Valid(in[start+1:i]) {
				return false, errUTF8(in, start+1)
			}
			return plain, nil
		case '\\':
			plain = false
			if i, err = escape(in, i); err != nil {
				return false, err
			}
		default:
			return false, invalidHint(i, "control character in a string", `write it as an escape such as \n or \u0000`)
		}
	}
}

const (
	topBits  = 0x8080808080808080
	lowBits  = 0x0101010101010101
	blanks   = 0x20 * lowBits
	quotes   = '"' * lowBits
	slashes  = '\\' * lowBits
	wordSize = 8
)

// plainText returns the offset of the first quote, backslash or control
// character from i on, len(in) if there is none, and high with the top bits of
// what it passed. It looks at eight bytes at a time: most of an event is text,
// and this makes the scanner twice as fast.
func plainText(in []byte, i int, high uint64) (int, uint64) {
	for ; i+wordSize <= len(in); i += wordSize {
		x := binary.LittleEndian.Uint64(in[i:])
		// Each term has a byte's top bit where the byte is below a blank, a
		// quote, a backslash. A borrow spoils only bytes above the first hit,
		// and bytes that are not ASCII are masked out.
		hit := ((x - blanks) | ((x ^ quotes) - lowBits) | ((x ^ slashes) - lowBits)) &^ x & topBits
		if hit != 0 {
			n := bits.TrailingZeros64(hit) / wordSize
			return i + n, high | x<<(64-8*n)
		}
		high |= x
	}
	for ; i < len(in); i++ {
		c := in[i]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		high |= uint64(c)
	}
	return i, high
}

// escape returns the offset after the escape sequence at i. A surrogate must be
// one of a pair.
func escape(in []byte, i int) (int, error) {
	if i+1 >= len(in) {
		return i, invalidAt(i, "string does not end")
	}
	switch in[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
	default:
		return i, invalidAt(i, "unknown escape in a string")
	}
	r, ok := hex4(in, i+2)
	if !ok {
		return i, invalidAt(i, `\u without four hexadecimal digits`)
	}
	if r < surrogateLow || r > surrogateEnd {
		return i + 6, nil
	}
	if r < surrogateMid && i+8 <= len(in) && in[i+6] == '\\' && in[i+7] == 'u' {
		if low, ok := hex4(in, i+8); ok && surrogateMid <= low && low <= surrogateEnd {
			return i + 12, nil
		}
	}
	return i, invalidAt(i, "lone surrogate in a string")
}

// Surrogates: the first half of a pair is from Low to before Mid, the second
// from Mid to End.
const (
	surrogateLow = 0xD800
	surrogateMid = 0xDC00
	surrogateEnd = 0xDFFF
)

// hex4 reads four hexadecimal digits at i.
func hex4(in []byte, i int) (r rune, ok bool) {
	if i+4 > len(in) {
		return 0, false
	}
	for _, c := range in[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

package query

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// skipString returns where the string that begins with the quote at b[i] ends,
// behind its closing quote. ok is false if it has none.
func skipString(b []byte, i int) (end int, ok bool) {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b), false
		}
		i += n
		slashes := 0 // before the quote; the opening quote ends them at the latest
		for b[i-slashes-1] == '\\' {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i, true
		}
	}
}

// cutString is skipString for short strings, and says whether there is an escape.
func cutString(b []byte, i int) (end int, escaped, ok bool) {
	if j := indexSpecial(b, i+1); j < len(b) && b[j] == '"' {
		return j + 1, false, true
	}
	end, ok = skipString(b, i)
	return end, true, ok
}

// indexSpecial returns where the first quote or backslash is from b[i] on, or the
// length of b. It looks at eight bytes at a time: of their differences from the
// byte looked for, that which is zero borrows from its highest bit.
func indexSpecial(b []byte, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		quote, slash := word^low*'"', word^low*'\\'
		if found := ((quote-low)&^quote | (slash-low)&^slash) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// skipValue returns where the compact JSON value that begins at b[i] ends. It is
// the end of b when the value has none.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		end, _ := skipString(b, i)
		return end
	case '{', '[':
		return skipNested(b, i+1, 1)
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// skipNested returns where the objects and arrays end of which depth are open at
// b[i].
func skipNested(b []byte, i, depth int) int {
	for i < len(b) {
		switch b[i] {
		case '"':
			i, _ = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

// scalar returns the value of the text of a string, number, true, false or null.
// An escaped string is unescaped into *scratch.
func scalar(text []byte, scratch *[]byte) Value {
	if len(text) == 0 {
		return Value{Kind: NullValue}
	}
	switch text[0] {
	case '"':
		return Value{Kind: StringValue, Text: characters(text, scratch)}
	case 't', 'f':
		return Value{Kind: BoolValue, Text: text}
	case 'n':
		return Value{Kind: NullValue, Text: text}
	}
	return Value{Kind: NumberValue, Text: text}
}

// characters returns what a string in its quotes stands for, unescaped into
// *scratch if needed.
func characters(text []byte, scratch *[]byte) []byte {
	return unescaped(bytes.TrimSuffix(text[1:], []byte{'"'}), scratch)
}

// unescaped returns what the inside of a string stands for, in *scratch if that
// is not raw itself.
func unescaped(raw []byte, scratch *[]byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	*scratch, _ = unescape((*scratch)[:0], raw)
	return *scratch
}

// unescape appends to dst what the inside of a JSON string stands for. A lone
// surrogate becomes U+FFFD. An unknown escape is kept as it is and bad is the
// index of the first one, or -1.
func unescape(dst, raw []byte) (out []byte, bad int) {
	bad = -1
	for i := 0; i < len(raw); {
		n := bytes.IndexByte(raw[i:], '\\')
		if n < 0 {
			return append(dst, raw[i:]...), bad
		}
		dst = append(dst, raw[i:i+n]...)
		i += n
		r, size := escape(raw[i:])
		if size == 0 {
			if bad < 0 {
				bad = i
			}
			r, size = '\\', 1
		}
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return dst, bad
}

// simpleEscapes are the escapes of one letter and what they stand for.
var simpleEscapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape returns what the escape that s begins with stands for, and its length,
// which is 0 if it is none.
func escape(s []byte) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if c := simpleEscapes[s[1]]; c != 0 {
		return rune(c), 2
	}
	high, ok := hexEscape(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(high) {
		return high, 6
	}
	if low, ok := hexEscape(s[6:]); ok {
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

// hexEscape reads \uXXXX.
func hexEscape(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(n), err == nil
}

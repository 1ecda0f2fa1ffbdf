package export

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Printable returns a JSON text with an escape for every character that moves a cursor,
// breaks a line or changes the direction of text. The result means the same: only strings
// hold such characters. A text without any is returned as it is.
func Printable(text []byte) []byte {
	if bytes.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for _, r := range string(text) {
		switch high, low := splitRune(r); {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case high != 0:
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// splitRune returns the two halves of a character beyond 16 bits, else zeros.
func splitRune(r rune) (high, low rune) {
	if r < 0x10000 {
		return 0, 0
	}
	r -= 0x10000
	return 0xD800 + r>>10, 0xDC00 + r&0x3FF
}

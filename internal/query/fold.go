package query

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// Fold appends s to dst with every letter replaced by one that stands for it in
// all cases, so that two texts differ in case alone exactly when they fold to the
// same bytes. It is Unicode's simple folding, one character for one: ß does not
// become ss, and accents stay.
func Fold(dst, s []byte) []byte {
	dst = slices.Grow(dst, len(s))
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = append(dst, lower[c])
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		dst = utf8.AppendRune(dst, foldRune(r))
		i += size
	}
	return dst
}

// lower has each ASCII character in lower case.
var lower = func() (table [utf8.RuneSelf]byte) {
	for c := range table {
		table[c] = byte(unicode.ToLower(rune(c)))
	}
	return table
}()

// foldRune returns the smallest of the characters that r is equal to but for
// case, in lower case if it is an ASCII letter.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

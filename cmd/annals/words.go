package main

import (
	"slices"
	"strings"
	"unicode"
)

// operators are the words that mean something between terms, in capitals alone.
var operators = []string{"or", "and", "not"}

// lowerOperator returns a word of filter text that stands where an operator could
// and is one but for its capitals, or "".
func lowerOperator(text string) string {
	words := bareWords(text)
	for i, w := range words {
		first, last := i == 0, i == len(words)-1
		if slices.Contains(operators, w) && !last && (!first || w == "not") {
			return w
		}
	}
	return ""
}

// bareWords takes filter text apart at spaces and parentheses. A text in quotes is
// part of its word, with the quotes.
func bareWords(text string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(text, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted:
			return unicode.IsSpace(r) || r == '(' || r == ')'
		}
		return false
	})
}

package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one filter, as text and as a tree.
const (
	// MaxTextBytes bounds filter text, as given and as written by [Expr].String,
	// which writes a field before each of its values.
	MaxTextBytes = 64 << 10

	// MaxDepth bounds parentheses in parentheses and the names of one path.
	MaxDepth = 64

	// MaxTerms bounds the values and texts of one filter.
	MaxTerms = 1000
)

// hintSplit is the hint for a filter above a limit.
const hintSplit = "ask in several searches"

// A SyntaxError reports filter text that is not in the language.
type SyntaxError struct {
	Input  string // the filter text
	Offset int    // byte offset in Input of the character at fault
	Text   string // what is wrong
	Hint   string // what to do about it, or empty
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter, character %d: %s", utf8.RuneCountInString(e.Input[:e.offset()])+1, e.Text)
}

// caretRunes is how much of a long line [SyntaxError.Caret] shows on each side.
const caretRunes = 50

// Caret returns the line of the filter that is at fault and below it a line with
// a ^ under the character. Long lines are cut, and characters that a terminal
// would not print as one column of text are shown as a question mark.
func (e *SyntaxError) Caret() string {
	before, after := e.Input[:e.offset()], e.Input[e.offset():]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(after, "\n")
	left, right := []rune(before), []rune(after)
	var prefix, suffix string
	if len(left) > caretRunes {
		left, prefix = left[len(left)-caretRunes:], "..."
	}
	if len(right) > caretRunes {
		right, suffix = right[:caretRunes], "..."
	}
	return prefix + printable(left) + printable(right) + suffix + "\n" +
		strings.Repeat(" ", len(prefix)+len(left)) + "^"
}

// offset returns Offset, held within Input.
func (e *SyntaxError) offset() int {
	return max(0, min(e.Offset, len(e.Input)))
}

// printable replaces what would move the cursor or change the direction of text.
func printable(s []rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r) || unicode.Is(unicode.Mn, r):
			return '?'
		}
		return r
	}, string(s))
}

// A ParamError reports a search parameter that is not understood.
type ParamError struct {
	Name string // of the parameter, or empty for all of them together
	Text string // what is wrong
	Hint string // what to do about it, or empty
}

func (e *ParamError) Error() string {
	if e.Name == "" {
		return "parameters: " + e.Text
	}
	return fmt.Sprintf("parameter %q: %s", e.Name, e.Text)
}

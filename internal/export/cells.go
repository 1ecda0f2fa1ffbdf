package export

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// csvText returns the cell of a text.
func csvText(s string) string {
	return guarded(s, escapeText(s))
}

// csvJSON returns the cell of a JSON text. Only its strings hold what is not
// printable, and may have it escaped.
func csvJSON(s string) string {
	return guarded(s, string(Printable([]byte(s))))
}

// guarded returns the cell of a text that has been escaped, so that neither it nor
// what follows a semicolon, where some spreadsheets end a cell, is a formula.
func guarded(s, escaped string) string {
	cell := guardParts(escaped)
	if isFormula(s) {
		return "'" + cell
	}
	return cell
}

// guardParts escapes the semicolons that a formula follows.
func guardParts(s string) string {
	if !strings.Contains(s, ";") {
		return s
	}
	var b strings.Builder
	for {
		part, rest, found := strings.Cut(s, ";")
		b.WriteString(part)
		switch {
		case !found:
			return b.String()
		case beginsFormula(rest):
			b.WriteString(`\u003b`)
		default:
			b.WriteByte(';')
		}
		s = rest
	}
}

// formulaStart begins a formula in a spreadsheet: also the wide and the small
// forms of the characters, which some turn into the plain ones.
const formulaStart = "=+-@＝＋－＠﹦﹢﹣﹫"

// isFormula reports whether a spreadsheet could take a text for a formula, or
// whether it begins like one that was made safe.
func isFormula(s string) bool {
	if s != "" && strings.ContainsRune("'\t\r\n", rune(s[0])) {
		return true
	}
	return beginsFormula(s)
}

// beginsFormula reports whether a text is a formula, perhaps behind spaces, quotes
// and what is not printable.
func beginsFormula(s string) bool {
	for _, r := range s {
		if strings.ContainsRune(formulaStart, r) {
			return true
		}
		if unicode.IsPrint(r) && !unicode.IsSpace(r) && !unicode.In(r, unicode.Quotation_Mark) {
			return false
		}
	}
	return false
}

// escapeText returns a text with \uXXXX for what is not printable, as JSON has it,
// and for a backslash that would be read as the beginning of such an escape.
func escapeText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch high, low := splitRune(r); {
		case r == '\\' && isEscape(s[i:]):
			b.WriteString(`\u005c`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case high != 0:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// isEscape reports whether s begins with \u and four digits.
func isEscape(s string) bool {
	if len(s) < 6 || s[:2] != `\u` {
		return false
	}
	return strings.Trim(s[2:6], "0123456789abcdefABCDEF") == ""
}

// cellText returns the text that csvText made a cell of, and a cell that it would
// not have made as it is.
func cellText(cell string) string {
	text := unescapeText(strings.TrimPrefix(cell, "'"))
	if csvText(text) != cell {
		return cell
	}
	return text
}

// escapes are what escapeText writes for characters, one or more.
var escapes = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+`)

// unescapeText is the inverse of escapeText.
func unescapeText(s string) string {
	return escapes.ReplaceAllStringFunc(s, func(run string) string {
		text, err := jsontext.AppendUnquote(nil, `"`+run+`"`)
		if err != nil {
			return run
		}
		return string(text)
	})
}

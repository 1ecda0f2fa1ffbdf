package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/annals-io/annals"
)

// csvHelp says how cells are kept safe, and how to get the text back.
const csvHelp = `CSV has a row an entry and a column a member; objects and arrays are JSON. A text that
a spreadsheet could take for a formula, or that begins with an apostrophe, gets an
apostrophe in front: take one away to get it back. In columns of text what would break
a line or move a cursor is written as \u000a, and a \ that would begin such an escape
as \u005c. A semicolon before what could be a formula is \u003b: some spreadsheets end
a cell there.`

// A csvWriter writes entries as CSV. Each is one line of printable text, without a
// cell that a spreadsheet takes for a formula.
type csvWriter struct {
	flattener
	out   *bufio.Writer
	csv   *csv.Writer
	cells []string
}

func newCSVWriter(out *bufio.Writer, f flattener) *csvWriter {
	w := &csvWriter{flattener: f, out: out, csv: csv.NewWriter(out), cells: make([]string, len(flatColumns))}
	for i, c := range flatColumns {
		w.cells[i] = c.name
	}
	_ = w.csv.Write(w.cells) // its errors stay until end
	return w
}

func (w *csvWriter) write(e *annals.Entry) error {
	if err := w.take(e); err != nil {
		return err
	}
	for i := range flatColumns {
		c := &flatColumns[i]
		text := w.cell(c)
		switch c.kind {
		case textCell, storyCell:
			text = csvText(text)
		case jsonCell:
			text = csvJSON(text)
		}
		w.cells[i] = text
	}
	return w.csv.Write(w.cells)
}

func (w *csvWriter) flush() error {
	w.csv.Flush()
	return errors.Join(w.csv.Error(), w.out.Flush())
}

func (w *csvWriter) end(*ending) error { return w.flush() }

// csvText returns the cell of a text.
func csvText(s string) string {
	return guarded(s, escapeText(s))
}

// csvJSON returns the cell of a JSON text. Only its strings hold what is not
// printable, and may have it escaped.
func csvJSON(s string) string {
	return guarded(s, string(printableJSON([]byte(s))))
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

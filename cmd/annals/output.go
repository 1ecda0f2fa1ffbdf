package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/annals-io/annals"
)

// Forms of output.
const (
	formTable  = "table"
	formJSON   = "json"
	formNDJSON = "ndjson"
	formCSV    = "csv"
)

var allForms = []string{formTable, formJSON, formNDJSON, formCSV}

// form returns the form of output for a command that has the given ones: the one
// asked for, or else a table for a terminal and what follows it for others.
func (e *env) form(forms ...string) (string, error) {
	if !slices.Contains(allForms, e.output) && e.output != "" {
		return "", usagef("output %q is unknown, want %s", e.output, strings.Join(allForms, ", "))
	}
	if slices.Contains(forms, e.output) {
		return e.output, nil
	}
	if e.asked {
		return "", usagef("output %s is not for this command, want %s", e.output, strings.Join(forms, ", "))
	}
	if e.width > 0 || len(forms) == 1 {
		return forms[0], nil
	}
	return forms[1], nil
}

// printable returns s with every character that moves the cursor, changes the
// direction of text or is not UTF-8 as an escape sequence: stored text comes
// from anyone.
func printable(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		_, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case clean(r):
			b.WriteRune(r)
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == utf8.RuneError:
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// printableJSON is printable for a JSON text: the result means the same. Only
// strings hold such characters.
func printableJSON(text []byte) []byte {
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

// writeJSON writes a value as one line of JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// jsonLine appends a value as one line of JSON that does no harm on a terminal.
func (e *env) jsonLine(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if e.width > 0 {
		text = printableJSON(text)
	}
	return append(append(dst, text...), '\n'), nil
}

// printJSON prints a value as one line of JSON.
func (e *env) printJSON(v any) error {
	line, err := e.jsonLine(nil, v)
	if err == nil {
		_, err = e.stdout.Write(line)
	}
	return err
}

// printableLines is printable for text of several lines.
func printableLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(printable(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

// An entryWriter writes entries in one of the forms of output.
type entryWriter interface {
	// write writes an entry, or keeps what it needs of it.
	write(e *annals.Entry) error

	// flush writes what is held back. Without end, the output shows that it is a
	// part.
	flush() error

	// end writes what follows the entries, and flushes.
	end(*ending) error
}

// An ending says what there is beside the entries of an answer.
type ending struct {
	cursor   string // goes on behind them
	more     bool   // there are others, or may be
	complete bool   // none was left out, and more is certain
	total    *uint64
}

// entryWriter returns the writer of a form.
func (e *env) entryWriter(form string) entryWriter {
	out := bufio.NewWriterSize(e.stdout, 64<<10)
	switch form {
	case formTable:
		return &tableWriter{out: out, width: e.tableWidth(), columns: entryColumns, rows: entryRows}
	case formCSV:
		return newCSVWriter(out, flattener{narrator: new(narrator)})
	case formJSON:
		return &answerWriter{arrayWriter{lineWriter: e.lineWriter(out), before: `{"events":`}}
	}
	w := e.lineWriter(out)
	return &w
}

// lineWriter returns the writer of canonical entries.
func (e *env) lineWriter(out *bufio.Writer) lineWriter {
	return lineWriter{out: out, terminal: e.width > 0}
}

// A lineWriter writes entries as they are, one a line. On a terminal it escapes
// what could harm it.
type lineWriter struct {
	out      *bufio.Writer
	terminal bool
}

func (w *lineWriter) write(e *annals.Entry) error {
	if err := w.text(e.JSON); err != nil {
		return err
	}
	return w.out.WriteByte('\n')
}

func (w *lineWriter) text(json []byte) error {
	if w.terminal {
		json = printableJSON(json)
	}
	_, err := w.out.Write(json)
	return err
}

func (w *lineWriter) flush() error { return w.out.Flush() }

func (w *lineWriter) end(*ending) error { return w.flush() }

// An arrayWriter writes entries as one array.
type arrayWriter struct {
	lineWriter
	before string // what the array begins with, if not [ alone
	some   bool
}

func (w *arrayWriter) write(e *annals.Entry) error { return w.element(e.JSON) }

// element writes one of the array.
func (w *arrayWriter) element(json []byte) error {
	before := ",\n"
	if !w.some {
		before = w.before + "[\n"
	}
	w.some = true
	if _, err := w.out.WriteString(before); err != nil {
		return err
	}
	return w.text(json)
}

// close ends the array.
func (w *arrayWriter) close() error {
	end := "\n]"
	if !w.some {
		end = w.before + "[]"
	}
	_, err := w.out.WriteString(end)
	return err
}

func (w *arrayWriter) end(*ending) error {
	return errors.Join(w.close(), w.out.WriteByte('\n'), w.out.Flush())
}

// An answerWriter writes entries as the answer of a search.
type answerWriter struct{ arrayWriter }

func (w *answerWriter) end(x *ending) error {
	err := w.close()
	cursor, total := "null", ""
	if x.cursor != "" {
		cursor = `"` + x.cursor + `"`
	}
	if x.total != nil {
		total = fmt.Sprintf(`,"total":%d`, *x.total)
	}
	fmt.Fprintf(w.out, `,"next_cursor":%s,"has_more":%t,"complete":%t%s}`+"\n", cursor, x.more, x.complete, total)
	return errors.Join(err, w.out.Flush())
}

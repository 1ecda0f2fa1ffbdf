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
	"github.com/annals-io/annals/internal/export"
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

// clip cuts a text that takes more than most bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// maxValue bounds what a message repeats of a value, in bytes.
const maxValue = 200

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
		text = export.Printable(text)
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
		return e.formatWriter(out, export.Options{Format: export.CSV})
	case formJSON:
		return &answerWriter{export.Array{Out: out, Before: `{"events":`, Printable: e.width > 0}}
	}
	return e.formatWriter(out, export.Options{Format: export.NDJSON})
}

// formatWriter returns the writer of a format of exports.
func (e *env) formatWriter(out *bufio.Writer, o export.Options) entryWriter {
	o.Printable = e.width > 0
	return formatWriter{export.New(out, &o)}
}

// A formatWriter writes entries in a format of exports.
type formatWriter struct{ out export.Writer }

func (w formatWriter) write(e *annals.Entry) error { return w.out.Write(e) }
func (w formatWriter) flush() error                { return w.out.Flush() }
func (w formatWriter) end(*ending) error           { return w.out.End() }

// An answerWriter writes entries as the answer of a search.
type answerWriter struct{ array export.Array }

func (w *answerWriter) write(e *annals.Entry) error { return w.array.Add(e.JSON) }

func (w *answerWriter) flush() error { return w.array.Out.Flush() }

func (w *answerWriter) end(x *ending) error {
	err := w.array.Close()
	cursor, total := "null", ""
	if x.cursor != "" {
		cursor = `"` + x.cursor + `"`
	}
	if x.total != nil {
		total = fmt.Sprintf(`,"total":%d`, *x.total)
	}
	fmt.Fprintf(w.array.Out, `,"next_cursor":%s,"has_more":%t,"complete":%t%s}`+"\n", cursor, x.more, x.complete, total)
	return errors.Join(err, w.array.Out.Flush())
}

package export

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// A lineWriter writes entries as they are, one a line.
type lineWriter struct {
	out       *bufio.Writer
	printable bool
}

// Write implements [Writer].
func (w *lineWriter) Write(e *annals.Entry) error { return w.line(e.JSON) }

// Flush implements [Writer].
func (w *lineWriter) Flush() error { return w.out.Flush() }

// End implements [Writer].
func (w *lineWriter) End() error { return w.out.Flush() }

// line writes a JSON text as a line.
func (w *lineWriter) line(json []byte) error {
	if err := w.text(json); err != nil {
		return err
	}
	return w.out.WriteByte('\n')
}

func (w *lineWriter) text(json []byte) error {
	if w.printable {
		json = Printable(json)
	}
	_, err := w.out.Write(json)
	return err
}

// An Array writes JSON texts as one array, each on lines of its own. It is not for
// several goroutines at once, and its fields do not change once it is used.
type Array struct {
	Out       *bufio.Writer
	Before    string // what the array follows: it is written with the first text, or by Close
	Printable bool   // texts go through the function [Printable]

	some bool
}

// Add adds a text.
func (a *Array) Add(json []byte) error {
	before := ",\n"
	if !a.some {
		before = a.Before + "[\n"
	}
	a.some = true
	if _, err := a.Out.WriteString(before); err != nil {
		return err
	}
	w := lineWriter{out: a.Out, printable: a.Printable}
	return w.text(json)
}

// Close ends the array. It does not flush.
func (a *Array) Close() error {
	end := "\n]"
	if !a.some {
		end = a.Before + "[]"
	}
	_, err := a.Out.WriteString(end)
	return err
}

// A jsonWriter writes entries, or what is left of them, as one array.
type jsonWriter struct {
	flattener
	array    Array
	describe bool
	buf      []byte
}

// Write implements [Writer].
func (w *jsonWriter) Write(e *annals.Entry) (err error) {
	if w.hide == nil && !w.describe {
		return w.array.Add(e.JSON)
	}
	if err := w.take(e); err != nil {
		return err
	}
	w.buf = append(w.buf[:0], w.record.json...)
	if w.describe {
		w.buf = append(w.buf[:len(w.buf)-1], `,"description":`...)
		if w.buf, err = jsontext.AppendQuote(w.buf, w.templates.tell(&w.record)); err != nil {
			return fmt.Errorf("describe entry at position %d: %w", e.Position, err)
		}
		w.buf = append(w.buf, '}')
	}
	return w.array.Add(w.buf)
}

// Flush implements [Writer].
func (w *jsonWriter) Flush() error { return w.array.Out.Flush() }

// End implements [Writer].
func (w *jsonWriter) End() error {
	return errors.Join(w.array.Close(), w.array.Out.WriteByte('\n'), w.array.Out.Flush())
}

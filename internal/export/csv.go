package export

import (
	"bufio"
	"encoding/csv"
	"errors"

	"github.com/annals-io/annals"
)

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
	_ = w.csv.Write(w.cells) // its errors stay until Flush
	return w
}

// Write implements [Writer].
func (w *csvWriter) Write(e *annals.Entry) error {
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

// Flush implements [Writer].
func (w *csvWriter) Flush() error {
	w.csv.Flush()
	return errors.Join(w.csv.Error(), w.out.Flush())
}

// End implements [Writer].
func (w *csvWriter) End() error { return w.Flush() }

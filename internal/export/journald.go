package export

import (
	"bufio"
	"encoding/csv"
	"errors"
	"strings"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// A journaldWriter writes entries as the rows of a data lake's change journal.
type journaldWriter struct {
	rows Rows
	put  func(*changeRow) error
	sync func() error
}

// Write implements [Writer].
func (w *journaldWriter) Write(e *annals.Entry) error {
	if e.Tenant() == annals.SystemTenant {
		return nil // nobody's change
	}
	return w.rows.each(e, w.put)
}

// Flush implements [Writer].
func (w *journaldWriter) Flush() error { return w.sync() }

// End implements [Writer].
func (w *journaldWriter) End() error { return w.sync() }

// newJournaldLines returns a writer of rows as JSON objects, one a line.
func newJournaldLines(out lineWriter, f flattener) *journaldWriter {
	var buf []byte
	put := func(r *changeRow) error {
		buf = r.appendJSON(buf[:0])
		return out.line(buf)
	}
	return &journaldWriter{rows: Rows{flattener: f}, put: put, sync: out.Flush}
}

// newJournaldCSV returns a writer of rows as CSV, whose cells are as safe as those
// of other CSV.
func newJournaldCSV(out *bufio.Writer, f flattener) *journaldWriter {
	w := csv.NewWriter(out)
	cells := make([]string, len(rowColumns))
	for i, c := range rowColumns {
		cells[i] = c.name
	}
	_ = w.Write(cells) // its errors stay until sync
	put := func(r *changeRow) error {
		for i, v := range r {
			if i == rowOld || i == rowNew {
				cells[i] = valueCell(v)
			} else {
				cells[i] = csvText(unquoted(v))
			}
		}
		return w.Write(cells)
	}
	sync := func() error {
		w.Flush()
		return errors.Join(w.Error(), out.Flush())
	}
	return &journaldWriter{rows: Rows{flattener: f}, put: put, sync: sync}
}

// valueCell returns the cell of a value: a string as its text, if that cannot be
// taken for anything else, and the rest as JSON; an empty cell is no value.
func valueCell(v jsontext.Value) string {
	if v == nil {
		return ""
	}
	if v.Kind() == '"' {
		cell := csvText(unquoted(v))
		if back, ok := cellValue(nil, cell); ok && unquoted(back) == unquoted(v) && back[0] == '"' {
			return cell
		}
	}
	return csvJSON(string(v))
}

// JournaldValue appends the JSON that a cell of a column stands for, in a CSV file of
// [Journald] rows that [New] wrote or another program. It reports false for an empty cell,
// which is no value.
func JournaldValue(dst []byte, column string, cell []byte) ([]byte, bool) {
	if len(cell) == 0 {
		return dst, false
	}
	switch column {
	case "old_value", "new_value", "old", "new":
		return cellValue(dst, string(cell))
	}
	return append(dst, quoted(cellText(string(cell)))...), true
}

// cellValue appends what a cell of a value stands for: the JSON that it holds, or
// else its text.
func cellValue(dst []byte, cell string) ([]byte, bool) {
	if cell == "" {
		return dst, false
	}
	text := cell
	if rest, ok := strings.CutPrefix(cell, "'"); ok && isFormula(rest) {
		text = rest
	}
	if jsontext.Value(text).IsValid() {
		return append(dst, strings.TrimSpace(text)...), true
	}
	return append(dst, quoted(cellText(cell))...), true
}

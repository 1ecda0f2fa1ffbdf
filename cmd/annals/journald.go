package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"regexp"
	"strings"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// wholeRecord is the field of a row that is about no field but all of them.
const wholeRecord = "*"

// Columns of journald rows whose places matter.
const (
	rowField = 4
	rowOld   = 6
	rowNew   = 7
	rowActor = 8
)

// rowColumns are the members of a journald row, in their order, with where in an
// entry each is found.
var rowColumns = [...]struct {
	name string
	path []string // nil: what the row says
}{
	{"id", []string{"id"}}, {"time", []string{"time"}}, {"entity_type", []string{"entity", "type"}}, {"entity_id", []string{"entity", "id"}},
	rowField: {"field", nil}, {"action", []string{"action"}},
	rowOld: {"old_value", nil}, rowNew: {"new_value", nil},
	rowActor: {"actor", []string{"actor", "id"}}, {"source", []string{"source"}}, {"workspace_id", []string{"workspace_id"}},
}

// A changeRow is a row of the journald format: a JSON value for each column, nil for
// a value that is not known. The others are strings, "" if the event has none.
type changeRow [len(rowColumns)]jsontext.Value

// A journaldWriter writes entries as the rows of a data lake's change journal: one
// for each changed field or, of an entry without changes, one for the whole record.
type journaldWriter struct {
	flattener
	put  func(*changeRow) error
	sync func() error
	row  changeRow
}

func (w *journaldWriter) write(e *annals.Entry) error {
	if e.Tenant() == annals.SystemTenant {
		return nil // nobody's change
	}
	if err := w.take(e); err != nil {
		return err
	}
	for i, c := range rowColumns {
		if c.path != nil {
			w.row[i] = textValue(w.record.first(c.path...))
		}
	}
	if w.record.text("actor", "id") == "" {
		w.row[rowActor] = textValue(w.record.first("actor", "name"))
	}
	changes := w.record.first("changes")
	if changes.Kind() != '{' {
		return w.whole(changes)
	}
	var err error
	readErr := each(changes, func(name, pair jsontext.Value) bool {
		w.row[rowField] = name
		w.row[rowOld], w.row[rowNew] = pairValues(pair)
		err = w.put(&w.row)
		return err == nil
	})
	return errors.Join(err, readErr)
}

// whole writes the row of an entry without changes. What a redaction left of them
// stands for all of the record.
func (w *journaldWriter) whole(left jsontext.Value) error {
	w.row[rowField], w.row[rowOld] = jsontext.Value(`"`+wholeRecord+`"`), nil
	w.row[rowNew] = left
	for _, name := range []string{"snapshot", "data"} {
		if w.row[rowNew] == nil {
			w.row[rowNew] = w.record.first(name)
		}
	}
	return w.put(&w.row)
}

func (w *journaldWriter) flush() error { return w.sync() }

func (w *journaldWriter) end(*ending) error { return w.sync() }

// textValue returns a scalar as a string, and nothing as the empty one.
func textValue(v jsontext.Value) jsontext.Value {
	switch {
	case v == nil:
		return jsontext.Value(`""`)
	case v.Kind() == '"':
		return v
	}
	return quoted(string(v))
}

// quoted returns a text as a JSON string.
func quoted(text string) jsontext.Value {
	out, _ := jsontext.AppendQuote(nil, text) // of an entry, or checked
	return out
}

// pairValues returns the values of a change, nil for an old one that is not known.
// Something else in the place of a pair is a new value.
func pairValues(pair jsontext.Value) (before, after jsontext.Value) {
	if pair.Kind() != '[' {
		return nil, pair
	}
	_ = each(pair, func(_, v jsontext.Value) bool { // of an entry: it is JSON
		before, after = after, v
		return true
	})
	return before, after
}

// newJournaldLines returns a writer of rows as JSON objects, one a line.
func newJournaldLines(lines lineWriter, f flattener) *journaldWriter {
	var buf []byte
	put := func(r *changeRow) error {
		buf = append(buf[:0], '{')
		for i, v := range r {
			if v == nil {
				continue
			}
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = append(append(append(buf, '"'), rowColumns[i].name...), `":`...)
			buf = append(buf, v...)
		}
		if err := lines.text(append(buf, '}')); err != nil {
			return err
		}
		return lines.out.WriteByte('\n')
	}
	return &journaldWriter{flattener: f, put: put, sync: lines.flush}
}

// newJournaldCSV returns a writer of rows as CSV, whose cells are as safe as those
// of other CSV.
func newJournaldCSV(out *bufio.Writer, f flattener) *journaldWriter {
	w := csv.NewWriter(out)
	cells := make([]string, len(rowColumns))
	for i, c := range rowColumns {
		cells[i] = c.name
	}
	_ = w.Write(cells) // its errors stay until flush
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
	flush := func() error {
		w.Flush()
		return errors.Join(w.Error(), out.Flush())
	}
	return &journaldWriter{flattener: f, put: put, sync: flush}
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

// journaldCell appends the value of a cell in a CSV file of journald rows.
func journaldCell(dst []byte, column string, cell []byte) ([]byte, bool) {
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

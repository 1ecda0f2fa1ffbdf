package export

import (
	"errors"

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

// Rows makes rows of entries, as [Journald] has them. The zero value is ready. It is not
// for several goroutines at once.
type Rows struct {
	flattener
	row changeRow
}

// Append appends the rows of an entry, of any tenant, as JSON objects with end behind
// each: one for each changed field or, without changes, one for the whole record. An
// error says that the entry cannot be read; what was appended before it is no whole.
func (r *Rows) Append(dst []byte, e *annals.Entry, end byte) ([]byte, error) {
	err := r.each(e, func(row *changeRow) error {
		dst = append(row.appendJSON(dst), end)
		return nil
	})
	return dst, err
}

// each passes the rows of an entry to put. A row is valid until put returns.
func (r *Rows) each(e *annals.Entry, put func(*changeRow) error) error {
	if err := r.take(e); err != nil {
		return err
	}
	for i, c := range rowColumns {
		if c.path != nil {
			r.row[i] = textValue(r.record.first(c.path...))
		}
	}
	if r.record.text("actor", "id") == "" {
		r.row[rowActor] = textValue(r.record.first("actor", "name"))
	}
	changes := r.record.first("changes")
	if changes.Kind() != '{' {
		r.whole(changes)
		return put(&r.row)
	}
	var err error
	readErr := each(changes, func(name, pair jsontext.Value) bool {
		r.row[rowField] = name
		r.row[rowOld], r.row[rowNew] = pairValues(pair)
		err = put(&r.row)
		return err == nil
	})
	return errors.Join(err, readErr)
}

// whole makes the row of an entry without changes. What a redaction left of them
// stands for all of the record.
func (r *Rows) whole(left jsontext.Value) {
	r.row[rowField], r.row[rowOld] = jsontext.Value(`"`+wholeRecord+`"`), nil
	r.row[rowNew] = left
	for _, name := range []string{"snapshot", "data"} {
		if r.row[rowNew] == nil {
			r.row[rowNew] = r.record.first(name)
		}
	}
}

// appendJSON appends a row as a JSON object.
func (r *changeRow) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, v := range r {
		if v == nil {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), rowColumns[i].name...), `":`...)
		dst = append(dst, v...)
	}
	return append(dst, '}')
}

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

package ingest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// journald is the change journal of a data lake: a row for each field that changed.
//
//	id, time, workspace_id     the same; time with a zone
//	entity_type, entity_id     entity, if both are there
//	field                      a name in changes; * is the whole record
//	action                     action; type is entity_type (or record), a dot, and
//	                           inserted, updated, deleted, ingested or the action
//	old_value, new_value       the pair in changes; without an old value it is not
//	                           known, without a new one that is null
//	actor                      id of actor
//	source                     source
//
// The record of a row with the field * is the snapshot of an insert, update or
// delete if it is an object, and else data. Rows of one event are an array: what
// [JoinRows] makes of rows that follow each other.
//
// If something of the rows has no place of its own, such as a member that is none of
// these, metadata.journald keeps the rows whole.
type journald struct{}

// Members of a row, in the order of rowNames.
const (
	rowID = iota
	rowTime
	rowEntityType
	rowEntityID
	rowField
	rowAction
	rowOld
	rowNew
	rowActor
	rowSource
	rowWorkspace
	rowMembers
)

// rowNames are the names of a row's members: the first is ours, the others are
// taken, too.
var rowNames = [rowMembers][]string{
	{"id", "event_id"}, {"time", "timestamp"}, {"entity_type"}, {"entity_id"}, {"field", "field_name"}, {"action"},
	{"old_value", "old"}, {"new_value", "new"}, {"actor", "user", "actor_id"}, {"source"}, {"workspace_id", "workspace"},
}

// eventMembers are what rows of one event have in common.
var eventMembers = []int{rowID, rowTime, rowEntityType, rowEntityID, rowAction, rowActor, rowSource, rowWorkspace}

// wholeRecord is the field of a row that is about all of them.
const wholeRecord = "*"

func (journald) Name() string { return "journald" }

func (journald) Containers() []string { return nil }

func (journald) recognizes(raw []byte) bool {
	rows, err := readRows(raw)
	if err != nil {
		return false
	}
	r := &rows[0].raw
	return r[rowID] != nil && r[rowEntityID] != nil && r[rowField] != nil && (r[rowOld] != nil || r[rowNew] != nil)
}

// Map implements [Format].
func (journald) Map(dst, raw []byte, in Input) ([]byte, Notes, error) {
	rows, err := readRows(raw)
	if err != nil {
		return dst, Notes{}, err
	}
	e := rowEvent{out: dst, first: &rows[0]}
	if err := e.head(in); err != nil {
		return dst, Notes{}, err
	}
	if err := e.values(rows); err != nil {
		return dst, Notes{}, err
	}
	if e.rest || slices.ContainsFunc(rows, func(r row) bool { return r.rest }) {
		e.out = append(append(append(e.out, `,"metadata":{"journald":`...), raw...), '}')
	}
	e.out[len(dst)] = '{' // in place of the first comma
	return append(e.out, '}'), e.notes, nil
}

// A row is one change.
type row struct {
	raw  [rowMembers][]byte // nil if it is not there
	rest bool               // something has no place of its own
}

// readRows reads a row, or an array of them.
func readRows(raw []byte) ([]row, error) {
	if err := checkSyntax(raw); err != nil {
		return nil, err
	}
	w := walker{in: raw}
	var rows []row
	if w.space(); w.pos < len(raw) && raw[w.pos] == '[' {
		for first := true; ; first = false {
			done, err := w.next(first, ']')
			if err != nil {
				return nil, err
			}
			if done {
				break
			}
			rows = append(rows, row{})
			if err := rows[len(rows)-1].read(&w); err != nil {
				return nil, err
			}
		}
	} else {
		rows = make([]row, 1)
		if err := rows[0].read(&w); err != nil {
			return nil, err
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("event has no rows")
	}
	return rows, w.end()
}

// read reads the row at w.
func (r *row) read(w *walker) error {
	if w.space(); w.pos == len(w.in) || w.in[w.pos] != '{' {
		return w.unexpected("a row, which is an object")
	}
	for first := true; ; first = false {
		name, done, err := w.member(first)
		if done || err != nil {
			return err
		}
		from, err := w.skip()
		if err != nil {
			return err
		}
		r.set(string(name), w.in[from:w.pos])
	}
}

// set sets a member.
func (r *row) set(name string, value []byte) {
	for i, names := range rowNames {
		if !slices.Contains(names, name) {
			continue
		}
		if r.raw[i] != nil {
			r.rest = true // also for the journal to refuse a name that is there twice
			return
		}
		r.raw[i] = value
		return
	}
	r.rest = r.rest || says(value)
}

// text returns what a member says: a string, a number or a boolean. One that says
// nothing, or is of another kind, has no text.
func (r *row) text(i int) value {
	raw := r.raw[i]
	switch {
	case !says(raw):
		return value{}
	case raw[0] == '"':
		return value{raw, plain(raw)}
	case raw[0] == '{' || raw[0] == '[':
		r.rest = true
		return value{}
	}
	return value{text: raw}
}

// A rowEvent is the event that rows become.
type rowEvent struct {
	out   []byte
	first *row // which has what all have in common
	notes Notes
	rest  bool // something has no place of its own
}

// optional returns what a member says if the event can have it.
func (e *rowEvent) optional(i, limit int) value {
	v := e.first.text(i)
	if v.text != nil && !takesText(v.text, limit) {
		e.omit()
		return value{}
	}
	return v
}

// omit counts something that cannot be taken over.
func (e *rowEvent) omit() {
	e.notes.Omitted++
	e.rest = true
}

// put appends a member, unless it says nothing.
func (e *rowEvent) put(name string, v value) {
	if v.text != nil {
		e.out = appendValue(appendName(e.out, name), &v)
	}
}

// object appends an object of two members, unless neither says anything.
func (e *rowEvent) object(name, first string, v value, second string, w value) {
	before := len(e.out)
	e.out = appendName(e.out, name)
	from := len(e.out)
	e.put(first, v)
	e.put(second, w)
	e.out = closeList(e.out, before, from, '{')
}

// head appends what is common to the rows.
func (e *rowEvent) head(in Input) error {
	id := e.optional(rowID, 255)
	e.put(nameID, id)
	e.notes.NoID = id.text == nil
	if err := e.time(in); err != nil {
		return err
	}
	action := e.optional(rowAction, 100)
	typ, entity := e.optional(rowEntityType, 200), e.optional(rowEntityID, maxEntityID)
	e.put(nameType, value{text: rowType(typ.text, action.text)})
	e.put("source", e.optional(rowSource, 255))
	e.put("action", action)
	e.object("actor", "id", e.optional(rowActor, 1_000), "", value{})
	if (typ.text == nil) != (entity.text == nil) {
		e.omit()
	} else {
		e.object("entity", "type", typ, "id", entity)
	}
	e.put("workspace_id", e.optional(rowWorkspace, 255))
	return nil
}

// time appends when it happened.
func (e *rowEvent) time(in Input) error {
	text := e.first.text(rowTime).text
	if at, ok := appendDate(nil, text, false); ok {
		e.put(nameTime, value{text: at})
		return nil
	}
	switch {
	case in.Time != "":
		e.put(nameTime, value{text: []byte(in.Time)})
		e.rest = e.rest || text != nil
		return nil
	case text == nil:
		return fmt.Errorf("%w: time is missing", ErrNoTime)
	}
	return fmt.Errorf("%w: time is %.40q, want RFC 3339", ErrNoTime, text)
}

// pastForms are the ends of types, by action.
var pastForms = map[string]string{"insert": "inserted", "update": "updated", "delete": "deleted", "ingest": "ingested"}

// rowType returns the type of an event. Types that begin with annals. are the
// journal's own.
func rowType(entity, action []byte) []byte {
	verb := strings.ToLower(string(action))
	if past := pastForms[verb]; past != "" {
		verb = past
	} else if verb == "" {
		verb = "changed"
	}
	thing := string(entity)
	if thing == "" || strings.HasPrefix(thing+".", "annals.") || len(thing)+len(".")+len(verb) > 200 {
		thing = "record"
	}
	return []byte(thing + "." + verb)
}

// values appends what changed.
func (e *rowEvent) values(rows []row) error {
	record := -1
	before := len(e.out)
	e.out = appendName(e.out, "changes")
	from := len(e.out)
	for i := range rows {
		r := &rows[i]
		field := r.text(rowField)
		switch {
		case field.text != nil && string(field.text) != wholeRecord:
			e.out = appendChange(appendValue(append(e.out, ','), &field), r)
		case record >= 0:
			return fmt.Errorf("row %d: the whole record is there twice", i+1)
		default:
			record = i
		}
	}
	e.out = closeList(e.out, before, from, '{')
	if record >= 0 {
		e.record(&rows[record])
	}
	return nil
}

// appendChange appends a colon and the pair of a row.
func appendChange(dst []byte, r *row) []byte {
	dst = append(dst, ":["...)
	if old := r.raw[rowOld]; old != nil {
		dst = append(append(dst, old...), ',')
	}
	if r.raw[rowNew] == nil {
		return append(dst, "null]"...)
	}
	return append(append(dst, r.raw[rowNew]...), ']')
}

// record appends the state of a whole record: the new one or, if it has none, the
// old one.
func (e *rowEvent) record(r *row) {
	state, other := r.raw[rowNew], r.raw[rowOld]
	if (state == nil || string(state) == "null") && other != nil {
		state, other = other, nil
	}
	e.rest = e.rest || says(other)
	if state == nil {
		return
	}
	name := "data"
	switch strings.ToLower(string(e.first.text(rowAction).text)) {
	case "insert", "update", "delete":
		if state[0] == '{' && says(state) {
			name = "snapshot"
		}
	}
	e.out = append(appendName(e.out, name), state...)
}

// checkSyntax reports what is wrong with the grammar of a value, not all of which is
// in the event. What is too deep is, for the journal to refuse.
func checkSyntax(raw []byte) error {
	var s scanner
	n, st, err := s.scan(raw, true)
	switch {
	case err != nil && err != errDepth:
		return fmt.Errorf("byte %d: %w", n, err)
	case err == nil && st != done:
		return fmt.Errorf("byte %d: %w", n, io.ErrUnexpectedEOF)
	}
	return nil
}

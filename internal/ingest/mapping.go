package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// A mapping is a compiled mapping file: a [Format]. It is never changed after
// compilation.
type mapping struct {
	name       string
	title      string
	containers []string
	trie       *node  // of all paths
	slots      int    // how many values the paths lead to
	inner      []bool // by slot: other paths go on from there
	empty      []string
	require    []required
	detect     [][]cond // any, each of which holds if all its conditions do
	vars       [][]expr
	varNames   []string
	id         []expr
	time       []expr
	typ        []expr
	outputs    []output // the other members, in the order of an event's
}

// A required is a member without which a value is no event of the format.
type required struct {
	path string
	slot int
}

// An expr is one alternative for a member.
type expr struct {
	when  []cond
	parts []part // a lone operand, or what a template joins
	steps []step // of a template
	need  int    // a slot that must have a value; 0: none in particular
	bare  bool   // just the path whose slot need is
	text  string // as the file has it
}

// maxParts bounds a template.
const maxParts = 16

// A part of a template is a literal or an operand.
type part struct {
	literal []byte
	operand *operand
}

// An operand is a path or a variable, and what is done to its value.
type operand struct {
	slot     int // of the path; 0 for a variable
	variable int
	numbers  bool   // numbers and booleans are texts, too
	join     []byte // between the elements of an array; nil: arrays are not taken
	steps    []step
}

// An output writes one member of the event.
type output struct {
	member
	exprs  []expr   // of a plain member, of subjects
	groups []group  // of an object, alternatives or all
	fields []output // of tags
}

// A group is an object: actor, entity, error, or one of related.
type group struct {
	when   []cond
	each   int    // slot of an array whose elements are each an object; 0: just one
	path   string // of the array
	skip   int    // so many elements first
	trie   *node  // of the paths within an element
	slots  []int  // of those paths
	fields []output
}

// Name is the name that the file gives.
func (m *mapping) Name() string { return m.name }

// Containers are those that the file gives.
func (m *mapping) Containers() []string { return slices.Clone(m.containers) }

// Map implements [Format].
func (m *mapping) Map(dst, raw []byte, in Input) ([]byte, Notes, error) {
	r := runs.Get().(*run)
	defer r.release()
	r.start(m)
	if err := r.readEvent(raw); err != nil {
		return dst, Notes{}, err
	}
	out, notes, err := r.event(dst, raw, in)
	if err != nil {
		return dst, Notes{}, err
	}
	return out, notes, nil
}

// recognizes reports whether a value looks like the format.
func (m *mapping) recognizes(raw []byte) bool {
	r := runs.Get().(*run)
	defer r.release()
	r.start(m)
	if err := r.readEvent(raw); err != nil {
		return false
	}
	return slices.ContainsFunc(m.detect, r.holds)
}

// isEmpty reports whether a text counts as none.
func (m *mapping) isEmpty(text []byte) bool {
	for _, e := range m.empty {
		if e == string(text) {
			return true
		}
	}
	return false
}

// readEvent reads one value, which is to be an object.
func (r *run) readEvent(raw []byte) error {
	w := walker{in: raw}
	if w.space(); w.pos == len(raw) {
		return w.unexpected("an event")
	}
	if c := raw[w.pos]; c != '{' {
		if _, err := w.skip(); err != nil {
			return err
		}
		return fmt.Errorf("event is not an object but %s", kindOf(c))
	}
	if err := r.read(&w, r.m.trie); err != nil {
		return err
	}
	return w.end()
}

func kindOf(c byte) string {
	switch c {
	case '"':
		return "a string"
	case '[':
		return "an array"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}

// required checks what an event must have.
func (r *run) required() error {
	for _, q := range r.m.require {
		if what := lacking(r.values[q.slot]); what != "" {
			return errors.New(printable(q.path, 100) + what)
		}
	}
	return nil
}

// lacking says what a required text is not; "" if it is one.
func lacking(raw []byte) string {
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return " is missing"
	case raw[0] != '"':
		return " is not a string"
	case !says(raw):
		return " is empty"
	case bytes.IndexByte(plain(raw), 0) >= 0:
		return " contains a NUL"
	}
	return ""
}

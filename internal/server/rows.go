package server

import (
	"bytes"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// wholeRecord is the field of a row that is about no field but all of them.
const wholeRecord = `"*"`

// appendRows appends the rows of an entry, each with an end behind it: one for each
// changed field or, without changes, one for the whole record.
func appendRows(dst []byte, e *annals.Entry, end byte) []byte {
	changes, ok := e.Member("changes")
	if !ok {
		after, ok := e.Member("snapshot")
		if !ok {
			after, _ = e.Member("data")
		}
		return append(appendRow(dst, e, []byte(wholeRecord), nil, after), end)
	}
	// Entries are JSON: what cannot be read is not there.
	d := jsontext.NewDecoder(bytes.NewReader(changes))
	for _, err := d.ReadToken(); err == nil && d.PeekKind() == '"'; {
		var name jsontext.Value
		if name, err = d.ReadValue(); err != nil {
			break
		}
		name = name.Clone()
		var pair jsontext.Value
		if pair, err = d.ReadValue(); err == nil {
			before, after := pairOf(pair)
			dst = append(appendRow(dst, e, name, before, after), end)
		}
	}
	return dst
}

// pairOf returns the values of a change; the old one is nil where it is not known.
func pairOf(pair jsontext.Value) (before, after jsontext.Value) {
	d := jsontext.NewDecoder(bytes.NewReader(pair))
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var v jsontext.Value
		if v, err = d.ReadValue(); err == nil {
			before, after = after, v.Clone()
		}
	}
	return before, after
}

// appendRow appends a row of eleven members, as the export format journald has them:
// what the event does not have is an empty string, and a value that is not known is left
// out.
func appendRow(dst []byte, e *annals.Entry, field, before, after []byte) []byte {
	entity, actor := memberOf(e, "entity"), memberOf(e, "actor")
	dst = append(dst, '{')
	for _, m := range []struct {
		name  string
		value []byte
	}{
		{"id", memberOf(e, "id")}, {"time", memberOf(e, "time")},
		{"entity_type", orEmpty(within(entity, "type"))}, {"entity_id", orEmpty(within(entity, "id"))},
		{"field", field}, {"action", orEmpty(memberOf(e, "action"))}, {"old_value", before}, {"new_value", after},
		{"actor", orEmpty(within(actor, "id"), within(actor, "name"))}, {"source", orEmpty(memberOf(e, "source"))},
		{"workspace_id", orEmpty(memberOf(e, "workspace_id"))},
	} {
		if m.value != nil {
			dst = append(append(append(dst, '"'), m.name...), `":`...)
			dst = append(append(dst, m.value...), ',')
		}
	}
	dst[len(dst)-1] = '}'
	return dst
}

// orEmpty returns the first text that is there, or the empty one.
func orEmpty(texts ...[]byte) []byte {
	for _, text := range texts {
		if text != nil {
			return text
		}
	}
	return []byte(`""`)
}

// memberOf returns the JSON of a member, nil without one.
func memberOf(e *annals.Entry, name string) []byte {
	v, _ := e.Member(name)
	return v
}

// within returns the JSON of a member of an object, nil without one.
func within(object []byte, name string) []byte {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	for _, err := d.ReadToken(); err == nil && d.PeekKind() == '"'; {
		var t jsontext.Token
		if t, err = d.ReadToken(); err != nil {
			return nil
		}
		found := t.String() == name
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		if found {
			return v.Clone()
		}
	}
	return nil
}

package export

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// A record is an entry taken apart, perhaps with values hidden. It is used for
// one entry after another.
type record struct {
	entry   *annals.Entry
	json    jsontext.Value            // the entry, or what a redaction leaves of it
	members map[string]jsontext.Value // parts of json
}

// read takes an entry apart. json is the entry or what is shown of it.
func (r *record) read(entry *annals.Entry, json jsontext.Value) error {
	if r.members == nil {
		r.members = make(map[string]jsontext.Value)
	}
	clear(r.members)
	r.entry, r.json = entry, json
	err := each(json, func(name, value jsontext.Value) bool {
		r.members[unquoted(name)] = value
		return true
	})
	if err != nil {
		return fmt.Errorf("read entry at position %d: %w", entry.Position, err)
	}
	return nil
}

// values passes the values at a path to yield, until that returns false.
func (r *record) values(names []string, yield func(jsontext.Value) bool) {
	if v, ok := r.members[names[0]]; ok {
		find(v, names[1:], yield)
	}
}

// first returns the first value at a path, nil if there is none.
func (r *record) first(names ...string) (first jsontext.Value) {
	r.values(names, func(v jsontext.Value) bool {
		first = v
		return false
	})
	return first
}

// text returns the text of the value at a path, "" if there is none.
func (r *record) text(names ...string) string { return plainText(r.first(names...)) }

// find passes the values at the end of names below v to yield. It reports whether
// to go on.
func find(v jsontext.Value, names []string, yield func(jsontext.Value) bool) bool {
	if len(names) == 0 {
		return yield(v)
	}
	array := v.Kind() == '['
	goOn := true
	_ = each(v, func(name, value jsontext.Value) bool { // of an entry: it is JSON
		switch {
		case array:
			goOn = find(value, names, yield)
		case unquoted(name) == names[0]:
			goOn = find(value, names[1:], yield)
			return false
		}
		return goOn
	})
	return goOn
}

// plainText returns a string without its quotes, an array of scalars with commas,
// and any other value as its JSON.
func plainText(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		return unquoted(v)
	case '[':
		var parts []string
		flat := true
		_ = each(v, func(_, value jsontext.Value) bool {
			flat = value.Kind() != '[' && value.Kind() != '{'
			parts = append(parts, plainText(value))
			return flat
		})
		if flat {
			return strings.Join(parts, ", ")
		}
	}
	return string(v)
}

// unquoted returns what a JSON string means.
func unquoted(v jsontext.Value) string {
	if n := len(v); n >= 2 && bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : n-1])
	}
	text, _ := jsontext.AppendUnquote(nil, v)
	return string(text)
}

// decoders are reused: making one costs more than reading a small object.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// each passes the members of an object, or the elements of an array with no
// names, to yield, until that returns false. They are parts of v. A scalar has
// none.
func each(v jsontext.Value, yield func(name, value jsontext.Value) bool) error {
	object := v.Kind() == '{'
	if !object && v.Kind() != '[' {
		return nil
	}
	d := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	next := func() (jsontext.Value, error) {
		part, err := d.ReadValue()
		end := int(d.InputOffset())
		return v[end-len(part) : end : end], err
	}
	for k := d.PeekKind(); k != '}' && k != ']'; k = d.PeekKind() {
		var name jsontext.Value
		var err error
		if object {
			if name, err = next(); err != nil {
				return err
			}
		}
		value, err := next()
		if err != nil {
			return err
		}
		if !yield(name, value) {
			return nil
		}
	}
	return nil
}

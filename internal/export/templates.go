package export

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxTemplatesBytes bounds the text that [ParseTemplates] reads.
const MaxTemplatesBytes = 1 << 20

// maxTemplate bounds one template, in bytes.
const maxTemplate = 4 << 10

// Templates are sentences about entries by type. The zero value and nil have none, so
// that a sentence is made of actor, action, entity and changes. They do not change:
// several writers may share them.
type Templates struct{ templates map[string]template } // by type, or by prefix and *

// ParseTemplates reads templates: a JSON object from types, or beginnings of types with
// a *, to sentences with places such as {data.total}, or {actor.name|actor.id} for the
// first that an entry has; {{ and }} are braces. The longest beginning goes first. What
// is wrong with the text is an [OptionError] somewhere in the error.
func ParseTemplates(text []byte) (*Templates, error) {
	if len(text) > MaxTemplatesBytes {
		return nil, refused("more than %d bytes", MaxTemplatesBytes)
	}
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return nil, refused("not a JSON object").hinted(`write {"order.paid": "{actor} paid {entity}", "order.*": "…"}`)
	}
	t := &Templates{templates: make(map[string]template)}
	for d.PeekKind() != '}' {
		if err := t.read(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, refused("%v", err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, refused("there is more than one JSON value")
	}
	return t, nil
}

// read reads the template of one type.
func (t *Templates) read(d *jsontext.Decoder) error {
	name, err := d.ReadToken()
	if err != nil {
		return refused("%v", err)
	}
	typ := name.String()
	value, err := d.ReadToken()
	switch {
	case err != nil:
		return refused("%v", err)
	case value.Kind() != '"':
		return refused("template of %q is no string", typ)
	case typ == "" || strings.Contains(typ[:len(typ)-1], "*"):
		return refused("%q is no type", typ).hinted("a * stands at the end alone, as in order.*")
	}
	if t.templates[typ], err = parseTemplate(value.String()); err != nil {
		return fmt.Errorf("template of %q: %w", typ, err)
	}
	return nil
}

// A template is a sentence with places for values of an entry.
type template []segment

// A segment is a text, or a place for the first of several paths that the entry
// has.
type segment struct {
	text  string
	paths []path
}

// parseTemplate reads a template: text with places such as {data.total}, or
// {actor.name|actor.id} for the first one that there is. {{ and }} are braces.
func parseTemplate(text string) (template, error) {
	if len(text) > maxTemplate {
		return nil, refused("template has %d bytes, more than %d", len(text), maxTemplate)
	}
	var t template
	var plain strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			plain.WriteString(rest)
			break
		}
		plain.WriteString(rest[:i])
		brace := rest[i]
		if rest = rest[i+1:]; rest != "" && rest[0] == brace {
			plain.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		place, after, closed := strings.Cut(rest, "}")
		if brace == '}' || !closed {
			return nil, refused("template %q has a brace without another", clip(text, maxValue)).hinted("write {{ or }} for a brace")
		}
		paths, err := parsePlace(place)
		if err != nil {
			return nil, err
		}
		t = append(t, segment{text: plain.String()}, segment{paths: paths})
		plain.Reset()
		rest = after
	}
	return append(t, segment{text: plain.String()}), nil
}

// parsePlace reads what is between braces.
func parsePlace(text string) ([]path, error) {
	var paths []path
	for part := range strings.SplitSeq(text, "|") {
		p, err := parsePath(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// fill returns the sentence for an entry. A place for what the entry does not have
// stays empty.
func (t template) fill(r *record) string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.text)
		for _, p := range s.paths {
			if text := r.tell(p.names...); text != "" {
				b.WriteString(text)
				break
			}
		}
		if b.Len() > maxStory {
			break
		}
	}
	return b.String()
}

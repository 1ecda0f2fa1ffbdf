package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of templates.
const (
	maxTemplateFile = 1 << 20
	maxTemplate     = 4 << 10
)

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
		return nil, usagef("template has %d bytes, more than %d", len(text), maxTemplate)
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
			return nil, hinted(usagef("template %q has a brace without another", clip(text, maxValue)), "write {{ or }} for a brace")
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

// loadTemplates returns the narrator of a file of templates; no name means no
// templates.
func loadTemplates(name string) (*narrator, error) {
	if name == "" {
		return new(narrator), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open templates: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTemplateFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	n, err := parseTemplates(text)
	if err != nil {
		return nil, fmt.Errorf("templates %s: %w", name, err)
	}
	return n, nil
}

// parseTemplates reads templates: a JSON object from types, or prefixes of types
// with a *, to templates.
func parseTemplates(text []byte) (*narrator, error) {
	if len(text) > maxTemplateFile {
		return nil, usagef("more than %d bytes", maxTemplateFile)
	}
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return nil, hinted(usagef("not a JSON object"), `write {"order.paid": "{actor} paid {entity}", "order.*": "…"}`)
	}
	n := &narrator{templates: make(map[string]template)}
	for {
		name, err := d.ReadToken()
		if err != nil {
			return nil, usagef("%v", err)
		}
		if name.Kind() == '}' {
			break
		}
		typ := name.String()
		value, err := d.ReadToken()
		switch {
		case err != nil:
			return nil, usagef("%v", err)
		case value.Kind() != '"':
			return nil, usagef("template of %q is no string", typ)
		case typ == "" || strings.Contains(typ[:len(typ)-1], "*"):
			return nil, hinted(usagef("%q is no type", typ), "a * stands at the end alone, as in order.*")
		}
		if n.templates[typ], err = parseTemplate(value.String()); err != nil {
			return nil, fmt.Errorf("template of %q: %w", typ, err)
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, usagef("there is more than one JSON value")
	}
	return n, nil
}

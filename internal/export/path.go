package export

import (
	"errors"
	"slices"
	"strings"

	"github.com/annals-io/annals/internal/query"
)

// A path leads from an entry to values in it: the name of a member and names
// below it. An array on the way stands for each of its elements.
type path struct {
	text  string
	names []string // one at least
}

// maxPathNames bounds a path: entries are no deeper.
const maxPathNames = 64

// parsePath reads a path: names joined by dots; a backslash makes the next
// character ordinary.
func parsePath(text string) (path, error) {
	p := path{text: text}
	var name strings.Builder
	escaped := false
	for _, r := range text {
		switch {
		case r == '\\' && !escaped:
			escaped = true
			continue
		case r == '.' && !escaped:
			p.names = append(p.names, name.String())
			name.Reset()
		default:
			name.WriteRune(r)
		}
		escaped = false
	}
	p.names = append(p.names, name.String())
	if err := p.check(); err != nil {
		return path{}, err
	}
	return p, nil
}

// check refuses a path that no entry has.
func (p *path) check() error {
	switch member, rest := p.names[0], p.names[1:]; {
	case slices.Contains(p.names, ""):
		return refused("path %q has an empty name", p.text)
	case len(p.names) > maxPathNames:
		return refused("path has %d names, more than %d", len(p.names), maxPathNames)
	case !slices.ContainsFunc(query.Fields(), func(f query.Field) bool {
		free := f.Kind == query.Path
		typed := len(f.Sub) >= len(rest) && slices.Equal(f.Sub[:len(rest)], rest)
		return f.Member == member && (free || typed)
	}):
		return p.unknown()
	}
	return nil
}

// unknown is the error for a path that no entry has.
func (p *path) unknown() error {
	err := refused("path %q is of no member of an entry", p.text)
	field, _, lookup := query.Lookup(p.text)
	var unknown *query.ParamError
	switch {
	case lookup == nil && !field.Keys:
		return err.hinted("did you mean %s?", strings.Join(append([]string{field.Member}, field.Sub...), "."))
	case errors.As(lookup, &unknown) && unknown.Hint != "":
		return err.hinted("%s", unknown.Hint)
	}
	return err.hinted("write a member as entries have it, such as actor.name or data.total")
}

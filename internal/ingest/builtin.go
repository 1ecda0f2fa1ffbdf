package ingest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// mappingFiles are the built-in mappings.
//
//go:embed mappings/*.yaml
var mappingFiles embed.FS

// codeFormats are the built-in formats that no mapping can express.
var codeFormats = []Format{cloudEvents{}, jsonLines{}, journald{}}

// formats returns the built-in formats, by name.
var formats = sync.OnceValue(func() []Format {
	all := slices.Clone(codeFormats)
	names, err := fs.Glob(mappingFiles, "mappings/*.yaml")
	if err != nil {
		panic("annals: internal error: " + err.Error())
	}
	for _, name := range names {
		text, err := mappingFiles.ReadFile(name)
		if err != nil {
			panic("annals: internal error: " + err.Error())
		}
		m, err := compile(text)
		if err != nil {
			panic("annals: internal error: " + name + ": " + err.Error())
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Format) int { return strings.Compare(a.Name(), b.Name()) })
	return all
})

// Lookup returns the built-in format with the given name.
func Lookup(name string) (Format, error) {
	for _, f := range formats() {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("unknown format %.40q, want %s", name, orList(Names()))
}

// orList joins names for an error.
func orList(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Names returns the names that [Lookup] knows, sorted.
func Names() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.Name())
	}
	return names
}

// ParseMapping reads a user's mapping file, whose language is in docs/import.md.
// Errors name the line and the member. The name of a built-in format is refused:
// an import with it could mean either.
func ParseMapping(text []byte) (Format, error) {
	m, err := compile(text)
	if err != nil {
		return nil, err
	}
	if slices.Contains(Names(), m.name) {
		return nil, &mappingError{member: "name", err: errors.New("is that of a built-in format: choose another")}
	}
	return m, nil
}

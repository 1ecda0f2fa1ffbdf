package ingest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// mappingFiles are the built-in mappings.
//
//go:embed mappings/*.yaml
var mappingFiles embed.FS

// builtin are the built-in formats by name. A mapping is compiled when it is first
// asked for: most commands never import.
var builtin = func() map[string]func() Format {
	all := map[string]func() Format{}
	for _, f := range []Format{cloudEvents{}, jsonLines{}, journald{}} {
		all[f.Name()] = func() Format { return f }
	}
	files, err := fs.Glob(mappingFiles, "mappings/*.yaml")
	if err != nil {
		panic("annals: internal error: " + err.Error())
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		all[name] = sync.OnceValue(func() Format { return mustCompile(file) })
	}
	return all
}()

// mustCompile compiles a built-in mapping.
func mustCompile(file string) *mapping {
	text, err := mappingFiles.ReadFile(file)
	if err != nil {
		panic("annals: internal error: " + err.Error())
	}
	m, err := compile(text)
	if err != nil {
		panic("annals: internal error: " + file + ": " + err.Error())
	}
	return m
}

// Lookup returns the built-in format with the given name.
func Lookup(name string) (Format, error) {
	f, ok := builtin[name]
	if !ok {
		return nil, fmt.Errorf("unknown format %.40q, want %s", name, orList(Names()))
	}
	return f(), nil
}

// orList joins names for an error.
func orList(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Names returns the names that [Lookup] knows, sorted.
func Names() []string {
	return slices.Sorted(maps.Keys(builtin))
}

// ParseMapping reads a user's mapping file, whose language is in docs/import.md.
// Errors name the line and the member. The name of a built-in format is refused:
// an import with it could mean either.
func ParseMapping(text []byte) (Format, error) {
	m, err := compile(text)
	if err != nil {
		return nil, err
	}
	if builtin[m.name] != nil {
		return nil, &mappingError{member: "name", err: errors.New("is that of a built-in format: choose another")}
	}
	return m, nil
}

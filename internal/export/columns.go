package export

import (
	"fmt"
	"strings"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
)

// A cellKind says what is in a column of entries.
type cellKind uint8

const (
	bareCell  cellKind = iota // a number, a time, true or false
	textCell                  // a string: anything
	jsonCell                  // JSON
	storyCell                 // the description
	hashCell                  // the entry's hash
)

// A flatColumn is a column of entries of CSV.
type flatColumn struct {
	name  string
	kind  cellKind
	names []string // the path
}

// flatColumns are the columns of CSV.
var flatColumns = nameColumns([]struct {
	path string
	kind cellKind
}{
	{"position", bareCell}, {"recorded_at", bareCell}, {"time", bareCell}, {"tenant", textCell}, {"id", textCell},
	{"type", textCell}, {"version", textCell}, {"source", textCell}, {"category", textCell}, {"action", textCell},
	{"outcome", textCell}, {"severity", textCell}, {"description", storyCell}, {"message", textCell}, {"reason", textCell},
	{"actor.type", textCell}, {"actor.id", textCell}, {"actor.name", textCell}, {"actor.address", textCell},
	{"actor.user_agent", textCell}, {"actor.on_behalf_of.type", textCell}, {"actor.on_behalf_of.id", textCell},
	{"actor.on_behalf_of.name", textCell}, {"entity.type", textCell}, {"entity.id", textCell}, {"entity.name", textCell},
	{"sequence", bareCell}, {"related", jsonCell}, {"correlation_id", textCell}, {"parent_id", textCell},
	{"trace_id", textCell}, {"span_id", textCell}, {"session_id", textCell}, {"workspace_id", textCell},
	{"namespace", textCell}, {"cluster", textCell}, {"producer.id", textCell}, {"producer.sequence", bareCell},
	{"subjects", jsonCell}, {"tags", jsonCell}, {"changes", jsonCell}, {"snapshot", jsonCell}, {"data", jsonCell},
	{"metadata", jsonCell}, {"duration_ms", bareCell}, {"error.code", textCell}, {"error.message", textCell},
	{"retention_days", bareCell}, {"sensitive", bareCell}, {"recorded_by.type", textCell}, {"recorded_by.id", textCell},
	{"redacted", jsonCell}, {"hash", hashCell},
})

// nameColumns names columns as filter text names fields.
func nameColumns(paths []struct {
	path string
	kind cellKind
}) []flatColumn {
	columns := make([]flatColumn, len(paths))
	for i, p := range paths {
		name := p.path
		if strings.Count(name, ".") > 1 {
			name = strings.TrimPrefix(name, "actor.")
		}
		columns[i] = flatColumn{strings.ReplaceAll(name, ".", "_"), p.kind, strings.Split(p.path, ".")}
	}
	return columns
}

// A flattener makes cells of entries.
type flattener struct {
	templates *Templates
	hide      *Redaction // nil hides nothing

	record record
	text   []byte // what may be shown of record
}

// cell returns what is in a column: JSON in a column of JSON, and otherwise text.
func (f *flattener) cell(c *flatColumn) string {
	switch c.kind {
	case storyCell:
		return f.templates.tell(&f.record)
	case hashCell:
		if f.hide != nil {
			return "" // it would confirm a guess of what is hidden
		}
		return f.record.entry.Hash().String()
	case jsonCell:
		return string(f.record.first(c.names...))
	}
	return scalarText(f.record.first(c.names...))
}

// scalarText returns what a string means, and any other value as its JSON.
func scalarText(v jsontext.Value) string {
	if v.Kind() == '"' {
		return unquoted(v)
	}
	return string(v)
}

// take takes the next entry, and hides what is to be hidden of it.
func (f *flattener) take(e *annals.Entry) error {
	shown := e.JSON
	if f.hide != nil {
		var err error
		if f.text, err = f.hide.apply(f.text[:0], e.JSON); err != nil {
			return fmt.Errorf("redact entry at position %d: %w", e.Position, err)
		}
		shown = f.text
	}
	return f.record.read(e, shown)
}

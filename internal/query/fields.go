package query

import (
	"fmt"
	"strings"
)

// A Kind says what values a field has and what may be asked of them.
type Kind uint8

// The kinds of field.
const (
	String  Kind = iota // text: exact, by prefix, or compared by its bytes
	Time                // a time in the canonical form of entries
	Number              // a JSON number, compared exactly by value
	Bool                // true or false
	Enum                // one of Values, compared by their order
	Address             // text; when it is an IP address, also equal and ordered as one
	Path                // JSON of any shape, reached by member names
)

// A Field is something that can be asked for by name.
type Field struct {
	Name    string // as [Expr].String writes it
	Kind    Kind
	Aliases []string // other names; the member's dotted name is one without being listed
	Member  string   // the entry's top-level member that holds it
	Sub     []string // the way from Member to the value; an array stands for its elements
	Keys    bool     // the values are the names of Member's members
	Values  []string // of an Enum, lowest first

	index int // of Member in members
}

// members are the top-level members of an entry, in the order of its canonical form.
var members = [...]string{
	"id", "time", "type", "version", "tenant", "source", "category", "action", "outcome", "severity", "reason", "message",
	"actor", "entity", "related", "correlation_id", "parent_id", "trace_id", "span_id", "session_id", "workspace_id",
	"namespace", "cluster", "producer", "subjects", "tags", "changes", "snapshot", "data", "metadata", "duration_ms",
	"error", "retention_days", "sensitive", "recorded_by", "redacted", "recorded_at", "sequence", "position",
}

// fields is the whole vocabulary, in the order of the members.
var fields = []*Field{
	{Name: "id", Aliases: []string{"event_id"}, Member: "id"},
	{Name: "time", Kind: Time, Member: "time"},
	{Name: "type", Aliases: []string{"event_type"}, Member: "type"},
	{Name: "version", Member: "version"},
	{Name: "tenant", Member: "tenant"},
	{Name: "source", Member: "source"},
	{Name: "category", Member: "category"},
	{Name: "action", Member: "action"},
	{Name: "outcome", Kind: Enum, Member: "outcome", Values: []string{"success", "failure", "pending", "unknown"}},
	{Name: "severity", Kind: Enum, Member: "severity",
		Values: []string{"debug", "info", "notice", "warning", "error", "critical"}},
	{Name: "reason", Member: "reason"},
	{Name: "message", Member: "message"},
	{Name: "actor_id", Aliases: []string{"actor"}, Member: "actor", Sub: []string{"id"}},
	{Name: "actor_type", Member: "actor", Sub: []string{"type"}},
	{Name: "actor_name", Member: "actor", Sub: []string{"name"}},
	{Name: "actor_address", Kind: Address, Aliases: []string{"ip"}, Member: "actor", Sub: []string{"address"}},
	{Name: "actor_user_agent", Aliases: []string{"user_agent"}, Member: "actor", Sub: []string{"user_agent"}},
	{Name: "on_behalf_of_id", Aliases: []string{"on_behalf_of"}, Member: "actor", Sub: []string{"on_behalf_of", "id"}},
	{Name: "on_behalf_of_type", Member: "actor", Sub: []string{"on_behalf_of", "type"}},
	{Name: "on_behalf_of_name", Member: "actor", Sub: []string{"on_behalf_of", "name"}},
	{Name: "entity_id", Aliases: []string{"entity", "resource", "resource_id", "resource.id", "aggregate_id"},
		Member: "entity", Sub: []string{"id"}},
	{Name: "entity_type", Aliases: []string{"resource_type", "resource.type", "aggregate_type"},
		Member: "entity", Sub: []string{"type"}},
	{Name: "entity_name", Aliases: []string{"resource_name", "resource.name"}, Member: "entity", Sub: []string{"name"}},
	{Name: "related_id", Aliases: []string{"related"}, Member: "related", Sub: []string{"id"}},
	{Name: "related_type", Member: "related", Sub: []string{"type"}},
	{Name: "related_name", Member: "related", Sub: []string{"name"}},
	{Name: "correlation_id", Member: "correlation_id"},
	{Name: "parent_id", Member: "parent_id"},
	{Name: "trace_id", Member: "trace_id"},
	{Name: "span_id", Member: "span_id"},
	{Name: "session_id", Member: "session_id"},
	{Name: "workspace_id", Member: "workspace_id"},
	{Name: "namespace", Member: "namespace"},
	{Name: "cluster", Member: "cluster"},
	{Name: "producer_id", Aliases: []string{"producer"}, Member: "producer", Sub: []string{"id"}},
	{Name: "producer_sequence", Kind: Number, Member: "producer", Sub: []string{"sequence"}},
	{Name: "subjects", Aliases: []string{"subject"}, Member: "subjects"},
	{Name: "tags", Kind: Path, Member: "tags"},
	{Name: "field", Aliases: []string{"changed_field"}, Member: "changes", Keys: true},
	{Name: "changes", Kind: Path, Member: "changes"},
	{Name: "snapshot", Kind: Path, Member: "snapshot"},
	{Name: "data", Kind: Path, Member: "data"},
	{Name: "metadata", Kind: Path, Member: "metadata"},
	{Name: "duration_ms", Kind: Number, Aliases: []string{"duration"}, Member: "duration_ms"},
	{Name: "error_code", Aliases: []string{"error"}, Member: "error", Sub: []string{"code"}},
	{Name: "error_message", Member: "error", Sub: []string{"message"}},
	{Name: "retention_days", Kind: Number, Member: "retention_days"},
	{Name: "sensitive", Kind: Bool, Member: "sensitive"},
	{Name: "recorded_by_id", Aliases: []string{"recorded_by"}, Member: "recorded_by", Sub: []string{"id"}},
	{Name: "recorded_by_type", Member: "recorded_by", Sub: []string{"type"}},
	{Name: "redacted", Member: "redacted"},
	{Name: "recorded_at", Kind: Time, Member: "recorded_at"},
	{Name: "sequence", Kind: Number, Member: "sequence"},
	{Name: "position", Kind: Number, Member: "position"},
}

// misnomers are names of other systems and the field that their users look for.
var misnomers = map[string]string{
	"timestamp": "time", "date": "time", "created": "time", "created_at": "time", "since": "time", "until": "time",
	"user": "actor", "user_id": "actor", "username": "actor_name", "principal": "actor", "address": "actor_address",
	"event": "type", "event_name": "type", "status": "outcome", "result": "outcome", "level": "severity",
	"service": "source", "text": "message", "payload": "data", "meta": "metadata",
	"target": "entity", "object": "entity", "request_id": "correlation_id", "code": "error_code",
}

// fieldNames maps every name and alias to its field.
var fieldNames = indexFields()

func indexFields() map[string]*Field {
	order := make(map[string]int, len(members))
	for i, name := range members {
		order[name] = i
	}
	names := make(map[string]*Field)
	add := func(name string, f *Field) {
		if other, taken := names[name]; taken && other != f {
			panic("query: internal error: two fields are called " + name)
		}
		names[name] = f
	}
	for _, f := range fields {
		i, ok := order[f.Member]
		if !ok {
			panic("query: internal error: field " + f.Name + " is of no member")
		}
		f.index = i
		add(f.Name, f)
		if len(f.Sub) > 0 {
			add(f.Member+"."+strings.Join(f.Sub, "."), f)
		}
		for _, alias := range f.Aliases {
			add(alias, f)
		}
	}
	return names
}

// Fields returns a copy of the table of fields, in the order of an entry's members.
func Fields() []Field {
	all := make([]Field, len(fields))
	for i, f := range fields {
		all[i] = *f
	}
	return all
}

// Lookup returns the field that a name, as filter text and parameters have it,
// stands for, and the member names that follow the name of a [Path] field. The
// error is a *[ParamError].
func Lookup(name string) (*Field, []string, error) {
	if f, ok := fieldNames[name]; ok {
		if f.Kind == Path && f.Name != "data" {
			return nil, nil, &ParamError{clip(name), name + " needs the name of a member", hintMember(f)}
		}
		return f, nil, nil
	}
	root, rest, dotted := strings.Cut(name, ".")
	f := fieldNames[root]
	if !dotted || f == nil || f.Kind != Path || f.Name != root {
		return nil, nil, &ParamError{clip(name), fmt.Sprintf("unknown field %q", clip(name)), suggest(name)}
	}
	path := splitPath(rest)
	if len(path) > MaxDepth {
		return nil, nil, &ParamError{clip(name), fmt.Sprintf("path has %d names, more than %d", len(path), MaxDepth), ""}
	}
	return f, path, nil
}

func hintMember(f *Field) string {
	if f.Name == "changes" {
		return "write changes.NAME, or field:NAME for entries that changed it"
	}
	return "write " + f.Name + ".NAME"
}

// splitPath cuts a path at its dots; a backslash makes the next character
// ordinary.
func splitPath(s string) []string {
	var path []string
	var name strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			name.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '.':
			path = append(path, name.String())
			name.Reset()
		default:
			name.WriteRune(r)
		}
	}
	if escaped {
		name.WriteByte('\\')
	}
	return append(path, name.String())
}

// clip shortens a text for an error message.
func clip(s string) string {
	r := []rune(s[:min(len(s), 400)])
	if len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return string(r)
}

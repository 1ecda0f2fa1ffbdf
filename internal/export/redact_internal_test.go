package export

import (
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

func TestRedaction(t *testing.T) {
	const event = `{"id":"1","time":"2026-01-01T00:00:00.000000000Z","type":"a","version":"1.0","tenant":"default","actor":{"id":"u","name":"n"},` +
		`"related":[{"type":"t","id":"1"},{"type":"t","id":"2"}],"changes":{"s":["a",{"x":1}],"t":["b"]},"data":{"u":[{"p":1,"q":[2]},3],"v.w":"x","n":1.50}}`
	tests := []struct {
		name  string
		paths []string
		old   string
		new   string
	}{
		{"a member", []string{"actor"}, `{"id":"u","name":"n"}`, `"[redacted]"`},
		{"below it", []string{"actor.name"}, `"name":"n"`, `"name":"[redacted]"`},
		{"not there", []string{"reason", "data.none", "data.n.x", "metadata.x"}, "", ""},
		{"each element", []string{"data.u.p"}, `"p":1`, `"p":"[redacted]"`},
		{"an array", []string{"data.u"}, `[{"p":1,"q":[2]},3]`, `"[redacted]"`},
		{"elements of members", []string{"related.id"}, `[{"type":"t","id":"1"},{"type":"t","id":"2"}]`, `[{"type":"t","id":"[redacted]"},{"type":"t","id":"[redacted]"}]`},
		{"a change", []string{"changes.s"}, `["a",{"x":1}]`, `["[redacted]","[redacted]"]`},
		{"in a change", []string{"changes.s.x"}, `{"x":1}`, `{"x":"[redacted]"}`},
		{"a dot", []string{`data.v\.w`}, `"v.w":"x"`, `"v.w":"[redacted]"`},
		{"wide and narrow", []string{"data.u.p", "data", "data.n"}, `{"u":[{"p":1,"q":[2]},3],"v.w":"x","n":1.50}`, `"[redacted]"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRedaction(tt.paths)
			check(t, err)
			got, err := r.apply(nil, []byte(event))
			check(t, err)
			want := strings.Replace(event, tt.old, tt.new, 1)
			if tt.old != "" && want == event {
				t.Fatal("the test replaces nothing")
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := ParseRedaction(make([]string, MaxRedacted+1)); err == nil {
		t.Error("there is no limit of paths")
	}
}

// TestRedactedCells hides members of every kind: cells and fields show nothing of
// them.
func TestRedactedCells(t *testing.T) {
	const event = `{"type":"a","actor":{"name":"secret"},"subjects":["secret"],"changes":{"s":["secret","secret"]},"data":{"x":"secret"},"duration_ms":5}`
	encoded, err := annals.ParseEvent([]byte(event))
	check(t, err)
	hide, err := ParseRedaction([]string{"actor", "subjects", "changes", "data.x", "duration_ms"})
	check(t, err)
	f := flattener{hide: hide}
	x := &annals.Entry{JSON: encoded.JSON()}
	cells := rowOf(t, x, f)
	for name, value := range cells {
		if strings.Contains(value, "secret") || strings.Contains(strings.ToLower(name), "hash") && value != "" {
			t.Errorf("%s shows %q", name, value)
		}
	}
	if cells["duration_ms"] != "[redacted]" || cells["data"] != `{"x":"[redacted]"}` || cells["subjects"] != `"[redacted]"` {
		t.Errorf("cells are %q", cells)
	}
}

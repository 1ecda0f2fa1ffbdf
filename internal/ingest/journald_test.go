package ingest_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

func TestJournaldMap(t *testing.T) {
	const head = `"id":"1","time":"2026-01-02T03:04:05Z",`
	tests := []struct{ name, raw, want string }{
		{"all fields", `{` + head + `"entity_type":"user","entity_id":"7","field":"email","action":"update","old_value":"a","new_value":"b","actor":"bob","source":"crm","workspace_id":"w"}`,
			`{` + head + `"type":"user.updated","source":"crm","action":"update","actor":{"id":"bob"},"entity":{"type":"user","id":"7"},"workspace_id":"w","changes":{"email":["a","b"]}}`},
		{"other names", `{"event_id":"1","timestamp":"2026-01-02T03:04:05Z","entity_type":"user","entity_id":7,"field_name":"n","action":"DELETE","old":12345678901234567890,"new":null,"user":"bob","workspace":"w"}`,
			`{` + head + `"type":"user.deleted","action":"DELETE","actor":{"id":"bob"},"entity":{"type":"user","id":"7"},"workspace_id":"w","changes":{"n":[12345678901234567890,null]}}`},
		{"old value not known", `{` + head + `"field":"a","new_value":1.0}`, `{` + head + `"type":"record.changed","changes":{"a":[1.0]}}`},
		{"no value", `{` + head + `"field":"a"}`, `{` + head + `"type":"record.changed","changes":{"a":[null]}}`},
		{"several", `[{` + head + `"field":"a","new_value":1},{` + head + `"field":"b\n","old_value":{"x":[]},"new_value":""}]`,
			`{` + head + `"type":"record.changed","changes":{"a":[1],"b\n":[{"x":[]},""]}}`},
		{"whole record", `{` + head + `"entity_type":"user","field":"*","action":"insert","new_value":{"a":1},"entity_id":"7"}`,
			`{` + head + `"type":"user.inserted","action":"insert","entity":{"type":"user","id":"7"},"snapshot":{"a":1}}`},
		{"deleted record", `{` + head + `"entity_type":"user","field":"*","action":"delete","old_value":{"a":1},"new_value":null,"entity_id":"7"}`,
			`{` + head + `"type":"user.deleted","action":"delete","entity":{"type":"user","id":"7"},"snapshot":{"a":1}}`},
		{"bulk load", `{` + head + `"entity_type":"user","action":"ingest","new_value":{"rows":3},"entity_id":"7","field":"*"}`,
			`{` + head + `"type":"user.ingested","action":"ingest","entity":{"type":"user","id":"7"},"data":{"rows":3}}`},
		{"record and fields", `[{` + head + `"action":"update","new_value":{"a":1}},{` + head + `"action":"update","field":"a","new_value":1}]`,
			`{` + head + `"type":"record.updated","action":"update","changes":{"a":[1]},"snapshot":{"a":1}}`},
		{"record that is no object", `{` + head + `"action":"insert","new_value":"x"}`, `{` + head + `"type":"record.inserted","action":"insert","data":"x"}`},
		{"nothing", `{` + head + `"field":"*"}`, `{` + head + `"type":"record.changed"}`},
		{"time with a space", `{"id":"1","time":"2026-01-02 03:04:05.5+01:00"}`, `{"id":"1","time":"2026-01-02T03:04:05.5+01:00","type":"record.changed"}`},
		{"our own prefix", `{` + head + `"entity_type":"annals.x"}`, `{` + head + `"type":"record.changed","metadata":{"journald":{` + head + `"entity_type":"annals.x"}}}`},
		{"member of no place", `{` + head + `"extra":1,"none":""}`, `{` + head + `"type":"record.changed","metadata":{"journald":{` + head + `"extra":1,"none":""}}}`},
		{"old and new record", `{` + head + `"old_value":1,"new_value":2}`, `{` + head + `"type":"record.changed","data":2,"metadata":{"journald":{` + head + `"old_value":1,"new_value":2}}}`},
		{"a name twice", `{` + head + `"field":"a","field":""}`, `{` + head + `"type":"record.changed","changes":{"a":[null]},"metadata":{"journald":{` + head + `"field":"a","field":""}}}`},
		{"actor too long", `{` + head + `"actor":"` + strings.Repeat("x", 1001) + `"}`,
			`{` + head + `"type":"record.changed","metadata":{"journald":{` + head + `"actor":"` + strings.Repeat("x", 1001) + `"}}}`},
		{"no id", `{"time":"2026-01-02T03:04:05Z","id":""}`, `{"time":"2026-01-02T03:04:05Z","type":"record.changed"}`},
	}
	f := lookup(t, "journald")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, notes, err := f.Map([]byte("before "), []byte(tt.raw), ingest.Input{})
			check(t, err)
			if diff := cmp.Diff("before "+tt.want, string(out)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if notes.NoID != (tt.name == "no id") {
				t.Errorf("notes %+v", notes)
			}
		})
	}
}

func TestJournaldRejects(t *testing.T) {
	const head = `"id":"1","time":"2026-01-02T03:04:05Z"`
	f := lookup(t, "journald")
	for raw, want := range map[string]string{
		`{"id":"1"}`:                              "no usable time: time is missing",
		`{"id":"1","time":"yesterday"}`:           `no usable time: time is "yesterday", want RFC 3339`,
		`{"id":"1","time":"2026-01-02T03:04:05"}`: `no usable time: time is "2026-01-02T03:04:05", want RFC 3339`,
		`{"id":"1","time":1767323045}`:            `no usable time: time is "1767323045", want RFC 3339`,
		`[{` + head + `},{` + head + `}]`:         "row 2: the whole record is there twice",
		`[]`:                                      "event has no rows",
		`7`:                                       `byte 0: unexpected '7', want a row, which is an object`,
		`[{` + head + `},7]`:                      `byte 42: unexpected '7', want a row, which is an object`,
		`{` + head + `,"x":[}}`:                   "byte 45: unexpected '}', want a value or ']'",
		`{` + head + `,"old_value":1,"new_value":tru`: "byte 66: invalid literal \"tru\"",
	} {
		out, notes, err := f.Map([]byte("before"), []byte(raw), ingest.Input{})
		if err == nil || err.Error() != want || string(out) != "before" || notes != (ingest.Notes{}) {
			t.Errorf("%s: got %v, want %s; %q, %+v", raw, err, want, out, notes)
		}
		if strings.Contains(want, "usable") {
			if !errors.Is(err, ingest.ErrNoTime) {
				t.Errorf("%s: not ErrNoTime", raw)
			}
			_, _, err = f.Map(nil, []byte(raw), ingest.Input{Time: "2026-01-01T00:00:00Z"})
			check(t, err)
		}
	}
}

func TestJoinRows(t *testing.T) {
	row := func(id string, more string) string {
		return fmt.Sprintf(`{"id":%q,"time":"2026-01-02T03:04:05Z"%s}`, id, more)
	}
	a, b := row("1", `,"field":"a"`), row("1", `,"field":"b"`)
	other, alone := row("1", `,"actor":"x"`), row("", "")
	tests := []struct {
		name string
		in   []string
		want []string // LINE ok|bad JOINED RAW
	}{
		{name: "empty"},
		{"one", []string{a}, []string{"1 ok 0 " + a}},
		{"two of one event", []string{a, b}, []string{"1 ok 1 [" + a + "," + b + "]"}},
		{"two and another", []string{a, b, a, row("2", ""), row("2", "")}, []string{
			"1 ok 2 [" + a + "," + b + "," + a + "]", "4 ok 1 [" + row("2", "") + "," + row("2", "") + "]"}},
		{"another actor", []string{a, other, b}, []string{"1 ok 0 " + a, "2 ok 0 " + other, "3 ok 0 " + b}},
		{"without ids", []string{alone, alone}, []string{"1 ok 0 " + alone, "2 ok 0 " + alone}},
		{"no rows", []string{"1", "1"}, []string{"1 ok 0 1", "2 ok 0 1"}},
		{"bad between", []string{a, "{", b, "}"}, []string{"1 ok 0 " + a, "2 bad 0 {", "3 ok 0 " + b, "4 bad 0 }"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := strings.NewReader(strings.Join(tt.in, "\n"))
			j := ingest.Join(lookup(t, "journald"), newReader(t, in, nil))
			var got []string
			for {
				item, err := j.Next()
				if err == io.EOF {
					break
				}
				check(t, err)
				mark := "ok"
				if item.Err != nil {
					mark = "bad"
				}
				got = append(got, fmt.Sprintf("%d %s %d %s", item.Line, mark, item.Joined, item.Raw))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := j.InputBytes(); n != int64(len(strings.Join(tt.in, "\n"))) {
				t.Errorf("%d bytes read", n)
			}
		})
	}
	items := newReader(t, strings.NewReader(a), nil)
	if ingest.Join(lookup(t, "cloudtrail"), items) != ingest.ItemReader(items) {
		t.Error("rows of another format are joined")
	}
}

// TestJoinRowsLimit has more rows of one event than may be joined.
func TestJoinRowsLimit(t *testing.T) {
	row := `{"id":"1","field":"` + strings.Repeat("x", 1<<20) + "\"}\n"
	j := ingest.JoinRows(newReader(t, repeat(row, int64(40*len(row))), nil))
	rows, events := 0, 0
	for {
		item, err := j.Next()
		if err == io.EOF {
			break
		}
		check(t, err)
		if len(item.Raw) > 17<<20 {
			t.Errorf("%d bytes are joined", len(item.Raw))
		}
		events, rows = events+1, rows+1+item.Joined
	}
	if rows != 40 || events < 3 || events > 4 {
		t.Errorf("%d rows became %d events", rows, events)
	}
}

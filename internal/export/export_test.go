package export_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
	"github.com/google/go-cmp/cmp"
)

// check ends a test that an error makes pointless.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// entry returns an entry of canonical JSON.
func entry(json string) *annals.Entry { return &annals.Entry{JSON: []byte(json)} }

// exported returns entries as one export.
func exported(t *testing.T, o export.Options, entries ...*annals.Entry) string {
	t.Helper()
	var b bytes.Buffer
	w := export.New(bufio.NewWriterSize(&b, 16), &o) // smaller than anything
	for _, e := range entries {
		check(t, w.Write(e))
	}
	check(t, w.End())
	return b.String()
}

const (
	one = `{"id":"1","time":"2026-01-02T03:04:05.000000000Z","type":"a","version":"1.0","tenant":"t","actor":{"id":"bob"},"changes":{"x":[1,"=2"],"y":["` + "\u202e" + `"]}}`
	two = `{"id":"2","time":"2026-01-02T03:04:05.000000000Z","type":"annals.x","version":"1.0","tenant":"_annals"}`
)

// TestFormats writes no entry, and two, in each format.
func TestFormats(t *testing.T) {
	hide, err := export.ParseRedaction([]string{"changes.x", "actor"})
	check(t, err)
	templates, err := export.ParseTemplates([]byte(`{"a":"{actor}: {changes.x}"}`))
	check(t, err)
	const (
		head = `{"id":"1","time":"2026-01-02T03:04:05.000000000Z",`
		of   = head + `"type":"a","version":"1.0","tenant":"t","actor":`
		in1  = of + `{"id":"bob"},"changes":{"x":[1,"=2"],"y":["` + "\u202e" + `"]}`
		in2  = `{"id":"2","time":"2026-01-02T03:04:05.000000000Z","type":"annals.x","version":"1.0","tenant":"_annals"`
		row  = `"entity_type":"","entity_id":"","field":`
		rest = `"source":"","workspace_id":""}` + "\n"
		rows = "id,time,entity_type,entity_id,field,action,old_value,new_value,actor,source,workspace_id\n"
		cell = "1,2026-01-02T03:04:05.000000000Z,,,"
	)
	tests := []struct {
		name        string
		o           export.Options
		contentType string
		none, both  string
	}{
		{"ndjson", export.Options{Format: export.NDJSON}, "application/x-ndjson", "", in1 + "}\n" + in2 + "}\n"},
		{"ndjson on a terminal", export.Options{Format: export.NDJSON, Printable: true}, "application/x-ndjson",
			"", strings.ReplaceAll(in1, "\u202e", `\u202e`) + "}\n" + in2 + "}\n"},
		{"json", export.Options{Format: export.JSON}, "application/json", "[]\n", "[\n" + in1 + "},\n" + in2 + "}\n]\n"},
		{"json on a terminal", export.Options{Format: export.JSON, Printable: true}, "application/json",
			"[]\n", "[\n" + strings.ReplaceAll(in1, "\u202e", `\u202e`) + "},\n" + in2 + "}\n]\n"},
		{"json with sentences", export.Options{Format: export.JSON, Describe: true}, "application/json",
			"[]\n", "[\n" + in1 + `,"description":"bob a: x: 1 → =2; y: → ` + "\u202e" + `"},` + "\n" + in2 + `,"description":"annals.x"}` + "\n]\n"},
		{"json with templates, hidden", export.Options{Format: export.JSON, Describe: true, Templates: templates, Redaction: hide}, "application/json",
			"[]\n", "[\n" + of + `"[redacted]","changes":{"x":["[redacted]","[redacted]"],"y":["` + "\u202e" +
				`"]},"description":"[redacted]: [redacted] → [redacted]"},` + "\n" + in2 + `,"description":"annals.x"}` + "\n]\n"},
		{"journald", export.Options{Format: export.Journald}, "application/x-ndjson",
			"", head + row + `"x","action":"","old_value":1,"new_value":"=2","actor":"bob",` + rest +
				head + row + `"y","action":"","new_value":"` + "\u202e" + `","actor":"bob",` + rest},
		{"journald on a terminal, hidden", export.Options{Format: export.Journald, Redaction: hide, Printable: true}, "application/x-ndjson",
			"", head + row + `"x","action":"","old_value":"[redacted]","new_value":"[redacted]","actor":"",` + rest +
				head + row + `"y","action":"","new_value":"\u202e","actor":"",` + rest},
		{"journald as CSV", export.Options{Format: export.Journald, CSVRows: true}, "text/csv; charset=utf-8",
			rows, rows + cell + "x,,1,'=2,bob,,\n" + cell + `y,,,\u202e,bob,,` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, tt.o.Check())
			if got := tt.o.ContentType(); got != tt.contentType {
				t.Errorf("content type %s, want %s", got, tt.contentType)
			}
			if diff := cmp.Diff(tt.none, exported(t, tt.o)); diff != "" {
				t.Errorf("without entries (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.both, exported(t, tt.o, entry(one), entry(two))); diff != "" {
				t.Errorf("two entries (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCSV has a header, a line an entry, and nothing in them that breaks a line or is a
// formula.
func TestCSV(t *testing.T) {
	o := export.Options{Format: export.CSV}
	head := exported(t, o)
	if !strings.HasPrefix(head, "position,recorded_at,") || strings.Count(head, "\n") != 1 || o.ContentType() != "text/csv; charset=utf-8" {
		t.Errorf("header %q of %s", head, o.ContentType())
	}
	text := exported(t, o, entry(`{"type":"=x","source":"a\nb"}`), entry(two))
	if !strings.HasPrefix(text, head) || strings.Count(text, "\n") != 3 || !strings.Contains(text, `,'=x,`) || !strings.Contains(text, `,a\u000ab,`) {
		t.Errorf("two entries are %q", text)
	}
}

// TestOptions refuses what does not go together: an option that is left out could be one
// that hides something.
func TestOptions(t *testing.T) {
	hide, err := export.ParseRedaction([]string{"actor"})
	check(t, err)
	for _, o := range []export.Options{
		{}, {Format: "xml"}, {Format: export.NDJSON, Redaction: hide}, {Format: export.NDJSON, Describe: true},
		{Format: export.NDJSON, Templates: new(export.Templates)}, {Format: export.Journald, Describe: true},
		{Format: export.Journald, Templates: new(export.Templates)}, {Format: export.CSV, Describe: true},
		{Format: export.CSV, CSVRows: true}, {Format: export.JSON, CSVRows: true},
	} {
		if _, ok := errors.AsType[*export.OptionError](o.Check()); !ok {
			t.Errorf("%+v: error is %v", o, o.Check())
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: there is a writer", o)
				}
			}()
			export.New(bufio.NewWriter(io.Discard), &o)
		}()
	}
}

// A brokenWriter fails every write.
type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// TestErrors has the errors of the writer below come back, and entries that cannot be
// read.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, format := range export.Formats() {
		w := export.New(bufio.NewWriter(brokenWriter{broken}), &export.Options{Format: format})
		check(t, w.Write(entry(one)))
		if err := w.Flush(); !errors.Is(err, broken) {
			t.Errorf("%s: Flush is %v", format, err)
		}
		if err := w.End(); !errors.Is(err, broken) {
			t.Errorf("%s: End is %v", format, err)
		}
		if format == export.NDJSON || format == export.JSON {
			continue
		}
		w = export.New(bufio.NewWriter(io.Discard), &export.Options{Format: format})
		if err := w.Write(&annals.Entry{JSON: []byte(`{"id":"1",`), Position: 7}); err == nil || !strings.Contains(err.Error(), "entry at position 7") {
			t.Errorf("%s: half an entry is %v", format, err)
		}
	}
}

// TestFlush writes what was given so far: of JSON it shows that it is a part.
func TestFlush(t *testing.T) {
	var b bytes.Buffer
	w := export.New(bufio.NewWriter(&b), &export.Options{Format: export.JSON})
	check(t, w.Write(entry(two)))
	if b.Len() > 0 {
		t.Errorf("%q before Flush", b.String())
	}
	check(t, w.Flush())
	if text := b.String(); !strings.HasPrefix(text, "[\n{") || !strings.HasSuffix(text, "}") {
		t.Errorf("%q after Flush", text)
	}
}

// TestRows appends the rows of one entry after another.
func TestRows(t *testing.T) {
	var r export.Rows
	b := []byte("[")
	for _, e := range []*annals.Entry{entry(one), entry(two), entry(`{"id":"3","time":"2026-01-02T03:04:05.000000000Z","type":"a","snapshot":{"s":1},"data":2}`)} {
		var err error
		b, err = r.Append(b, e, ',')
		check(t, err)
	}
	for _, want := range []string{`[{"id":"1",`, `"field":"y","action":"","new_value":"`, `},{"id":"2",`, `"field":"*","action":"","actor":"",`, `"new_value":{"s":1},`} {
		if strings.Count(string(b), want) != 1 {
			t.Errorf("%s is not there once, in %s", want, b)
		}
	}
	if _, err := r.Append(nil, &annals.Entry{JSON: []byte(`{`)}, ','); err == nil {
		t.Error("half an entry has rows")
	}
}

// BenchmarkWriters writes one entry over and over.
func BenchmarkWriters(b *testing.B) {
	x := entry(`{"id":"1","type":"order.placed","actor":{"id":"u-1"},"entity":{"type":"order","id":"1"},"changes":{"a":[1,2],"b":[3]},"data":{"note":"` + strings.Repeat("x", 600) + `"}}`)
	for _, format := range export.Formats() {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			w := export.New(bufio.NewWriterSize(io.Discard, 256<<10), &export.Options{Format: format})
			for b.Loop() {
				if err := w.Write(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

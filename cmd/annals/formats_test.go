package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/ingest"
	"github.com/klauspost/compress/zstd"
)

// formatLogs returns values of each format: those of its golden file, and of the logs
// whose names begin as given.
func formatLogs(t *testing.T, name string) [][]byte {
	t.Helper()
	const testdata = "../../internal/ingest/testdata/"
	golden, err := os.ReadFile(testdata + name + ".jsonl")
	check(t, err)
	text := golden
	prefix := map[string]string{"azure": "panther-azure", "gcp": "panther-gcp", "github": "github", "kubernetes": "k8s",
		"okta": "panther-okta", "windows": "windows"}[name]
	files, err := filepath.Glob(testdata + "corpora/" + prefix + "*.zst")
	check(t, err)
	if prefix == "" {
		files = nil
	} else if len(files) == 0 {
		t.Fatalf("no log of %s", name)
	}
	for _, file := range files {
		packed, err := os.ReadFile(file)
		check(t, err)
		d, err := zstd.NewReader(nil)
		check(t, err)
		text, err = d.DecodeAll(packed, text)
		d.Close()
		check(t, err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// TestFormatsFit checks that the journal takes every event that a format makes: a
// member that it would refuse is the format's to leave out.
func TestFormatsFit(t *testing.T) {
	for _, name := range ingest.Names() {
		if name == "jsonl" {
			continue // the journal's parser is its judge
		}
		t.Run(name, func(t *testing.T) {
			f, err := ingest.Lookup(name)
			check(t, err)
			taken := 0
			for i, line := range formatLogs(t, name) {
				taken += fits(t, f, line)
				if i > 100 {
					continue
				}
				for _, s := range []string{`""`, `"\u0000"`, `null`, `-1.5e300`, `[{"a":"b"}]`, `{"a":["b"]}`, `"` + strings.Repeat("é", 2_500) + `"`} {
					taken += fits(t, f, replaced(t, line, i, s))
				}
			}
			if taken < 3 {
				t.Errorf("only %d events", taken)
			}
		})
	}
}

// fits maps a value and returns 1 if it becomes an event, which the journal must
// take.
func fits(t *testing.T, f ingest.Format, line []byte) int {
	t.Helper()
	out, _, err := f.Map(nil, line, ingest.Input{Time: "2026-03-01T10:00:00Z"})
	if err != nil {
		return 0
	}
	if _, err := annals.ParseEvent(out); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return 1
}

// replaced returns line with another value for some of the scalars in it: which
// depends on n.
func replaced(t *testing.T, line []byte, n int, with string) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var value any
	check(t, dec.Decode(&value))
	out, err := json.Marshal(replace(value, &n, json.RawMessage(with)))
	check(t, err)
	return out
}

func replace(value any, n *int, with json.RawMessage) any {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name] = replace(v[name], n, with)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = replace(e, n, with)
		}
		return v
	}
	if *n++; *n%3 == 0 {
		return with
	}
	return value
}

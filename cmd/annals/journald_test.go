package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawValue draws JSON text.
func drawValue(t *rapid.T, name string, depth int) string {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds).Draw(t, name) {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, name)
	case 2:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`).Draw(t, name)
	case 3, 4, 5:
		return drawText(t, name)
	case 6:
		return "[" + drawValue(t, name, depth-1) + "," + drawValue(t, name, depth-1) + "]"
	}
	return "{" + drawText(t, name) + ":" + drawValue(t, name, depth-1) + "}"
}

// drawText draws a JSON string.
func drawText(t *rapid.T, name string) string {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(outputSeeds), rapid.SampledFrom([]string{"*", "12", "null", `"`, "{}", "'", `\u0000`})).Draw(t, name)
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// changesOf returns the changes of the events in a journal, by id, with numbers by
// their text.
func changesOf(t *testing.T, dir string) map[string]any {
	all := make(map[string]any)
	for line := range strings.Lines(runOK(t, "", "export", "--data", dir)) {
		var e struct {
			ID      string          `json:"id"`
			Changes json.RawMessage `json:"changes"`
		}
		check(t, json.Unmarshal([]byte(line), &e))
		d := json.NewDecoder(bytes.NewReader(e.Changes))
		d.UseNumber()
		var v any
		check(t, d.Decode(&v))
		all[e.ID] = v
	}
	return all
}

// drawChanges draws the changes of an event.
func drawChanges(t *rapid.T) string {
	changes := make(map[string]string)
	for range rapid.IntRange(1, 4).Draw(t, "fields") {
		pair := drawValue(t, "new", 2)
		if rapid.Bool().Draw(t, "old is known") {
			pair = drawValue(t, "old", 2) + "," + pair
		}
		field := drawText(t, "field")
		if field == `"*"` || field == `""` {
			field = `"a"` // those have a meaning of their own
		}
		changes[field] = field + ":[" + pair + "]"
	}
	return "{" + strings.Join(slices.Collect(maps.Values(changes)), ",") + "}"
}

// TestJournaldRoundTrip exports random changes in the journald format and imports
// them: they are the same.
func TestJournaldRoundTrip(t *testing.T) {
	events := 500
	if os.Getenv("ANNALS_LONG") == "1" {
		events = 50_000
	}
	var in strings.Builder
	draw := rapid.Custom(drawChanges)
	for i := range events {
		fmt.Fprintf(&in, `{"id":"e%d","type":"t.u","time":"2026-01-02T03:04:05Z","changes":%s}`+"\n", i, draw.Example(i))
	}
	base := t.TempDir()
	old := filepath.Join(base, "old")
	runOK(t, in.String(), "import", "--data", old, "--format", "jsonl")
	want := changesOf(t, old)
	for _, form := range []string{formNDJSON, formCSV} {
		rows := runOK(t, "", "export", "--data", old, "--format", "journald", "--output", form)
		dir := filepath.Join(base, form)
		args := []string{"import", "--data", dir, "--format", "journald"}
		if form == formCSV {
			args = append(args, "--csv")
		}
		runOK(t, rows, args...)
		if diff := cmp.Diff(want, changesOf(t, dir)); diff != "" || len(want) != events {
			t.Errorf("%s: changes of %d events differ (-want +got):\n%s", form, len(want), diff)
		}
	}
}

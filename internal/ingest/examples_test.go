package ingest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

// exampleValues are values of the examples' kinds, and what becomes of them but for
// their data.
var exampleValues = map[string]map[string]string{
	"orders": {
		`{"ocel:eid":"1.0","ocel:activity":"place order","ocel:timestamp":"2019-05-20 07:07:47.000Z","ocel:type:customers":" ",` +
			`"ocel:type:items":"['880001','880004']","ocel:type:orders":"['990001']","ocel:type:packages":" ","weight":"3.52","price":"524.96"}`: `
			{"id":"1.0","time":"2019-05-20T07:07:47.000Z","type":"order.place order","source":"ocel","action":"place order","outcome":"success",
			"entity":{"type":"order","id":"990001"},"related":[{"type":"item","id":"880001"}],"tags":{"price":"524.96","weight":"3.52"}}`,
		`{"ocel:eid":"2.0","ocel:activity":"failed delivery","ocel:timestamp":"2019-05-20 07:07:47.000Z","ocel:type:customers":"['c1']",` +
			`"ocel:type:items":" ","ocel:type:orders":" ","ocel:type:packages":"['66']"}`: `
			{"id":"2.0","time":"2019-05-20T07:07:47.000Z","type":"order.failed delivery","source":"ocel","action":"failed delivery",
			"outcome":"failure","actor":{"type":"customer","id":"c1"},"entity":{"type":"package","id":"66"}}`,
	},
	"wikipedia": {
		`{"time":"2015-09-12T00:47:05.474Z","channel":"#en.wikipedia","comment":"fixed","countryIsoCode":"AU","isAnonymous":true,"isMinor":false,` +
			`"isNew":false,"isRobot":false,"namespace":"Main","page":"Norm","user":"192.0.2.7","delta":0,"added":3,"deleted":0}`: `
			{"time":"2015-09-12T00:47:05.474Z","type":"page.edited","source":"en.wikipedia","category":"Main","action":"update","outcome":"success",
			"message":"fixed","actor":{"type":"anonymous","id":"192.0.2.7","address":"192.0.2.7"},
			"entity":{"type":"page","id":"en.wikipedia/Norm","name":"Norm"},
			"tags":{"country":"AU","minor":"false","added":"3","deleted":"0"}}`,
	},
}

// example returns a mapping of examples/mappings.
func example(t *testing.T, name string) ingest.Format {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/mappings", name+".yaml"))
	check(t, err)
	f, err := ingest.ParseMapping(text)
	check(t, err)
	return f
}

func TestExampleMappings(t *testing.T) {
	for name, values := range exampleValues {
		f := example(t, name)
		for raw, want := range values {
			out, _, err := f.Map(nil, []byte(raw), ingest.Input{})
			check(t, err)
			got := strings.Replace(string(out), `,"data":`+raw, "", 1)
			if diff := cmp.Diff(strings.Join(strings.Split(want, "\n\t\t\t"), ""), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestExampleLogs maps whole logs of the examples' kinds. ANNALS_CORPORA names the
// folder that has them.
func TestExampleLogs(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       map[string]int
	}{
		{"orders", "orders-ocel-simulated.jsonl.zst", map[string]int{"events": 22367, "ids": 22367, "entity": 22367, "failure": 391 + 1664}},
		{"wikipedia", "wikipedia-edits-2015-09-12.jsonl.zst", map[string]int{"events": 39244, "actor": 39244, "entity": 39244}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(os.Getenv("ANNALS_CORPORA"), tt.file)
			if _, err := os.Stat(file); os.Getenv("ANNALS_CORPORA") == "" || err != nil {
				t.Skip("skip: class B logs, which ANNALS_CORPORA names")
			}
			got := countLog(t, example(t, tt.name), readZstd(t, file))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func countLog(t *testing.T, f ingest.Format, lines [][]byte) map[string]int {
	t.Helper()
	counts, ids := map[string]int{}, map[string]bool{}
	for _, line := range lines {
		out, notes, err := f.Map(nil, line, ingest.Input{})
		check(t, err)
		var e struct {
			ID, Outcome   string
			Actor, Entity *struct{ ID string }
		}
		check(t, json.Unmarshal(out, &e))
		count(counts, "events", true)
		count(counts, "actor", e.Actor != nil)
		count(counts, "entity", e.Entity != nil)
		count(counts, "failure", e.Outcome == "failure")
		if !notes.NoID {
			ids[e.ID] = true
		}
		if notes.Omitted > 0 {
			t.Logf("omitted %d of %s", notes.Omitted, line)
		}
	}
	if len(ids) > 0 {
		counts["ids"] = len(ids)
	}
	return counts
}

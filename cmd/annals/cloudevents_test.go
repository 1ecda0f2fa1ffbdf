package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

// TestCloudEventsAlike checks that an import makes of a CloudEvent what the journal
// makes of one that is sent to it.
func TestCloudEventsAlike(t *testing.T) {
	format, err := ingest.Lookup("cloudevents")
	check(t, err)
	texts := []string{
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-02T03:04:05+01:00"}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"order/7","data":{"n":1.50, "z":null},"authid":"u","n":3,"b":true}`,
		`{"type":"t","source":"/s","id":"\u0041","specversion":"1.0","subject":"a/b/c","data":null,"correlationid":"c","causationid":"p","x":null}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AAEC","datacontenttype":"a/b","dataschema":"/x",
			"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`,
		`{"specversion":"1.0","id":"` + strings.Repeat("x", 255) + `","source":"/s","type":"t","subject":"/x","traceparent":"00-0"}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"é\"\n","data":"<&>"}`,
	}
	compared := 0
	for _, text := range append(texts, conformance(t)...) {
		sent, err := annals.ParseCloudEvent([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		const when = "2026-05-06T07:08:09Z" // stands for that of the append
		mapped, _, err := format.Map(nil, []byte(text), ingest.Input{Time: when})
		check(t, err)
		imported, err := annals.ParseEvent(mapped)
		check(t, err)
		got, want := members(t, imported.JSON()), members(t, sent.JSON())
		if _, ok := want["time"]; !ok {
			want["time"] = got["time"]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: sent and imported differ (-sent +imported):\n%s", text, diff)
		}
		compared++
	}
	if compared < 16 {
		t.Errorf("only %d CloudEvents compared", compared)
	}
}

// conformance returns the valid events of the CloudEvents conformance suite.
func conformance(t *testing.T) (texts []string) {
	t.Helper()
	file, err := os.ReadFile("../../testdata/codec/cloudevents/valid-events.json")
	check(t, err)
	var vectors struct {
		Tests []struct{ Event json.RawMessage }
	}
	check(t, json.Unmarshal(file, &vectors))
	for _, v := range vectors.Tests {
		texts = append(texts, string(v.Event))
	}
	return texts
}

func members(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	check(t, json.Unmarshal(text, &m))
	return m
}

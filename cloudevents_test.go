package annals

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A cloudVector is a test of the CloudEvents conformance suite.
type cloudVector struct {
	ID    string          `json:"id"`
	Event json.RawMessage `json:"event"`
}

func cloudVectors(t testing.TB, name string, atLeast int) []cloudVector {
	t.Helper()
	var file struct {
		Tests []cloudVector `json:"tests"`
	}
	check(t, json.Unmarshal(vectors(t, "cloudevents", name, 1)[name], &file))
	if len(file.Tests) < atLeast {
		t.Fatalf("%s: got %d tests, want at least %d", name, len(file.Tests), atLeast)
	}
	return file.Tests
}

func TestCloudEventsConformance(t *testing.T) {
	for _, v := range cloudVectors(t, "valid-events.json", 10) {
		e, err := ParseCloudEvent(v.Event)
		if err != nil {
			t.Errorf("%s: %v", v.ID, err)
			continue
		}
		check(t, CheckEntry(finished(&e)))
		checkAttributes(t, v, &e)
	}
	for _, v := range cloudVectors(t, "invalid-events.json", 25) {
		if _, err := ParseCloudEvent(v.Event); refusal(t, err) == "-" {
			t.Errorf("%s: got no error", v.ID)
		}
	}
}

// checkAttributes requires that every attribute that is not null is in
// metadata.cloudevents, and nothing else.
func checkAttributes(t *testing.T, v cloudVector, e *Encoded) {
	t.Helper()
	var sent map[string]any
	check(t, json.Unmarshal(v.Event, &sent))
	for name, value := range sent {
		if value == nil || name == "data" || name == "data_base64" {
			delete(sent, name)
		}
	}
	var got struct {
		CloudEvents map[string]any `json:"cloudevents"`
	}
	raw, _ := e.Member("metadata")
	check(t, json.Unmarshal(raw, &got))
	if diff := cmp.Diff(sent, got.CloudEvents); diff != "" {
		t.Errorf("%s: -want +got\n%s", v.ID, diff)
	}
}

func TestCloudEvent(t *testing.T) {
	long := strings.Repeat("x", 250)
	sum := sha256.Sum256([]byte("/s#" + long + "xxx"))
	const start = `{"specversion":"1.0","id":"1","source":"/s","type":"a.b"`
	const meta = `"metadata":{"cloudevents":{"id":"1","source":"/s","specversion":"1.0","type":"a.b"}}}`
	with := func(name, value string) string {
		// name sorts after datacontenttype and before id, or after the others.
		return `"metadata":{"cloudevents":{"` + name + `":` + value + `,"id":"1","source":"/s","specversion":"1.0","type":"a.b"}}}`
	}
	tests := []struct{ name, text, want string }{ // want is JSON or "! pointer"
		{"least", start + `}`, `{"id":"/s#1","type":"a.b","source":"/s",` + meta},
		{"order is no matter", `{"type":"a.b","source":"/s","id":"1","specversion":"1.0"}`, `{"id":"/s#1","type":"a.b","source":"/s",` + meta},
		{"longest id", `{"specversion":"1.0","id":"` + long + `xx","source":"/s","type":"a.b"}`,
			`{"id":"/s#` + long + `xx","type":"a.b","source":"/s","metadata":{"cloudevents":{"id":"` + long + `xx","source":"/s","specversion":"1.0","type":"a.b"}}}`},
		{"id above", `{"specversion":"1.0","id":"` + long + `xxx","source":"/s","type":"a.b"}`,
			`{"id":"` + hex.EncodeToString(sum[:]) + `","type":"a.b","source":"/s","metadata":{"cloudevents":{"id":"` + long + `xxx","source":"/s","specversion":"1.0","type":"a.b"}}}`},
		{"data", start + `,"data":{ "a" : 1.0 }}`, `{"id":"/s#1","type":"a.b","source":"/s","data":{"a":1.0},` + meta},
		{"null data", start + `,"data":null}`, `{"id":"/s#1","type":"a.b","source":"/s","data":null,` + meta},
		{"base64", start + `,"data_base64":"TWE="}`, `{"id":"/s#1","type":"a.b","source":"/s","data":"TWE=",` + meta},
		{"null base64", start + `,"data_base64":null,"data":1}`, `{"id":"/s#1","type":"a.b","source":"/s","data":1,` + meta},
		{"bad base64", start + `,"data_base64":"TWE"}`, "! /data_base64"},
		{"base64 no string", start + `,"data_base64":7}`, "! /data_base64"},
		{"both", start + `,"data":1,"data_base64":"TWE="}`, "! /data_base64"},
		{"both, other order", start + `,"data_base64":"TWE=","data":null}`, "! /data"},
		{"data twice", start + `,"data":1,"data":1}`, "! /data"},
		{"duplicate name in data", start + `,"data":{"a":1,"a":1}}`, "! /data/a"},
		{"correlation", start + `,"correlationid":"c"}`, `{"id":"/s#1","type":"a.b","source":"/s","correlation_id":"c",` + with("correlationid", `"c"`)},
		{"causation", start + `,"causationid":"c"}`, `{"id":"/s#1","type":"a.b","source":"/s","parent_id":"c",` + with("causationid", `"c"`)},
		{"actor", start + `,"authid":"u\u0021"}`, `{"id":"/s#1","type":"a.b","source":"/s","actor":{"id":"u!"},` + with("authid", `"u\u0021"`)},
		{"correlation is a number", start + `,"correlationid":7}`, `{"id":"/s#1","type":"a.b","source":"/s",` + with("correlationid", `7`)},
		{"empty extension", start + `,"authid":""}`, `{"id":"/s#1","type":"a.b","source":"/s",` + with("authid", `""`)},
		{"null extension", start + `,"authid":null}`, `{"id":"/s#1","type":"a.b","source":"/s",` + meta},
		{"null twice", start + `,"authid":null,"authid":null}`, "! /authid"},
		{"extension twice", start + `,"a":1,"a":1}`, "! /a"},
		{"long correlation", start + `,"correlationid":"` + strings.Repeat("c", 256) + `"}`, "! /correlationid"},
		{"NUL", start + `,"authid":"\u0000"}`, "! /authid"},
		{"NUL in subject", start + `,"subject":"a/\u0000"}`, "! /subject"},
		{"NUL in id", `{"specversion":"1.0","id":"\u0000","source":"/s","type":"a"}`, "! /id"},
		{"long source", `{"specversion":"1.0","id":"1","source":"` + strings.Repeat("s", 256) + `","type":"a"}`, "! /source"},
		{"system type", `{"specversion":"1.0","id":"1","source":"/s","type":"annals.x"}`, "! /type"},
		{"null id", `{"specversion":"1.0","id":null,"source":"/s","type":"a"}`, "! /id"},
		{"fraction", start + `,"x":1.5}`, "! /x"}, {"exponent", start + `,"x":1e2}`, "! /x"}, {"object", start + `,"x":{}}`, "! /x"},
		{"no object", `7`, "! "}, {"array", `[]`, "! "}, {"trailing", start + `} 1`, "! "},
		{"leap second", start + `,"time":"2016-12-31T23:59:60Z"}`, "! /time"},
	}
	for _, tt := range tests {
		e, err := ParseCloudEvent([]byte(tt.text))
		got := string(e.JSON())
		if p := refusal(t, err); p != "-" {
			got = "! " + p
		}
		if got != tt.want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestFault103CloudEventMembers(t *testing.T) {
	for n, want := range map[int]string{maxCloudMembers: "-", maxCloudMembers + 1: "/x0"} {
		text := `{"specversion":"1.0","id":"1","source":"/s","type":"t"`
		for i := n - 5; i >= 0; i-- {
			text += `,"x` + strconv.Itoa(i) + `":0`
		}
		_, err := ParseCloudEvent([]byte(text + "}"))
		if got := refusal(t, err); got != want {
			t.Errorf("%d members: got pointer %q (%v), want %q", n, got, err, want)
		}
	}
}

func TestCloudEventTime(t *testing.T) {
	e, err := ParseCloudEvent([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2018-04-05T18:31:00+01:00"}`))
	check(t, err)
	if got := string(e.raw(memberTime)); got != `"2018-04-05T17:31:00.000000000Z"` {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(string(e.raw(memberMetadata)), `"time":"2018-04-05T18:31:00+01:00"`) {
		t.Errorf("got %s", e.raw(memberMetadata))
	}
}

func TestCloudEventBatch(t *testing.T) {
	const one = `{"specversion":"1.0","id":"1","source":"/s","type":"a"}`
	events, err := ParseCloudEventBatch([]byte(`[` + one + `,` + strings.ReplaceAll(one, `"1"`, `"2"`) + `]`))
	check(t, err)
	if len(events) != 2 || events[0].ID() != "/s#1" || events[1].ID() != "/s#2" {
		t.Errorf("got %d events", len(events))
	}
	if events, err := ParseCloudEventBatch([]byte(" [] ")); err != nil || len(events) != 0 {
		t.Errorf("got %d events, %v", len(events), err)
	}
	for text, pointer := range map[string]string{
		one: "", `[` + one + `,{"specversion":"1.0"}]`: "/1/id", `[` + one + `,{"specversion":"1.0","id":7}]`: "/1/id",
		`[` + one + `,{"A":1}]`: "/1/A", `[` + one + `,null]`: "/1",
	} {
		_, err := ParseCloudEventBatch([]byte(text))
		if got := refusal(t, err); got != pointer {
			t.Errorf("%s: got pointer %q (%v), want %q", text, got, err, pointer)
		}
	}
}

func TestCloudEntity(t *testing.T) {
	long := strings.Repeat("x", 201)
	tests := []struct {
		subject string
		want    Entity
	}{
		{"", Entity{}}, {"order/1", Entity{Type: "order", ID: "1"}}, {"1", Entity{Type: "subject", ID: "1"}},
		{"a/b/c", Entity{Type: "subject", ID: "a/b/c"}}, {"/a", Entity{Type: "subject", ID: "/a"}}, {"a/", Entity{Type: "subject", ID: "a/"}},
		{"/", Entity{Type: "subject", ID: "/"}}, {long + "/1", Entity{Type: "subject", ID: long + "/1"}},
		{long[:200] + "/1", Entity{Type: long[:200], ID: "1"}},
	}
	for _, tt := range tests {
		if got := cloudEntity(tt.subject); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.subject, got, tt.want)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const trace, span = "12345678901234567890123456789012", "1234567890123456"
	tests := []struct {
		in    string
		valid bool
	}{
		{"00-" + trace + "-" + span + "-01", true}, {"00-" + trace + "-" + span + "-ff", true},
		{"cc-" + trace + "-" + span + "-01", true}, {"cc-" + trace + "-" + span + "-01-what-the-future-will-be-like", true},
		{"cc-" + trace + "-" + span + "-01.what-the-future-will-be-like", false}, {"00-" + trace + "-" + span + "-01-", false},
		{"00-" + trace + "-" + span + "-01.", false}, {"ff-" + trace + "-" + span + "-01", false}, {".0-" + trace + "-" + span + "-01", false},
		{"0-" + trace + "-" + span + "-01", false}, {"000-" + trace + "-" + span + "-01", false}, {"00-" + strings.Repeat("0", 32) + "-" + span + "-01", false},
		{"00-" + trace + "-0000000000000000-01", false}, {"00-." + trace[1:] + "-" + span + "-01", false}, {"00-" + trace + "1-" + span + "-01", false},
		{"00-" + trace + "-" + span[1:] + "-01", false}, {"00-" + trace + "-" + span + "-1", false}, {"00-" + trace + "-" + span + "-0.", false},
		{"00-" + strings.Repeat("A", 32) + "-" + span + "-01", false}, {"", false}, {"00", false},
	}
	for _, tt := range tests {
		gotTrace, gotSpan := parseTraceparent(tt.in)
		if tt.valid && (gotTrace != trace || gotSpan != span) || !tt.valid && gotTrace+gotSpan != "" {
			t.Errorf("%s: got %q, %q, want valid %v", tt.in, gotTrace, gotSpan, tt.valid)
		}
	}
	e, err := ParseCloudEvent([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","traceparent":"00-` + trace + `-` + span + `-01"}`))
	check(t, err)
	if string(e.raw(memberTraceID)) != `"`+trace+`"` || string(e.raw(memberSpanID)) != `"`+span+`"` {
		t.Errorf("got %s, %s", e.raw(memberTraceID), e.raw(memberSpanID))
	}
}

// FuzzCloudEvent: nothing panics, and what is accepted is a valid event that is
// the same when the CloudEvent is sent again.
func FuzzCloudEvent(f *testing.F) {
	seeds := append(cloudVectors(f, "valid-events.json", 10), cloudVectors(f, "invalid-events.json", 25)...)
	for _, v := range seeds {
		f.Add([]byte(v.Event))
	}
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"a/b","data_base64":"TWE=","traceparent":"00"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseCloudEvent(text)
		if err != nil {
			return
		}
		if _, err := ParseEvent(e.JSON()); err != nil {
			t.Fatalf("%s: %v", e.JSON(), err)
		}
		stored := finished(&e)
		if err := CheckEntry(stored); err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		again, err := ParseCloudEvent(text)
		check(t, err)
		if !sameContent(&again, stored) {
			t.Fatalf("%s: not the same again", text)
		}
	})
}

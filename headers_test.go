package annals

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// fields returns a header of "name: value" lines.
func fields(lines ...string) Headers {
	return func(yield func(string, string) bool) {
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if !yield(name, value) {
				return
			}
		}
	}
}

func TestParseHeaderEvent(t *testing.T) {
	for _, tt := range []struct{ name, contentType, header, body, want string }{ // want is JSON or "! pointer"
		{"least", "", "X-Event-Type: a.b", "", `{"type":"a.b"}`},
		{"all", "application/json; charset=utf-8",
			"X-Event-Type: order.placed|x-service: shop|X-Correlation-ID: c|X-Resource-Type: order|X-Resource-ID: 1|X-Actor-ID: u|X-Outcome: success|X-Other: y", `{ "a" : 1.0 }`,
			`{"type":"order.placed","source":"shop","outcome":"success","actor":{"id":"u"},"entity":{"type":"order","id":"1"},"correlation_id":"c","data":{"a":1.0}}`},
		{"no content type is JSON", "", "X-Event-Type: a", `[1]`, `{"type":"a","data":[1]}`},
		{"null", "", "X-Event-Type: a", `null`, `{"type":"a","data":null}`},
		{"+json", "application/problem+json", "X-Event-Type: a", `"x"`, `{"type":"a","data":"x"}`},
		{"text", "text/plain", "X-Event-Type: a", "a\"b\n", `{"type":"a","data":"a\"b\n"}`},
		{"bytes", "application/octet-stream", "X-Event-Type: a", "Ma\xff", `{"type":"a","data":"TWH/"}`},
		{"text of bytes", "text/plain", "X-Event-Type: a", "\xff", "! /data"},
		{"not JSON", "application/json", "X-Event-Type: a", `{"a":`, "! /data/a"},
		{"two values", "", "X-Event-Type: a", `1 2`, "! /data"},
		{"duplicate name", "", "X-Event-Type: a", `{"a":1,"a":2}`, "! /data/a"},
		{"no type", "", "X-Service: a", "", "! /type"},
		{"own type", "", "X-Event-Type: annals.x", "", "! /type"},
		{"type twice", "", "X-Event-Type: a|x-event-type: b", "", "! "},
		{"half an entity", "", "X-Event-Type: a|X-Resource-Type: order", "", "! /entity/id"},
		{"outcome", "", "X-Event-Type: a|X-Outcome: denied", "", "! /outcome"},
		{"long", "", "X-Event-Type: a|X-Service: " + strings.Repeat("s", 256), "", "! /source"},
		{"not UTF-8", "", "X-Event-Type: a|X-Service: \xff", "", "! /source"},
		{"media type", "a b", "X-Event-Type: a", "1", "! "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := ParseHeaderEvent(tt.contentType, fields(strings.Split(tt.header, "|")...), []byte(tt.body))
			got := string(e.JSON())
			if p := refusal(t, err); p != "-" {
				got = "! " + p
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestParseBinaryCloudEvent(t *testing.T) {
	const start = "ce-specversion: 1.0|ce-id: 1|ce-source: /s|ce-type: a.b"
	meta := func(more string) string {
		return `"metadata":{"cloudevents":{` + more + `"id":"1","source":"/s","specversion":"1.0","type":"a.b"}}}`
	}
	for _, tt := range []struct{ name, contentType, header, body, want string }{
		{"least", "", start, "", `{"id":"/s#1","type":"a.b","source":"/s",` + meta("")},
		{"JSON", "application/json", "CE-" + start[3:], ` {"a": 1}`, `{"id":"/s#1","type":"a.b","source":"/s","data":{"a":1},` + meta(`"datacontenttype":"application/json",`)},
		{"text", "text/plain", start, "x", `{"id":"/s#1","type":"a.b","source":"/s","data":"x",` + meta(`"datacontenttype":"text/plain",`)},
		{"no content type", "", start, "Ma", `{"id":"/s#1","type":"a.b","source":"/s","data":"TWE=",` + meta("")},
		{"percent", "", start + "|ce-authid: Euro%20%E2%82%AC %F0%9F%98%80%", "", `{"id":"/s#1","type":"a.b","source":"/s","actor":{"id":"Euro € 😀%"},` + meta(`"authid":"Euro € 😀%",`)},
		{"once", "", start + "|ce-authid: %2541%4", "", `{"id":"/s#1","type":"a.b","source":"/s","actor":{"id":"%41%4"},` + meta(`"authid":"%41%4",`)},
		{"quoted", "", start + `|ce-authid: "a\"b\\%41"`, "", `{"id":"/s#1","type":"a.b","source":"/s","actor":{"id":"a\"b\\A"},` + meta(`"authid":"a\"b\\A",`)},
		{"other fields", "", start + "|x-event-type: c|ces: d", "", `{"id":"/s#1","type":"a.b","source":"/s",` + meta("")},
		{"no id", "", "ce-specversion: 1.0|ce-source: /s|ce-type: a", "", "! /id"},
		{"empty type", "", "ce-specversion: 1.0|ce-id: 1|ce-source: /s|ce-type: ", "", "! /type"},
		{"version", "", "ce-specversion: 0.3|ce-id: 1|ce-source: /s|ce-type: a", "", "! /specversion"},
		{"time", "", start + "|ce-time: lunchtime", "", "! /time"},
		{"twice", "", start + "|Ce-Id: 2", "", "! "},
		{"data", "", start + "|ce-data: 2", "", "! "},
		{"data type", "", start + "|ce-datacontenttype: a/b", "", "! "},
		{"name", "", start + "|ce-a-b: 2", "", "! "},
		{"not UTF-8", "", start + "|ce-a: %FF", "", "! "},
		{"NUL", "", start + "|ce-authid: %00", "", "! /authid"},
		{"media type", "x", start, "", "! /datacontenttype"},
		{"body", "application/json", start, "{", "! /data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := ParseBinaryCloudEvent(tt.contentType, fields(strings.Split(tt.header, "|")...), []byte(tt.body))
			got := string(e.JSON())
			if p := refusal(t, err); p != "-" {
				got = "! " + p
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

// TestBinaryCloudEventConformance sends the events of the conformance suite that have
// nothing but strings in binary mode: they must be what they are in structured mode.
func TestBinaryCloudEventConformance(t *testing.T) {
	sent := 0
	for _, file := range []string{"valid-events.json", "invalid-events.json"} {
		for _, v := range cloudVectors(t, file, 10) {
			var attributes map[string]any
			if json.Unmarshal(v.Event, &attributes) != nil {
				continue
			}
			header, ok := binaryHeader(attributes)
			if !ok {
				continue
			}
			sent++
			contentType, _ := attributes["datacontenttype"].(string)
			want, wantErr := ParseCloudEvent(v.Event)
			got, err := ParseBinaryCloudEvent(contentType, fields(header...), nil)
			if string(got.JSON()) != string(want.JSON()) || refusal(t, err) != refusal(t, wantErr) {
				t.Errorf("%s: got %s, %v, want %s, %v", v.ID, got.JSON(), err, want.JSON(), wantErr)
			}
		}
	}
	if sent < 12 {
		t.Errorf("only %d events were sent", sent)
	}
}

// binaryHeader returns the header of a CloudEvent without data and whose attributes are
// strings that a header can have.
func binaryHeader(attributes map[string]any) (header []string, ok bool) {
	for name, value := range attributes {
		text, isText := value.(string)
		switch {
		case name == "data", name == "datacontenttype" && value == "": // a field without a value is none
			return nil, false
		case value == nil || name == "datacontenttype":
		case !isText || !cloudName(name):
			return nil, false
		default:
			header = append(header, "ce-"+name+": "+url.PathEscape(text))
		}
	}
	return header, true
}

// TestCloudEventsBinding runs the scenarios of the conformance suite's HTTP binding.
func TestCloudEventsBinding(t *testing.T) {
	text := string(vectors(t, "cloudevents", "*.feature", 1)["http-protocol-binding.feature"])
	block := regexp.MustCompile(`(?s)Given an HTTP request\n\s*"""\n(.*?)"""`)
	examples := regexp.MustCompile(`(?m)^ *\| (application/\S+(?:; charset=utf-8)?) +\|$`)
	requests, types := block.FindAllStringSubmatch(text, -1), examples.FindAllStringSubmatch(text, -1)
	if len(requests) != 2 || len(types) != 4 {
		t.Fatalf("found %d requests and %d content types", len(requests), len(types))
	}
	for i, contentType := range types {
		request := strings.ReplaceAll(strings.ReplaceAll(requests[i/2][1], "        ", ""), "<contentType>", contentType[1])
		head, body, _ := strings.Cut(request, "\n\n")
		var e Encoded
		var err error
		if i/2 == 0 {
			e, err = ParseBinaryCloudEvent(contentType[1], fields(strings.Split(head, "\n")...), []byte(body))
		} else {
			e, err = ParseCloudEvent([]byte(body))
		}
		check(t, err)
		data, _ := e.Member("data")
		got := fmt.Sprint(e.ID(), " ", e.Type(), " ", e.Time().UTC(), " ", string(data))
		want := `/mycontext/subcontext#1234-1234-1234 com.example.someevent 2018-04-05 03:56:24 +0000 UTC {"message":"Hello World!"}`
		if got != want {
			t.Errorf("%s: got %s, want %s", contentType[1], got, want)
		}
	}
}

func TestEncodedWithID(t *testing.T) {
	e, err := ParseEvent([]byte(`{"type":"a","data":1}`))
	check(t, err)
	got, err := e.WithID("k")
	check(t, err)
	if string(got.JSON()) != `{"id":"k","type":"a","data":1}` || string(e.JSON()) != `{"type":"a","data":1}` {
		t.Errorf("got %s of %s", got.JSON(), e.JSON())
	}
	for id, e := range map[string]*Encoded{"x": &got, "": &e, strings.Repeat("x", 256): &e, "\x00": &e} {
		if _, err := e.WithID(id); refusal(t, err) != "/id" {
			t.Errorf("id %.5q of %s: %v", id, e.JSON(), err)
		}
	}
}

package annals

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A place is a value of an event in a text, %s.
type place struct {
	pointer string
	text    string
}

// stringPlaces are all string members, each in the smallest event.
func stringPlaces() []place {
	places := []place{
		{"/id", `{"type":"t","id":%s}`}, {"/type", `{"type":%s}`}, {"/version", `{"type":"t","version":%s}`},
		{"/tenant", `{"type":"t","tenant":%s}`},
		{"/subjects/*", `{"type":"t","subjects":[%s]}`},
		{"/producer/id", `{"type":"t","producer":{"id":%s}}`},
		{"/error/code", `{"type":"t","error":{"code":%s}}`}, {"/error/message", `{"type":"t","error":{"message":%s}}`},
		{"/entity/type", `{"type":"t","entity":{"type":%s,"id":"i"}}`},
		{"/entity/id", `{"type":"t","entity":{"type":"e","id":%s}}`},
		{"/entity/name", `{"type":"t","entity":{"type":"e","id":"i","name":%s}}`},
		{"/related/*/type", `{"type":"t","related":[{"type":%s,"id":"i"}]}`},
		{"/related/*/id", `{"type":"t","related":[{"type":"e","id":%s}]}`},
		{"/related/*/name", `{"type":"t","related":[{"type":"e","id":"i","name":%s}]}`},
	}
	for _, name := range []string{"type", "id", "name", "address", "user_agent"} {
		places = append(places, place{"/actor/" + name, `{"type":"t","actor":{"` + name + `":%s}}`})
	}
	for _, name := range []string{"type", "id", "name"} {
		places = append(places, place{"/actor/on_behalf_of/" + name, `{"type":"t","actor":{"on_behalf_of":{"` + name + `":%s}}}`})
	}
	for _, name := range []string{"source", "category", "action", "reason", "message", "correlation_id", "parent_id", "trace_id",
		"span_id", "session_id", "workspace_id", "namespace", "cluster"} {
		places = append(places, place{"/" + name, `{"type":"t","` + name + `":%s}`})
	}
	return places
}

// refusal returns the pointer of an ErrInvalid, "-" if there is no error.
func refusal(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return "-"
	}
	e, ok := errors.AsType[*InvalidError](err)
	if !ok || !errors.Is(err, ErrInvalid) || e.Detail == "" {
		t.Fatalf("got error %v, want an *InvalidError", err)
	}
	return e.Pointer
}

func TestStringPlacesAreAll(t *testing.T) {
	var got []string
	for _, p := range stringPlaces() {
		got = append(got, p.pointer)
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(StringLimits())), got); diff != "" {
		t.Errorf("-limits +tested\n%s", diff)
	}
}

// TestStringLimits pins the limits, which are promises.
func TestStringLimits(t *testing.T) {
	want := map[string]int{
		"/id": 255, "/type": 200, "/version": 20, "/tenant": 100, "/source": 255, "/category": 100, "/action": 100,
		"/reason": 1000, "/message": 4096, "/actor/type": 200, "/actor/id": 1000, "/actor/name": 1000, "/actor/address": 255,
		"/actor/user_agent": 4096, "/actor/on_behalf_of/type": 200, "/actor/on_behalf_of/id": 1000,
		"/actor/on_behalf_of/name": 1000, "/entity/type": 200, "/entity/id": 1000, "/entity/name": 1000,
		"/related/*/type": 200, "/related/*/id": 1000, "/related/*/name": 1000, "/correlation_id": 255, "/parent_id": 255,
		"/trace_id": 255, "/span_id": 255, "/session_id": 255, "/workspace_id": 255, "/namespace": 253, "/cluster": 253,
		"/producer/id": 255, "/subjects/*": 1000, "/error/code": 255, "/error/message": 4096,
	}
	if diff := cmp.Diff(want, StringLimits()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestStrings(t *testing.T) {
	for _, p := range stringPlaces() {
		limit := StringLimits()[p.pointer]
		at := strings.ReplaceAll(p.pointer, "*", "0")
		quote := func(n int, unit string) string { return `"` + strings.Repeat(unit, n) + `"` }
		tests := []struct{ name, value, pointer string }{
			{"limit-1", quote(limit-1, "x"), "-"}, {"limit", quote(limit, "x"), "-"}, {"limit+1", quote(limit+1, "x"), at},
			{"limit in two-byte characters", quote(limit/2, "é"), "-"}, {"above", quote(limit/2+1, "é"), at},
			{"limit in escapes", quote(limit, `\u0041`), "-"}, {"limit+1 in escapes", quote(limit+1, `\u0041`), at},
			{"null", "null", at}, {"number", "1", at}, {"bool", "true", at}, {"object", "{}", at}, {"array", "[]", at},
			{"NUL", `"a\u0000b"`, at}, {"lone surrogate", `"\ud800"`, at}, {"bad UTF-8", "\"\xff\"", at}, {"raw NUL", "\"\x00\"", at},
			{"line separator", "\"\u2028\u202e\"", "-"}, {"escapes", `"\r\n\u001b[2J"`, "-"},
		}
		for _, tt := range tests {
			_, err := ParseEvent(fmt.Appendf(nil, p.text, tt.value))
			if got := refusal(t, err); got != tt.pointer {
				t.Errorf("%s, %s: got pointer %q (%v), want %q", p.pointer, tt.name, got, err, tt.pointer)
			}
		}
	}
}

// TestFault100NaughtyStrings sends each naughty string through each string
// member: it comes back as it was sent, on one line.
func TestFault100NaughtyStrings(t *testing.T) {
	var naughty []string
	check(t, json.Unmarshal(vectors(t, "naughty", "blns.json", 1)["blns.json"], &naughty))
	if len(naughty) < 200 {
		t.Fatalf("got %d naughty strings", len(naughty))
	}
	naughty = append(naughty, "a\r\nb", "\x1b[31mred", "\u202Ertl", "\u2028\u2029", "\ufeff", "\ufffe\uffff", "=1+1")
	for _, p := range stringPlaces() {
		limit := StringLimits()[p.pointer]
		for _, s := range naughty {
			if s == "" || len(s) > limit {
				continue
			}
			quoted, err := json.Marshal(s)
			check(t, err)
			e, err := ParseEvent(fmt.Appendf(nil, p.text, quoted))
			if err != nil {
				t.Fatalf("%s: %q: %v", p.pointer, s, err)
			}
			text := e.JSON()
			if got := valueAt(t, text, p.pointer); got != s {
				t.Errorf("%s: got %q, want %q", p.pointer, got, s)
			}
			if strings.ContainsAny(string(text), "\r\n\x1b\x00") {
				t.Errorf("%s: %q has a raw control character", p.pointer, text)
			}
		}
	}
}

// valueAt returns the string at a pointer, as encoding/json sees it.
func valueAt(t *testing.T, text []byte, pointer string) string {
	t.Helper()
	var v any
	check(t, json.Unmarshal(text, &v))
	for step := range strings.SplitSeq(pointer[1:], "/") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			v = at[0]
		}
	}
	s, _ := v.(string)
	return s
}

func TestMembers(t *testing.T) {
	repeat := func(n int, format string) string {
		var parts []string
		for i := range n {
			parts = append(parts, strings.ReplaceAll(format, "#", strconv.Itoa(i)))
		}
		return strings.Join(parts, ",")
	}
	tests := []struct {
		member string
		in     string
		want   string // canonical text of the member, "" if it counts as not sent, or "! pointer"
	}{
		{"outcome", `"success"`, `"success"`}, {"outcome", `"unknown"`, `"unknown"`}, {"outcome", `""`, ""},
		{"outcome", `"\u0073uccess"`, `"success"`}, {"outcome", `"Success"`, "! /outcome"}, {"outcome", `"ok"`, "! /outcome"},
		{"outcome", `null`, "! /outcome"}, {"outcome", `1`, "! /outcome"}, {"outcome", `{}`, "! /outcome"},
		{"severity", `"critical"`, `"critical"`}, {"severity", `"warn"`, "! /severity"}, {"severity", `[]`, "! /severity"},

		{"actor", `{}`, ""}, {"actor", `{"name":""}`, ""}, {"actor", `{"on_behalf_of":{}}`, ""},
		{"actor", `{"on_behalf_of":{"id":""},"name":""}`, ""}, {"actor", `[]`, "! /actor"}, {"actor", `""`, "! /actor"},
		{"actor", `null`, "! /actor"}, {"actor", `{"id":null}`, "! /actor/id"}, {"actor", `{"email":"a"}`, "! /actor/email"},
		{"actor", `{"id":"a","id":"b"}`, "! /actor/id"}, {"actor", `{"id":"","id":"b"}`, "! /actor/id"},
		{"actor", `{"id":"a","i\u0064":"b"}`, "! /actor/id"},
		{"actor", ` { "name" : "n" , "on_behalf_of" : {"id":"o","type":""} , "type" : "agent" } `,
			`{"type":"agent","name":"n","on_behalf_of":{"id":"o"}}`},
		{"actor", `{"on_behalf_of":{"name":null}}`, "! /actor/on_behalf_of/name"},
		{"actor", `{"on_behalf_of":{"address":"x"}}`, "! /actor/on_behalf_of/address"},

		{"entity", `{"name":"n","id":"i","type":"t"}`, `{"type":"t","id":"i","name":"n"}`},
		{"entity", `{"type":"t","id":"i","name":""}`, `{"type":"t","id":"i"}`},
		{"entity", `{}`, ""}, {"entity", `{"type":"","id":""}`, ""}, {"entity", `{"type":"t"}`, "! /entity/id"},
		{"entity", `{"type":"t","id":""}`, "! /entity/id"}, {"entity", `{"id":"i"}`, "! /entity/type"},
		{"entity", `{"name":"n"}`, "! /entity/type"}, {"entity", `null`, "! /entity"}, {"entity", `"order/1"`, "! /entity"},

		{"related", `[]`, ""}, {"related", `[{}]`, ""}, {"related", `[{},{"type":"","id":""}]`, ""},
		{"related", `[{},{"id":"i","type":"t"},{}]`, `[{"type":"t","id":"i"}]`}, {"related", `{}`, "! /related"},
		{"related", `[{"type":"t"}]`, "! /related/0/id"}, {"related", `[{},null]`, "! /related/1"}, {"related", `null`, "! /related"},
		{"related", `[[]]`, "! /related/0"}, {"related", `[{"type":"t","id":"i"},{"type":"t","id":1}]`, "! /related/1/id"},
		{"related", "[" + repeat(32, `{"type":"t","id":"#"}`) + "]", "[" + repeat(32, `{"type":"t","id":"#"}`) + "]"},
		{"related", "[{}," + repeat(32, `{"type":"t","id":"#"}`) + "]", "[" + repeat(32, `{"type":"t","id":"#"}`) + "]"},
		{"related", "[" + repeat(33, `{"type":"t","id":"#"}`) + "]", "! /related"},

		{"producer", `{"sequence":7,"id":"p"}`, `{"id":"p","sequence":7}`}, {"producer", `{}`, ""}, {"producer", `{"id":""}`, ""},
		{"producer", `{"sequence":0}`, `{"sequence":0}`}, {"producer", `{"sequence":18446744073709551615}`, `{"sequence":18446744073709551615}`},
		{"producer", `{"sequence":18446744073709551616}`, "! /producer/sequence"}, {"producer", `{"sequence":-1}`, "! /producer/sequence"},
		{"producer", `{"sequence":1.0}`, "! /producer/sequence"}, {"producer", `{"sequence":1e1}`, "! /producer/sequence"},
		{"producer", `{"sequence":-0}`, "! /producer/sequence"}, {"producer", `{"sequence":"1"}`, "! /producer/sequence"},
		{"producer", `{"sequence":null}`, "! /producer/sequence"},

		{"subjects", `["a","","b"]`, `["a","b"]`}, {"subjects", `[]`, ""}, {"subjects", `[""]`, ""}, {"subjects", `"a"`, "! /subjects"},
		{"subjects", `[null]`, "! /subjects/0"}, {"subjects", `["a",1]`, "! /subjects/1"}, {"subjects", `{}`, "! /subjects"},
		{"subjects", "[" + repeat(16, `"#"`) + "]", "[" + repeat(16, `"#"`) + "]"}, {"subjects", "[" + repeat(17, `"#"`) + "]", "! /subjects"},

		{"tags", `{ "b" : "2" , "a" : "" }`, `{"b":"2","a":""}`}, {"tags", `{"\u0061":"\u0062\/"}`, `{"\u0061":"\u0062\/"}`},
		{"tags", `{"a":"\u0000"}`, `{"a":"\u0000"}`}, {"tags", `{"":""}`, `{"":""}`}, {"tags", `{}`, ""}, {"tags", ` { } `, ""},
		{"tags", `{"a":1}`, "! /tags/a"}, {"tags", `{"a":null}`, "! /tags/a"}, {"tags", `{"a":["b"]}`, "! /tags/a"},
		{"tags", `[]`, "! /tags"}, {"tags", `null`, "! /tags"}, {"tags", `{"a":"1","a":"2"}`, "! /tags/a"},
		{"tags", "{" + repeat(64, `"t#":"v"`) + "}", "{" + repeat(64, `"t#":"v"`) + "}"}, {"tags", "{" + repeat(65, `"t#":"v"`) + "}", "! /tags"},

		{"changes", `{"a":[1,2],"b":[ null ],"c":[{},[]]}`, `{"a":[1,2],"b":[null],"c":[{},[]]}`}, {"changes", `{}`, ""},
		{"changes", `{"a":[]}`, "! /changes/a"}, {"changes", `{"a":[1,2,3]}`, "! /changes/a"}, {"changes", `{"a":1}`, "! /changes/a"},
		{"changes", `{"a":null}`, "! /changes/a"}, {"changes", `{"a":{}}`, "! /changes/a"}, {"changes", `null`, "! /changes"},
		{"changes", `[]`, "! /changes"}, {"changes", `{"a":[1,]}`, "! /changes/a"}, {"changes", `{"a":[1],"a":[2]}`, "! /changes/a"},
		{"changes", `{"a":["",""]}`, `{"a":["",""]}`}, {"changes", `{"a":[{"b":1,"b":2}]}`, "! /changes/a/0/b"},

		{"snapshot", `{"a" : {} , "b":[ ],"c":""}`, `{"a":{},"b":[],"c":""}`}, {"snapshot", `{}`, ""}, {"snapshot", `[]`, "! /snapshot"},
		{"snapshot", `null`, "! /snapshot"}, {"snapshot", `"x"`, "! /snapshot"}, {"snapshot", `""`, "! /snapshot"},
		{"metadata", `{"a":null}`, `{"a":null}`}, {"metadata", `{}`, ""}, {"metadata", `[]`, "! /metadata"}, {"metadata", `1`, "! /metadata"},

		{"data", `null`, `null`}, {"data", `{}`, `{}`}, {"data", `[ ]`, `[]`}, {"data", `""`, `""`}, {"data", `0`, `0`}, {"data", `false`, `false`},
		{"data", `1E400`, `1E400`}, {"data", `-0`, `-0`}, {"data", `-9223372036854775808`, `-9223372036854775808`},
		{"data", ` [ 1.0 , 1e0 ,"\u0041\/<>&" ] `, `[1.0,1e0,"\u0041\/<>&"]`}, {"data", `"\u0000"`, `"\u0000"`},
		{"data", "\" \u2028\u00a0\"", "\" \u2028\u00a0\""},

		{"duration_ms", `0`, `0`}, {"duration_ms", `-0`, `-0`}, {"duration_ms", `1.50`, `1.50`}, {"duration_ms", `1E3`, `1E3`},
		{"duration_ms", `1e-400`, `1e-400`}, {"duration_ms", `1e309`, "! /duration_ms"}, {"duration_ms", `-1`, "! /duration_ms"},
		{"duration_ms", `-1e-400`, "! /duration_ms"}, {"duration_ms", `-0.0e5`, `-0.0e5`}, {"duration_ms", `null`, "! /duration_ms"},
		{"duration_ms", `"1"`, "! /duration_ms"}, {"duration_ms", `true`, "! /duration_ms"}, {"duration_ms", `""`, "! /duration_ms"},

		{"error", `{"message":"m","code":"c"}`, `{"code":"c","message":"m"}`}, {"error", `{}`, ""}, {"error", `{"code":""}`, ""},
		{"error", `"boom"`, "! /error"}, {"error", `{"code":404}`, "! /error/code"}, {"error", `null`, "! /error"},

		{"retention_days", `1`, `1`}, {"retention_days", `36500`, `36500`}, {"retention_days", `0`, "! /retention_days"},
		{"retention_days", `36501`, "! /retention_days"}, {"retention_days", `-1`, "! /retention_days"}, {"retention_days", `1.0`, "! /retention_days"},
		{"retention_days", `1e2`, "! /retention_days"}, {"retention_days", `null`, "! /retention_days"}, {"retention_days", `"7"`, "! /retention_days"},
		{"retention_days", `99999999999999999999`, "! /retention_days"},

		{"sensitive", `true`, `true`}, {"sensitive", `false`, `false`}, {"sensitive", `null`, "! /sensitive"}, {"sensitive", `0`, "! /sensitive"},
		{"sensitive", `"true"`, "! /sensitive"}, {"sensitive", `tru`, "! /sensitive"}, {"sensitive", `""`, "! /sensitive"},

		{"id", `""`, ""}, {"version", `""`, ""}, {"tenant", `""`, ""}, {"time", `""`, ""}, {"time", `null`, "! /time"},
		{"time", `1700000000`, "! /time"}, {"time", `{}`, "! /time"}, {"message", `""`, ""}, {"reason", `"\/"`, `"/"`},
		{"tenant", `"_annals"`, "! /tenant"}, {"tenant", `"\u005fannals"`, "! /tenant"}, {"tenant", `"_annals2"`, `"_annals2"`},
	}
	for _, tt := range tests {
		e, err := ParseEvent([]byte(`{"type":"t","` + tt.member + `":` + tt.in + `}`))
		got := ""
		if p := refusal(t, err); p != "-" {
			got = "! " + p
		} else if raw, ok := e.Member(tt.member); ok {
			got = string(raw)
		}
		if got != tt.want {
			t.Errorf("%s %s: got %s (%v), want %s", tt.member, tt.in, got, err, tt.want)
		}
	}
}

func TestTypes(t *testing.T) {
	tests := []struct{ text, pointer string }{
		{`{"type":"order.placed"}`, "-"}, {`{"type":"annalsx"}`, "-"}, {`{"type":"annals"}`, "-"}, {`{"type":"x.annals.y"}`, "-"},
		{`{"type":"annals."}`, "/type"}, {`{"type":"annals.journal.opened"}`, "/type"}, {`{"type":"\u0061nnals.x"}`, "/type"},
		{`{}`, "/type"}, {`{"type":""}`, "/type"}, {`{"type":"a","type":"b"}`, "/type"}, {`{"id":"x"}`, "/type"},
		{`[]`, ""}, {`"t"`, ""}, {`1`, ""}, {`null`, ""}, {``, ""}, {` `, ""}, {`{"type":"t"} x`, ""}, {"\ufeff{\"type\":\"t\"}", ""},
		{` {"type":"t"} ` + "\n", "-"}, {`{"type":"t",}`, "/type"}, {`{"type":"t"`, "/type"}, {`{type:"t"}`, ""},
		{`{"type":"t","error":{"code":"c"},"outcome":"success"}`, "/error"}, {`{"type":"t","error":{"code":"c"},"outcome":"failure"}`, "-"},
		{`{"type":"t","error":{"code":"c"},"outcome":"pending"}`, "-"}, {`{"type":"t","error":{"code":"c"}}`, "-"},
		{`{"type":"t","error":{"code":""},"outcome":"success"}`, "-"},
	}
	for _, tt := range tests {
		_, err := ParseEvent([]byte(tt.text))
		if got := refusal(t, err); got != tt.pointer {
			t.Errorf("%s: got pointer %q (%v), want %q", tt.text, got, err, tt.pointer)
		}
	}
}

func TestHints(t *testing.T) {
	tests := []struct{ text, pointer, hint string }{
		{`{"type":"t","timestamp":"x"}`, "/timestamp", "did you mean time?"},
		{`{"event_type":"t"}`, "/event_type", "did you mean type?"},
		{`{"type":"t","resource":{}}`, "/resource", "did you mean entity?"},
		{`{"type":"t","user":"u"}`, "/user", "did you mean actor?"},
		{`{"type":"t","payload":{}}`, "/payload", "did you mean data?"},
		{`{"type":"t","correlationId":"c"}`, "/correlationId", "did you mean correlation_id?"},
		{`{"type":"t","eventTime":"c"}`, "/eventTime", "did you mean time?"},
		{`{"type":"t","severty":"c"}`, "/severty", "did you mean severity?"},
		{`{"type":"t","Outcome":"c"}`, "/Outcome", "did you mean outcome?"},
		{`{"type":"t","zzzzzzzz":1}`, "/zzzzzzzz", "free content goes into data"},
		{`{"type":"t","":1}`, "/", "free content goes into data"},
		{`{"type":"t","` + strings.Repeat("x", 5000) + `":1}`, "/" + strings.Repeat("x", 200) + "…", "free content goes into data"},
		{`{"type":"t","actor":{"user-agent":"x"}}`, "/actor/user-agent", "did you mean user_agent?"},
		{`{"type":"t","entity":{"foo":"x"}}`, "/entity/foo", "it takes type, id, name"},
		{`{"type":"t","outcome":"DENIED"}`, "/outcome", "did you mean failure?"},
		{`{"type":"t","severity":"Warn"}`, "/severity", "did you mean warning?"},
		{`{"type":"t","severity":"INFO"}`, "/severity", "did you mean info?"},
		{`{"type":"t","position":1}`, "/position", "leave it out; importing an export drops it"},
	}
	for _, tt := range tests {
		_, err := ParseEvent([]byte(tt.text))
		e, ok := errors.AsType[*InvalidError](err)
		if !ok || e.Pointer != tt.pointer || e.Hint != tt.hint {
			t.Errorf("%.60s: got %v, want pointer %s, hint %s", tt.text, err, tt.pointer, tt.hint)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := ParseEvent([]byte(`{"type":"t", "actor": {"id": 7}}`))
	want := "annals: invalid event: /actor/id: must be a string (at byte 29)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Event{Type: "t", Severity: "fatal"}.Encode()
	want = "annals: invalid event: /severity: must be one of debug, info, notice, warning, error, critical; did you mean critical?"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAssignedMembers(t *testing.T) {
	const assigned = `"recorded_by":{"type":"local"},"redacted":["/data/a"],"recorded_at":"x","sequence":1,"position":[0]`
	for _, name := range []string{"recorded_by", "redacted", "recorded_at", "sequence", "position"} {
		_, err := ParseEvent([]byte(`{"type":"t","` + name + `":null}`))
		if got := refusal(t, err); got != "/"+name {
			t.Errorf("%s: got pointer %q (%v)", name, got, err)
		}
	}
	e, err := ParseOptions{DropAssigned: true}.ParseEvent([]byte(`{"type":"t",` + assigned + `,"source":"s"}`))
	check(t, err)
	if got, want := string(e.JSON()), `{"type":"t","source":"s"}`; got != want || e.DroppedMembers() != 5 {
		t.Errorf("got %s and %d dropped, want %s and 5", got, e.DroppedMembers(), want)
	}
	_, err = ParseOptions{DropAssigned: true}.ParseEvent([]byte(`{"type":"t","position":{"a":1,"a":2}}`))
	if got := refusal(t, err); got != "/position/a" {
		t.Errorf("got pointer %q (%v)", got, err)
	}
	_, err = ParseOptions{DropAssigned: true}.ParseEvent([]byte(`{"type":"t","position":1,"position":2}`))
	if got := refusal(t, err); got != "/position" {
		t.Errorf("got pointer %q (%v)", got, err)
	}
}

func TestFault103TooLarge(t *testing.T) {
	text := withData([]byte(`"` + strings.Repeat("x", MaxEventBytes) + `"`))
	if _, err := ParseEvent(text); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
	if _, err := ParseEvent(make([]byte, maxTextBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
}

func TestParseKeepsNothing(t *testing.T) {
	text := []byte(`{"type":"t","actor":{"id":"\u0061"},"data":{"a":[1]},"tags":{"x":"y"}}`)
	e, err := ParseEvent(text)
	check(t, err)
	want := string(e.JSON())
	for i := range text {
		text[i] = '!'
	}
	if got := string(e.JSON()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFault55Times(t *testing.T) {
	tests := []struct{ in, want string }{ // no want means refused
		{"2026-01-31T23:59:59Z", "2026-01-31T23:59:59.000000000Z"},
		{"2026-01-31t23:59:59z", "2026-01-31T23:59:59.000000000Z"},
		{"2026-01-31T23:59:59.1Z", "2026-01-31T23:59:59.100000000Z"},
		{"2026-01-31T23:59:59.123456789Z", "2026-01-31T23:59:59.123456789Z"},
		{"2026-01-31T23:59:59.1234567890Z", ""}, {"2026-01-31T23:59:59.Z", ""}, {"2026-01-31T23:59:59,5Z", ""},
		{"2026-01-31T23:30:00+01:00", "2026-01-31T22:30:00.000000000Z"},
		{"2026-01-31T23:30:00.5-01:00", "2026-02-01T00:30:00.500000000Z"},
		{"2026-01-31T23:30:00-00:00", "2026-01-31T23:30:00.000000000Z"},
		{"2026-01-31T23:30:00+23:59", "2026-01-30T23:31:00.000000000Z"},
		{"2026-01-31T23:30:00+24:00", ""}, {"2026-01-31T23:30:00+01:60", ""}, {"2026-01-31T23:30:00+0100", ""},
		{"2026-01-31T23:30:00+01", ""}, {"2026-01-31T23:30:00", ""}, {"2026-01-31 23:30:00Z", ""}, {"2026-01-31T23:30Z", ""},
		{"2026-01-31T23:30:00 Z", ""}, {" 2026-01-31T23:30:00Z", ""}, {"2026-01-31T23:30:00Z ", ""}, {"2026-01-31T23:30:00ZZ", ""},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"}, {"2026-02-29T00:00:00Z", ""}, {"1900-02-29T00:00:00Z", ""},
		{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000000Z"}, {"2026-04-31T00:00:00Z", ""}, {"2026-00-01T00:00:00Z", ""},
		{"2026-13-01T00:00:00Z", ""}, {"2026-01-00T00:00:00Z", ""}, {"2026-01-32T00:00:00Z", ""}, {"2026-01-01T24:00:00Z", ""},
		{"2026-01-01T00:60:00Z", ""}, {"2016-12-31T23:59:60Z", ""}, {"2026-01-01T00:00:61Z", ""},
		{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000000Z"}, {"0000-01-01T00:00:00+00:01", ""},
		{"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"}, {"9999-12-31T23:59:59-00:01", ""},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"}, {"10000-01-01T00:00:00Z", ""}, {"-001-01-01T00:00:00Z", ""},
		{"2026-01-01T00:00:0xZ", ""}, {"2026-01-01T0a:00:00Z", ""}, {"now", ""}, {"1700000000", ""}, {"２026-01-01T00:00:00Z", ""},
	}
	for _, tt := range tests {
		e, err := ParseEvent([]byte(`{"type":"t","time":"` + tt.in + `"}`))
		got := strings.Trim(string(e.raw(memberTime)), `"`)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: got %q (%v), want %q", tt.in, got, err, tt.want)
		}
		if err == nil && decodeTime(e.raw(memberTime)).Format("2006-01-02T15:04:05.000000000Z") != tt.want {
			t.Errorf("%s: got time %v", tt.in, e.Time())
		}
	}
	e, err := ParseEvent([]byte(`{"type":"t","time":"2026\u002d01-31T23:59:59Z"}`))
	check(t, err)
	if got := unquote(e.raw(memberTime)); got != "2026-01-31T23:59:59.000000000Z" {
		t.Errorf("got %s", got)
	}
}

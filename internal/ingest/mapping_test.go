package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

// head is the beginning of every mapping of these tests.
const head = "name: t\ntime: at | rfc3339\n"

// at is the time of every value, and atOut what it becomes.
const (
	at    = `"at":"2026-03-01T10:00:00Z"`
	atOut = `{"time":"2026-03-01T10:00:00Z","type":`
)

func parseMapping(t *testing.T, text string) ingest.Format {
	t.Helper()
	f, err := ingest.ParseMapping([]byte(text))
	check(t, err)
	return f
}

// mapType returns the type that a value gets from alternatives in YAML; "" if none.
func mapType(t *testing.T, alternatives, members string) string {
	t.Helper()
	f := parseMapping(t, head+"empty: ['-']\ntables: {t: {a: A, '*': other}, few: {a: A}}\ntype: "+alternatives)
	raw := `{` + at + `,` + members + `}`
	out, _, err := f.Map(nil, []byte(raw), ingest.Input{})
	if err != nil {
		return ""
	}
	typ, ok := strings.CutPrefix(string(out), atOut)
	typ, found := strings.CutSuffix(typ, `,"data":`+raw+`}`)
	if !ok || !found {
		t.Fatalf("%s became %s", raw, out)
	}
	return strings.Trim(typ, `"`)
}

func TestMappingExpressions(t *testing.T) {
	tests := []struct{ expr, members, want string }{
		// Paths.
		{`a`, `"a":"x"`, "x"},
		{`a.b.c`, `"a":{"b":{"c":"x"}}`, "x"},
		{`a.b`, `"a":"x"`, ""},
		{`'a[1]'`, `"a":["x","y"]`, "y"},
		{`'a[2]'`, `"a":["x","y"]`, ""},
		{`'a[1][0].b'`, `"a":[0,[{"b":"x"}]]`, "x"},
		{`'a[k=v].b'`, `"a":[{"k":"u","b":"x"},{"k":"v","b":"y"},{"k":"v","b":"z"}]`, "y"},
		{`'a[k!=v].b'`, `"a":[{"k":"v","b":"x"},{"k":"u","b":"y"}]`, "y"},
		{`'a[k].b'`, `"a":[{"b":"x"},{"k":null,"b":"y"},{"k":0,"b":"z"}]`, "z"},
		{`'a[k.l=v].b'`, `"a":[1,{"k":{"l":"\u0076"},"b":"x"}]`, "x"},
		{`'a[n=7].b'`, `"a":[{"n":7,"b":"x"}]`, "x"},
		{`a\.b`, `"a.b":"x","a":{"b":"y"}`, "x"},
		{`a\ b.c\[0\]`, `"a b":{"c[0]":"x"}`, "x"},
		{`"'@x'"`, `"'@x'":"x"`, "x"},
		{`'#x'`, `"#x":"x"`, "x"},
		{`é`, `"\u00e9":"x"`, "x"},
		{`$.a`, `"a":"x"`, "x"},

		// Values.
		{`a`, `"a":1`, ""},
		{`a | text`, `"a":-1.50e3`, "-1.50e3"},
		{`a | text`, `"a":true`, "true"},
		{`a | text`, `"a":null`, ""},
		{`a | text`, `"a":[1]`, ""},
		{`a | text`, `"a":{"b":1}`, ""},
		{`a`, `"a":""`, ""},
		{`a`, `"a":"-"`, ""},
		{`[a, b]`, `"a":"-","b":"x"`, "x"},
		{`[a, b]`, `"a":{},"b":"x"`, "x"},
		{`[a, =c]`, `"b":1`, "c"},
		{`"=a b {c} | lower"`, `"b":1`, "a b {c} | lower"},

		// Templates.
		{`"p.{a}-{b | text}/"`, `"a":"x","b":1`, "p.x-1/"},
		{`["{a}{b}", a]`, `"a":"x"`, "x"},
		{`'\{{a}}'`, `"a":"x"`, "{x}"},
		{`"{a}.{b} | upper | before X"`, `"a":"p","b":"qxr"`, "P.Q"},
		{`'{a | before "}"}'`, `"a":"x}y"`, "x"},
		{`"{a} | upper"`, `"a":"x"`, "X"},
		{`"{a | text} | after 1"`, `"a":12`, "2"},

		// Steps.
		{`a | lower`, `"a":"ÀB\u00c9"`, "àbé"},
		{`a | upper`, `"a":"àb"`, "ÀB"},
		{`a | trim`, `"a":" \tx\n"`, "x"},
		{`a | trim`, `"a":" "`, ""},
		{`a | before .`, `"a":"x.y.z"`, "x"},
		{`a | before .`, `"a":"xyz"`, "xyz"},
		{`a | before .`, `"a":".xyz"`, ""},
		{`a | before-last .`, `"a":"x.y.z"`, "x.y"},
		{`a | after .`, `"a":"x.y.z"`, "y.z"},
		{`a | after .`, `"a":"xyz"`, ""},
		{`a | after-last .`, `"a":"x.y.z"`, "z"},
		{`a | after-last .`, `"a":"xyz"`, ""},
		{`'a | before "\r\n" | after "| "'`, `"a":"x| y\r\nz"`, "y"},
		{`a | after - | before -`, `"a":"x---"`, ""},
		{`a | map t`, `"a":"a"`, "A"},
		{`a | map t`, `"a":"b"`, "other"},
		{`[a | map few, =none]`, `"a":"b"`, "none"},
		{`'a | join ", "'`, `"a":["x",1,true,null,"","-","y"]`, "x, 1, true, y"},
		{`a | join /`, `"a":["x",[1]]`, ""},
		{`a | join /`, `"a":[]`, ""},
		{`a | join /`, `"a":"x"`, "x"},

		// Conditions.
		{`[{when: a, then: =y}, =n]`, `"a":0`, "y"},
		{`[{when: a, then: =y}, =n]`, `"a":false`, "y"},
		{`[{when: a, then: =y}, =n]`, `"a":[1]`, "y"},
		{`[{when: a, then: =y}, =n]`, `"a":null`, "n"},
		{`[{when: a, then: =y}, =n]`, `"a":{ }`, "n"},
		{`[{when: a, then: =y}, =n]`, `"a":"-"`, "n"},
		{`[{when: not a, then: =y}, =n]`, `"b":1`, "y"},
		{`[{when: has a, then: =y}, =n]`, `"a":null`, "y"},
		{`[{when: not has a, then: =y}, =n]`, `"a":null`, "n"},
		{`[{when: a = x y, then: =y}, =n]`, `"a":"x y"`, "y"},
		{`[{when: a = 7, then: =y}, =n]`, `"a":7`, "y"},
		{`[{when: a != x, then: =y}, =n]`, `"b":1`, "y"},
		{`[{when: not a = x, then: =y}, =n]`, `"b":1`, "y"},
		{`[{when: a = x, then: =y}, =n]`, `"b":1`, "n"},
		{`[{when: "a in x, y z, 3", then: =y}, =n]`, `"a":"y z"`, "y"},
		{`[{when: "a in x, 3", then: =y}, =n]`, `"a":3`, "y"},
		{`[{when: a starts x, then: =y}, =n]`, `"a":"xyz"`, "y"},
		{`[{when: a ends z, then: =y}, =n]`, `"a":"xyz"`, "y"},
		{`[{when: a contains y, then: =y}, =n]`, `"a":"xyz"`, "y"},
		{`[{when: a >= 400, then: =y}, =n]`, `"a":400`, "y"},
		{`[{when: a > 400, then: =y}, =n]`, `"a":"400"`, "n"},
		{`[{when: a < 400, then: =y}, =n]`, `"a":3.9e2`, "y"},
		{`[{when: a <= 400, then: =y}, =n]`, `"a":"NaN"`, "n"},
		{`[{when: a | lower = x, then: =y}, =n]`, `"a":"X"`, "y"},
		{`[{when: [a, b = 1], then: =y}, =n]`, `"a":1,"b":1`, "y"},
		{`[{when: [a, b = 1], then: =y}, =n]`, `"a":1,"b":2`, "n"},
		{`'"a = b"'`, `"\"a = b\"":"x"`, "x"},
	}
	for _, tt := range tests {
		if got := mapType(t, tt.expr, tt.members); got != tt.want {
			t.Errorf("%s of %s is %q, want %q", tt.expr, tt.members, got, tt.want)
		}
	}
}

// TestMappingTimeOfParts has a date and a time in columns of their own.
func TestMappingTimeOfParts(t *testing.T) {
	f := parseMapping(t, "name: t\ntype: =x\ntime: '{date} {time} | datetime utc'")
	out, _, err := f.Map(nil, []byte(`{"date":"2026-03-01","time":"10:00:00"}`), ingest.Input{})
	check(t, err)
	if !strings.HasPrefix(string(out), `{"time":"2026-03-01T10:00:00Z"`) {
		t.Errorf("got %s", out)
	}
}

func TestMappingTimes(t *testing.T) {
	tests := []struct{ step, value, want string }{
		{"rfc3339", `"2026-03-01T10:00:00.123456789+05:30"`, "2026-03-01T10:00:00.123456789+05:30"},
		{"rfc3339", `"2026-03-01 10:00:00Z"`, ""},
		{"rfc3339", `"2026-02-29T10:00:00Z"`, ""},
		{"rfc3339", `"2024-02-29T23:59:59Z"`, "2024-02-29T23:59:59Z"},
		{"rfc3339", `"2026-03-01T10:00:60Z"`, ""},
		{"rfc3339", `"2026-00-01T10:00:00Z"`, ""},
		{"rfc3339", `1772359200`, ""},
		{"datetime", `"2026-03-01 10:00:00,5 +0100"`, "2026-03-01T10:00:00.5+01:00"},
		{"datetime", `"2026-03-01t10:00:00.1234567891z"`, "2026-03-01T10:00:00.123456789Z"},
		{"datetime", `"2026-03-01 10:00:00 UTC"`, "2026-03-01T10:00:00Z"},
		{"datetime", `"2026-03-01 10:00:00+01"`, "2026-03-01T10:00:00+01:00"},
		{"datetime", `"2026-03-01 10:00:00"`, ""},
		{"datetime", `"2026-03-01 10:00:00 EST"`, ""},
		{"datetime", `"2026-03-01 10:00:00+24:00"`, ""},
		{"datetime", `"2026-03-01 10:00:00.Z"`, ""},
		{"datetime", `"2026-03-01"`, ""},
		{"datetime utc", `"2026-03-01 10:00:00.1234567"`, "2026-03-01T10:00:00.1234567Z"},
		{"datetime utc", `"2026-03-01T10:00:00-02:30"`, "2026-03-01T10:00:00-02:30"},
		{"seconds", `1772359200`, "2026-03-01T10:00:00Z"},
		{"seconds", `"1772359200.25"`, "2026-03-01T10:00:00.25Z"},
		{"seconds", `-1`, "1969-12-31T23:59:59Z"},
		{"seconds", `-0.5`, "1969-12-31T23:59:59.5Z"},
		{"seconds", `1772359200000`, ""},
		{"seconds", `253402300799`, "9999-12-31T23:59:59Z"},
		{"seconds", `253402300800`, ""},
		{"seconds", `1.7e9`, ""},
		{"seconds", `""`, ""},
		{"seconds", `"now"`, ""},
		{"seconds", `true`, ""},
		{"milliseconds", `1772359200123`, "2026-03-01T10:00:00.123Z"},
		{"milliseconds", `5`, "1970-01-01T00:00:00.005Z"},
		{"milliseconds", `99999999999999999999999`, ""},
		{"microseconds", `"1772359200123456"`, "2026-03-01T10:00:00.123456Z"},
		{"nanoseconds", `1772359200123456789`, "2026-03-01T10:00:00.123456789Z"},
		{"filetime", `134168328001234567`, "2026-03-01T10:00:00.1234567Z"},
		{`layout "02/Jan/2006:15:04:05 -0700"`, `"01/Mar/2026:11:00:00 +0100"`, "2026-03-01T10:00:00Z"},
		{`layout-utc "02.01.2006 15:04"`, `"01.03.2026 10:00"`, "2026-03-01T10:00:00Z"},
		{`layout-utc "02.01.2006 15:04"`, `"31.02.2026 10:00"`, ""},
	}
	for _, tt := range tests {
		f := parseMapping(t, "name: t\ntype: =x\ntime: at | "+tt.step)
		raw := []byte(`{"at":` + tt.value + `}`)
		out, _, err := f.Map(nil, raw, ingest.Input{})
		got := ""
		if err == nil {
			got, _, _ = strings.Cut(strings.TrimPrefix(string(out), `{"time":"`), `"`)
		} else if !errors.Is(err, ingest.ErrNoTime) {
			t.Errorf("%s of %s: %v, want %v", tt.step, tt.value, err, ingest.ErrNoTime)
		}
		if got != tt.want {
			t.Errorf("%s of %s is %q, want %q", tt.step, tt.value, got, tt.want)
		}
		// The caller's time is for those without.
		out, _, err = f.Map(nil, raw, ingest.Input{Time: "2020-01-01T00:00:00Z"})
		check(t, err)
		if tt.want == "" && !strings.HasPrefix(string(out), `{"time":"2020-01-01T00:00:00Z"`) {
			t.Errorf("%s of %s with a time given: %s", tt.step, tt.value, out)
		}
		if _, _, err := f.Map(nil, raw, ingest.Input{Time: "yesterday"}); (err != nil) != (tt.want == "") {
			t.Errorf("%s of %s with a bad time given: %v", tt.step, tt.value, err)
		}
	}
}

// TestMappingMembers maps a value to every member.
func TestMappingMembers(t *testing.T) {
	f := parseMapping(t, head+`
title: Everything
containers: [a, b]
roots: [wrap]
id: id
type: type
version: v
tenant: v
source: v
category: v
action: v
outcome: o
severity: s
reason: v
message: v
actor: {type: v, id: v, name: v, address: v, user_agent: v, on_behalf_of: {type: v, id: v, name: v}}
entity: [{type: v, id: none}, {when: none, type: =no, id: =no}, {type: v, id: id, name: v}]
related:
  - {each: list, skip: 1, type: t, id: i, name: $.v}
  - {type: =more, id: id}
correlation_id: v
parent_id: v
trace_id: v
span_id: v
session_id: v
workspace_id: v
namespace: v
cluster: v
subjects: [v, none, list | join x, id]
tags: {a "b": v, c: none}
duration_ms: ms
error: {when: o = failure, code: v, message: v}
sensitive: yes
`)
	if diff := cmp.Diff([]string{"a", "b"}, f.Containers()); diff != "" {
		t.Error(diff)
	}
	const raw = `{"wrap":{"id":"1","type":"T","v":"x","o":"failure","s":"info","ms":"1.5","yes":true,` +
		`"list":[{"t":"t0","i":"i0"},{"t":"t1","i":"i1"},{"i":"i2"},{},{"t":"t3","i":"i3"}]},` + at + `,"v":"top"}`
	out, notes, err := f.Map(nil, []byte(raw), ingest.Input{})
	check(t, err)
	const want = `{"id":"1","time":"2026-03-01T10:00:00Z","type":"T","version":"top","tenant":"top","source":"top","category":"top",` +
		`"action":"top","outcome":"failure","severity":"info","reason":"top","message":"top",` +
		`"actor":{"type":"top","id":"top","name":"top","address":"top","user_agent":"top","on_behalf_of":{"type":"top","id":"top","name":"top"}},` +
		`"entity":{"type":"top","id":"1","name":"top"},` +
		`"related":[{"type":"t1","id":"i1","name":"top"},{"type":"t3","id":"i3","name":"top"},{"type":"more","id":"1"}],` +
		`"correlation_id":"top","parent_id":"top","trace_id":"top","span_id":"top","session_id":"top","workspace_id":"top",` +
		`"namespace":"top","cluster":"top","subjects":["top","1"],"tags":{"a \"b\"":"top"},"data":` + raw +
		`,"duration_ms":1.5,"error":{"code":"top","message":"top"},"sensitive":true}`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
	// Left out: the element without a type, the list of objects among the subjects.
	if notes != (ingest.Notes{Omitted: 2}) {
		t.Errorf("notes are %+v", notes)
	}
}

// TestMappingLimits fills each member that is a list to its limit and beyond.
func TestMappingLimits(t *testing.T) {
	var subjects, elements []string
	for i := range 40 {
		subjects = append(subjects, fmt.Sprintf("=s%d", i))
		elements = append(elements, fmt.Sprintf(`{"i":"%d"}`, i))
	}
	f := parseMapping(t, head+"type: =t\nsubjects: ["+strings.Join(subjects, ", ")+"]\nrelated: {each: list, type: =t, id: i}")
	out, notes, err := f.Map(nil, []byte(`{`+at+`,"list":[`+strings.Join(elements, ",")+`]}`), ingest.Input{})
	check(t, err)
	if n := strings.Count(string(out), `"s1`); n != 7 { // s1, s10 to s15
		t.Errorf("%d subjects that begin with s1", n)
	}
	if n := strings.Count(string(out), `{"type":"t","id":`); n != 32 || notes.Omitted != 8+24 {
		t.Errorf("%d related, %d omitted", n, notes.Omitted)
	}
	for member, values := range map[string][2]string{
		"outcome": {`"success"`, `"maybe"`}, "severity": {`"critical"`, `"fatal"`}, "duration_ms": {`1e3`, `-1`}, "sensitive": {`false`, `"maybe"`},
		"version": {`"` + strings.Repeat("x", 20) + `"`, `"` + strings.Repeat("x", 21) + `"`}, "action": {`"\u0041"`, `"\u0000"`},
		"reason": {`"é"`, `"\ud800"`},
	} {
		f := parseMapping(t, head+"type: =t\n"+member+": v")
		for i, v := range values {
			out, notes, err := f.Map(nil, []byte(`{`+at+`,"v":`+v+`}`), ingest.Input{})
			check(t, err)
			if got := strings.Contains(string(out), `"`+member+`":`); got != (i == 0) || notes.Omitted != i {
				t.Errorf("%s %s: present is %t, %d omitted", member, v, got, notes.Omitted)
			}
		}
	}
}

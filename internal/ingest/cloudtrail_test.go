package ingest_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

// An event is what the tests look at in a mapped event.
type event struct {
	ID      string `json:"id"`
	Time    string `json:"time"`
	Type    string `json:"type"`
	Source  string `json:"source"`
	Action  string `json:"action"`
	Outcome string `json:"outcome"`
	Actor   struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Name      string `json:"name"`
		Address   string `json:"address"`
		UserAgent string `json:"user_agent"`
	} `json:"actor"`
	Entity struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"entity"`
	CorrelationID string          `json:"correlation_id"`
	Data          json.RawMessage `json:"data"`
	Error         struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// expected maps an event of the corpus in the plainest way, without data. It also
// reports whether there is a first resource that lacks a type.
func expected(t *testing.T, raw []byte) (e event, untyped bool) {
	var m map[string]any
	check(t, json.Unmarshal(raw, &m))
	text := func(m map[string]any, names ...string) string {
		for _, n := range names {
			if s, ok := m[n].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	e.ID, e.Time = text(m, "eventID"), text(m, "eventTime")
	e.Source, e.Action = text(m, "eventSource"), text(m, "eventName")
	e.Type = "aws." + strings.Split(e.Source, ".")[0] + "." + e.Action
	e.Outcome = "success"
	if _, ok := m["errorCode"]; ok {
		e.Outcome = "failure"
		e.Error.Code, e.Error.Message = text(m, "errorCode"), text(m, "errorMessage")
	}
	user := m["userIdentity"].(map[string]any)
	e.Actor.Type, e.Actor.Name = text(user, "type"), text(user, "userName")
	e.Actor.ID = text(user, "arn", "principalId", "invokedBy", "accountId")
	e.Actor.Address, e.Actor.UserAgent = text(m, "sourceIPAddress"), text(m, "userAgent")
	if list, ok := m["resources"].([]any); ok {
		first := list[0].(map[string]any)
		if untyped = text(first, "type") == ""; !untyped {
			e.Entity.Type, e.Entity.ID = text(first, "type"), text(first, "ARN")
		}
	}
	e.CorrelationID = text(m, "sharedEventID", "requestID")
	return e, untyped
}

func TestCloudTrailCorpus(t *testing.T) {
	f := lookup(t, "cloudtrail")
	counts := map[string]int{}
	ids := map[string]bool{}
	file, err := os.Open(corpusFile)
	check(t, err)
	defer file.Close()
	items := readAll(t, file, nil)
	for i, raw := range corpus(t) {
		out, notes, err := f.Map(nil, items[i].Raw, ingest.Input{})
		check(t, err)
		var got event
		check(t, json.Unmarshal(out, &got))
		want, untyped := expected(t, raw)
		if !bytes.Equal(got.Data, raw) {
			t.Fatalf("data of event %d is %s", i, got.Data)
		}
		got.Data = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("event %d differs (-want +got):\n%s", i, diff)
		}
		if got, want := notes.Omitted == 1, untyped; got != want {
			t.Errorf("event %d: %d members omitted; its resource lacks a type: %t", i, notes.Omitted, untyped)
		}
		ids[got.ID] = true
		counts[got.Outcome]++
		counts["omitted"] += notes.Omitted
		if _, err := netip.ParseAddr(got.Actor.Address); err != nil {
			counts["host name"]++
		}
		for name, value := range map[string]string{"actor": got.Actor.ID, "actor name": got.Actor.Name,
			"entity": got.Entity.ID, "error message": got.Error.Message, "correlation": got.CorrelationID} {
			if value != "" {
				counts[name]++
			}
		}
	}
	counts["id"] = len(ids)
	want := map[string]int{"id": 2864, "success": 2564, "failure": 300, "error message": 296, "host name": 327,
		"actor": 2864, "actor name": 2738, "entity": 477, "omitted": 180, "correlation": 2861}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
}

// base is an event with what is required, open for more members.
const base = `{"eventID":"1","eventTime":"2023-07-10T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"Get"`

// baseOut is what base becomes, up to the outcome.
const baseOut = `{"id":"1","time":"2023-07-10T12:00:00Z","type":"aws.s3.Get","source":"s3.amazonaws.com","action":"Get"`

func TestCloudTrailMap(t *testing.T) {
	long := strings.Repeat("é", 600) // 1,200 bytes, enough for all but user agents and messages
	tests := []struct {
		name, members string
		want          string // of the result, between baseOut and data
		wantError     string // of the result, after data
		omitted       int
	}{
		{name: "bare", want: `,"outcome":"success"`},
		{name: "everything", members: `,"userIdentity":{"type":"IAMUser","principalId":"p","arn":"a","invokedBy":"i",
			"accountId":"c","userName":"n"},"sourceIPAddress":"10.0.0.1","userAgent":"cli","errorCode":"Denied",
			"errorMessage":"no","resources":[{"type":"T","ARN":"r"},{"type":"U","ARN":"q"}],"sharedEventID":"s","requestID":"q"`,
			want: `,"outcome":"failure","actor":{"type":"IAMUser","id":"a","name":"n","address":"10.0.0.1","user_agent":"cli"},` +
				`"entity":{"type":"T","id":"r"},"correlation_id":"s"`,
			wantError: `,"error":{"code":"Denied","message":"no"}`},
		{name: "host name as address", members: `,"sourceIPAddress":"ec2.amazonaws.com"`,
			want: `,"outcome":"success","actor":{"address":"ec2.amazonaws.com"}`},
		{name: "principalId", members: `,"userIdentity":{"principalId":"p","invokedBy":"i"}`,
			want: `,"outcome":"success","actor":{"id":"p"}`},
		{name: "invokedBy", members: `,"userIdentity":{"accountId":"c","invokedBy":"i"}`,
			want: `,"outcome":"success","actor":{"id":"i"}`},
		{name: "accountId", members: `,"userIdentity":{"accountId":"c"}`, want: `,"outcome":"success","actor":{"id":"c"}`},
		{name: "requestID", members: `,"requestID":"q"`, want: `,"outcome":"success","correlation_id":"q"`},
		{name: "escapes stay", members: `,"requestID":"\u0041\/\n<"`, want: `,"outcome":"success","correlation_id":"\u0041\/\n<"`},
		{name: "escaped names", members: `,"error\u0043ode":"x"`, want: `,"outcome":"failure"`, wantError: `,"error":{"code":"x"}`},
		{name: "last of repeated members", members: `,"requestID":"q","requestID":"r"`, want: `,"outcome":"success","correlation_id":"r"`},
		{name: "names in other places", members: `,"a":{"errorCode":"x"},"b":[{"requestID":"q"}],"errorcode":"x"`,
			want: `,"outcome":"success"`},

		{name: "ARNPrefix", members: `,"resources":[{"type":"T","ARNPrefix":"r"}]`,
			want: `,"outcome":"success","entity":{"type":"T","id":"r"}`},
		{name: "arn", members: `,"resources":[{"type":"T","arn":"r"}]`, want: `,"outcome":"success","entity":{"type":"T","id":"r"}`},
		{name: "resourceName", members: `,"resources":[{"resourceType":"T","resourceName":"r"}]`,
			want: `,"outcome":"success","entity":{"type":"T","id":"r"}`},
		{name: "resource without type", members: `,"resources":[{"ARN":"r"},{"type":"T","ARN":"r"}]`,
			want: `,"outcome":"success"`, omitted: 1},
		{name: "resource without name", members: `,"resources":[{"type":"T","ARN":""}]`, want: `,"outcome":"success"`, omitted: 1},
		{name: "resource is a string", members: `,"resources":["r"]`, want: `,"outcome":"success"`, omitted: 1},
		{name: "no resource", members: `,"resources":[]`, want: `,"outcome":"success"`},
		{name: "resources is null", members: `,"resources":null`, want: `,"outcome":"success"`},
		{name: "resources is an object", members: `,"resources":{"type":"T","ARN":"r"}`, want: `,"outcome":"success"`, omitted: 1},

		{name: "null members", members: `,"userIdentity":null,"sourceIPAddress":null,"userAgent":null,"errorCode":null,"requestID":null`,
			want: `,"outcome":"success"`},
		{name: "empty members", members: `,"userIdentity":{},"sourceIPAddress":"","userAgent":"","errorCode":"","requestID":""`,
			want: `,"outcome":"success"`},
		{name: "members of wrong types", members: `,"userIdentity":[1],"sourceIPAddress":1,"userAgent":{"a":1},"errorCode":403,"requestID":true`,
			want: `,"outcome":"failure"`, omitted: 5},
		{name: "members with NUL", members: `,"sourceIPAddress":"\u0000","userAgent":"a\u0000"`, want: `,"outcome":"success"`, omitted: 2},
		{name: "long members", members: `,"userIdentity":{"type":"` + long + `","arn":"` + long + `","principalId":"p","userName":"` + long +
			`"},"sourceIPAddress":"` + long + `","userAgent":"` + strings.Repeat(long, 4) + `","errorCode":"` + long + `","errorMessage":"` + long +
			`","sharedEventID":"` + long + `","requestID":"q","resources":[{"type":"T","ARN":"` + long + `"}]`,
			want:      `,"outcome":"failure","actor":{"id":"p"},"correlation_id":"q"`,
			wantError: `,"error":{"message":"` + long + `"}`, omitted: 8},
		{name: "message without code", members: `,"errorMessage":"no"`, want: `,"outcome":"success"`},
	}
	f := lookup(t, "cloudtrail")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := base + tt.members + "}"
			out, notes, err := f.Map([]byte("before "), []byte(raw), ingest.Input{})
			check(t, err)
			want := "before " + baseOut + tt.want + `,"data":` + raw + tt.wantError + "}"
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			if notes.Omitted != tt.omitted {
				t.Errorf("%d members omitted, want %d", notes.Omitted, tt.omitted)
			}
		})
	}
}

// TestCloudTrailLimits checks each member at its limit and one byte over it.
func TestCloudTrailLimits(t *testing.T) {
	f := lookup(t, "cloudtrail")
	for _, tt := range []struct {
		name, before, after, member string
		limit                       int
	}{
		{"address", `"sourceIPAddress":"`, `"`, `"address":`, 255},
		{"user agent", `"userAgent":"`, `"`, `"user_agent":`, 4096},
		{"actor type", `"userIdentity":{"type":"`, `"}`, `"actor":{"type":`, 200},
		{"actor id", `"userIdentity":{"arn":"`, `"}`, `"actor":{"id":`, 1000},
		{"actor name", `"userIdentity":{"userName":"`, `"}`, `"actor":{"name":`, 1000},
		{"entity type", `"resources":[{"ARN":"r","type":"`, `"}]`, `"entity":{"type":`, 200},
		{"entity id", `"resources":[{"type":"T","ARN":"`, `"}]`, `"entity":{"type":"T","id":`, 1000},
		{"correlation", `"requestID":"`, `"`, `"correlation_id":`, 255},
		{"error code", `"errorCode":"`, `"`, `"error":{"code":`, 255},
		{"error message", `"errorCode":"c","errorMessage":"`, `"`, `"error":{"code":"c","message":`, 4096},
	} {
		for over := range 2 {
			// One character is an escape: limits count bytes without escapes.
			text := `\u0041` + strings.Repeat("x", tt.limit-1+over)
			out, notes, err := f.Map(nil, []byte(base+","+tt.before+text+tt.after+"}"), ingest.Input{})
			check(t, err)
			if got := bytes.Contains(out, []byte(tt.member+`"`+text)); got != (over == 0) || notes.Omitted != over {
				t.Errorf("%s of %d bytes: present is %t, %d omitted", tt.name, tt.limit+over, got, notes.Omitted)
			}
		}
	}
}

func TestCloudTrailRejects(t *testing.T) {
	const id, when, source, name = `"eventID":"1"`, `"eventTime":"2023-07-10T12:00:00Z"`, `"eventSource":"s3.a"`, `"eventName":"Get"`
	x := strings.Repeat("x", 300)
	tests := []struct{ name, raw, want string }{
		{"empty", ``, "byte 0: unexpected EOF"},
		{"array", `[]`, "event is not an object but an array"},
		{"string", `"x"`, "event is not an object but a string"},
		{"cut off", `{"a":`, "byte 5: unexpected EOF"},
		{"two values", `{}{}`, "something follows the event"},
		{"no members", `{}`, "eventSource is missing"},
		{"source is null", `{"eventSource":null}`, "eventSource is missing"},
		{"source is a number", `{"eventSource":1}`, "eventSource is not a string"},
		{"source is empty", `{"eventSource":""}`, "eventSource is empty"},
		{"source has a NUL", `{"eventSource":"a\u0000"}`, "eventSource contains a NUL"},
		{"no time", `{` + id + `,` + source + `,` + name + `}`, "no usable time: want eventTime | rfc3339, or eventTime | datetime utc"},
		{"no source", `{` + id + `,` + when + `}`, "eventSource is missing"},
		{"no name", `{` + id + `,` + when + `,` + source + `}`, "eventName is missing"},
		{"long name", `{` + id + `,` + when + `,` + source + `,"eventName":"` + x + `"}`, "type would be 307 bytes, limit 200"},
		{"no service", `{` + id + `,` + when + `,` + name + `,"eventSource":".com"}`, "no type: want aws.{eventSource | before .}.{eventName}"},
		{"not a time", `{` + id + `,` + source + `,` + name + `,"eventTime":"now\n"}`, `no usable time: "now\n", want eventTime | rfc3339, or eventTime | datetime utc`},
	}
	f := lookup(t, "cloudtrail")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, notes, err := f.Map([]byte("before"), []byte(tt.raw), ingest.Input{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if string(out) != "before" || notes != (ingest.Notes{}) {
				t.Errorf("left %q, %+v", out, notes)
			}
		})
	}
}

// TestCloudTrailID has events whose id cannot be one: the caller derives it.
func TestCloudTrailID(t *testing.T) {
	f := lookup(t, "cloudtrail")
	const rest = `"eventTime":"2023-07-10T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"Get"}`
	for id, omitted := range map[string]int{
		``: 0, `"eventID":null,`: 0, `"eventID":"",`: 0, `"eventID":1,`: 1, `"eventID":"a\u0000",`: 1,
		`"eventID":"` + strings.Repeat("x", 256) + `",`: 1,
	} {
		out, notes, err := f.Map(nil, []byte(`{`+id+rest), ingest.Input{})
		check(t, err)
		if !bytes.HasPrefix(out, []byte(`{"time":`)) || notes != (ingest.Notes{Omitted: omitted, NoID: true}) {
			t.Errorf("%s: %+v, %s", id, notes, out)
		}
	}
	_, notes, err := f.Map(nil, []byte(`{"eventID":"`+strings.Repeat("x", 255)+`",`+rest), ingest.Input{})
	check(t, err)
	if notes.NoID {
		t.Error("an id at the limit is not taken")
	}
}

// TestCloudTrailSource has sources and names at the edge of what is required.
func TestCloudTrailSource(t *testing.T) {
	f := lookup(t, "cloudtrail")
	longName, longSource := strings.Repeat("n", 150), "s."+strings.Repeat("x", 300)
	for _, tt := range []struct {
		source, name, wantType string
		omitted                int
	}{
		{"plain", "Get", "aws.plain.Get", 0},
		{"s3.", "Get", "aws.s3.Get", 0},
		{"s3.amazonaws.com", longName, "aws.s3." + longName, 1},
		{longSource, "Get", "aws.s.Get", 1},
		{`s\u002e3`, `Get "It"`, `aws.s.Get "It"`, 0},
	} {
		raw := `{"eventID":"1","eventTime":"2023-07-10T12:00:00Z","eventSource":"` + tt.source +
			`","eventName":"` + strings.ReplaceAll(tt.name, `"`, `\"`) + `"}`
		out, notes, err := f.Map(nil, []byte(raw), ingest.Input{})
		check(t, err)
		var got event
		check(t, json.Unmarshal(out, &got))
		if got.Type != tt.wantType || notes.Omitted != tt.omitted {
			t.Errorf("%s: type is %s, want %s; %d omitted, want %d", raw, got.Type, tt.wantType, notes.Omitted, tt.omitted)
		}
	}
}

func TestCloudTrailTime(t *testing.T) {
	f := lookup(t, "cloudtrail")
	for text, want := range map[string]bool{
		"2023-07-10T12:00:00Z":            true,
		"2023-07-10T12:00:00.1Z":          true,
		"2023-07-10T12:00:00.123456789Z":  true,
		"2023-07-10T12:00:00+23:59":       true,
		"2023-07-10T12:00:00.5-02:30":     true,
		"2024-02-29T00:00:00Z":            true,
		"2023-02-29T00:00:00Z":            false,
		"2023-07-10T12:00:00.1234567890Z": true,
		"2023-07-10T12:00:00.Z":           false,
		"2023-07-10T12:00:00,5Z":          true,
		"2023-07-10T12:00:00,1234Z":       true,
		"2023-07-10T12:00:00":             true,
		"2023-07-10 12:00:00Z":            true,
		"2023-07-10 12:00:00.000":         true,
		"2023-07-10T12:00:00+0000":        true,
		"2023-07-10T12:00:00+24:00":       false,
		"2023-07-10T12:00:00+00:60":       false,
		"2023-07-10T12:00:00+00:00Z":      false,
		"2023-07-10T24:00:00Z":            false,
		"2023-07-10T1:00:00Z":             false,
		"2023-07-10":                      false,
		"yesterday":                       false,
		"1688990400":                      false,
	} {
		raw := `{"eventID":"1","eventTime":"` + text + `","eventSource":"s.a","eventName":"Get"}`
		if _, _, err := f.Map(nil, []byte(raw), ingest.Input{}); (err == nil) != want {
			t.Errorf("%s: %v, want taken: %t", text, err, want)
		}
	}
}

// TestCloudTrailLarge maps an event of many megabytes.
func TestCloudTrailLarge(t *testing.T) {
	raw := []byte(base + `,"requestParameters":{"x":"` + strings.Repeat(`a\n`, 4<<20) + `"}}`)
	out, _, err := lookup(t, "cloudtrail").Map(nil, raw, ingest.Input{})
	check(t, err)
	if !bytes.HasSuffix(out, append(raw[:len(raw):len(raw)], '}')) {
		t.Error("data is not the event")
	}
}

func TestJSONLines(t *testing.T) {
	const raw = `{"type":"x", "position":7}`
	out, notes, err := lookup(t, "jsonl").Map([]byte("before "), []byte(raw), ingest.Input{})
	if string(out) != "before "+raw || notes != (ingest.Notes{}) || err != nil {
		t.Errorf("got %q, %+v, %v", out, notes, err)
	}
}

func TestLookup(t *testing.T) {
	if names := ingest.Names(); !slices.IsSorted(names) || !slices.Contains(names, "cloudtrail") || !slices.Contains(names, "jsonl") {
		t.Errorf("names are %q", names)
	}
	for _, name := range ingest.Names() {
		if got := lookup(t, name).Name(); got != name {
			t.Errorf("Lookup(%q) is %q", name, got)
		}
	}
	_, err := ingest.Lookup("csv\n")
	if err == nil || !strings.HasPrefix(err.Error(), `unknown format "csv\n", want `) {
		t.Errorf("got %v", err)
	}
}

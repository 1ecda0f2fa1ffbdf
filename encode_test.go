package annals

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

// fullEvent has every member.
func fullEvent() Event {
	return Event{
		ID: "e-1", Time: time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600)), Type: "order.placed", Version: "2.0",
		Tenant: "acme", Source: "shop", Category: "orders", Action: "insert", Outcome: OutcomeFailure, Severity: SeverityNotice,
		Reason: "because", Message: "a \"message\" <&>\n\u2028",
		Actor: Actor{Type: "agent", ID: "bot", Name: "Bot", Address: "2001:db8::1", UserAgent: "ua",
			OnBehalfOf: Entity{Type: "user", ID: "alice", Name: "Alice"}},
		Entity:        Entity{Type: "order", ID: "1", Name: "Order 1"},
		Related:       []Entity{{Type: "customer", ID: "c"}, {}, {Type: "item", ID: "i", Name: "n"}},
		CorrelationID: "c", ParentID: "p", TraceID: "t", SpanID: "s", SessionID: "se", WorkspaceID: "w", Namespace: "n", Cluster: "cl",
		Producer: Producer{ID: "prod", Sequence: math.MaxUint64}, Subjects: []string{"alice", "", "bob"},
		Tags: map[string]string{"b": "2", "a": "1\x00"},
		Changes: map[string]Change{
			"status": {Old: "new", New: "paid"}, "count": {New: 7, OldUnknown: true}, "note": {Old: nil, New: json.RawMessage(`{"x": 1.0}`)},
		},
		Snapshot: map[string]any{"a": 1}, Data: json.RawMessage(`{ "big": 9223372036854775808, "e": 1E400 }`),
		Metadata: struct {
			K string `json:"k"`
		}{"<v>"},
		DurationMS: new(12.5), Error: Failure{Code: "E1", Message: "boom"}, RetentionDays: 30, Sensitive: new(false),
	}
}

const fullJSON = `{"id":"e-1","time":"2026-02-03T03:05:06.000000007Z","type":"order.placed","version":"2.0","tenant":"acme",` +
	`"source":"shop","category":"orders","action":"insert","outcome":"failure","severity":"notice","reason":"because",` +
	`"message":"a \"message\" <&>\n` + "\u2028" + `","actor":{"type":"agent","id":"bot","name":"Bot","address":"2001:db8::1",` +
	`"user_agent":"ua","on_behalf_of":{"type":"user","id":"alice","name":"Alice"}},"entity":{"type":"order","id":"1","name":"Order 1"},` +
	`"related":[{"type":"customer","id":"c"},{"type":"item","id":"i","name":"n"}],"correlation_id":"c","parent_id":"p","trace_id":"t",` +
	`"span_id":"s","session_id":"se","workspace_id":"w","namespace":"n","cluster":"cl",` +
	`"producer":{"id":"prod","sequence":18446744073709551615},"subjects":["alice","bob"],"tags":{"a":"1\u0000","b":"2"},` +
	`"changes":{"count":[7],"note":[null,{"x":1.0}],"status":["new","paid"]},"snapshot":{"a":1},` +
	`"data":{"big":9223372036854775808,"e":1E400},"metadata":{"k":"<v>"},"duration_ms":12.5,` +
	`"error":{"code":"E1","message":"boom"},"retention_days":30,"sensitive":false}`

func TestEncode(t *testing.T) {
	e, err := fullEvent().Encode()
	check(t, err)
	if diff := cmp.Diff(fullJSON, string(e.JSON())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	parsed, err := ParseEvent([]byte(fullJSON))
	check(t, err)
	if diff := cmp.Diff(fullJSON, string(parsed.JSON())); diff != "" {
		t.Errorf("parsed: -want +got\n%s", diff)
	}
	for i := range encodedMembers {
		if m := member(i); m < firstAssigned && !e.has(m) {
			t.Errorf("the full event lacks %s", eventShape.fields[m].name)
		}
	}
	if e.ID() != "e-1" || e.Type() != "order.placed" || e.Tenant() != "acme" || e.Entity() != (Entity{"order", "1", "Order 1"}) ||
		!e.Time().Equal(fullEvent().Time) {
		t.Errorf("got %q %q %q %v %v", e.ID(), e.Type(), e.Tenant(), e.Entity(), e.Time())
	}
}

func TestEncodeEdges(t *testing.T) {
	var nilMap map[string]any
	tests := []struct {
		name  string
		event Event
		want  string // JSON, or "! pointer"
	}{
		{"least", Event{Type: "t"}, `{"type":"t"}`},
		{"no type", Event{}, "! /type"},
		{"system type", Event{Type: "annals.x"}, "! /type"},
		{"system tenant", Event{Type: "t", Tenant: "_annals"}, "! /tenant"},
		{"long id", Event{Type: "t", ID: strings.Repeat("x", 256)}, "! /id"},
		{"NUL", Event{Type: "t", Reason: "a\x00"}, "! /reason"},
		{"bad UTF-8", Event{Type: "t", Actor: Actor{Name: "\xff"}}, "! /actor/name"},
		{"outcome", Event{Type: "t", Outcome: "ok"}, "! /outcome"},
		{"error and success", Event{Type: "t", Outcome: OutcomeSuccess, Error: Failure{Code: "c"}}, "! /error"},
		{"on behalf alone", Event{Type: "t", Actor: Actor{OnBehalfOf: Entity{ID: "o"}}}, `{"type":"t","actor":{"on_behalf_of":{"id":"o"}}}`},
		{"bad on behalf", Event{Type: "t", Actor: Actor{OnBehalfOf: Entity{ID: "\x00"}}}, "! /actor/on_behalf_of/id"},
		{"half an entity", Event{Type: "t", Entity: Entity{Type: "e"}}, "! /entity/id"},
		{"entity without type", Event{Type: "t", Entity: Entity{Name: "n"}}, "! /entity/type"},
		{"half a related", Event{Type: "t", Related: []Entity{{}, {ID: "e"}}}, "! /related/1/type"},
		{"32 related", Event{Type: "t", Related: manyEntities(32)}, ""},
		{"33 related", Event{Type: "t", Related: manyEntities(33)}, "! /related"},
		{"empty subjects", Event{Type: "t", Subjects: []string{""}}, `{"type":"t"}`},
		{"long subject", Event{Type: "t", Subjects: []string{"a", strings.Repeat("x", 1001)}}, "! /subjects/1"},
		{"17 subjects", Event{Type: "t", Subjects: strings.Split(strings.Repeat("x,", 16)+"x", ",")}, "! /subjects"},
		{"sequence alone", Event{Type: "t", Producer: Producer{Sequence: 1}}, `{"type":"t","producer":{"sequence":1}}`},
		{"empty tag", Event{Type: "t", Tags: map[string]string{"": ""}}, `{"type":"t","tags":{"":""}}`},
		{"bad tag", Event{Type: "t", Tags: map[string]string{"a": "\xff"}}, "! /tags/a"},
		{"65 tags", Event{Type: "t", Tags: manyTags(65)}, "! /tags"},
		{"bad change", Event{Type: "t", Changes: map[string]Change{"a/b": {New: json.RawMessage("x")}}}, "! /changes/a~1b/1"},
		{"bad old value", Event{Type: "t", Changes: map[string]Change{"a": {Old: func() {}}}}, "! /changes/a/0"},
		{"bad change name", Event{Type: "t", Changes: map[string]Change{"\xff": {}}}, "! /changes/\xff"},
		{"null data", Event{Type: "t", Data: json.RawMessage("null")}, `{"type":"t","data":null}`},
		{"empty raw data", Event{Type: "t", Data: json.RawMessage{}}, `{"type":"t"}`},
		{"empty data", Event{Type: "t", Data: ""}, `{"type":"t","data":""}`},
		{"two values", Event{Type: "t", Data: json.RawMessage("1 2")}, "! /data"},
		{"duplicate names", Event{Type: "t", Data: json.RawMessage(`{"x":{"a":1,"a":2}}`)}, "! /data/x/a"},
		{"no JSON", Event{Type: "t", Data: make(chan int)}, "! /data"},
		{"list as metadata", Event{Type: "t", Metadata: []int{1}}, "! /metadata"},
		{"nil map as metadata", Event{Type: "t", Metadata: nilMap}, `{"type":"t"}`},
		{"null metadata", Event{Type: "t", Metadata: json.RawMessage("null")}, "! /metadata"},
		{"empty snapshot", Event{Type: "t", Snapshot: map[string]any{}}, `{"type":"t"}`},
		{"no HTML escapes", Event{Type: "t", Data: "<&>"}, `{"type":"t","data":"<&>"}`},
		{"NaN", Event{Type: "t", DurationMS: new(math.NaN())}, "! /duration_ms"},
		{"negative", Event{Type: "t", DurationMS: new(-1.0)}, "! /duration_ms"},
		{"negative zero", Event{Type: "t", DurationMS: new(math.Copysign(0, -1))}, `{"type":"t","duration_ms":0}`},
		{"tiny", Event{Type: "t", DurationMS: new(1e-7)}, `{"type":"t","duration_ms":1e-07}`},
		{"huge", Event{Type: "t", DurationMS: new(math.MaxFloat64)}, `{"type":"t","duration_ms":1.7976931348623157e+308}`},
		{"retention", Event{Type: "t", RetentionDays: 36501}, "! /retention_days"},
		{"negative retention", Event{Type: "t", RetentionDays: -1}, "! /retention_days"},
		{"year 10000", Event{Type: "t", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "! /time"},
		{"deep", Event{Type: "t", Data: json.RawMessage(nested(MaxDepth - 1))}, ""},
		{"too deep", Event{Type: "t", Data: json.RawMessage(nested(MaxDepth))}, "! /data" + strings.Repeat("/0", MaxDepth-1)},
	}
	for _, tt := range tests {
		e, err := tt.event.Encode()
		got := string(e.JSON())
		if p := refusal(t, err); p != "-" {
			got = "! " + p
		}
		if tt.want == "" && err == nil {
			continue
		}
		if got != tt.want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
	}
	_, err := Event{Type: "t", Data: strings.Repeat("x", MaxEventBytes)}.Encode()
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
}

func manyEntities(n int) (list []Entity) {
	for i := range n {
		list = append(list, Entity{Type: "t", ID: strconv.Itoa(i)})
	}
	return list
}

func manyTags(n int) map[string]string {
	tags := make(map[string]string)
	for i := range n {
		tags["tag"+strconv.Itoa(i)] = "v"
	}
	return tags
}

func TestEncodeSystem(t *testing.T) {
	event := Event{Type: "annals.journal.recovered", Tenant: "_annals"}
	e, err := event.encode(encodeOptions{system: true})
	check(t, err)
	if got, want := string(e.JSON()), `{"type":"annals.journal.recovered","tenant":"_annals"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	check(t, CheckEntry(finished(&e)))
}

// TestZeroEncoded uses an Encoded that no function made.
func TestZeroEncoded(t *testing.T) {
	var e Encoded
	if got := string(e.JSON()); got != "{}" || e.ID() != "" || e.Entity() != (Entity{}) || !e.Time().IsZero() {
		t.Errorf("got %s, %q, %v, %v", got, e.ID(), e.Entity(), e.Time())
	}
	if _, ok := e.Member("position"); ok {
		t.Error("got a member")
	}
	if _, err := finish(&e, "i", time.Now(), defaults{tenant: "t", maxBytes: 1000}); refusal(t, err) != "/type" {
		t.Errorf("got error %v, want one about /type", err)
	}
}

func TestFinish(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 10, time.FixedZone("", -3600))
	e, err := ParseEvent([]byte(`{"type":"t","source":"s"}`))
	check(t, err)
	d := defaults{tenant: "default", recordedBy: Identity{"token", "t-1"}, redacted: []string{"/data/a", "/tags/b"}, maxBytes: DefaultEventBytes}
	body, err := finish(&e, "i", at, d)
	check(t, err)
	want := `{"id":"i","time":"2026-05-06T08:08:09.000000010Z","type":"t","version":"1.0","tenant":"default","source":"s",` +
		`"recorded_by":{"type":"token","id":"t-1"},"redacted":["/data/a","/tags/b"]`
	if string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	full, err := fullEvent().Encode()
	check(t, err)
	body, err = finish(&full, "other", at, defaults{tenant: "other", maxBytes: DefaultEventBytes})
	check(t, err)
	if got := string(body) + "}"; got != fullJSON {
		t.Errorf("got %s, want %s", got, fullJSON)
	}
	for _, bad := range []struct {
		id string
		defaults
	}{
		{"a\x00", defaults{tenant: "t", maxBytes: 1000}}, {strings.Repeat("x", 256), defaults{tenant: "t", maxBytes: 1000}},
		{"i", defaults{tenant: "\xff", maxBytes: 1000}}, {"i", defaults{tenant: "t", recordedBy: Identity{ID: "\x00"}, maxBytes: 1000}},
	} {
		if _, err := finish(&e, bad.id, at, bad.defaults); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: got error %v, want ErrInvalid", bad, err)
		}
	}
	f, err := newFinisher(d)
	check(t, err)
	dst := []byte("before")
	if got, err := f.finish(dst, &e, strings.Repeat("x", 256)); err == nil || string(got) != "before" {
		t.Errorf("got %s, %v after an error, want what was there", got, err)
	}
}

// TestFinishLimit tests the size limit at n-1, n and n+1.
func TestFinishLimit(t *testing.T) {
	e, err := fullEvent().Encode()
	check(t, err)
	size := len(fullJSON) - 1 + len(`,"recorded_at":"2006-01-02T15:04:05.000000000Z","sequence":18446744073709551615,"position":18446744073709551615}`)
	for n, want := range map[int]error{size - 1: ErrTooLarge, size: nil, size + 1: nil} {
		if _, err := finish(&e, "", time.Time{}, defaults{maxBytes: n}); !errors.Is(err, want) {
			t.Errorf("limit %d: got error %v, want %v", n, err, want)
		}
	}
}

func TestWithContext(t *testing.T) {
	actor := &Actor{Type: "user", ID: "u"}
	tests := []struct {
		name, event string
		actor       *Actor
		tags        map[string]string
		want        string // or "! pointer"
	}{
		{"nothing", `{"type":"t"}`, nil, nil, `{"type":"t"}`},
		{"zero actor", `{"type":"t"}`, &Actor{}, map[string]string{}, `{"type":"t"}`},
		{"actor", `{"type":"t"}`, actor, nil, `{"type":"t","actor":{"type":"user","id":"u"}}`},
		{"own actor", `{"type":"t","actor":{"id":"o"}}`, actor, nil, `{"type":"t","actor":{"id":"o"}}`},
		{"bad actor", `{"type":"t"}`, &Actor{ID: "\xff"}, nil, "! /actor/id"},
		{"tags", `{"type":"t"}`, nil, map[string]string{"b": "2", "a": "1"}, `{"type":"t","tags":{"a":"1","b":"2"}}`},
		{"own tags first", `{"type":"t","tags":{"z":"0","\u0061":"own"}}`, nil, map[string]string{"b": "2", "a": "1"},
			`{"type":"t","tags":{"z":"0","\u0061":"own","b":"2"}}`},
		{"all tags there", `{"type":"t","tags":{"a":"own"}}`, nil, map[string]string{"a": "1"}, `{"type":"t","tags":{"a":"own"}}`},
		{"bad tag", `{"type":"t"}`, nil, map[string]string{"a": "\xff"}, "! /tags/a"},
		{"too many", `{"type":"t","tags":{"x":"0"}}`, nil, manyTags(64), "! /tags"},
		{"as many as fit", `{"type":"t","tags":{"tag5":"0"}}`, nil, manyTags(64), ""},
	}
	for _, tt := range tests {
		e, err := ParseEvent([]byte(tt.event))
		check(t, err)
		before := string(e.JSON())
		more, err := e.withContext(tt.actor, tt.tags)
		got := string(more.JSON())
		if p := refusal(t, err); p != "-" {
			got = "! " + p
		}
		if got != tt.want && (tt.want != "" || err != nil) {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
		if string(e.JSON()) != before {
			t.Errorf("%s: the event changed to %s", tt.name, e.JSON())
		}
		if err == nil {
			_, err := ParseEvent(more.JSON())
			check(t, err)
		}
	}
}

// TestGolden pins canonical forms and errors: for each NAME.json what is stored,
// or the error, is in NAME.want.
func TestGolden(t *testing.T) {
	for name, text := range vectors(t, "golden", "*.json", 10) {
		var got string
		if e, err := ParseEvent(text); err != nil {
			got = err.Error()
		} else {
			got = string(finished(&e))
			check(t, CheckEntry(finished(&e)))
		}
		got += "\n"
		file := filepath.Join("testdata", "codec", "golden", strings.TrimSuffix(name, ".json")+".want")
		if *update {
			check(t, os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		check(t, err)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// genText generates text with everything that needs care, without NUL.
func genText(limit int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("aZ0 \"\\/<>&'\n\r\t\x01\x1f\x7fé\u2028€\ufeff𝄞")), 0, 12, limit).Draw(t, "s")
		return s
	})
}

// genEvent generates valid events.
func genEvent() *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		text := func(name string) string { return genText(20).Draw(t, name) }
		entity := func(name string) Entity {
			if !rapid.Bool().Draw(t, name) {
				return Entity{}
			}
			return Entity{"t" + text("type"), "i" + text("id"), text("name")}
		}
		e := Event{
			ID: text("id"), Type: "t" + text("type"), Version: text("version"), Tenant: text("tenant"), Source: text("source"),
			Outcome:  rapid.SampledFrom([]Outcome{"", OutcomeFailure, OutcomePending}).Draw(t, "outcome"),
			Severity: rapid.SampledFrom([]Severity{"", SeverityDebug, SeverityCritical}).Draw(t, "severity"),
			Reason:   text("reason"), Message: text("message"), SpanID: text("span"), Cluster: text("cluster"),
			Actor: Actor{text("a"), text("b"), text("c"), text("d"), text("e"),
				Entity{text("f"), text("g"), text("h")}},
			Entity: entity("entity"), Producer: Producer{text("producer"), rapid.Uint64().Draw(t, "sequence")},
			Error: Failure{text("code"), text("failure")}, RetentionDays: rapid.IntRange(0, MaxRetentionDays).Draw(t, "days"),
		}
		if rapid.Bool().Draw(t, "has time") {
			e.Time = time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).UTC()
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "related") {
			if other := entity(strconv.Itoa(i)); other != (Entity{}) {
				e.Related = append(e.Related, other)
			}
		}
		if n := rapid.IntRange(0, 3).Draw(t, "tags"); n > 0 {
			e.Tags = rapid.MapOfN(genText(20), genText(20), n, n).Draw(t, "tag")
		}
		if rapid.Bool().Draw(t, "has changes") {
			e.Changes = map[string]Change{text("field"): {Old: json.RawMessage(`{"a":[1.0]}`), New: json.RawMessage("null")}}
		}
		if rapid.Bool().Draw(t, "has data") {
			raw, err := json.Marshal(text("data"))
			if err != nil {
				t.Fatal(err)
			}
			e.Data = json.RawMessage(raw)
			e.DurationMS = new(rapid.Float64Range(0, math.MaxFloat64).Draw(t, "duration"))
			e.Sensitive = new(rapid.Bool().Draw(t, "sensitive"))
		}
		return e
	})
}

// TestRoundTrip: an event comes back from its entry as it was sent, and encodes
// to the same bytes from the struct and from text.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := genEvent().Draw(t, "event")
		e, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseEvent(e.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(e.JSON()), string(parsed.JSON())); diff != "" {
			t.Fatalf("-encoded +parsed\n%s", diff)
		}
		text := finished(&e)
		if err := CheckEntry(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !sameContent(&e, text) {
			t.Fatalf("%s: not the same content", text)
		}
		entry := Entry{JSON: text}
		got, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		fillDefaults(&event)
		if diff := cmp.Diff(event, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("-sent +got\n%s", diff)
		}
	})
}

// fillDefaults sets what finished fills in.
func fillDefaults(e *Event) {
	if e.ID == "" {
		e.ID = "default-id"
	}
	if e.Time.IsZero() {
		e.Time = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	}
	if e.Version == "" {
		e.Version = defaultVersion
	}
	if e.Tenant == "" {
		e.Tenant = "default"
	}
}

func TestEncodeKeepsNothing(t *testing.T) {
	event := fullEvent()
	e, err := event.Encode()
	check(t, err)
	copy(event.Data.(json.RawMessage), strings.Repeat("!", 20))
	event.Tags["c"] = "3"
	event.Subjects[0] = "!"
	if got := string(e.JSON()); got != fullJSON {
		t.Errorf("got %s", got)
	}
	if text := fmt.Sprint(e.JSON()); text != fmt.Sprint([]byte(fullJSON)) {
		t.Errorf("got %s", text)
	}
}

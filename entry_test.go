package annals

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/google/go-cmp/cmp"
)

// fullEntry returns the entry of the full event.
func fullEntry(t testing.TB) []byte {
	t.Helper()
	e, err := fullEvent().Encode()
	check(t, err)
	return finished(&e)
}

func TestEntry(t *testing.T) {
	text := fullEntry(t)
	e, err := parseEntry(7, text)
	check(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	if e.Position != 7 || e.Sequence != 1 || !e.RecordedAt.Equal(at) || &e.JSON[0] != &text[0] {
		t.Errorf("got %+v", e)
	}
	if e.ID() != "e-1" || e.Type() != "order.placed" || e.Tenant() != "acme" || !e.Time().Equal(fullEvent().Time) ||
		e.Entity() != (Entity{"order", "1", "Order 1"}) || e.RecordedBy() != (Identity{"local", "1000"}) || e.Redacted() != nil {
		t.Errorf("got %q %q %q %v %v %v %v", e.ID(), e.Type(), e.Tenant(), e.Time(), e.Entity(), e.RecordedBy(), e.Redacted())
	}
	if raw, ok := e.Member("data"); !ok || string(raw) != `{"big":9223372036854775808,"e":1E400}` {
		t.Errorf("got data %s, %v", raw, ok)
	}
	if raw, ok := e.Member("position"); !ok || string(raw) != "7" {
		t.Errorf("got position %s, %v", raw, ok)
	}
	if _, ok := e.Member("dat"); ok {
		t.Error("got a member that is not there")
	}
	for _, bad := range []struct {
		p    Position
		text []byte
	}{{8, text}, {7, nil}, {7, text[:len(text)-1]}, {7, []byte("{}")}} {
		if _, err := parseEntry(bad.p, bad.text); err == nil {
			t.Errorf("%d, %.40q: got no error", bad.p, bad.text)
		}
	}
}

func TestEntryRedacted(t *testing.T) {
	e, err := ParseEvent([]byte(`{"type":"t"}`))
	check(t, err)
	body, err := finish(&e, "i", time.Unix(0, 0), defaults{tenant: "t", redacted: []string{"/data/a~1b", "/tags/\""}, maxBytes: 1000})
	check(t, err)
	entry := Entry{JSON: engine.Finish(nil, body, time.Unix(0, 0), 0, 0)}
	check(t, CheckEntry(entry.JSON))
	if diff := cmp.Diff([]string{"/data/a~1b", "/tags/\""}, entry.Redacted()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestEntryEvent(t *testing.T) {
	e := Entry{JSON: fullEntry(t)}
	got, err := e.Event()
	check(t, err)
	want := fullEvent()
	want.Time = want.Time.UTC()
	want.Related = []Entity{want.Related[0], want.Related[2]}
	want.Subjects = []string{"alice", "bob"}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	want.Changes = map[string]Change{
		"status": {Old: raw(`"new"`), New: raw(`"paid"`)}, "count": {New: raw("7"), OldUnknown: true},
		"note": {Old: raw("null"), New: raw(`{"x":1.0}`)},
	}
	want.Snapshot, want.Metadata = raw(`{"a":1}`), raw(`{"k":"<v>"}`)
	want.Data = raw(`{"big":9223372036854775808,"e":1E400}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestEntryDamaged reads every prefix of an entry and every entry with one byte
// changed: nothing panics, no prefix passes CheckEntry, and what passes it is
// read without an error.
func TestEntryDamaged(t *testing.T) {
	text := fullEntry(t)
	read := func(damaged []byte) {
		e := Entry{JSON: damaged}
		e.Event()
		e.Redacted()
		e.Time()
		describe(damaged)
		entryMember(damaged, "position")
		if CheckEntry(damaged) == nil {
			a, err := engine.ParseAssigned(damaged)
			check(t, err)
			if _, err := parseEntry(a.Position, damaged); err != nil {
				t.Errorf("%s: canonical, but %v", damaged, err)
			}
		}
	}
	for n := range len(text) {
		read(text[:n])
		if CheckEntry(text[:n]) == nil {
			t.Errorf("got no error for the first %d bytes", n)
		}
		for _, c := range []byte{'"', '\\', '{', '}', '[', ']', ',', ':', ' ', 'x', 0, 0xff} {
			damaged := bytes.Clone(text)
			damaged[n] = c
			read(damaged)
		}
	}
}

func TestCheckEntry(t *testing.T) {
	text := string(fullEntry(t))
	check(t, CheckEntry([]byte(text)))
	tests := []struct{ name, old, new string }{
		{"white space", `"type":"order.`, `"type": "order.`},
		{"white space in data", `{"big":9`, `{"big": 9`},
		{"order", `"source":"shop","category":"orders"`, `"category":"orders","source":"shop"`},
		{"escape", `"source":"shop"`, `"source":"sho\u0070"`},
		{"escaped slash", `"version":"2.0"`, `"version":"2\/0"`},
		{"short time", `06.000000007Z","type"`, `06.7Z","type"`},
		{"offset", `06.000000007Z","type"`, `06.000000007+00:00","type"`},
		{"no version", `"version":"2.0",`, ``},
		{"no tenant", `"tenant":"acme",`, ``},
		{"no id", `{"id":"e-1","time"`, `{"time"`},
		{"empty member", `"source":"shop"`, `"source":""`},
		{"empty object", `"tags":{"a":"1\u0000","b":"2"}`, `"tags":{}`},
		{"unknown member", `"source":"shop"`, `"sauce":"shop"`},
		{"unknown member of actor", `"user_agent":"ua"`, `"user-agent":"ua"`},
		{"null", `"reason":"because"`, `"reason":null`},
		{"duplicate", `"reason":"because"`, `"reason":"because","reason":"because"`},
		{"sequence without entity", `"entity":{"type":"order","id":"1","name":"Order 1"},`, ``},
		{"entity without sequence", `"sequence":1,"position"`, `"position"`},
		{"recorded_by with more", `"recorded_by":{"type":"local"`, `"recorded_by":{"name":"x","type":"local"`},
		{"assigned twice", `"recorded_at"`, `"recorded_at":"2026-01-02T03:04:05.000000006Z","recorded_at"`},
		{"position early", `"sensitive":false`, `"sensitive":false,"position":7`},
	}
	for _, tt := range tests {
		if strings.Count(text, tt.old) != 1 {
			t.Fatalf("%s: %s is not once in the entry", tt.name, tt.old)
		}
		if CheckEntry([]byte(strings.Replace(text, tt.old, tt.new, 1))) == nil {
			t.Errorf("%s: got no error", tt.name)
		}
	}
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name, event         string
		tenant, id, typ     string
		entityType, enityID string
	}{
		{"no entity", `{"type":"t","data":{"tenant":"x"}}`, "default", "default-id", "t", "", ""},
		{"entity", `{"type":"t\"","id":"i\\","tenant":"\"","entity":{"type":"a/b","id":"\u0001","name":"n"}}`, `"`, `i\`, `t"`, "a/b", "\x01"},
		{"only related", `{"type":"t","related":[{"type":"a","id":"b"}]}`, "default", "default-id", "t", "", ""},
		{"tricky strings", `{"type":"t","message":"\\\",\"entity\":{","reason":"\\\\"}`, "default", "default-id", "t", "", ""},
	}
	for _, tt := range tests {
		e, err := ParseEvent([]byte(tt.event))
		check(t, err)
		tenant, id, typ, entity, err := describe(finished(&e))
		check(t, err)
		if tenant != tt.tenant || id != tt.id || typ != tt.typ || entity != (Entity{Type: tt.entityType, ID: tt.enityID}) {
			t.Errorf("%s: got %q %q %q %q", tt.name, tenant, id, typ, entity)
		}
	}
	for _, bad := range []string{``, `{}`, `[]`, `x`, `{"id":"i"}`, `{"foo":1}`, `{"id":"i","type":"t","tenant":"x"`} {
		if _, _, _, _, err := describe([]byte(bad)); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

func TestWalker(t *testing.T) {
	tests := []struct {
		text string
		want string // name=value; of each member, then ! if the text is bad
	}{
		{``, ``}, {`{}`, ``}, {`{"a":1}`, `a=1;`}, {`{"a":"}","b":[{"c":"]"}],"d":-1.5e3,"e":null}`, `a="}";b=[{"c":"]"}];d=-1.5e3;e=null;`},
		{`{"a\"":"\\"}`, `a\"="\\";`}, {`{`, `!`}, {`{"a`, `!`}, {`{"a"`, `!`}, {`{"a":`, `!`}, {`{"a":1`, `a=1;!`}, {`{"a":}`, `!`},
		{`{"a":1,}`, `a=1;!`}, {`{"a":1 }`, `a=1 ;`}, {`{"a":[}`, `a=[};!`}, {`[1]`, `!`}, {`{"a":"\"}`, `!`}, {`{"a":1"b":2}`, `a=1"b":2;`},
	}
	for _, tt := range tests {
		var got strings.Builder
		w := walk([]byte(tt.text))
		for w.next() {
			got.WriteString(string(w.name) + "=" + string(w.value) + ";")
		}
		if w.bad {
			got.WriteString("!")
		}
		if got.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.text, got.String(), tt.want)
		}
	}
	var got []string
	for el := range elements([]byte(`["a,]",[1,[2]],{"b":3},4]`)) {
		got = append(got, string(el))
	}
	if diff := cmp.Diff([]string{`"a,]"`, `[1,[2]]`, `{"b":3}`, `4`}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestEntryExactWay pins what an [Event] cannot hold of an entry, and that there
// is a way that keeps it.
func TestEntryExactWay(t *testing.T) {
	const sent = `{"time":"0001-01-01T00:00:00.000000000Z","type":"a","producer":{"id":"p","sequence":0},"tags":{"b":"1","a":"2"},` +
		`"changes":{"y":[1.0],"x":[2]},"data":{"n":1.50},"duration_ms":1.50}`
	const held = `{"type":"a","producer":{"id":"p"},"tags":{"a":"2","b":"1"},"changes":{"x":[2],"y":[1.0]},"data":{"n":1.50},"duration_ms":1.5}`
	entry := Entry{JSON: []byte(sent[:len(sent)-1] + `,"recorded_at":"2026-01-02T03:04:05.000000000Z","position":0}`)}
	exact, err := ParseOptions{DropAssigned: true}.ParseEvent(entry.JSON)
	check(t, err)
	if got := string(exact.JSON()); got != sent {
		t.Errorf("exact way: got %s\nwant %s", got, sent)
	}
	event, err := entry.Event()
	check(t, err)
	encoded, err := event.Encode()
	check(t, err)
	if got := string(encoded.JSON()); got != held {
		t.Errorf("through an Event: got %s\nwant %s", got, held)
	}
}

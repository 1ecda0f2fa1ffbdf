package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/annals-io/annals/internal/query"
)

// entry has every member, in the canonical order.
const entry = `{"id":"01976b2e-0001","time":"2026-03-09T18:00:00.000000000Z","type":"order.placed","version":"1.0",` +
	`"tenant":"acme","source":"shop","category":"sales","action":"insert","outcome":"failure","severity":"warning",` +
	`"reason":"Stra\u00dfe \"closed\"","message":"Ärger mit Kelvin \u212a",` +
	`"actor":{"type":"agent","id":"bot-7","name":"Bot Seven","address":"2001:db8::1","user_agent":"curl/8",` +
	`"on_behalf_of":{"type":"user","id":"alice","name":"Alice"}},"entity":{"type":"order","id":"o-1","name":"First"},` +
	`"related":[{"type":"cart","id":"c-1"},{"type":"user","id":"u-9","name":"Nine"}],"correlation_id":"corr",` +
	`"parent_id":"par","trace_id":"tra","span_id":"spa","session_id":"ses","workspace_id":"wor","namespace":"ns",` +
	`"cluster":"clu","producer":{"id":"pod-1","sequence":42},"subjects":["s-1","s-2"],"tags":{"k":"v","a.b":"dot","team":"red"},` +
	`"changes":{"email":["old@x","new@x"],"address.city":["Bonn"],"n":[1,null]},"snapshot":{"total":12.50},` +
	`"data":{"region":"eu","n":10.0,"big":9007199254740993,"ok":true,"none":null,"text":"10","":"empty",` +
	`"items":[{"sku":"a","qty":1},{"sku":"b","qty":[2,[3]]}],"empty":[],"obj":{},"a.b":{"c d":"x"},` +
	`"esc\u0061ped":"tab\tquote\"","path":"C:\\temp\\","huge":1e999999999,"last":"z"},` +
	`"metadata":{"cloudevents":{"source":"/x"}},"duration_ms":1.5e2,"error":{"code":"E42","message":"out of stock"},` +
	`"retention_days":365,"sensitive":true,"recorded_by":{"type":"token","id":"tok-1"},"redacted":["/data/secret"],` +
	`"recorded_at":"2026-03-10T11:00:00.000000000Z","sequence":3,"position":1234}`

func TestEval(t *testing.T) {
	// Each filter holds for the entry; with a - before it, it does not.
	holds := []string{
		"", "id:01976b2e-0001", "event_id:01976b2e-0001", "type:order.placed", "type:order.*", "type:*", "-type:order", "-type:ORDER.placed", "tenant:acme", "source:shop",
		"version:1.0", "version:>=1.0", "-version:1", "category:sales", "action:insert", "outcome:failure",
		"-outcome:success", "severity:warning", "severity:>=notice", "severity:<critical", "severity:notice..error",
		"-severity:>warning", "severity:warn*", `reason:"Straße \"closed\""`, "message:Ärger*", "actor:bot-7", "actor.id:bot-7",
		"actor_type:agent", `actor_name:"Bot Seven"`, "actor_address:2001:db8::1", "ip:2001:DB8:0:0:0:0:0:1", "ip:2001:db8::..2001:db8::ff",
		"ip:2001:*", "-ip:10.0.0.1", "ip:>10.0.0.1", "user_agent:curl/8", "on_behalf_of:alice", "on_behalf_of_type:user", "on_behalf_of_name:Alice",
		"entity:o-1", "resource_id:o-1", "resource_type:order", "entity_name:First", "related:c-1", "related:u-9", "-related:x",
		"related_type:cart", "related_name:Nine", "correlation_id:corr", "parent_id:par", "trace_id:tra", "span_id:spa", "session_id:ses",
		"workspace_id:wor", "namespace:ns", "cluster:clu", "producer:pod-1", "producer_sequence:42", "producer_sequence:4.2e1",
		"subject:s-1", "subjects:(s-1 s-2)", "-subjects:s-3", "tags.k:v", `tags.a\.b:dot`, "-tags.a.b:dot", "tags.team:re*", "tags.k:*", "-tags.x:*",
		"field:email", "field:address.city", "field:e*", "-field:Email", "changes.email:old@x", "changes.email:new@x", `changes.address\.city:Bonn`,
		"changes.n:1", "changes.n:null", "snapshot.total:12.5", "data.region:eu", "-data.region:us", "-data.region.x:eu",
		"data.n:10", "data.n:10.0", "data.n:1e1", `-data.n:"10"`, `-data.n:"10.0"`, "data.text:10", `data.text:"10"`, "-data.text:10.0", "-data.text:1e1",
		"data.n:>9.99", "data.n:9..11", "-data.n:>10", "-data.text:>9", `data.text:>"1"`, "-data.n:>a",
		"data.big:9007199254740993", "-data.big:9007199254740992", "data.big:>9007199254740992", "data.ok:true", `-data.ok:"true"`, "-data.ok:false",
		"data.none:null", "data.none:*", `-data.none:"null"`, "-data.absent:*", "-data.absent:null", "data.:empty", "data.items.sku:a", "data.items.sku:b",
		"data.items.qty:1", "data.items.qty:2", "data.items.qty:3", "-data.items.qty:4", "-data.items:a", "data.items:*", "data.empty:*", "-data.empty.x:*", "data.obj:*",
		`data.a\.b.c\ d:x`, "-data.a.b:*", "data.escaped:*", `data.escaped:"tab\tquote\""`, `data.path:C:\temp\`, `data.path:"C:\\temp\\"`,
		"data.huge:1e999999999", "data.huge:10e999999998", "-data.huge:1e999999998", "data.huge:>1e999999998", "data.last:z", "metadata.cloudevents.source:/x",
		"duration_ms:150", "duration_ms:100..200", "-duration_ms:151", "error:E42", `error_message:"out of stock"`, "retention_days:>=365", "sensitive:true",
		"-sensitive:false", "recorded_by:tok-1", "recorded_by_type:token", "redacted:/data/secret", "sequence:3", "position:1234", "position:>1e3",
		"time:2026-03-09", "time:2026-03-09T18:00:00Z", "time:2026-03-09T19:00:00+01:00", "time:24h", "-time:12h", "time:>=2026-03-09", "-time:>2026-03-09", "time:<2026-03-10",
		"time:<=2026-03-09", "time:2026-03-01..2026-03-09", "time:7d..12h", "recorded_at:2h",
		"alice", "ALICE", "ORDER.PLACED", "ärger", "ÄRGER", "kelvin", `"kelvin k"`, "straße", "STRAẞE", `"closed\""`, `"tab\tQUOTE"`, "stock", "new@x", "bonn", "dot",
		"-region", "-strasse", "-acme", "-2026-03", "-tok-1", "-absent", "-12.50", `-"eu10"`, "curl OR absent", "absent OR curl", "curl -absent", "-(absent OR missing)", "-(curl absent)",
	}
	var doc query.JSONDocument
	for _, text := range holds {
		e := mustParse(t, text)
		doc.Reset([]byte(entry))
		if !query.Eval(e, &doc) {
			t.Errorf("%s: does not hold", text)
		}
		if query.Eval(query.Not{X: e}, &doc) {
			t.Errorf("%s: its opposite holds", text)
		}
		if text != "data.huge:*" && !strings.Contains(text, "huge") && !slowEval(t, e, []byte(strings.Replace(entry, "1e999999999", "1e99", 1))) {
			t.Errorf("%s: does not hold for the slow evaluator", text)
		}
	}
}

func TestEvalAddressForms(t *testing.T) {
	var doc query.JSONDocument
	for _, tt := range []struct {
		stored, filter string
		want           bool
	}{
		{"10.0.0.1", "ip:10.0.0.1", true},
		{"::ffff:10.0.0.1", "ip:10.0.0.1", true},
		{"10.0.0.1", "ip:::ffff:a00:1", true},
		{"2001:DB8::0001", "ip:2001:db8::1", true},
		{"10.0.0.10", "ip:10.0.0.9..10.0.0.11", true},
		{"10.0.0.1", "ip:10.0.0.10", false},
		{"host.example", "ip:host.example", true},
		{"HOST.example", "ip:host.example", false},
		{"host.example", "ip:>10.0.0.1", false},
		{"fe80::1%eth0", "ip:fe80::1%eth0", true},
		{"fe80::1%eth0", "ip:fe80::1", false},
		{strings.Repeat("1", 250), "ip:1.1.1.1", false},
	} {
		doc.Reset(fmt.Appendf(nil, `{"id":"a","actor":{"address":%q}}`, tt.stored))
		if got := query.Eval(mustParse(t, tt.filter), &doc); got != tt.want {
			t.Errorf("%s on %s: got %t", tt.filter, tt.stored, got)
		}
	}
}

func TestFold(t *testing.T) {
	for _, group := range [][]string{
		{"k", "K", "\u212a"}, {"s", "S", "ſ"}, {"å", "Å", "\u212b"}, {"σ", "ς", "Σ"}, {"ß", "ẞ"}, {"ж", "Ж"}, {"ǆ", "ǅ", "Ǆ"},
		{"ı"}, {"İ"}, {"i", "I"}, {"日"}, {"é", "É"}, {"e\u0301", "E\u0301"}, {"𐐀", "𐐨"}, {"\x00"}, {"�"},
	} {
		want := string(query.Fold(nil, []byte(group[0])))
		for _, s := range group {
			if got := string(query.Fold(nil, []byte(s))); got != want {
				t.Errorf("%q folds to %q, %q to %q", s, got, group[0], want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		b = rapid.SampledFrom([]string{b, strings.ToUpper(a), strings.ToLower(a), strings.ToTitle(a)}).Draw(t, "or b")
		got := string(query.Fold(nil, []byte(a))) == string(query.Fold(nil, []byte(b)))
		if want := strings.EqualFold(a, b); got != want {
			t.Fatalf("%q and %q: got %t, EqualFold says %t", a, b, got, want)
		}
	})
}

// Every member can be asked for, by a name of its own and by its dotted name.
func TestEveryMemberHasAField(t *testing.T) {
	covered := map[string]bool{}
	for _, f := range query.Fields() {
		covered[f.Member] = true
		if _, _, err := query.Lookup(f.Name); err != nil && f.Kind != query.Path {
			t.Errorf("field %s: %v", f.Name, err)
		}
	}
	for _, name := range query.Members() {
		if !covered[name] {
			t.Errorf("member %s has no field", name)
		}
	}
	for name, f := range query.Vocabulary() {
		if len(f.Sub) == 0 {
			continue
		}
		dotted := f.Member + "." + strings.Join(f.Sub, ".")
		if got, _, err := query.Lookup(dotted); err != nil || got != f {
			t.Errorf("%s: dotted name %s is not its alias", name, dotted)
		}
	}
}

// The table says where a field is; the entry has a value there for each of them.
func TestEveryFieldFindsItsValue(t *testing.T) {
	var doc query.JSONDocument
	doc.Reset([]byte(entry))
	fields := query.Fields()
	slices.Reverse(fields) // from the last to the first: reading is lazy but remembers
	for _, f := range fields {
		if f.Kind == query.Path {
			continue
		}
		e := mustParse(t, f.Name+":*")
		if !query.Eval(e, &doc) {
			t.Errorf("%s: no value", f.Name)
		}
		var bare query.JSONDocument
		bare.Reset([]byte(`{"id":"x","time":"2026-01-01T00:00:00.000000000Z"}`))
		if got := query.Eval(e, &bare); got != (f.Name == "id" || f.Name == "time") {
			t.Errorf("%s: %t for an entry without it", f.Name, got)
		}
	}
}

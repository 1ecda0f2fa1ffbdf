package export

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/annals-io/annals"
)

// recordOf returns the record of an event in JSON.
func recordOf(t *testing.T, text string) *record {
	t.Helper()
	encoded, err := annals.ParseEvent([]byte(text))
	check(t, err)
	r := new(record)
	check(t, r.read(new(annals.Entry), encoded.JSON()))
	return r
}

func TestStories(t *testing.T) {
	tests := []struct{ name, event, want string }{
		{"all", `{"type":"order.paid","action":"update","actor":{"id":"u-1","name":"alice"},"entity":{"type":"order","id":"1001"},"changes":{"status":["open","paid"],"total":[10,9.50]},"message":"Paid"}`,
			"alice update order/1001: status: open → paid; total: 10 → 9.50"},
		{"no action", `{"type":"order.paid","actor":{"id":"u-1"},"entity":{"type":"order","id":"1001"}}`, "u-1 order.paid order/1001"},
		{"no action but a message", `{"type":"order.paid","actor":{"id":"u-1"},"message":"Paid"}`, "Paid"},
		{"no actor but a message", `{"type":"order.paid","action":"update","message":"Paid"}`, "Paid"},
		{"type alone", `{"type":"order.paid"}`, "order.paid"},
		{"actor type", `{"type":"a","action":"login","actor":{"type":"anonymous"}}`, "anonymous login"},
		{"values", `{"type":"a","changes":{"a":["",null],"b":[{"x":1},[1,"2"]],"c":["new"],"d":[[],[{}]]}}`,
			`a: a: "" → null; b: {"x":1} → 1, 2; c: → new; d: [] → [{}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (*Templates)(nil).tell(recordOf(t, tt.event)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

const tellEvent = `{"type":"order.paid","actor":{"id":"u-1","name":"alice","on_behalf_of":{"id":"u-2"}},"entity":{"type":"order","id":"1001"},
	"related":[{"type":"user","id":"1"},{"type":"user","id":"2"}],"subjects":["a","b"],"changes":{"status":["open","paid"],"a.b":[1,2]},
	"data":{"total":129.50,"items":[{"sku":"x"},{"sku":"y"}],"open":false},"duration_ms":5,"error":{"code":"E1","message":"no"}}`

func TestTemplates(t *testing.T) {
	tests := []struct{ template, want string }{
		{"", ""},
		{"plain", "plain"},
		{"{actor} paid {data.total} for {entity}", "alice paid 129.50 for order/1001"},
		{"{{{type}}}", "{order.paid}"},
		{"{actor.on_behalf_of.name|actor.on_behalf_of.id|actor.id}", "u-2"},
		{"{ reason | actor.id }", "u-1"},
		{"[{reason}]", "[]"},
		{"{changes.status}; {changes.a\\.b}", "open → paid; 1 → 2"},
		{"{changes}", "status: open → paid; a.b: 1 → 2"},
		{"{related} {related.id} {subjects}", "user/1, user/2 1, 2 a, b"},
		{"{data.items.sku} {data.open} {data.none} {duration_ms}", "x, y false  5"},
		{"{error} {error.code}", "E1: no E1"},
		{"{data.items}", `[{"sku":"x"},{"sku":"y"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			parsed, err := parseTemplate(tt.template)
			check(t, err)
			if got := parsed.fill(recordOf(t, tellEvent)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, text := range []string{
		"{", "}", "a}b", "{actor", "{}", "{|}", "{actor|}", "{nothing}", "{actor.nam}", "{data..x}", "{actor_id}", "{id.x}", "{{}",
		"{data." + strings.Repeat("x.", 70) + "x}", strings.Repeat("x", maxTemplate+1),
	} {
		_, err := parseTemplate(text)
		if _, ok := errors.AsType[*OptionError](err); !ok {
			t.Errorf("template %.40q: error is %v", text, err)
		}
	}
}

// TestTemplateChoice has the template of a type come before those of prefixes, and
// the longest prefix first.
func TestTemplateChoice(t *testing.T) {
	n, err := ParseTemplates([]byte(`{"order.paid":"1","order.*":"2","ord*":"3","order.paid.*":"4"}`))
	check(t, err)
	for typ, want := range map[string]string{"order.paid": "1", "order.sent": "2", "order": "3", "order.paid.twice": "4", "other": "other", "or": "or"} {
		if got := n.tell(recordOf(t, `{"type":"`+typ+`"}`)); got != want {
			t.Errorf("type %s got template %q, want %q", typ, got, want)
		}
	}
	if n, err = ParseTemplates([]byte(` { "*" : "any" } `)); err != nil || n.tell(recordOf(t, `{"type":"x"}`)) != "any" {
		t.Errorf("template of every type: %v", err)
	}
}

// FuzzTemplates reads templates and fills them: the sentence is bounded and
// valid, and text without places stays as it is.
func FuzzTemplates(f *testing.F) {
	seeds := []string{
		`{"a":"x"}`, `{"*":"{actor} {action|type} {entity}: {changes}"}`, `{"order.*":"{data.a\\.b}{{"}`, `{`, `[]`, `{"a":1}`, `{"a":"{"}`, "{\"a\":\"\xff\"}",
		`{"order.paid":"` + strings.Repeat("{data}", 600) + `"}`,
	}
	if len(seeds) < 5 {
		f.Fatal("seeds are missing")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseTemplates(text)
		if err != nil {
			return
		}
		if got := n.tell(recordOf(t, tellEvent)); len(got) > maxStory || !utf8.ValidString(got) {
			t.Errorf("%d bytes, or no text: %q", len(got), got)
		}
		for typ, parsed := range n.templates {
			if len(parsed) == 1 && parsed[0].text != parsed.fill(recordOf(t, tellEvent)) {
				t.Errorf("template of %q without places is %q", typ, parsed.fill(recordOf(t, tellEvent)))
			}
		}
	})
}

// TestLongStories clips what is told of large entries.
func TestLongStories(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	for _, event := range []string{
		`{"type":"a","changes":{"a":["` + long + `","` + long + `"],"` + long + `":[1,2]}}`,
		`{"type":"a","changes":{"y":[1]},"data":"` + long + `"}`,
	} {
		r := recordOf(t, event)
		parsed, err := parseTemplate("{data} {changes} {data}")
		check(t, err)
		n := &Templates{templates: map[string]template{"b": parsed, "*": parsed}}
		for _, got := range []string{n.tell(r), new(Templates).tell(r)} {
			if len(got) > maxStory || !utf8.ValidString(got) {
				t.Errorf("%d bytes, want at most %d of text", len(got), maxStory)
			}
		}
	}
}

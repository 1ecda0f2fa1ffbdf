package query_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/annals-io/annals/internal/query"
)

// filterSeeds begin the search of the parser's fuzzer.
var filterSeeds = []string{
	`actor:alice type:order.* -outcome:success time:>=2026-01-01 data.region:eu "free text"`,
	`(a OR -b) NOT (c AND d)`, `type:(a OR b* OR "c d"*)`, `data.a\.b.\ :>1e5 version:..2 time:7d..24h`,
	`"\u00e9\ud83d\ude00\"\\"`, `((((((`, `-(-(-a))`, `a:b:c`, "\x00\xff", `ip:::1..::2`, `severity:>=warning`, `data.x:".".."."`,
}

// documentSeeds begin the search of the document's fuzzer.
var documentSeeds = []string{
	entry, `{}`, ``, `{`, `{"id":`, `{"id":"`, `{"id":"a\`, `{"id":"a","data":[[[[`, `{"data":{"a":{"a":[1,{"a":2}]}}}`,
	`{"type":"a" , "time":1}`, `{"data":]}`, `{"data":{"\ud800":"\ud800\u12"}}`, `{"changes":{"a":[1],"b"}`, `[1]`, `{"actor":{"id":7}}`,
}

// Fault 104: any text is refused or understood, and what is understood can be
// written, read again and evaluated.
func FuzzFault104Parse(f *testing.F) {
	if len(filterSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range filterSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.Parse(text, now)
		if err != nil {
			var bad *query.SyntaxError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(text) || bad.Text == "" || bad.Input != text {
				t.Fatalf("%q: %#v", text, err)
			}
			if lines := strings.Split(bad.Caret(), "\n"); len(lines) != 2 || !utf8.ValidString(lines[0]) {
				t.Fatalf("%q: caret %q", text, lines)
			}
			return
		}
		checkRoundTrip(t, e)
		var doc query.JSONDocument
		doc.Reset([]byte(entry))
		if query.Eval(e, &doc) == query.Eval(query.Not{X: e}, &doc) {
			t.Fatalf("%q: holds as much as its opposite", text)
		}
	})
}

// Any bytes are walked without a panic, and give the same answer twice.
func FuzzJSONDocument(f *testing.F) {
	if len(documentSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range documentSeeds {
		f.Add([]byte(s))
	}
	filters := []query.Expr{
		mustParse(f, "type:a"), mustParse(f, "data.a.a:2"), mustParse(f, "data:*"), mustParse(f, "field:a"), mustParse(f, "related.id:x"),
		mustParse(f, "on_behalf_of:x"), mustParse(f, "position:>5"), mustParse(f, "actor_id:*"), mustParse(f, "free"), mustParse(f, "ip:1.1.1.1"),
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		var lazy query.JSONDocument
		lazy.Reset(entry)
		for _, e := range filters {
			var fresh query.JSONDocument
			fresh.Reset(entry)
			if query.Eval(e, &lazy) != query.Eval(e, &fresh) {
				t.Fatalf("%s on %q depends on what was asked before", e, entry)
			}
		}
		n := len(lazy.FoldedText())
		if n > 4*len(entry) || n != len(lazy.FoldedText()) {
			t.Fatalf("%d bytes of text from %d, then %d", n, len(entry), len(lazy.FoldedText()))
		}
	})
}

// Fault 104: hostile documents cost time in proportion to their size. Each of
// these would run for hours, or end the process, if it were squared or recursive.
func TestFault104HostileDocuments(t *testing.T) {
	const n = 1 << 18
	quotes := strings.Repeat(`\"`, n)
	slashes := strings.Repeat(`\\`, n)
	for name, data := range map[string]string{
		"open arrays":   strings.Repeat("[", n),
		"nested arrays": strings.Repeat("[", n) + strings.Repeat("]", n),
		"open objects":  strings.Repeat(`{"a":`, n),
		"flat array":    "[" + strings.Repeat("{},", n) + "{}]",
		"quotes":        `{"` + quotes + `":"` + quotes + `"}`,
		"slashes":       `{"` + slashes + `":"` + slashes + `"}`,
		"open string":   `"` + quotes,
		"long number":   "1" + strings.Repeat("0", n),
		"repetition":    `"` + strings.Repeat("a", n) + `"`,
	} {
		var doc query.JSONDocument
		for _, text := range []string{"data.a.a:x", "data:*", "data:1", "data:>1e5", strings.Repeat("a", 30000) + "b", "position:1"} {
			doc.Reset([]byte(`{"id":"a","data":` + data + `}`))
			got := query.Eval(mustParse(t, text), &doc)
			if want := text == "data:*" || name == "long number" && text == "data:>1e5"; got != want {
				t.Errorf("%s on %s: got %t", text[:min(len(text), 20)], name, got)
			}
		}
	}
}

func TestDepthOfDocuments(t *testing.T) {
	for depth, want := range map[int]bool{0: true, query.MaxDepth - 1: true, query.MaxDepth + 1: false, 1 << 22: false} {
		var doc query.JSONDocument
		doc.Reset([]byte(`{"data":` + strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth) + `,"position":5}`))
		if got := query.Eval(mustParse(t, "data:1"), &doc); got != want {
			t.Errorf("depth %d: got %t", depth, got)
		}
		if !query.Eval(mustParse(t, "position:5"), &doc) {
			t.Errorf("depth %d: what follows is not found", depth)
		}
	}
}

package query_test

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/annals-io/annals/internal/query"
)

// now is the time of every test.
var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// sameTree compares expressions, what they have prepared included.
var sameTree = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.Comparer(func(a, b *query.Field) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func mustParse(t testing.TB, text string) query.Expr {
	t.Helper()
	e, err := query.Parse(text, now)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return e
}

// checkRoundTrip asserts that e is what its text parses to, at any time.
func checkRoundTrip(t testing.TB, e query.Expr) {
	t.Helper()
	text := e.String()
	again, err := query.Parse(text, now.AddDate(1, 0, 0))
	if err != nil {
		t.Fatalf("Parse of String %q: %v", text, err)
	}
	if !reflect.DeepEqual(e, again) {
		// Not cmp from the start: its time doubles with each slice in a slice.
		t.Fatalf("%q parses to another tree:\n%s", text, cmp.Diff(e, again, sameTree))
	}
	if again.String() != text {
		t.Fatalf("String of %q is %q", text, again.String())
	}
}

// dump writes a tree so that its shape shows.
func dump(e query.Expr) string {
	list := func(name string, parts []query.Expr) string {
		var b strings.Builder
		for _, x := range parts {
			b.WriteString(" " + dump(x))
		}
		return "(" + name + b.String() + ")"
	}
	switch e := e.(type) {
	case query.And:
		return list("and", e)
	case query.Or:
		return list("or", e)
	case query.Not:
		return "(not " + dump(e.X) + ")"
	case *query.Text:
		return "text[" + e.Text + "]"
	}
	return e.String()
}

func TestParseStructure(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "(and)"},
		{" \t\n\u00a0", "(and)"},
		{"a", "text[a]"},
		{"a b", "(and text[a] text[b])"},
		{"a AND b", "(and text[a] text[b])"},
		{"a OR b", "(or text[a] text[b])"},
		{"a b OR c d", "(or (and text[a] text[b]) (and text[c] text[d]))"},
		{"a AND b OR c", "(or (and text[a] text[b]) text[c])"},
		{"a OR b c", "(or text[a] (and text[b] text[c]))"},
		{"a (b OR c)", "(and text[a] (or text[b] text[c]))"},
		{"(a OR b) (c OR d)", "(and (or text[a] text[b]) (or text[c] text[d]))"},
		{"((a))", "text[a]"},
		{"( a )", "text[a]"},
		{"(a b) c", "(and text[a] text[b] text[c])"},
		{"a OR (b OR c)", "(or text[a] text[b] text[c])"},
		{"-a b", "(and (not text[a]) text[b])"},
		{"NOT a b", "(and (not text[a]) text[b])"},
		{"-(a b)", "(not (and text[a] text[b]))"},
		{"-(-a)", "(not (not text[a]))"},
		{"NOT (a OR b)", "(not (or text[a] text[b]))"},
		{`-"a b"`, "(not text[a b])"},
		{"or and not ORDER NOTE", "(and text[or] text[and] text[not] text[ORDER] text[NOTE])"},
		{`"OR"`, "text[OR]"},
		{"a-b a..b >5 a,b", "(and text[a-b] text[a..b] text[>5] text[a,b])"},
		{"type:(a OR b)", "(or type:a type:b)"},
		{"type:(a OR b) c", "(and (or type:a type:b) text[c])"},
		{"-type:(a OR b)", "(not (or type:a type:b))"},
		{"subjects:(a b -c)", "(and subjects:a subjects:b (not subjects:c))"},
		{"data.n:(>10 (<=20 OR 30..))", "(and data.n:>10 (or data.n:<=20 data.n:>=30))"},
		{`type:(order.* OR "a b")`, `(or type:order.* type:"a b")`},
		{"actor:alice type:order.* -outcome:success",
			"(and actor_id:alice type:order.* (not outcome:success))"},
	} {
		e := mustParse(t, tt.text)
		if got := dump(e); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
		checkRoundTrip(t, e)
	}
}

func TestParseTerms(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"type:order.placed", "type:order.placed"},
		{"event_type:a", "type:a"},
		{"resource_type:a resource_id:b", "entity_type:a entity_id:b"},
		{"actor.id:a actor.on_behalf_of.id:b", "actor_id:a on_behalf_of_id:b"},
		{"type:*", "type:*"},
		{"type:a*", "type:a*"},
		{`type:"a b"*`, `type:"a b"*`},
		{`type:"a*"`, `type:"a*"`},
		{"type:OR", "type:OR"},
		{"type:-a", "type:-a"},
		{"type:a,b", `type:"a,b"`},
		{`actor:DOMAIN\bob`, `actor_id:"DOMAIN\\bob"`},
		{"actor:urn:x:y", "actor_id:urn:x:y"},
		{`type:"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `type:"a\"\\/\u0008\u000c\n\u000d\u0009é😀"`},
		{`type:""`, `type:""`},
		{"type:\"\x1b\x7f\"", `type:"\u001b\u007f"`},
		{"version:1.0..2.0", "version:1.0..2.0"},
		{"version:1.0..", "version:>=1.0"},
		{"version:..2.0", "version:<=2.0"},
		{`version:"1..2".."3"`, `version:"1..2"..3`},
		{`version:"1.".."2"`, `version:"1."..2`},
		{"type:.a type:a.", "type:.a type:a."},
		{"severity:>=warning", "severity:>=warning"},
		{"duration_ms:>1e3", "duration_ms:>1e3"},
		{"duration_ms:-5..10", "duration_ms:-5..10"},
		{"sensitive:true", "sensitive:true"},
		{"ip:::1", "actor_address:::1"},
		{"data.region:eu", "data.region:eu"},
		{"data:eu", "data:eu"},
		{`data.a\.b.c:1`, `data.a\.b.c:1`},
		{`data.a\ b\:\(\"\\:1`, `data.a\ b\:\(\"\\:1`},
		{"data.a..b:1", "data.a..b:1"},
		{"data.:1", "data.:1"},
		{`data.n:"10"`, `data.n:"10"`},
		{`data.n:"true" data.n:true data.n:null`, `data.n:"true" data.n:true data.n:null`},
		{"data.n:007", "data.n:007"},
		{`data.n:10*`, `data.n:"10"*`},
		{`data.n:>true`, `data.n:>"true"`},
		{"changes.email:a tags.k:v snapshot.a:b metadata.c:d", "changes.email:a tags.k:v snapshot.a:b metadata.c:d"},
		{"field:email", "field:email"},
		{"time:2026-01-01", "time:2026-01-01T00:00:00Z..2026-01-01T23:59:59.999999999Z"},
		{"time:2026-01-01T10:00:00.5+02:00", "time:2026-01-01T08:00:00.5Z"},
		{"time:>=2026-01-01", "time:>=2026-01-01T00:00:00Z"},
		{"time:>2026-01-01", "time:>2026-01-01T23:59:59.999999999Z"},
		{"time:<2026-01-01", "time:<2026-01-01T00:00:00Z"},
		{"time:<=2026-01-01", "time:<=2026-01-01T23:59:59.999999999Z"},
		{"time:2026-01-01..2026-01-31", "time:2026-01-01T00:00:00Z..2026-01-31T23:59:59.999999999Z"},
		{"time:2026-01-01..", "time:>=2026-01-01T00:00:00Z"},
		{"time:..2026-01-01", "time:<=2026-01-01T23:59:59.999999999Z"},
		{"time:..9999-12-31", "time:<=9999-12-31T23:59:59.999999999Z"},
		{"time:24h", "time:>=2026-03-09T12:00:00Z"},
		{"time:>=7d", "time:>=2026-03-03T12:00:00Z"},
		{"time:<1d12h", "time:<2026-03-09T00:00:00Z"},
		{"time:2w..1w", "time:2026-02-24T12:00:00Z..2026-03-03T12:00:00Z"},
		{"recorded_at:90s", "recorded_at:>=2026-03-10T11:58:30Z"},
	} {
		e := mustParse(t, tt.text)
		if got := e.String(); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
		checkRoundTrip(t, e)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		text   string
		offset int
		what   string // part of the text
		hint   string // part of the hint
	}{
		{"a OR", 4, "expected a term", ""},
		{"OR a", 0, "expected a term", ""},
		{"a AND", 5, "expected a term", ""},
		{"AND a", 0, "expected a term", ""},
		{"a AND OR b", 6, "expected a term", ""},
		{"a NOT", 5, "expected a term", ""},
		{"NOT NOT a", 4, "expected a term", ""},
		{"()", 1, "expected a term", ""},
		{"a (b", 2, "never closed", ""},
		{"a b)", 3, "unmatched )", ""},
		{"(a)(b)", 3, "unexpected '('", "quotes"},
		{`a"b"`, 1, `unexpected '"'`, "quotes"},
		{`"a"b`, 3, "unexpected 'b'", "quotes"},
		{`type:"a"b`, 8, "unexpected 'b'", ""},
		{"a -", 2, "without a term", "quotes"},
		{"--a", 0, "without a term", ""},
		{"- a", 0, "without a term", ""},
		{`""`, 0, "empty text", ""},
		{`x "abc`, 2, "never closed", `\"`},
		{`x "abc\"`, 2, "never closed", `\"`},
		{`"é\x"`, 3, "unknown escape", `\\`},
		{`"\u12"`, 1, "unknown escape", ""},
		{"a*", 1, "* in free text", "quote"},
		{"*", 0, "* in free text", ""},
		{"b actr:alice", 2, `unknown field "actr"`, "did you mean actor?"},
		{"timestamp:24h", 0, "unknown field", "did you mean time?"},
		{"status:ok", 0, "unknown field", "did you mean outcome?"},
		{"http://x", 0, `unknown field "http"`, "quotes"},
		{":x", 0, `unknown field ""`, "quotes"},
		{"actor.foo:x", 0, "unknown field", ""},
		{"tags:x", 0, "tags needs", "tags.NAME"},
		{"changes:x", 0, "changes needs", "field:NAME"},
		{"actor:", 6, "without a value", "actor_id:*"},
		{"actor: alice", 6, "without a value", ""},
		{"(actor:)", 7, "without a value", ""},
		{"version:..", 8, "without a value", ""},
		{"version:>", 8, "without a value", ""},
		{"type:a*b", 6, "* before the end", "quotes"},
		{"type:**", 5, "* before the end", ""},
		{"version:>1*", 10, "* after a comparison", ""},
		{"version:1..2*", 12, "* after a comparison", ""},
		{"version:>1..2", 8, "a comparison and a range", ""},
		{"duration_ms:abc", 12, `cannot be "abc"`, "number"},
		{`duration_ms:"5"`, 12, `cannot be "5"`, "quotes"},
		{"duration_ms:5*", 12, "no text", "range"},
		{"duration_ms:1..x", 15, "cannot be", "number"},
		{`version:1.."x`, 11, "never closed", ""},
		{"data.n:1..x", 7, "from a number to a text", "quotes"},
		{"sensitive:yes", 10, `cannot be "yes"`, "true or false"},
		{"sensitive:>true", 11, "no order", ""},
		{"outcome:sucess", 8, `cannot be "sucess"`, "did you mean success?"},
		{"severity:zzzzzzzz", 9, "cannot be", "debug, info"},
		{"time:yesterday", 5, "not a time", "2026-01-31"},
		{"time:2026-02-30", 5, "not a time", ""},
		{"time:2026-1-1", 5, "not a time", ""},
		{"time:2026-01-01T00:00:00", 5, "not a time", ""},
		{"time:2026-01-01T00:00:00.1234567890Z", 5, "nine fraction digits", ""},
		{"time:0000-01-01T00:00:00+01:00", 5, "outside of the years", ""},
		{"time:9999-12-31T23:30:00-01:00", 5, "outside of the years", ""},
		{"time:99999d..5h", 5, "", ""},
		{"time:1d1d", 5, "not a time", ""},
		{"time:12h1d", 5, "not a time", ""},
		{"time:999999999w", 5, "not a time", ""},
		{"time:2026*", 5, "no text", ""},
		{"time:2026-01-01..later", 17, "not a time", ""},
		{"a\xffb", 1, "not valid UTF-8", ""},
	} {
		e, err := query.Parse(tt.text, now)
		var bad *query.SyntaxError
		if tt.what == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.text, err)
			}
			continue
		}
		if !errors.As(err, &bad) {
			t.Errorf("%q: got %v, %v; want a SyntaxError", tt.text, e, err)
			continue
		}
		if bad.Offset != tt.offset || !strings.Contains(bad.Text, tt.what) || !strings.Contains(bad.Hint, tt.hint) {
			t.Errorf("%q: got %d %q %q; want %d %q %q", tt.text, bad.Offset, bad.Text, bad.Hint, tt.offset, tt.what, tt.hint)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := query.Parse("é\nx actr:b", now)
	want := `filter, character 5: unknown field "actr"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Fault 100: nothing in a filter moves the cursor of the terminal that shows it.
func TestFault100Caret(t *testing.T) {
	long := strings.Repeat("x", 80)
	for _, tt := range []struct{ text, want string }{
		{"a actr:b c", "a actr:b c\n  ^"},
		{"a\nbé actr:b\nc", "bé actr:b\n   ^"},
		{"\t\x1b[2J\u202e actr:b", " ?[2J? actr:b\n       ^"},
		{long + " actr:b " + long, "..." + long[:49] + " actr:b " + long[:43] + "...\n" + strings.Repeat(" ", 53) + "^"},
		{"a OR", "a OR\n    ^"},
	} {
		_, err := query.Parse(tt.text, now)
		var bad *query.SyntaxError
		if !errors.As(err, &bad) {
			t.Errorf("%q: no error", tt.text)
			continue
		}
		if got := bad.Caret(); got != tt.want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

func TestCaretOutside(t *testing.T) {
	for _, offset := range []int{-1, 4, math.MaxInt} {
		e := &query.SyntaxError{Input: "abc", Offset: offset, Text: "x"}
		if got := e.Caret() + e.Error(); !strings.HasPrefix(got, "abc\n") {
			t.Errorf("offset %d: got %q", offset, got)
		}
	}
}

// Fault 104: hostile filters are refused by clear limits.
func TestFault104Limits(t *testing.T) {
	terms := func(n int) string { return strings.TrimSpace(strings.Repeat("a ", n)) }
	nested := func(n int) string { return strings.Repeat("(", n) + "a" + strings.Repeat(")", n) }
	for _, tt := range []struct {
		name, text, what string
	}{
		{"bytes at limit", strings.Repeat("a", query.MaxTextBytes), ""},
		{"bytes above", strings.Repeat("a", query.MaxTextBytes+1), "longer than 65536 bytes"},
		{"terms at limit", terms(query.MaxTerms), ""},
		{"terms above", terms(query.MaxTerms + 1), "more than 1000 terms"},
		{"depth at limit", nested(query.MaxDepth), ""},
		{"depth above", nested(query.MaxDepth + 1), "more than 64 parentheses"},
		{"nots at limit", strings.Repeat("-(", query.MaxDepth) + "a" + strings.Repeat(")", query.MaxDepth), ""},
		{"mixed at limit", strings.Repeat("a (b OR ", query.MaxDepth) + "c" + strings.Repeat(")", query.MaxDepth), ""},
		{"path at limit", "data" + strings.Repeat(".a", query.MaxDepth) + ":1", ""},
		{"path above", "data" + strings.Repeat(".a", query.MaxDepth+1) + ":1", "more than 64"},
		{"group blown up", "data." + strings.Repeat("a", 30000) + ":(b OR c OR d)", "written out"},
		{"spaces blown up", "data." + strings.Repeat("a", 58) + ":(" + strings.TrimSuffix(strings.Repeat("b OR ", 1000), " OR ") + ")", "written out"},
		{"escapes blown up", `"` + strings.Repeat("\x01", 20000) + `"`, "written out"},
		{"open", strings.Repeat("(", query.MaxTextBytes), "parentheses"},
		{"quotes", strings.Repeat(`"`, query.MaxTextBytes), "empty text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := query.Parse(tt.text, now)
			switch {
			case tt.what == "" && err != nil:
				t.Fatal(err)
			case tt.what == "":
				checkRoundTrip(t, e)
			case err == nil || !strings.Contains(err.Error(), tt.what):
				t.Fatalf("got %v, want %q", err, tt.what)
			case len(err.Error()) > 500:
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestAllOfAnyOf(t *testing.T) {
	a, b, c := mustParse(t, "a"), mustParse(t, "b"), mustParse(t, "c")
	for _, tt := range []struct {
		e    query.Expr
		want string
	}{
		{query.AllOf(), "(and)"},
		{query.AllOf(a), "text[a]"},
		{query.AllOf(query.And{}, a), "text[a]"},
		{query.AllOf(query.AllOf(a, b), c), "(and text[a] text[b] text[c])"},
		{query.AnyOf(query.AnyOf(a, b), c), "(or text[a] text[b] text[c])"},
		{query.AnyOf(a, query.And{}), "(and)"},
	} {
		if got := dump(tt.e); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		checkRoundTrip(t, tt.e)
	}
}

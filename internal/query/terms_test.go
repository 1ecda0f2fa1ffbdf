package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/annals-io/annals/internal/query"
)

// termTexts writes terms as FIELD=VALUE.
func termTexts(terms []query.Term) []string {
	texts := make([]string, len(terms))
	for i, t := range terms {
		texts[i] = t.Field + "=" + t.Value
	}
	return texts
}

// read returns the facts of an entry that is canonical.
func read(t testing.TB, entry string, policy *query.Policy) *query.Facts {
	t.Helper()
	var x query.Extractor
	f, err := x.Read([]byte(entry), policy)
	if err != nil {
		t.Fatalf("%s: %v", entry, err)
	}
	return f
}

func TestTermsOfEveryMember(t *testing.T) {
	f := read(t, entry, nil)
	want := []string{
		"type=order.placed", "type.*=order", "source=shop", "category=sales", "action=insert", "outcome=failure", "severity=warning",
		"actor_type=agent", "actor_id=bot-7", "actor_address=2001:db8::1", "on_behalf_of_type=user", "on_behalf_of_id=alice",
		"actor_type+actor_id=agent\x00bot-7", "entity_type=order", "entity_id=o-1", "related_type=cart", "related_id=c-1",
		"related_type=user", "related_id=u-9", "correlation_id=corr", "parent_id=par", "trace_id=tra", "span_id=spa", "session_id=ses",
		"workspace_id=wor", "namespace=ns", "cluster=clu", "producer_id=pod-1", "subjects=s-1", "subjects=s-2",
		`tags.k="v`, `tags.a\.b="dot`, `tags.team="red`,
		"field=email", `changes.email="old@x`, `changes.email="new@x`, "field=address.city", `changes.address\.city="Bonn`,
		"field=n", "changes.n=#1e1", "changes.n=null",
		`data.region="eu`, "data.n=#1e2", "data.big=#9007199254740993e16", "data.ok=true", "data.none=null", `data.text="10`,
		`data.="empty`, `data.items.sku="a`, "data.items.qty=#1e1", `data.items.sku="b`, "data.items.qty=#2e1", "data.items.qty=#3e1",
		`data.a\.b.c d="x`, "data.escaped=\"tab\tquote\"", `data.path="C:\temp\`, "data.huge=#1e1000000000", `data.last="z`,
		"error_code=E42", "recorded_by_type=token", "recorded_by_id=tok-1",
	}
	if diff := cmp.Diff(want, termTexts(f.Terms)); diff != "" {
		t.Errorf("terms (-want +got):\n%s", diff)
	}
	f.Terms = nil
	wantFacts := &query.Facts{Tenant: "acme", ID: "01976b2e-0001", Type: "order.placed", Time: "2026-03-09T18:00:00.000000000Z",
		Entity: query.Entity{Type: "order", ID: "o-1"}}
	if diff := cmp.Diff(wantFacts, f); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestTerms(t *testing.T) {
	for _, tt := range []struct{ name, entry, want string }{
		{"nothing", `{}`, ""},
		{"unfinished", `{"source":"a"`, "source=a"},
		{"unfinished after an object", `{"data":{"a":1}`, "data.a=#1e1"},
		{"unfinished number", `{"data":12`, "data=#12e2"},
		{"unknown member", `{"source":"a","other":{"x":[1]},"cluster":"c"}`, "source=a cluster=c"},
		{"member out of order", `{"cluster":"c","source":"a"}`, "cluster=c"},
		{"values of data", `{"data":"x"}`, `data="x`},
		{"array of data", `{"data":[1,"1",true,[null,1.0],{},[]]}`, `data=#1e1 data="1 data=true data=null`},
		{"kinds apart", `{"data":{"a":["true",true,"null",null,"10",10]}}`, `data.a="true data.a=true data.a="null data.a=null data.a="10 data.a=#1e2`},
		{"equal numbers", `{"data":{"a":[10,10.0,1e1,0.1E+2,-0,0,0.0e9]}}`, "data.a=#1e2 data.a=#0"},
		{"fractions", `{"data":[12.50,-0.05,0.1]}`, "data=#125e2 data=#-5e-1 data=#1e0"},
		{"empty strings", `{"data":{"":"","a":{"":[""]}}}`, `data.=" data.a.="`},
		{"escapes", `{"data":{"\u0061\\.b":"\u00e9\n"}}`, "data.a\\\\\\.b=\"é\n"},
		{"case and normal form", `{"data":{"É":1,"E\u0301":2,"é":3}}`, "data.É=#1e1 data.E\u0301=#2e1 data.é=#3e1"},
		{"one subject twice", `{"subjects":["a","b","a"]}`, "subjects=a subjects=b"},
		{"related once", `{"related":[{"type":"a","id":"x"},{"type":"a","id":"x","name":"a"},{"type":"x","id":"a"}]}`,
			"related_type=a related_id=x related_type=x related_id=a"},
		{"old is new", `{"changes":{"a":["x","x"],"b":[{"c":1},{"c":1}]}}`, `field=a changes.a="x field=b changes.b.c=#1e1`},
		{"actor without type", `{"actor":{"id":"a"}}`, "actor_id=a"},
		{"escaped names", `{"\u0073ource":"a","actor":{"\u0069d":"a"}}`, "actor_id=a"},
		{"type with dots", `{"type":"a..b."}`, "type=a..b. type.*=a type.*=a. type.*=a..b"},
		{"type that is a dot", `{"type":"."}`, "type=. type.*="},
		{"malformed scalars", `{"data":[tru,01,-,nulll,+1,1.]}`, ""},
	} {
		got := strings.Join(termTexts(read(t, tt.entry, nil).Terms), " ")
		if got != tt.want {
			t.Errorf("%s: %s:\n got %s\nwant %s", tt.name, tt.entry, got, tt.want)
		}
	}
}

func TestTermsOfAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "255.255.255.255": "255.255.255.255", "::ffff:10.0.0.1": "10.0.0.1", "2001:DB8:0::1": "2001:db8::1",
		"fe80::1%ETH0": "fe80::1%ETH0", "10.0.0.256": "10.0.0.256", "10.0.0.01": "10.0.0.01", "10.0.0": "10.0.0", "10.0.0.1.": "10.0.0.1.",
		"1.2.3.4.5": "1.2.3.4.5", "Host.example": "Host.example", "10.0.0.1:80": "10.0.0.1:80", "1.2.3.999": "1.2.3.999", "1..2.3": "1..2.3",
		"::1%" + strings.Repeat("z", 80): "::1%" + strings.Repeat("z", 80),
	} {
		f := read(t, fmt.Sprintf(`{"actor":{"address":%q}}`, address), nil)
		if got := termTexts(f.Terms); !slices.Equal(got, []string{"actor_address=" + want}) {
			t.Errorf("%s: got %q", address, got)
		}
	}
}

// The body of an event on its way in has the terms of the entry that it becomes,
// and an Extractor that has read other entries reads it the same way.
func TestTermsOfUnfinishedEntry(t *testing.T) {
	body, _, _ := strings.Cut(entry, `,"recorded_at"`)
	want := read(t, entry, nil)
	var x query.Extractor
	for _, text := range []string{body, body + "}", entry, `{"data":[`, body, `{"type":"a","data":{"a":["x","x"]}}`, entry} {
		got, err := x.Read([]byte(text), nil)
		if !strings.HasPrefix(text, body) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.20s... of %d bytes (-want +got):\n%s", text, len(text), diff)
		}
	}
}

func TestTermsOfOtherBytes(t *testing.T) {
	for _, text := range []string{
		``, `x`, `[]`, `{"type":7}`, `{"type":"a`, `{"type":["a"]}`, `{"actor":"a"}`, `{"actor":{"id":{}}}`, `{"actor":{"id":"a"`, `{"actor":[{}]}`,
		`{"related":{}}`, `{"related":["a"]}`, `{"related":[{}`, `{"subjects":"a"}`, `{"subjects":[["a"]]}`, `{"subjects":["a"}`, `{"id":`, `{"entity":null}`,
		`{"type":"a"} `, `{"type":"a","version`, `{"data":[1}}x`, `{"type":"a"x}`, `{"data":{} }`,
		`{"subjects":[` + strings.Repeat(`"a",`, 100) + distinctStrings(query.MaxEntryTerms+1) + `]}`,
	} {
		var x query.Extractor
		f, err := x.Read([]byte(text), nil)
		if err == nil {
			t.Errorf("%.60s: terms %q", text, f.Terms)
		} else if !strings.HasPrefix(err.Error(), "entry is not canonical: ") {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// distinctStrings writes n strings as JSON has them in an array.
func distinctStrings(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%q", fmt.Sprint(i))
	}
	return strings.Join(list, ",")
}

// At the limit every value has a term; above it ~more stands for all of them, and
// what else the entry has stays.
func TestMoreTerms(t *testing.T) {
	list, err := query.ParsePolicy("data.b")
	check(t, err)
	for _, tt := range []struct {
		name    string
		members string
		policy  *query.Policy
		want    int // of data terms; -1 for ~more
	}{
		{"one below", `"data":[` + distinctStrings(query.MaxDataTerms-1) + `]`, nil, query.MaxDataTerms - 1},
		{"at", `"data":[` + distinctStrings(query.MaxDataTerms) + `]`, nil, query.MaxDataTerms},
		{"one above", `"data":[` + distinctStrings(query.MaxDataTerms+1) + `]`, nil, -1},
		{"equal ones count once", `"data":[` + distinctStrings(query.MaxDataTerms) + `,"0","1"]`, nil, query.MaxDataTerms},
		{"over several members", `"tags":{"a":"x"},"data":[` + distinctStrings(query.MaxDataTerms) + `]`, nil, -1},
		{"names of changes count", `"changes":{"a":["x"]},"data":[` + distinctStrings(query.MaxDataTerms-2) + `]`, nil, query.MaxDataTerms},
		{"names of changes above", `"changes":{"a":["x"]},"data":[` + distinctStrings(query.MaxDataTerms-1) + `]`, nil, -1},
		{"in changes", `"changes":{"a":[[` + distinctStrings(query.MaxDataTerms) + `]]},"data":{"a":1}`, nil, -1},
		{"what is not covered does not count", `"data":{"a":[` + distinctStrings(1000) + `],"b":[1,2]}`, list, 2},
		{"what is covered does", `"data":{"b":[` + distinctStrings(1000) + `]}`, list, -1},
		{"long name", `"data":{"` + strings.Repeat("n", query.MaxFieldBytes-5) + `":1}`, nil, 1},
		{"too long name", `"data":{"` + strings.Repeat("n", query.MaxFieldBytes-4) + `":1}`, nil, -1},
		{"too long a name without a value", `"data":{"` + strings.Repeat("n", 2000) + `":[],"b":1}`, nil, 1},
	} {
		f := read(t, `{"source":"s",`+tt.members+`,"error":{"code":"E"},"recorded_by":{"id":"r"}}`, tt.policy)
		rest := slices.DeleteFunc(slices.Clone(f.Terms), func(term query.Term) bool { return !query.TermFields()[term.Field] || term.Field == "field" })
		if want := []string{"source=s", "error_code=E", "recorded_by_id=r"}; !slices.Equal(termTexts(rest), want) {
			t.Errorf("%s: other terms %q", tt.name, rest)
		}
		got := len(f.Terms) - len(rest)
		if slices.Contains(f.Terms, query.Term{Field: query.MoreField}) {
			if got != 1 {
				t.Errorf("%s: %d terms beside ~more", tt.name, got-1)
			}
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s: %d data terms, want %d", tt.name, got, tt.want)
		}
	}
}

// Values below the depth that filters look at have no terms, and those above it do.
func TestTermsOfDeepValues(t *testing.T) {
	for depth, want := range map[int]int{0: 1, query.MaxDepth: 1, query.MaxDepth + 1: 0, 1 << 20: 0} {
		f := read(t, `{"data":`+strings.Repeat("[", depth)+"1"+strings.Repeat("]", depth)+`,"error":{"code":"E"}}`, nil)
		if got := len(f.Terms) - 1; got != want {
			t.Errorf("depth %d: %d terms", depth, got)
		}
	}
}

// Reading is in proportion to the bytes. Each of these would take minutes if it
// were squared, and much memory if each term had its own copy of its path.
func TestTermsOfHostileEntries(t *testing.T) {
	const n = 1 << 18
	quotes := strings.Repeat(`\"`, n)
	for name, text := range map[string]string{
		"dots":        `{"type":"` + strings.Repeat(".", n) + `"}`,
		"flat":        `{"data":[` + strings.Repeat("0,", n) + `0]}`,
		"long name":   `{"data":{"` + quotes + `":[` + distinctStrings(n/8) + `]}}`,
		"long value":  `{"data":{"` + quotes[:1000] + `":["` + quotes + `","` + quotes + `"]}}`,
		"many names":  `{"changes":{` + strings.Repeat(`"a":1,`, n) + `"a":1}}`,
		"open arrays": `{"data":` + strings.Repeat("[", n),
		"subjects":    `{"subjects":[` + strings.Repeat(`"a",`, n) + `"a"]}`,
		"digits":      `{"data":` + strings.Repeat("9", n) + "." + strings.Repeat("9", n) + "}",
		"zeros":       `{"data":[0.` + strings.Repeat("0", n) + `1e` + strings.Repeat("9", n) + `]}`,
	} {
		var x query.Extractor
		f, err := x.Read([]byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkFacts(t, f, []byte(text))
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package query_test

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/annals-io/annals/internal/query"
)

// holdsNode is the answer of an index: whether a node chooses the entry of facts.
// A term that the policy does not cover is taken to be there.
func holdsNode(n query.Node, f *query.Facts, policy *query.Policy) bool {
	holds := func(part query.Node) bool { return holdsNode(part, f, policy) }
	switch n := n.(type) {
	case nil:
		return true
	case query.All:
		return !slices.ContainsFunc(n, func(part query.Node) bool { return !holds(part) })
	case query.Any:
		return slices.ContainsFunc(n, holds)
	case query.ID:
		return string(n) == f.ID
	case query.Entity:
		return n == f.Entity
	case query.Term:
		return slices.Contains(f.Terms, n) || !policy.Covers(n.Field)
	}
	panic("unknown node")
}

const canonicalTime = "2006-01-02T15:04:05.000000000Z"

// outOfBounds says which bound of the plan a canonical entry is outside of, if any.
func outOfBounds(p *query.Plan, f *query.Facts, entry []byte) string {
	if p.Tenants != nil && !slices.Contains(p.Tenants, f.Tenant) {
		return "tenant " + f.Tenant
	}
	if at, err := time.Parse(canonicalTime, f.Time); err == nil {
		if !p.Since.IsZero() && at.Before(p.Since) || !p.Until.IsZero() && !at.Before(p.Until) {
			return "time " + f.Time
		}
	}
	for name, v := range topMembers(entry) {
		if name == "position" {
			n, _ := strconv.ParseUint(v, 10, 64)
			if n < p.From || p.To != 0 && n >= p.To {
				return "position " + v
			}
		}
	}
	return ""
}

// isCanonical reports whether time and position have the form they have in
// entries. Filters compare others too, which plans need not.
func isCanonical(f *query.Facts, entry []byte) bool {
	if at, err := time.Parse(canonicalTime, f.Time); f.Time != "" && (err != nil || at.Format(canonicalTime) != f.Time) {
		return false
	}
	for name, v := range topMembers(entry) {
		if n, err := strconv.ParseUint(v, 10, 64); name == "position" && (err != nil || strconv.FormatUint(n, 10) != v) {
			return false
		}
	}
	return true
}

// topMembers returns the members of a JSON object.
func topMembers(entry []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		d := json.NewDecoder(bytes.NewReader(entry))
		if open, _ := d.Token(); open != json.Delim('{') {
			return
		}
		for d.More() {
			name, _ := d.Token()
			var v json.RawMessage
			text, ok := name.(string)
			if err := d.Decode(&v); err != nil || !ok || !yield(text, string(v)) {
				return
			}
		}
	}
}

// A supersetCheck asserts, for expressions that hold for an entry, that their
// plans choose it.
type supersetCheck struct {
	x             query.Extractor
	doc           query.JSONDocument
	entry         []byte
	policy        *query.Policy
	facts         *query.Facts
	held, planned int // expressions that held, and those of them with a filter
	refused       int // plans that left the entry out
}

// read takes up an entry; it returns false if that is not canonical.
func (c *supersetCheck) read(entry []byte, policy *query.Policy) bool {
	f, err := c.x.Read(entry, policy)
	if err != nil || !isCanonical(f, entry) {
		return false
	}
	c.entry, c.policy, c.facts = entry, policy, f
	c.doc.Reset(entry)
	return true
}

func (c *supersetCheck) check(t testing.TB, e query.Expr) {
	t.Helper()
	p := query.NewPlan(e)
	chosen := holdsNode(p.Filter, c.facts, c.policy)
	outside := outOfBounds(p, c.facts, c.entry)
	holds := query.Eval(e, &c.doc)
	switch {
	case !chosen || outside != "":
		if holds {
			t.Fatalf("%s holds for an entry that its plan leaves out\nentry %.4000s\nterms %.4000q\npolicy %.200s\n%s%s",
				e, c.entry, c.facts.Terms, c.policy, p, outside)
		}
		c.refused++
	case holds:
		c.held++
		if p.Filter != nil {
			c.planned++
		}
	}
}

// drawPolicy draws a policy over the random names.
func drawPolicy(t *rapid.T) *query.Policy {
	text := rapid.SampledFrom([]string{"all", "all", "none", "data", "changes.a,tags,data.a", `data.a\.b,data.b.a`, "tags.b,data.é"}).Draw(t, "policy")
	p, err := query.ParsePolicy(text)
	if err != nil {
		t.Fatalf("ParsePolicy(%q): %v", text, err)
	}
	return p
}

// drawTarget returns a filter text that holds for the decoded entry, made from one of its
// values in data, tags or changes, or the empty string if it draws none.
func drawTarget(t *rapid.T, doc map[string]any) string {
	path := pick(t, []string{"data", "tags", "changes"})
	for v := doc[path]; ; {
		switch x := v.(type) {
		case map[string]any:
			if len(x) == 0 {
				return ""
			}
			names := make([]string, 0, len(x))
			for name := range x {
				names = append(names, name)
			}
			slices.Sort(names)
			name := pick(t, names)
			path, v = path+"."+escapeName(name), x[name]
		case []any:
			if len(x) == 0 {
				return ""
			}
			v = rapid.SampledFrom(x).Draw(t, "element")
		case json.Number:
			return path + ":" + drawEqualNumber(t, x.String())
		case string:
			return path + ":" + quoteText(x)
		case bool:
			return path + ":" + strconv.FormatBool(x)
		case nil:
			if _, there := doc[strings.SplitN(path, ".", 2)[0]]; !there {
				return ""
			}
			return path + ":null"
		}
	}
}

func escapeName(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune(`.:\"() `+"\n", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// drawEqualNumber writes a number in another way.
func drawEqualNumber(t *rapid.T, n string) string {
	if strings.ContainsAny(n, "eE") {
		return n
	}
	if !strings.Contains(n, ".") {
		n = pick(t, []string{n, n + ".0", n + "0e-1", n + ".000"})
	}
	return pick(t, []string{n, n + "e0", n + "E-000", n + "e+00"})
}

// farExponents makes the largest numbers of the vocabulary ones whose exponent
// has no end.
var farExponents = strings.NewReplacer("1e400", "1e4000000000000000000000000", "10E+399", "10E+3999999999999999999999999")

// manyValues puts so many values into data that there is about the limit of them.
func manyValues(t *rapid.T, entry string) string {
	n := query.MaxDataTerms + rapid.IntRange(-12, 8).Draw(t, "values")
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(1000 + i)
	}
	return strings.Replace(entry, `"data":`, `"data":{"b":[`+strings.Join(list, ",")+`],"a":`, 1)
}

// Whatever holds for an entry, its plan chooses it by the entry's terms.
func TestRandomSuperset(t *testing.T) {
	var c supersetCheck
	rapid.Check(t, func(r *rapid.T) {
		text := string(drawEntry(r))
		if data := strings.Index(text, `"data":`); data >= 0 && rapid.IntRange(0, 3).Draw(r, "many") == 0 {
			end := len(text[:data]) + len(`"data":`) + valueLength(text[data+len(`"data":`):])
			text = manyValues(r, text[:end]+"}"+text[end:])
		}
		doc := decode(t, text)
		if entry := []byte(farExponents.Replace(text)); !c.read(entry, drawPolicy(r)) {
			r.Fatalf("entry is refused: %s", entry)
		}
		for range 40 {
			filter := drawFilter(r, rapid.IntRange(0, 2).Draw(r, "depth"))
			if target := drawTarget(r, doc); target != "" {
				filter = pick(r, []string{filter, target, target + " " + filter, filter + " OR " + target, target + " " + drawTarget(r, doc)})
			}
			e, err := query.Parse(farExponents.Replace(filter), now)
			if err != nil {
				r.Fatalf("Parse(%q): %v", filter, err)
			}
			c.check(t, e)
		}
	})
	if c.held < 600 || c.planned < 250 || c.refused < 60 {
		t.Errorf("%d expressions held, %d of them with a filter, %d plans left an entry out: too few of a kind to show anything",
			c.held, c.planned, c.refused)
	}
	t.Logf("%d expressions held, %d of them with a filter; %d entries were left out", c.held, c.planned, c.refused)
}

// decode returns an entry with the texts of its numbers.
func decode(t testing.TB, entry string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(entry))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("entry %s: %v", entry, err)
	}
	return doc
}

// valueLength returns the length of the JSON value that s begins with.
func valueLength(s string) int {
	var raw json.RawMessage
	if err := json.NewDecoder(strings.NewReader(s)).Decode(&raw); err != nil {
		panic(err)
	}
	return len(raw)
}

// termSeeds begin the search of the extractor's fuzzer.
var termSeeds = []struct{ entry, filter, policy string }{
	{entry, `data.region:eu changes.n:null -tags.k:x ip:2001:db8::1`, "all"},
	{entry, `data.items.sku:a OR field:email`, "data.items,tags"},
	{`{"id":"a","type":"a.b.c","data":[[1,"1",1.0]]}`, `data:1 type:a.b.*`, "none"},
	{`{"actor":{"type":"a","id":"b","type":"c"}}`, `actor_type:a actor:b`, ""},
	{`{"data":{"a":{"a":[1,{"a":2}]},"a":3}}`, `data.a:3 data.a.a.a:2`, "data.a.a"},
	{`{"id":"x`, `x`, `data.a\`}, {`{"changes":{"a":[1],"b"}`, `field:a`, "none"}, {"[1]", "", ","}, {`{"type":7}`, "", "x"},
	{`{"data":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, `data:1`, ""},
	{`{"related":[{"type":"a"},{"id":"b"}],"subjects":["a","a"],"position":5}`, `related:b related_type:a position:5`, ""},
}

// Any bytes are read without a panic and within bounds; plans choose whatever
// compact JSON expressions hold for.
func FuzzTerms(f *testing.F) {
	if len(termSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range termSeeds {
		f.Add([]byte(s.entry), s.filter, s.policy)
	}
	f.Fuzz(func(t *testing.T, entry []byte, filter, policyText string) {
		policy, err := query.ParsePolicy(policyText)
		if err != nil {
			policy = nil
		} else if again, err := query.ParsePolicy(policy.String()); err != nil || again.String() != policy.String() {
			t.Fatalf("policy %q is %q, which is %v, %v", policyText, policy, again, err)
		}
		var c supersetCheck
		facts, err := c.x.Read(entry, policy)
		if err == nil {
			checkFacts(t, facts, entry)
		}
		e, err := query.Parse(filter, now)
		if err != nil {
			return
		}
		if text := query.NewPlan(e).String(); text == "" {
			t.Fatalf("%q: no explanation", filter)
		}
		var compact bytes.Buffer
		if json.Compact(&compact, entry) == nil && c.read(compact.Bytes(), policy) {
			c.check(t, e)
		}
	})
}

// checkFacts asserts the limits of facts.
func checkFacts(t *testing.T, f *query.Facts, entry []byte) {
	t.Helper()
	size := 0
	for _, term := range f.Terms {
		size += len(term.Value)
		if member, _, _ := strings.Cut(term.Field, "."); !query.TermFields()[term.Field] && term.Field != query.MoreField &&
			member != "data" && member != "tags" && member != "changes" || len(term.Field) > query.MaxFieldBytes {
			t.Fatalf("a term has the field %q", term.Field)
		}
	}
	if len(f.Terms) > query.MaxEntryTerms+query.MaxDataTerms+2 || size > (2+query.MaxTypeParts)*len(entry)+8*len(f.Terms) {
		t.Fatalf("%d terms of %d bytes from %d", len(f.Terms), size, len(entry))
	}
}

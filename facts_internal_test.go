package annals

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/query"
	"github.com/google/go-cmp/cmp"
)

// TestDescriber reads the same facts of an entry as of its body, which an append
// has, and those that the entry says.
func TestDescriber(t *testing.T) {
	d, err := newDescriber("")
	check(t, err)
	text := fullEntry(t)
	whole, body := engine.Facts{Terms: []engine.Term{}}, engine.Facts{Terms: []engine.Term{}}
	check(t, d.describe(&whole, text))
	a, err := engine.ParseAssigned(text)
	check(t, err)
	check(t, d.describe(&body, text[:a.BodyBytes]))
	if diff := cmp.Diff(body, whole); diff != "" {
		t.Errorf("body and entry differ (-body +entry):\n%s", diff)
	}
	e := Entry{JSON: text}
	want := engine.Facts{
		Tenant: e.Tenant(), ID: e.ID(), Kind: e.Type(), Time: e.Time(),
		Entity: engine.Entity{Type: e.Entity().Type, ID: e.Entity().ID}, Terms: whole.Terms,
	}
	if diff := cmp.Diff(whole, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if len(whole.Terms) < 20 || e.Entity().Type == "" {
		t.Errorf("%d terms, entity %v", len(whole.Terms), e.Entity())
	}
	var short engine.Facts // without terms, neither those nor the time are wanted
	check(t, d.describe(&short, text))
	want.Terms, want.Time = nil, time.Time{}
	if diff := cmp.Diff(short, want); diff != "" {
		t.Errorf("without terms (-got +want):\n%s", diff)
	}
	none, err := newDescriber("none")
	check(t, err)
	check(t, none.describe(&body, text))
	if len(body.Terms) == 0 || len(body.Terms) >= len(whole.Terms) {
		t.Errorf("%d terms without data, %d with", len(body.Terms), len(whole.Terms))
	}
}

// TestDescriberReuses reuses the terms that it is given, and nothing of another
// entry stays.
func TestDescriberReuses(t *testing.T) {
	d, err := newDescriber("")
	check(t, err)
	f := engine.Facts{Terms: []engine.Term{}}
	check(t, d.describe(&f, fullEntry(t)))
	first := &f.Terms[0]
	check(t, d.describe(&f, []byte(`{"id":"i","time":"2026-01-01T00:00:00.000000000Z","type":"t","version":"1.0","tenant":"x"`)))
	if &f.Terms[0] != first || f.Entity != (engine.Entity{}) || f.ID != "i" || f.Tenant != "x" || f.Kind != "t" {
		t.Errorf("got %+v", f)
	}
}

func TestDescriberDamaged(t *testing.T) {
	d, err := newDescriber("")
	check(t, err)
	f := engine.Facts{Terms: []engine.Term{}}
	for _, bad := range []string{
		``, `{}`, `[]`, `x`, `{"foo":1}`, `{"id":"i","type":"t","tenant":"x"`,
		`{"id":"i","time":"yesterday","type":"t","version":"1.0","tenant":"x"}`,
		`{"time":"2026-01-01T00:00:00.000000000Z","type":"t","version":"1.0","tenant":"x"}`,
		`{"id":"i","time":"2026-01-01T00:00:00.000000000Z","version":"1.0","tenant":"x"}`,
		`{"id":"i","time":"2026-01-01T00:00:00.000000000Z","type":"t","version":"1.0"}`,
	} {
		if err := d.describe(&f, []byte(bad)); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

// TestPolicies answers for other policies than today's, and says of what is none
// that nothing is covered.
func TestPolicies(t *testing.T) {
	p := new(policies)
	for _, c := range []struct {
		policy, field string
		want          bool
	}{
		{"1 all", "data.a", true}, {"1 none", "data.a", false}, {"1 none", "type", true}, {"1 ", "type", false},
		{"1 data.a", "data.a.b", true}, {"1 data.a", "data.ab", false}, {"1 no such", "data.a", false}, {"1 no such", "type", false},
		{"all", "data.a", false}, {"all", "type", false}, {"2 all", "type", false}, {"11 all", "type", false}, {"1all", "type", false}, {"", "type", false},
	} {
		for range 2 {
			if got := p.covers(c.policy, c.field); got != c.want {
				t.Errorf("%s covers %s: %t", c.policy, c.field, got)
			}
		}
	}
	for i := range 3 * maxPolicies {
		p.covers(fmt.Sprintf("1 data.p%d", i), "type")
	}
	if len(p.parsed) > maxPolicies {
		t.Errorf("%d policies are kept", len(p.parsed))
	}
}

// TestPolicyNamesTerms says that what entries are indexed under names the set of
// terms, and is understood.
func TestPolicyNamesTerms(t *testing.T) {
	for indexData, want := range map[string]string{"": "1 all", "all": "1 all", "none": "1 none", "tags.b,data.a": "1 data.a,tags.b"} {
		d, err := newDescriber(indexData)
		check(t, err)
		if got := d.policyText(); got != want || !new(policies).covers(got, "type") {
			t.Errorf("%q: policy is %q, want %q", indexData, got, want)
		}
	}
}

// longPolicy returns a policy of so many bytes, in normal form.
func longPolicy(size int) string {
	const path, count = 100, 600
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "data.%0*d,", path-6, i)
	}
	return b.String() + "data." + strings.Repeat("x", size-b.Len()-5)
}

func TestIndexDataOption(t *testing.T) {
	const longest = query.MaxPolicyBytes - len(termSet)
	for text, ok := range map[string]bool{
		"": true, "all": true, "none": true, "data.a,tags.b": true, "type": false, "nope.a": false,
		longPolicy(longest): true, longPolicy(longest + 1): false,
	} {
		if _, err := (&Options{IndexData: text}).WithDefaults(); (err == nil) != ok {
			t.Errorf("%d bytes, %.40q: %v", len(text), text, err)
		}
	}
}

func BenchmarkDescriber(b *testing.B) {
	e, err := ParseEvent([]byte(benchText))
	if err != nil {
		b.Fatal(err)
	}
	entry := finished(&e)
	d, err := newDescriber("")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f := engine.Facts{Terms: []engine.Term{}}
		if err := d.describe(&f, entry); err != nil {
			b.Fatal(err)
		}
	}
}

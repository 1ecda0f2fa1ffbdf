package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/annals-io/annals/internal/query"
)

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]string{
		"": "all", "all": "all", " , ": "all", "none": "none", " none ": "none",
		"data.region": "data.region", "data.region.*": "data.region", "data.*": "data", "data,tags": "data,tags",
		"tags.b data.a,data.b": "data.a,data.b,tags.b", "data.a,data.a": "data.a",
		"data.a.b,data.a": "data.a", "data.a,data.a.b.c": "data.a", "data.ab,data.a": "data.a,data.ab",
		"data,changes,tags": "all", "data.*,changes,tags,data.x": "all",
		`data.a\.b`: `data.a\.b`, `data.a\,b`: `data.a\,b`, `data.first\ name`: `data.first\ name`, `data.a\\.b`: `data.a\\.b`,
		`data.\*`: `data.\*`, `data.a\.*`: `data.a\.\*`, `data.a\\.*`: `data.a\\`, `data.a*`: `data.a\*`, "data.": "data.", "data..a": "data..a", `data.a\`: `data.a\\`,
		`data.\é`: "data.é", "data.Region": "data.Region",
	} {
		p, err := query.ParsePolicy(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if p.String() != want {
			t.Errorf("%q: got %q, want %q", text, p, want)
		}
		again, err := query.ParsePolicy(p.String())
		if err != nil || again.String() != want {
			t.Errorf("%q: its text gives %q, %v", text, again, err)
		}
	}
	if got := (*query.Policy)(nil).String() + (&query.Policy{}).String(); got != "allall" {
		t.Errorf("nil and zero: %q", got)
	}
}

func TestParsePolicyErrors(t *testing.T) {
	paths := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("data.p%d", i)
		}
		return strings.Join(list, ",")
	}
	long := "data." + strings.Repeat("x", query.MaxPolicyBytes-len("data."))
	for _, good := range []string{paths(query.MaxPolicyPaths), long, "data" + strings.Repeat(".a", query.MaxDepth-1)} {
		if _, err := query.ParsePolicy(good); err != nil {
			t.Errorf("%.40s: %v", good, err)
		}
	}
	for text, want := range map[string]string{
		"actor.id":                            `"actor.id" does not begin with data, changes or tags`,
		"snapshot.a":                          "does not begin",
		"all,data":                            `"all" does not begin`,
		"none data":                           `"none" does not begin`,
		"Data.a":                              "does not begin",
		"database":                            "does not begin",
		"data.\xff":                           "not valid UTF-8",
		paths(query.MaxPolicyPaths + 1):       "has 1001 paths, more than 1000",
		long + "x":                            "longer than 65536 bytes",
		"data." + strings.Repeat("*", 60<<10): "written out is longer",
		"data" + strings.Repeat(".a", query.MaxDepth): "more than 64 names",
	} {
		if p, err := query.ParsePolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, %v", text, p, err)
		}
	}
}

func TestPolicyCovers(t *testing.T) {
	all, none := new(query.Policy), mustPolicy(t, "none")
	some := mustPolicy(t, `data.user,data.a\.b,tags`)
	for field, want := range map[string][3]bool{ // under all, none, some
		"actor_id": {true, true, true}, "type.*": {true, true, true}, "actor_type+actor_id": {true, true, true}, "field": {true, true, true},
		"": {true, true, true}, "~more": {true, true, true}, "~id": {true, true, true},
		"data": {true, false, false}, "data.region": {true, false, false}, "data.user": {true, false, true}, "data.user.id": {true, false, true},
		"data.users": {true, false, false}, `data.a\.b`: {true, false, true}, "data.a.b": {true, false, false}, "tags": {true, false, true}, "tags.x": {true, false, true},
		"changes.x": {true, false, false}, "message": {false, false, false}, "snapshot.x": {false, false, false}, "data\\": {false, false, false},
	} {
		if got := [3]bool{all.Covers(field), none.Covers(field), some.Covers(field)}; got != want {
			t.Errorf("%q: got %v, want %v", field, got, want)
		}
	}
}

// Under any policy an entry has exactly those terms that it has under all and that
// the policy covers, unless there are too many.
func TestRandomPolicyTerms(t *testing.T) {
	left, kept := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		entry, policy := string(drawEntry(r)), drawPolicy(r)
		want := slices.DeleteFunc(slices.Clone(read(t, entry, nil).Terms), func(term query.Term) bool {
			if policy.Covers(term.Field) {
				kept++
				return false
			}
			left++
			return true
		})
		if got := read(t, entry, policy).Terms; !slices.Equal(got, want) {
			r.Fatalf("policy %s on %s:\n got %q\nwant %q", policy, entry, got, want)
		}
	})
	if left < 20 || kept < 100 {
		t.Errorf("%d terms left out, %d kept: too few to show anything", left, kept)
	}
}

func mustPolicy(t testing.TB, text string) *query.Policy {
	t.Helper()
	p, err := query.ParsePolicy(text)
	if err != nil {
		t.Fatalf("ParsePolicy(%q): %v", text, err)
	}
	return p
}

package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// tenantLog is a log of n entries in turn of some tenants, of which every tenth has
// a term.
func tenantLog(rng *rand.Rand, n, tenants int) *testLog {
	l := newTestLog(rng)
	for i := range n {
		e := modelEntry{place: 64}
		e.Tenant, e.ID, e.Kind, e.Time = fmt.Sprint("tenant", i%tenants), fmt.Sprint(i), "kind", modelEpoch
		if i%10 == 0 {
			e.Terms = []engine.Term{{Field: "a", Value: "1"}}
		}
		l.entries = append(l.entries, e)
	}
	return l
}

// TestEveryTenant: a filter for every tenant is looked up for each of a part's
// tenants, up to a number that is worth it. Nothing is left out either way.
func TestEveryTenant(t *testing.T) {
	one := engine.Filter(engine.Has{Field: "a", Value: "1"})
	three := engine.Any{one, engine.Has{Field: "a", Value: "2"}}
	for _, tt := range []struct {
		name       string
		n, tenants int
		filter     engine.Filter
		from       engine.Position
		want       uint64 // entries that are read
	}{
		{"a tenant", 500, 1, one, 0, 50},
		{"one each", 500, 500, one, 0, 50},
		{"few lookups", 2000, fewLookups, one, 0, 200},
		{"too many for the entries", 2000, fewLookups + 1, one, 0, 2000},
		{"a filter of three parts", 2000, fewLookups/3 + 1, three, 0, 2000},
		{"many entries", lookupEntries * 2 * fewLookups, 2 * fewLookups, one, 0, 820},
		{"one entry less", lookupEntries*2*fewLookups - 1, 2 * fewLookups, one, 0, lookupEntries*2*fewLookups - 1},
		{"as many are asked for", lookupEntries * 2 * fewLookups, 2 * fewLookups, one, 1, lookupEntries*2*fewLookups - 1},
		{"too many to be kept", 8 * keptTenants, 2 * keptTenants, one, 0, 820},
		{"too many at all", maxLookups + 1, maxLookups + 1, one, 0, maxLookups + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tenantLog(newRand(t), tt.n, tt.tenants)
			o := testOptions(durable.NewMem())
			o.TailEntries = tt.n
			x := l.open(t, o, 0)
			l.add(x, l.size())
			q := engine.Query{Filter: tt.filter, From: tt.from}
			for _, in := range []string{"tail", "run", "run again"} {
				v := x.Acquire()
				e, err := v.Estimate(&q, l.size())
				check(t, err)
				if e.Candidates != tt.want {
					t.Errorf("in a %s: %d entries are read, want %d", in, e.Candidates, tt.want)
				}
				for _, q.Descending = range []bool{true, false} {
					check(t, l.checkSearch(v, &q, l.size(), false))
				}
				v.Release()
				if in == "tail" {
					check(t, x.Close())
					x = l.open(t, o, l.size())
				}
			}
			x.Abandon()
		})
	}
}

// TestRunTenants: the tenants of a run are read once if they are few.
func TestRunTenants(t *testing.T) {
	for _, tt := range []struct {
		tenants int
		known   bool // they are told
		kept    bool // and remembered, or that they are not
	}{
		{1, true, true}, {keptTenants, true, true}, {keptTenants + 1, true, false},
		{maxLookups, true, false}, {maxLookups + 1, false, true},
	} {
		fsys := durable.NewMem()
		m := newRunModel(0, 2*tt.tenants)
		var want []string
		for i := range tt.tenants {
			tenant := fmt.Sprintf("%05d", i)
			want = append(want, tenant)
			for _, kind := range []string{"a", "b"} {
				m.kinds = append(m.kinds, engine.KindCount{Tenant: tenant, Kind: kind, Count: 1})
			}
		}
		if !tt.known {
			want = nil
		}
		r := m.write(t, fsys, "run")
		for range 2 {
			got, ok, err := r.tenants()
			check(t, err)
			if diff := cmp.Diff(want, got); ok != tt.known || diff != "" {
				t.Errorf("%d tenants: known %v; (-want +got):\n%s", tt.tenants, ok, diff)
			}
		}
		if kept := r.owners.Load() != nil; kept != tt.kept {
			t.Errorf("%d tenants: kept %v, want %v", tt.tenants, kept, tt.kept)
		}
		check(t, r.check(context.Background()))
	}
}

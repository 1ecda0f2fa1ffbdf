package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
)

func countKinds(s *suite) {
	if kinds, err := s.kinds(s.ctx); err != nil || len(kinds) > 0 {
		s.Errorf("kinds of an empty engine: %+v, %v", kinds, err)
	}
	odd := []string{"b", "a", "B", "a b", "aé", "az", "a.b", "bc", "c", "\"", strings.Repeat("k", 200)}
	want := make(map[engine.KindCount]uint64)
	id := 0
	for round := range 3 {
		var items []item
		for i, kind := range odd {
			for _, owner := range []string{"u", "t", "ta", "T"}[:1+(i+round)%4] {
				items = append(items, item{tenant: owner, id: fmt.Sprint(id), kind: kind})
				want[engine.KindCount{Tenant: owner, Kind: kind}]++
				id++
			}
		}
		s.append(items...)
		s.append(items[0], items[len(items)-1]) // duplicates count nothing
		s.refused("other content", func(error) bool { return true }, []item{{id: fmt.Sprint("new", round)}, {tenant: "u", id: items[0].id, kind: "other"}})
		for range 2 {
			s.kindsAre(want)
			s.reopen()
		}
	}
}

// kinds adds up what Kinds yields, in the order of tenant and kind.
func (s *suite) kinds(ctx context.Context) ([]engine.KindCount, error) {
	sums := make(map[engine.KindCount]uint64)
	for k, err := range s.e.Kinds(ctx) {
		if err != nil {
			return nil, err
		}
		if k.Count == 0 {
			return nil, fmt.Errorf("tenant %q has none of kind %q", k.Tenant, k.Kind)
		}
		n := k.Count
		k.Count = 0
		sums[k] += n
	}
	all := slices.SortedFunc(maps.Keys(sums), compareKinds)
	for i, k := range all {
		all[i].Count = sums[k]
	}
	return all, nil
}

// kindsAre checks all counts.
func (s *suite) kindsAre(want map[engine.KindCount]uint64) {
	s.Helper()
	for _, err := range s.e.Kinds(s.ctx) {
		if err != nil {
			s.Errorf("first step of kinds: %v", err)
		}
		break
	}
	kinds, err := s.kinds(s.ctx)
	if err != nil || len(kinds) != len(want) {
		s.Errorf("there are %d kinds, %v, want %d", len(kinds), err, len(want))
	}
	for _, k := range kinds {
		if n := want[engine.KindCount{Tenant: k.Tenant, Kind: k.Kind}]; n != k.Count {
			s.Errorf("tenant %q has %d of kind %q, want %d", k.Tenant, k.Count, k.Kind, n)
		}
	}
}

func countUnderLoad(s *suite) {
	const writers, batches, size = 3, 40, 4
	var done atomic.Int32
	s.parallel(writers+2, func(w int) error {
		if w < writers {
			defer done.Add(1)
			for b := range batches {
				items := numbered(fmt.Sprintf("%d-%d-", w, b), size)
				for i := range items {
					items[i].kind = fmt.Sprint("kind", i%2) // as many of the one as of the other
				}
				if _, err := s.try(items); err != nil {
					return err
				}
			}
			return nil
		}
		for done.Load() < writers {
			before := uint64(s.e.Size())
			kinds, err := s.kinds(s.ctx)
			if err != nil {
				return err
			}
			var n [2]uint64
			for i := range kinds[:min(2, len(kinds))] {
				n[i] = kinds[i].Count
			}
			if after := uint64(s.e.Size()); n[0] != n[1] || n[0]%(size/2) != 0 || n[0]+n[1] < before || n[0]+n[1] > after {
				return fmt.Errorf("kinds are %+v between sizes %d and %d", kinds, before, after)
			}
		}
		return nil
	})
}

func secrets(s *suite) {
	purposes := []string{"", "a", "b", "ab", "index", "index\x00", strings.Repeat("x", 1000)}
	mine := make(map[[32]byte]string)
	for _, p := range purposes {
		secret := s.e.Secret(p)
		if other, ok := mine[secret]; ok {
			s.Errorf("purposes %.20q and %.20q have one secret", p, other)
		}
		mine[secret] = p
	}
	s.append(item{id: "1"})
	s.reopen()
	for _, p := range purposes {
		if got, ok := mine[s.e.Secret(p)]; !ok || got != p {
			s.Errorf("the secret of %.20q changed while the engine was closed", p)
		}
	}
	elsewhere, err := s.storage()()
	if err != nil {
		s.Fatalf("open other storage: %v", err)
	}
	for _, p := range purposes {
		if _, ok := mine[elsewhere.Secret(p)]; ok {
			s.Errorf("the secret of %.20q is one of other storage", p)
		}
	}
	if err := elsewhere.Close(); err != nil {
		s.Errorf("close other storage: %v", err)
	}
}

// many is how many records the case of many has: enough for several closed parts of
// an engine that has such. The tests of this package make do with fewer.
var many = 20_000

const (
	manyBatches  = 10
	manyEntities = 1_500
)

// manyItems returns the items from one number to another, of which the longer ago
// ones do not happen first.
func manyItems(from, to int) []item {
	items := counted(from, to-from)
	for i := range items {
		n := from + i
		x := &items[i]
		x.time = manyTime(n * 7919 % many).Format(engine.TimeFormat)
		x.kind = fmt.Sprint("kind", n%3)
		x.terms = append(x.terms, kindTerm(x.kind), engine.Term{Field: "rare", Value: fmt.Sprint(n % (many / 5))}, engine.Term{Field: "once", Value: fmt.Sprint(n)})
		if n%4 != 3 {
			x.entity = thing(fmt.Sprint(n % manyEntities))
		}
		if n%50 == 0 {
			x.tenant = "u"
		}
	}
	return items
}

// manyTime is when one of the many happens; each second has one.
func manyTime(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }

func manyRecords(s *suite) {
	for b := range manyBatches {
		from := b * many / manyBatches
		items := manyItems(from, from+many/manyBatches)
		receipts, err := s.e.Append(s.ctx, batch(s, items))
		if err != nil || len(receipts) != len(items) || receipts[0].Position != engine.Position(from) || receipts[0].Duplicate {
			s.Fatalf("append of records from %d on: %d receipts, %v", from, len(receipts), err)
		}
		if b == manyBatches/2 {
			s.reopen()
		}
	}
	s.manySearches(0)
	s.reopen()
	s.manySearches(1)
	for _, n := range []int{0, many/2 - 2, many - 2} { // the audit looks for all
		s.manyRetries(n)
	}
	if _, err := s.e.Find(s.ctx, "t", fmt.Sprint(many)); !errors.Is(err, engine.ErrNotFound) {
		s.Errorf("find of an id that nobody has: %v", err)
	}
}

// manyRetries appends one of the many again, as it is and changed.
func (s *suite) manyRetries(n int) {
	s.Helper()
	x := manyItems(n, n+1)[0]
	if got := s.append(x); !got[0].Duplicate || got[0].Position != engine.Position(n) {
		s.Errorf("retry of record %d: %+v", n, got[0])
	}
	x.data = "1"
	s.refused("other content", conflict(engine.ConflictError{Tenant: x.owner(), ID: x.id, Position: engine.Position(n)}), []item{x})
	x.id = "new"
	s.refused("an entity that is not new", func(err error) bool {
		c, ok := errors.AsType[*engine.ConflictError](err)
		return ok && c.Entity == x.entity && c.Current > 0
	}, []item{x}, engine.Expect{Tenant: x.owner(), Entity: x.entity})
}

// manySearches searches the many in every way there is an index for. Each round
// takes for each query the other direction.
func (s *suite) manySearches(round int) {
	s.Helper()
	t := s.truth()
	size, some := engine.Position(many), []string{"t", "u"}
	queries := []engine.Query{
		{Tenants: some, Filter: by(2)}, {Tenants: some, Filter: by(2), From: size / 2, To: size/2 + 100},
		{Tenants: some, Filter: engine.All{by(2), by(3), has("rare", "36")}}, {Tenants: some, Filter: engine.Any{has("rare", "7"), has("rare", "399"), has("rare", "none")}},
		{Tenants: some, Filter: by(5), Since: manyTime(500), Until: manyTime(540)}, {Since: manyTime(many - 10)}, {Until: manyTime(3)}, {Since: manyTime(777), Until: manyTime(778)},
		{Tenants: []string{"u"}}, {Tenants: []string{"u"}, Filter: engine.All{engine.Has(kindTerm("kind1")), by(7)}},
		{Tenants: []string{"t"}, Filter: engine.Has(engine.EntityTerm(thing("17"))), From: 20},
		{From: size - 10}, {To: 10},
	}
	for i := range 10 {
		n := i * many / 10
		queries = append(queries, engine.Query{Tenants: some, Filter: engine.Any{has("once", fmt.Sprint(n)), engine.Has(engine.IDTerm(fmt.Sprint(n + 1)))}})
	}
	for i, q := range queries {
		if n, err := s.searches(t, q, (i+round)%2 == 0); err != nil || n == 0 {
			s.Errorf("query %d, which chooses %d entries: %v", i, n, err)
		}
	}
}

package enginetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/annals-io/annals/engine"
)

// A truth is everything that an engine holds, and so what its searches must find.
type truth struct {
	entries []engine.Entry
	facts   []engine.Facts
}

// truth reads everything in the plainest way.
func (s *suite) truth() truth {
	s.Helper()
	t := truth{entries: s.entries()}
	t.facts = make([]engine.Facts, len(t.entries))
	for i := range t.entries {
		if err := describe(&t.facts[i], t.entries[i].Bytes); err != nil {
			s.Fatalf("entry %d: %v", i, err)
		}
	}
	return t
}

// bounds returns the positions that q is about, from the first inclusive to the
// last exclusive.
func (t *truth) bounds(q engine.Query) (from, to engine.Position) {
	to = engine.Position(len(t.facts))
	if q.To != 0 {
		to = min(to, q.To)
	}
	return min(q.From, to), to
}

// chosen returns the positions of what q chooses, in its order.
func (t *truth) chosen(q engine.Query) []engine.Position {
	var all []engine.Position
	from, to := t.bounds(q)
	for p := from; p < to; p++ {
		if f := &t.facts[p]; within(q, f) && chooses(q.Filter, f) {
			all = append(all, p)
		}
	}
	if q.Descending {
		slices.Reverse(all)
	}
	return all
}

// within reports whether a record has a tenant and a time that q asks for.
func within(q engine.Query, f *engine.Facts) bool {
	return (len(q.Tenants) == 0 || slices.Contains(q.Tenants, f.Tenant)) &&
		(q.Since.IsZero() || !f.Time.Before(q.Since)) && (q.Until.IsZero() || f.Time.Before(q.Until))
}

// chooses reports whether a filter chooses a record.
func chooses(filter engine.Filter, f *engine.Facts) bool {
	some := func(part engine.Filter) bool { return chooses(part, f) }
	switch x := filter.(type) {
	case engine.Has:
		t := engine.Term(x)
		return slices.Contains(f.Terms, t) || t == engine.TenantTerm() || t == engine.IDTerm(f.ID) ||
			f.Entity != (engine.Entity{}) && t == engine.EntityTerm(f.Entity)
	case engine.All:
		return !slices.ContainsFunc(x, func(part engine.Filter) bool { return !some(part) })
	case engine.Any:
		return slices.ContainsFunc(x, some)
	}
	return true // nil
}

// kinds returns the sums of what Kinds must yield, in order.
func (t *truth) kinds() []engine.KindCount {
	counts := make(map[engine.KindCount]uint64)
	for i := range t.facts {
		counts[engine.KindCount{Tenant: t.facts[i].Tenant, Kind: t.facts[i].Kind}]++
	}
	all := slices.Collect(maps.Keys(counts))
	for i := range all {
		all[i].Count = counts[all[i]]
	}
	slices.SortFunc(all, compareKinds)
	return all
}

// compareKinds orders counts by the bytes of tenant and kind.
func compareKinds(a, b engine.KindCount) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
}

// search searches in both directions, and for an estimate, and checks that the
// answers agree with the truth. It returns how many entries q chooses.
func (s *suite) search(t truth, q engine.Query) int {
	s.Helper()
	n, err := s.searches(t, q, !q.Descending, q.Descending)
	if err != nil {
		s.Errorf("search for %.300s: %v", fmt.Sprintf("%+v", q), err)
	}
	return n
}

// searches does what search does, in the directions given. It may be called from
// any goroutine.
func (s *suite) searches(t truth, q engine.Query, directions ...bool) (n int, err error) {
	q.Descending = false
	chosen := t.chosen(q)
	for _, q.Descending = range directions {
		want := slices.Clone(chosen)
		if q.Descending {
			slices.Reverse(want)
		}
		if err := t.check(q, want, s.e.Search(s.ctx, q)); err != nil {
			return len(chosen), fmt.Errorf("descending %v: %w", q.Descending, err)
		}
	}
	e, err := s.e.Estimate(s.ctx, q)
	if err != nil {
		return len(chosen), fmt.Errorf("estimate: %w", err)
	}
	from, to := t.bounds(q)
	if e.Candidates < uint64(len(chosen)) || e.Candidates > uint64(len(t.facts)) || e.Unindexed > uint64(to-from) {
		return len(chosen), fmt.Errorf("estimate is %+v: %d of %d entries are chosen, among %d positions", e, len(chosen), len(t.facts), to-from)
	}
	return len(chosen), nil
}

// check checks the answer of a search, of which some entries may not be missing.
// Others may be among them; they too must be what is stored, in order, and each
// come once.
func (t *truth) check(q engine.Query, missing []engine.Position, answer iter.Seq2[engine.Entry, error]) error {
	var last *engine.Position
	for e, err := range answer {
		if err != nil {
			return fmt.Errorf("after %s: %w", place(last), err)
		}
		if last != nil && (*last == e.Position || (*last > e.Position) != q.Descending) {
			return fmt.Errorf("position %d comes after %d", e.Position, *last)
		}
		if e.Position >= engine.Position(len(t.entries)) || !bytes.Equal(e.Bytes, t.entries[e.Position].Bytes) {
			return fmt.Errorf("position %d is not what is stored: %.300q", e.Position, e.Bytes)
		}
		if last = new(e.Position); len(missing) > 0 && missing[0] == e.Position {
			missing = missing[1:]
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d entries are left out, the first at position %d", len(missing), missing[0])
	}
	return nil
}

// place names the position that was yielded last.
func place(last *engine.Position) string {
	if last == nil {
		return "nothing"
	}
	return fmt.Sprint("position ", *last)
}

// auditIndex checks what can be found in all entries, in a few ways.
func (s *suite) auditIndex(t truth) {
	s.Helper()
	s.search(t, engine.Query{})
	if kinds, err := s.kinds(s.ctx); err != nil || !slices.Equal(kinds, t.kinds()) {
		s.Errorf("kinds are %+v, %v, want %+v", kinds, err, t.kinds())
	}
	for _, p := range []int{0, len(t.facts) / 2, len(t.facts) - 1} {
		if p < 0 || p >= len(t.facts) {
			continue
		}
		f := &t.facts[p]
		found := engine.Any{engine.Has(engine.IDTerm(f.ID)), engine.Has(engine.EntityTerm(f.Entity))}
		for _, term := range f.Terms[:min(4, len(f.Terms))] {
			found = append(found, engine.All{engine.Has(term), engine.Has(engine.TenantTerm())})
		}
		q := engine.Query{Tenants: []string{f.Tenant}, Filter: found, Since: f.Time, To: engine.Position(p + 1), Descending: true}
		if err := t.check(q, t.chosen(q), s.e.Search(s.ctx, q)); err != nil {
			s.Errorf("search for the terms of entry %d: %v", p, err)
		}
	}
}

// auditSecret checks that a purpose has one secret of its own, and returns that.
func (s *suite) auditSecret() [32]byte {
	s.Helper()
	secret := s.e.Secret("audit")
	if secret == ([32]byte{}) || secret != s.e.Secret("audit") || secret == s.e.Secret("Audit") {
		s.Error(errors.New("the secret of a purpose is nothing, not its own, or not the same twice"))
	}
	return secret
}

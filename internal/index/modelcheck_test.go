package index

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/annals-io/annals/engine"
)

// checkSearch searches for q: what it chooses is in the spans, which are in order.
// If the index is sound there is nothing else in them but what its parts do not know.
func (l *testLog) checkSearch(v *View, q *engine.Query, size engine.Position, sound bool) error {
	in := make([]bool, size)
	last := Span{0, 0}
	if q.Descending {
		last = Span{size, size}
	}
	for span, err := range v.Search(context.Background(), q, size) {
		if err != nil {
			return err
		}
		if span.From >= span.To || span.To > size || !q.Descending && span.From < last.To || q.Descending && span.To > last.From {
			return fmt.Errorf("span %v after %v of %d entries", span, last, size)
		}
		for p := span.From; p < span.To; p++ {
			in[p] = true
		}
		last = span
	}
	found := uint64(0)
	for i := range in {
		p := engine.Position(i)
		if in[p] {
			found++
		}
		part := v.at(p).part
		_, isHole := part.(hole)
		chosen, _ := l.entries[p].wants(q, p, func(string) bool { return true })
		_, may := l.entries[p].wants(q, p, part.covers)
		if chosen && !in[p] {
			return fmt.Errorf("entry %d %+v in a %T is not found", p, l.entries[p], part)
		}
		bounded := p < q.From || q.To != 0 && p >= q.To
		if in[p] && (bounded || sound && !isHole && !may) {
			return fmt.Errorf("entry %d %+v in a %T is found", p, l.entries[p], part)
		}
	}
	if e, err := v.Estimate(q, size); err != nil || sound && e.Candidates < found {
		return fmt.Errorf("estimate %+v of %d candidates, %w", e, found, err)
	}
	return nil
}

// checkLast looks an identity up in a range: what comes is the newest of it, at the
// latest in a range that the index does not know.
func (l *testLog) checkLast(v *View, id Identity, has func(*modelEntry) bool, from, to engine.Position, sound bool) error {
	want := to
	for p := to; p > from && want == to; p-- {
		if has(&l.entries[p-1]) {
			want = p - 1
		}
	}
	at, found := to, want == to
	var err error
	v.Last(id, from, to, func(c Candidate) bool {
		switch {
		case c.From >= c.To || c.From < from || c.To > at:
			err = fmt.Errorf("candidate %+v after %d", c, at)
		case !c.Unknown && c.To-c.From != 1:
			err = fmt.Errorf("candidate %+v is several", c)
		case c.Sure && c.From != want || sound && !c.Unknown && c.From != want && (want == to || c.From > want):
			err = fmt.Errorf("candidate %+v, want %d", c, want)
		case c.Sure && l.entries[want].Entity != (engine.Entity{}) && c.Sequence != l.entries[want].sequence:
			err = fmt.Errorf("candidate %+v, want sequence %d", c, l.entries[want].sequence)
		}
		at = c.From
		found = found || c.From <= want && want < c.To
		return err == nil && (!found || want == to)
	})
	if err == nil && !found && !l.unread[want] {
		err = fmt.Errorf("entry %d is not found", want)
	}
	return err
}

// checkCounts adds up what the index and those who read what it does not know
// count.
func (l *testLog) checkCounts(v *View, size engine.Position) error {
	want, got := make(map[engine.KindCount]uint64), make(map[engine.KindCount]uint64)
	firsts := uint64(0)
	for _, e := range l.entries[:size] {
		want[engine.KindCount{Tenant: e.Tenant, Kind: e.Kind}]++
		if e.sequence == 1 {
			firsts++
		}
	}
	known := func(k engine.KindCount) bool {
		n := k.Count
		k.Count = 0
		got[k] += n
		return true
	}
	unread := func(s Span) bool {
		for _, e := range l.entries[s.From:s.To] {
			got[engine.KindCount{Tenant: e.Tenant, Kind: e.Kind}]++
		}
		return true
	}
	for v.Kinds(size, known, unread) != nil { // a table that was sound cannot be read again
		clear(got)
	}
	for k, n := range want {
		if got[k] != n {
			return fmt.Errorf("%d of kind %v, want %d", got[k], k, n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d kinds, want %d", len(got), len(want))
	}
	n, unknown := v.Entities(size)
	for _, s := range unknown {
		for _, e := range l.entries[s.From:s.To] {
			if e.sequence == 1 {
				n++
			}
		}
	}
	if n != firsts {
		return fmt.Errorf("%d entities, want %d", n, firsts)
	}
	return nil
}

// check asks an index about its first size entries. Of a sound one all parts can be
// read.
func (l *testLog) check(x *Index, size engine.Position, sound bool) error {
	v := x.Acquire()
	defer v.Release()
	for range 6 {
		q := l.query()
		if err := l.checkSearch(v, &q, size, sound); err != nil {
			return fmt.Errorf("search %+v of %d in %v: %w", q, size, v, err)
		}
	}
	for range 6 {
		tenant, id, entity := l.tenant(), fmt.Sprint("id", l.rng.IntN(int(size)+1)), l.entity()
		to := engine.Position(l.rng.Uint64N(uint64(size) + 1))
		from := engine.Position(l.rng.Uint64N(uint64(to) + 1))
		if l.rng.IntN(2) == 0 {
			from, to = 0, size
		}
		err := cmp.Or(
			l.checkLast(v, testHasher.ID(tenant, id), func(e *modelEntry) bool { return e.Tenant == tenant && e.ID == id }, from, to, sound),
			l.checkLast(v, testHasher.Entity(tenant, entity), func(e *modelEntry) bool { return e.Tenant == tenant && e.Entity == entity }, from, to, sound),
		)
		if err != nil {
			return fmt.Errorf("last %s %s %v from %d to %d in %v: %w", tenant, id, entity, from, to, v, err)
		}
		if to > 0 {
			if place := v.Place(to - 1); sound && place != 0 && place != l.entries[to-1].place {
				return fmt.Errorf("entry %d is at %d, want %d", to-1, place, l.entries[to-1].place)
			}
		}
	}
	return l.checkCounts(v, size)
}

// String lists the parts of a view.
func (v *View) String() string {
	var b strings.Builder
	for _, s := range v.parts {
		first, next := s.bounds()
		fmt.Fprintf(&b, "%T[%d,%d) from %d; ", s.part, first, next, s.from)
	}
	return b.String()
}

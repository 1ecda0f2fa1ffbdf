package enginetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
)

var orderCases = []testCase{
	{
		"one total order under concurrency",
		"Positions are dense from 0. A batch's records are neighbours in their order, and an append that begins after another was answered comes after it.",
		totalOrder,
	},
	{
		"sequences are an entity's own order",
		"Each entity counts its records from 1 without gaps, in the order of positions, also within a batch; a record without an entity has no sequence.",
		ownOrder,
	},
	{
		"fault 59 a bad record undoes its batch",
		"A batch is stored whole or not at all: whatever one record or expectation has wrong, none of the others is added, no position or sequence is used up.",
		badRecord,
	},
	{
		"batches of several tenants",
		"One batch may hold records, duplicates and expectations of several tenants, and is stored whole or not at all.",
		tenantsTogether,
	},
	{
		"batches show whole",
		"Nobody sees a part of a batch: neither Size nor a Scan ever ends within one.",
		wholeBatches,
	},
	{
		"fault 54 clock jumps",
		"RecordedAt is the clock's time, one value a batch, but never before that of an earlier entry, whatever the clock does and across reopening.",
		clockJumps,
	},
	{
		"what is told is visible",
		"LastSequence counts no entry that cannot be read yet, and misses none that was read.",
		visibleSequences,
	},
	{
		"random operations agree with a model",
		"Any run of appends, with retries, conflicts and expectations, and of reopenings answers as a plain model of the contract does.",
		randomOperations,
	},
}

func totalOrder(s *suite) {
	const workers, rounds = 8, 25
	var answered atomic.Int64 // the highest position that was answered
	answered.Store(-1)
	s.parallel(workers, func(w int) error {
		for r := range rounds {
			var items []item
			for i := range 1 + (w+r)%4 {
				items = append(items, item{id: fmt.Sprintf("%d-%d-%d", w, r, i), entity: thing(fmt.Sprint((w + i) % 3))})
			}
			floor := answered.Load()
			got, err := s.try(items)
			if err != nil {
				return err
			}
			if first := int64(got[0].Position); first <= floor {
				return fmt.Errorf("an append got position %d though %d was answered before it began", first, floor)
			}
			last := int64(got[len(got)-1].Position)
			for old := answered.Load(); old < last && !answered.CompareAndSwap(old, last); old = answered.Load() {
			}
		}
		return nil
	})
	if got, want := s.e.Size(), engine.Position(answered.Load()+1); got != want {
		s.Errorf("size is %d after the last answered position %d", got, want-1)
	}
}

func ownOrder(s *suite) {
	a, b := thing("a"), thing("b")
	got := s.append(item{id: "1", entity: a}, item{id: "2"}, item{id: "3", entity: b}, item{id: "4", entity: a}, item{id: "5", entity: a})
	got = append(got, s.append(item{id: "6", entity: b})...)
	got = append(got, s.append(item{id: "7"})...)
	for i, want := range []engine.Sequence{1, 0, 1, 2, 3, 2, 0} {
		if got[i].Sequence != want || got[i].Position != engine.Position(i) {
			s.Errorf("record %d has position %d and sequence %d, want %d and %d", i+1, got[i].Position, got[i].Sequence, i, want)
		}
	}
}

func badRecord(s *suite) {
	a := thing("a")
	s.append(item{id: "taken", entity: a})
	good := func(id string) item { return item{id: id, entity: a} }
	bad := item{id: "taken", entity: a, data: "1"}
	taken := conflict(engine.ConflictError{Tenant: "t", ID: "taken"})
	s.refused("conflict at the start", taken, []item{bad, good("x"), good("y")})
	s.refused("conflict in the middle", taken, []item{good("x"), bad, good("y")})
	s.refused("conflict at the end", taken, []item{good("x"), good("y"), bad})
	s.refused("conflict beside a duplicate", taken, []item{good("x"), bad, good("y"), good("x")})
	s.refused("twins", is(engine.ErrSameID), []item{good("x"), good("y"), {id: "x", data: "2"}})
	s.refused("expectation", conflict(engine.ConflictError{Tenant: "t", Entity: a, Expected: 7, Current: 1}),
		[]item{good("x"), good("y")}, engine.Expect{Tenant: "t", Entity: a, Sequence: 7})
	for _, id := range []string{"x", "y"} {
		if _, err := s.e.Find(s.ctx, "t", id); !errors.Is(err, engine.ErrNotFound) {
			s.Errorf("find of %q, which was refused: %v", id, err)
		}
	}
	if got := s.append(good("x"), good("y")); got[0].Duplicate || got[0].Position != 1 || got[0].Sequence != 2 || got[1].Sequence != 3 {
		s.Errorf("refused batches left something behind: %+v", got)
	}
}

func tenantsTogether(s *suite) {
	a := thing("a")
	of := func(tenant, id string) item { return item{tenant: tenant, id: id, entity: a} }
	got := s.append(of("t", "1"), of("u", "1"), of("t", "2"), of("v", "1"), of("t", "1"))
	for i, want := range []engine.Receipt{{Sequence: 1}, {Position: 1, Sequence: 1}, {Position: 2, Sequence: 2}, {Position: 3, Sequence: 1}, {Sequence: 1, Duplicate: true}} {
		if g := got[i]; g.Position != want.Position || g.Sequence != want.Sequence || g.Duplicate != want.Duplicate {
			s.Errorf("record %d of a batch of three tenants: %+v, want %+v", i, g, want)
		}
	}
	taken := of("v", "1")
	taken.data = "1"
	s.refused("an id of the last tenant is taken", conflict(engine.ConflictError{Tenant: "v", ID: "1", Position: 3}), []item{of("t", "3"), of("u", "3"), taken})
	wrong := engine.Expect{Tenant: "u", Entity: a, Sequence: 2}
	s.refused("an expectation of one tenant fails", mismatch(wrong, 1), []item{of("t", "3"), of("u", "3")}, expectEntity(a, 2), wrong)
	for _, tenant := range []string{"t", "u", "v"} {
		if p, err := s.e.Find(s.ctx, tenant, "3"); !errors.Is(err, engine.ErrNotFound) {
			s.Errorf("find in tenant %s of an id that was refused: position %d, %v", tenant, p, err)
		}
	}
	wrong.Sequence = 1
	s.accepted("expectations of two tenants", []item{of("t", "3"), of("u", "3")}, expectEntity(a, 2), wrong)
}

func wholeBatches(s *suite) {
	const size, batches = 7, 60
	var done atomic.Bool
	s.parallel(3, func(w int) error {
		if w == 0 {
			defer done.Store(true)
			return s.appendBatches(batches, size)
		}
		for last := engine.Position(0); !done.Load(); {
			n := s.e.Size()
			if n%size != 0 || n < last {
				return fmt.Errorf("size is %d after %d, with batches of %d", n, last, size)
			}
			last = n
			seen := engine.Position(0)
			for _, err := range s.e.Scan(s.ctx, 0, batches*size) {
				if err != nil {
					return err
				}
				seen++
			}
			if seen%size != 0 || seen < n {
				return fmt.Errorf("scan yields %d entries with batches of %d, size was %d", seen, size, n)
			}
		}
		return nil
	})
}

// appendBatches appends batches of size records.
func (s *suite) appendBatches(batches, size int) error {
	for i := range batches {
		items := make([]item, size)
		for j := range items {
			items[j].id = fmt.Sprintf("%d-%d", i, j)
		}
		if _, err := s.try(items); err != nil {
			return err
		}
	}
	return nil
}

func clockJumps(s *suite) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)
	east := time.FixedZone("east", 5*3600)
	jumps := []struct {
		what     string
		at, want time.Time
		reopen   bool
	}{
		{"start", start, start, false},
		{"frozen", start, start, false},
		{"back an hour", start.Add(-time.Hour), start, false},
		{"a nanosecond on", start.Add(1), start.Add(1), false},
		{"back behind a reopening", start.Add(-time.Hour), start.Add(1), true},
		{"ten years on, elsewhere", start.AddDate(10, 0, 0).In(east), start.AddDate(10, 0, 0), false},
		{"back ten years", start, start.AddDate(10, 0, 0), false},
		{"back fifty years behind a reopening", start.AddDate(-50, 0, 0), start.AddDate(10, 0, 0), true},
	}
	for i, j := range jumps {
		s.clock.set(j.at)
		if j.reopen {
			s.reopen()
		}
		for r, got := range s.append(item{id: fmt.Sprint(i, "a")}, item{id: fmt.Sprint(i, "b")}) {
			if !got.RecordedAt.Equal(j.want) {
				s.Errorf("%s: recorded_at of record %d is %v, want %v", j.what, r, got.RecordedAt, j.want)
			}
		}
	}
}

func visibleSequences(s *suite) {
	const writers, rounds = 4, 20
	a := thing("a")
	var done atomic.Int32
	s.parallel(writers+2, func(w int) error {
		if w < writers {
			defer done.Add(1)
			for i := range rounds {
				if _, err := s.try([]item{{id: fmt.Sprintf("%d-%d", w, i), entity: a}}); err != nil {
					return err
				}
			}
			return nil
		}
		for done.Load() < writers {
			before := engine.Sequence(s.e.Size()) // every entry is one of a
			told, err := s.e.LastSequence(s.ctx, "t", a)
			if err != nil {
				return err
			}
			if after := engine.Sequence(s.e.Size()); told < before || told > after {
				return fmt.Errorf("last sequence is %d between sizes %d and %d", told, before, after)
			}
		}
		return nil
	})
}

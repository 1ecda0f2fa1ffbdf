package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
)

var answerCases = []testCase{
	{
		"a search ends where it began",
		"Entries that are appended during a search are not yielded by it, in either direction, even if To is past the end.",
		searchEnds,
	},
	{
		"searches and their entries belong to the consumer",
		"A search may be left early, taken again, and run within another; the bytes of an entry may be changed and appended to until the next step.",
		searchMemory,
	},
	{
		"a search whose context ends",
		"A search ends with its context, also between two entries, and yields its error last; an estimate or a count gives its answer or that error.",
		searchContext,
	},
	{
		"searches beside appends",
		"A search shows every entry that was visible when it began, no part of a batch, and nothing that came later; whoever has a receipt finds the entry.",
		searchUnderLoad,
	},
	{
		"kinds",
		"Kinds counts every record once, by tenant and kind, if in several parts, now and after a reopening; it may be left early and taken again.",
		countKinds,
	},
	{
		"kinds beside appends",
		"Kinds counts what is visible at one moment: no part of a batch, nothing less than before.",
		countUnderLoad,
	},
	{
		"secrets",
		"A purpose has one secret, which outlives the engine, differs from that of any other purpose and from that of other storage.",
		secrets,
	},
	{
		"many records",
		"Tens of thousands of records, ids and entities are found as the first ones were, before and after a reopening.",
		manyRecords,
	},
}

func searchEnds(s *suite) {
	const size = 30
	s.append(counted(0, size)...)
	before, next := s.truth(), size
	for i, q := range []engine.Query{
		{}, {Descending: true}, {To: math.MaxUint64}, of(by(3)), {Tenants: []string{"t"}, Filter: engine.Any{by(3), by(2)}, Descending: true, To: math.MaxUint64},
	} {
		seen := 0
		err := before.check(q, before.chosen(q), func(yield func(engine.Entry, error) bool) {
			for e, err := range s.e.Search(s.ctx, q) {
				if seen++; seen <= 5 {
					s.append(counted(next, 30)...)
					next += 30
				}
				if !yield(e, err) {
					return
				}
			}
		})
		if err != nil || seen == 0 {
			s.Errorf("query %d yields %d entries while more are appended: %v", i, seen, err)
		}
		before = s.truth()
	}
}

func searchMemory(s *suite) {
	s.append(counted(0, 60)...)
	t := s.truth()
	for _, q := range []engine.Query{{}, {Descending: true}, of(by(2)), {Tenants: []string{"t"}, Filter: engine.Any{by(2), by(3)}, Descending: true}} {
		seq := s.e.Search(s.ctx, q)
		for range 3 {
			for e, err := range seq {
				if err != nil {
					s.Fatalf("first step of a search: %v", err)
				}
				s.search(t, of(by(5)))
				if got, err := s.e.Read(s.ctx, e.Position); err != nil || !bytes.Equal(got.Bytes, e.Bytes) {
					s.Errorf("read within a search: %q, %v, want %q", got.Bytes, err, e.Bytes)
				}
				break
			}
		}
		if err := t.check(q, t.chosen(q), spoiled(seq)); err != nil {
			s.Errorf("a search that was left and taken again: %v", err)
		}
	}
	if err := t.check(engine.Query{}, t.chosen(engine.Query{}), s.e.Scan(s.ctx, 0, 60)); err != nil {
		s.Errorf("scan after searches whose entries were changed: %v", err)
	}
}

// spoiled yields copies of entries, and overwrites them and what is behind them.
func spoiled(seq iter.Seq2[engine.Entry, error]) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for e, err := range seq {
			c := engine.Entry{Position: e.Position, Bytes: bytes.Clone(e.Bytes)}
			clear(append(e.Bytes, "something behind it that is longer than what precedes the next entry"...))
			clear(e.Bytes)
			if !yield(c, err) {
				return
			}
		}
	}
}

func searchContext(s *suite) {
	const size = 4000
	s.append(counted(0, size/2)...)
	s.append(counted(size/2, size/2)...)
	for _, q := range []engine.Query{{}, {Descending: true}, of(by(2)), {Tenants: []string{"t"}, Filter: engine.All{by(2), by(3)}, Descending: true}} {
		for _, steps := range []int{0, 1} {
			ctx, cancel := context.WithCancel(s.ctx)
			defer cancel()
			if steps == 0 {
				cancel()
			}
			n, err := drain(func(yield func(engine.Entry, error) bool) {
				for e, err := range s.e.Search(ctx, q) {
					if !yield(e, err) {
						return
					}
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) || steps == 0 && n > 0 {
				s.Errorf("search for %+v, with a context that ends after %d steps, ends with %v after %d entries", q, steps, err, n)
			}
		}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if e, err := s.e.Estimate(ctx, of(by(2))); e.Candidates < size/2 && !errors.Is(err, context.Canceled) {
		s.Errorf("estimate: %+v, %v", e, err)
	}
	if kinds, err := s.kinds(ctx); len(kinds) != 1 && !errors.Is(err, context.Canceled) {
		s.Errorf("kinds: %+v, %v", kinds, err)
	}
	if n, err := s.e.Entities(ctx); n != 0 && !errors.Is(err, context.Canceled) {
		s.Errorf("entities: %d, %v", n, err)
	}
}

func searchUnderLoad(s *suite) {
	const writers, batches, size = 4, 25, 3
	var done atomic.Int32
	s.parallel(writers+3, func(w int) error {
		if w < writers {
			defer done.Add(1)
			for b := range batches {
				if err := s.appendAndFind(fmt.Sprintf("%d-%d", w, b), size); err != nil {
					return err
				}
			}
			return nil
		}
		for rounds := 0; done.Load() < writers || rounds < 3; rounds++ {
			q := of(engine.Any{has("all", ""), has("no", "")})
			if q.Descending = (w+rounds)%2 == 0; rounds%3 == 0 {
				q = engine.Query{Descending: q.Descending}
			}
			if err := s.findsWhole(q, size); err != nil {
				return err
			}
		}
		return nil
	})
}

// appendAndFind appends a batch and checks that it is found.
func (s *suite) appendAndFind(name string, size int) error {
	items := numbered(name+"-", size)
	for i := range items {
		items[i].terms = []engine.Term{{Field: "all"}, {Field: "batch", Value: name}}
	}
	got, err := s.try(items)
	if err != nil {
		return err
	}
	for _, q := range []engine.Query{of(has("batch", name)), {Tenants: []string{"t"}, Filter: has("all", ""), Descending: true, From: got[0].Position}} {
		found := make(map[engine.Position]bool)
		for e, err := range s.e.Search(s.ctx, q) {
			if err != nil {
				return fmt.Errorf("search: %w", err)
			}
			found[e.Position] = true
		}
		for i := range got {
			if !found[got[i].Position] {
				return fmt.Errorf("search for %+v misses position %d, which was appended before it", q, got[i].Position)
			}
		}
	}
	return nil
}

// findsWhole checks a search that chooses everything, beside appends of batches
// of one size.
func (s *suite) findsWhole(q engine.Query, size int) error {
	before := s.e.Size()
	var found []engine.Position
	for e, err := range s.e.Search(s.ctx, q) {
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		if a, err := engine.ParseAssigned(e.Bytes); err != nil || a.Position != e.Position {
			return fmt.Errorf("position %d has the bytes of %d: %v", e.Position, a.Position, err)
		}
		found = append(found, e.Position)
	}
	after := s.e.Size()
	if q.Descending {
		slices.Reverse(found)
	}
	for i, p := range found {
		if p != engine.Position(i) {
			return fmt.Errorf("entry %d of a search for everything, descending %v, is at position %d", i, q.Descending, p)
		}
	}
	if n := engine.Position(len(found)); n < before || n > after || len(found)%size != 0 {
		return fmt.Errorf("search finds %d entries in batches of %d, between sizes %d and %d", n, size, before, after)
	}
	e, err := s.e.Estimate(s.ctx, q)
	if size := uint64(s.e.Size()); err != nil || e.Candidates < uint64(after) || e.Candidates > size {
		return fmt.Errorf("estimate is %+v, %v, between sizes %d and %d", e, err, after, size)
	}
	return nil
}

package annals_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/annals-io/annals"
)

const damagedEvents = 120

// damagedJournal opens a journal of as many events, whose second segment has a
// damaged record, or is gone, and returns the positions that cannot be read.
func damagedJournal(t *testing.T, gone bool) (*annals.Journal, []gap) {
	t.Helper()
	tj := newTestJournal(t, damagedEvents, 1500, 3)
	if name := tj.segments()[1]; gone {
		check(t, os.Remove(tj.path(name)))
	} else {
		tj.edit(name, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	}
	j, err := annals.Open(tj.dir, smallSegments())
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	var gaps []gap
	for _, err := range j.Scan(context.Background(), 0, j.Size()) {
		if c, ok := errors.AsType[*annals.CorruptError](err); ok {
			gaps = append(gaps, gap{c.First, c.Next})
		} else {
			check(t, err)
		}
	}
	if len(gaps) == 0 {
		t.Fatal("nothing is damaged")
	}
	return j, gaps
}

// TestSearchDamaged searches around damage: what can be read is found, the answer
// says that it is not complete, and what cannot be known is called unknown.
func TestSearchDamaged(t *testing.T) {
	for name, gone := range map[string]bool{"record": false, "segment": true} {
		t.Run(name, func(t *testing.T) {
			j, gaps := damagedJournal(t, gone)
			want := readable(damagedEvents, gaps)
			for _, order := range []annals.Order{annals.Ascending, annals.Descending} {
				for _, q := range []annals.Query{
					{Limit: 1000}, {Limit: 7}, {Limit: 7, Budget: 20}, {Limit: 1000, Budget: 1}, {Limit: 1000, Total: true},
				} {
					q.Order = order
					checkDamagedPages(t, j, q, ordered(want, order))
				}
				damage, got := 0, []annals.Position(nil)
				for e, err := range j.SearchAll(context.Background(), annals.Query{Order: order}) {
					if _, ok := errors.AsType[*annals.CorruptError](err); ok {
						damage++
						continue
					}
					check(t, err)
					got = append(got, e.Position)
				}
				if damage == 0 || !slices.Equal(ordered(got, order), want) {
					t.Errorf("SearchAll %s: %d damaged, %v", order, damage, got)
				}
			}
			checkDamagedHas(t, j)
		})
	}
}

// TestSearchDamageBehind leaves a page alone that damage behind it spoils the total
// of.
func TestSearchDamageBehind(t *testing.T) {
	j, _ := damagedJournal(t, false)
	p, err := j.Search(context.Background(), annals.Query{Order: annals.Ascending, Limit: 2, Total: true})
	check(t, err)
	if !p.Complete || p.Total != nil || len(p.Damage) > 0 || len(p.Entries) != 2 {
		t.Errorf("first page: %+v", p)
	}
	p, err = j.Search(context.Background(), annals.Query{Order: annals.Ascending, Limit: 2, Total: true, Cursor: p.NextCursor})
	check(t, err)
	if !p.Complete || p.Total != nil || p.Examined != 3 {
		t.Errorf("second page: %+v", p)
	}
}

// readable returns the first n positions without the gaps.
func readable(n annals.Position, gaps []gap) (all []annals.Position) {
	for p := range n {
		if !slices.ContainsFunc(gaps, func(g gap) bool { return g.First <= p && p < g.Next }) {
			all = append(all, p)
		}
	}
	return all
}

// checkDamagedPages walks through pages, of which one at least tells of damage.
func checkDamagedPages(t *testing.T, j *annals.Journal, q annals.Query, want []annals.Position) {
	t.Helper()
	var got []annals.Position
	damaged := false
	for calls := 0; ; calls++ {
		p, err := j.Search(context.Background(), q)
		check(t, err)
		for _, e := range p.Entries {
			got = append(got, e.Position)
		}
		if len(p.Damage) > 0 {
			damaged = true
			if p.Complete || p.Total != nil {
				t.Fatalf("%+v: a page with damage is complete, or counted", q)
			}
		}
		if q.Cursor = p.NextCursor; q.Cursor == "" {
			break
		}
		if calls > 1000 {
			t.Fatalf("%+v never ends", q)
		}
	}
	if !damaged || !slices.Equal(got, want) {
		t.Fatalf("%+v: damage told: %t; got %v\nwant %v", q, damaged, got, want)
	}
}

func checkDamagedHas(t *testing.T, j *annals.Journal) {
	t.Helper()
	has, err := j.Has(context.Background(), annals.Query{Filter: "id:event-000001"})
	if err != nil || !has {
		t.Errorf("an event that can be read: %t, %v", has, err)
	}
	has, err = j.Has(context.Background(), annals.Query{Filter: "message:none -type:none"})
	if !errors.Is(err, annals.ErrIncomplete) || !errors.As(err, new(*annals.CorruptError)) || has {
		t.Errorf("an event that may be hidden: %t, %v", has, err)
	}
}

// TestHasBudget does not take what it has not examined for absent.
func TestHasBudget(t *testing.T) {
	j := newJournal(t, nil)
	for range 5 {
		appended(t, j, context.Background(), annals.Event{Type: "x"})
	}
	q := annals.Query{Filter: "-type:x", Budget: 3}
	if has, err := j.Has(context.Background(), q); !errors.Is(err, annals.ErrIncomplete) || has {
		t.Errorf("of 3 of 5 entries: %t, %v", has, err)
	}
	for _, q.Budget = range []int{-1, 0, 5} {
		if has, err := j.Has(context.Background(), q); err != nil || has {
			t.Errorf("with a budget of %d: %t, %v", q.Budget, has, err)
		}
	}
}

// TestSearchEnds ends with its context, and with the journal.
func TestSearchEnds(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	for range 20 {
		appended(t, j, context.Background(), annals.Event{Type: "x", Entity: annals.Entity{Type: "a", ID: "b"}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ends := func(ctx context.Context, want error) {
		t.Helper()
		if _, err := j.Search(ctx, annals.Query{}); !errors.Is(err, want) {
			t.Errorf("Search: %v, want %v", err, want)
		}
		if _, err := j.Search(ctx, annals.Query{Limit: 1, Total: true}); !errors.Is(err, want) {
			t.Errorf("Search with its total: %v, want %v", err, want)
		}
		if _, err := j.Has(ctx, annals.Query{}); !errors.Is(err, want) {
			t.Errorf("Has: %v, want %v", err, want)
		}
		for _, seq := range []func(func(annals.Entry, error) bool){
			j.SearchAll(ctx, annals.Query{}), j.History(ctx, annals.Entity{Type: "a", ID: "b"}, annals.HistoryOptions{}),
			j.SearchAll(ctx, annals.Query{Tenants: []string{"*"}, Filter: "type:x"}),
		} {
			n := 0
			for _, err := range seq {
				if n++; !errors.Is(err, want) {
					t.Errorf("iteration: %v, want %v", err, want)
				}
			}
			if n != 1 {
				t.Errorf("%d steps", n)
			}
		}
	}
	ends(ctx, context.Canceled)
	check(t, j.Close())
	ends(context.Background(), annals.ErrClosed)
}

// TestStatsDamaged counts what is hidden once.
func TestStatsDamaged(t *testing.T) {
	for name, gone := range map[string]bool{"record": false, "segment": true} {
		t.Run(name, func(t *testing.T) {
			j, gaps := damagedJournal(t, gone)
			s, err := j.Stats(context.Background())
			check(t, err)
			hidden := uint64(0)
			for _, g := range gaps {
				hidden += uint64(g.Next - g.First)
			}
			if s.Unreadable != hidden || s.Events+s.Unreadable != damagedEvents || s.FirstRecordedAt == nil || s.LastRecordedAt == nil {
				t.Errorf("%d hidden, stats are %+v", hidden, s)
			}
		})
	}
}

package annals_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/annals-io/annals"
)

// TestFollowMatching follows a filter from several positions, across what there
// is and what four writers append meanwhile, tenants included that were not
// there: nothing is missing, nothing comes twice.
func TestFollowMatching(t *testing.T) {
	r := newRand(t)
	s := newSearched(t, r, nil)
	odd := &oddity{rand: r}
	s.appendOdd(odd, 300)
	for range 3000 / 500 { // plain ones, so that there is something to search among
		plain := make([]annals.Event, 500)
		for i := range plain {
			plain[i] = annals.Event{Type: "plain", Action: fmt.Sprint(i % 50)}
		}
		_, err := s.j.Append(context.Background(), plain...)
		check(t, err)
	}
	queries := []annals.Query{
		{Filter: "action:7 OR correlation_id:c-1 OR type:end", Tenants: []string{"*"}},
		{Filter: "-type:plain"},
		{Tenants: []string{"late"}},
		{Filter: "-type:plain", Tenants: []string{"*"}, Params: map[string][]string{"outcome": {"success"}}},
		{Filter: "position:>=3200 type:order.* OR type:end", Tenants: []string{"*"}},
	}
	got := make([][]annals.Position, 2*len(queries))
	var following, appending sync.WaitGroup
	for i := range got {
		following.Go(func() { got[i] = s.follow(followFrom[i%2], queries[i/2]) })
	}
	for w := range 4 {
		events := make([]annals.Event, 60)
		for i := range events {
			events[i] = odd.event()
			if i%10 == 0 {
				events[i].Tenant = "late"
			}
		}
		appending.Go(func() {
			for _, e := range events {
				if _, err := s.j.Append(context.Background(), e); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	appending.Wait()
	for _, tenant := range []string{"", "late"} {
		_, err := s.j.Append(context.Background(), annals.Event{ID: "end", Type: "end", Outcome: annals.OutcomeSuccess, Tenant: tenant})
		check(t, err)
	}
	following.Wait()
	s.read()
	for i := range got {
		if want := s.followed(followFrom[i%2], queries[i/2]); !slices.Equal(got[i], want) {
			t.Errorf("%s from %d: got %v\nwant %v", describeQuery(queries[i/2]), followFrom[i%2], got[i], want)
		}
	}
}

// followFrom is where followers begin: far back, and near the end.
var followFrom = [2]annals.Position{0, 2900}

// followed returns what a query finds from a position to the first event end.
func (s *searched) followed(from annals.Position, q annals.Query) (want []annals.Position) {
	for _, p := range s.brute(q) {
		if p < from {
			continue
		}
		want = append(want, p)
		if e := (annals.Entry{JSON: []byte(s.all[p])}); e.ID() == "end" {
			break
		}
	}
	return want
}

// follow follows a query up to the event end.
func (s *searched) follow(from annals.Position, q annals.Query) (got []annals.Position) {
	for e, err := range s.j.FollowMatching(context.Background(), from, q) {
		if err != nil {
			s.t.Error(err)
			return got
		}
		got = append(got, e.Position)
		if e.ID() == "end" {
			return got
		}
	}
	return got
}

// TestFollowMatchingRefuses refuses what belongs to pages, and bad filters.
func TestFollowMatchingRefuses(t *testing.T) {
	j := newJournal(t, nil)
	param := func(name, value string) annals.Query {
		return annals.Query{Params: map[string][]string{name: {value}}}
	}
	for _, q := range []annals.Query{
		{Order: annals.Ascending}, {Limit: 1}, {Offset: 1}, {Cursor: "x"}, {Total: true}, {Filter: "type:("}, {Filter: "tpye:x"},
		param("order", "asc"), param("limit", "1"), param("offset", "0"), param("cursor", "x"), param("total", "false"), param("tpye", "x"),
	} {
		n := 0
		for _, err := range j.FollowMatching(context.Background(), 0, q) {
			if n++; !errors.Is(err, annals.ErrInvalid) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if n != 1 {
			t.Errorf("%+v: %d errors", q, n)
		}
		if _, err := j.Has(context.Background(), q); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("Has %+v: %v", q, err)
		}
	}
}

// TestFollowMatchingEnds ends with its context, and with the journal, even where
// nothing can match.
func TestFollowMatchingEnds(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	appended(t, j, t.Context(), annals.Event{Type: "x"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range j.FollowMatching(ctx, 0, annals.Query{Filter: "type:x"}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ends with %v", last)
	}
	var following sync.WaitGroup
	for _, filter := range []string{"type:x", "position:<1 position:>2"} {
		following.Go(func() {
			n := 0
			for _, err := range j.FollowMatching(context.Background(), 5, annals.Query{Filter: filter}) {
				if n++; !errors.Is(err, annals.ErrClosed) {
					t.Errorf("%s: %v", filter, err)
				}
			}
			if n != 1 {
				t.Errorf("%s: %d errors", filter, n)
			}
		})
	}
	check(t, j.Close())
	following.Wait()
}

// TestFault60FollowMatching has a subscriber that stops between handling an entry
// and remembering it, again and again, across segments and openings of the
// journal: every match is handled at least once, in order.
func TestFault60FollowMatching(t *testing.T) {
	r := newRand(t)
	s := newSearched(t, r, nil)
	odd := &oddity{rand: r}
	q := annals.Query{Filter: "-outcome:failure", Tenants: []string{"*"}}
	var handled []annals.Position
	next := annals.Position(0)
	for range 8 {
		s.appendOdd(odd, 60)
		want := s.brute(q)
		for len(want) > 0 && next <= want[len(want)-1] {
			for e, err := range s.j.FollowMatching(context.Background(), next, q) {
				check(t, err)
				handled = append(handled, e.Position)
				if r.IntN(5) == 0 {
					break // before it is remembered
				}
				if next = e.Position + 1; next > want[len(want)-1] {
					break
				}
			}
		}
		check(t, s.j.Close())
		s.open(s.options())
	}
	if first := slices.Compact(handled); !slices.Equal(first, s.brute(q)) {
		t.Errorf("handled %v, want %v", first, s.brute(q))
	}
}

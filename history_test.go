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

// sequences returns the sequences of a history.
func sequences(t *testing.T, j *annals.Journal, entity annals.Entity, h annals.HistoryOptions) []annals.Sequence {
	t.Helper()
	var got []annals.Sequence
	for e, err := range j.History(context.Background(), entity, h) {
		check(t, err)
		if x := e.Entity(); x.Type != entity.Type || x.ID != entity.ID {
			t.Fatalf("history of %+v has %s", entity, e.JSON)
		}
		got = append(got, e.Sequence)
	}
	return got
}

func TestHistory(t *testing.T) {
	j := newJournal(t, smallSegments())
	order := annals.Entity{Type: "order", ID: "1"}
	for i := range 10 {
		e := annals.Event{Type: "order.changed", Entity: annals.Entity{Type: "order", ID: "1", Name: fmt.Sprint(i)}}
		if i%3 == 0 {
			e.Changes = map[string]annals.Change{"status": {New: i}, "a.b": {New: "x"}}
		}
		appended(t, j, context.Background(), e,
			annals.Event{Type: "other", Entity: annals.Entity{Type: "order", ID: "2"}},
			annals.Event{Type: "other", Entity: annals.Entity{Type: "Order", ID: "1"}},
			annals.Event{Type: "other", Entity: order, Tenant: "acme"},
			annals.Event{Type: "other", Related: []annals.Entity{order}})
	}
	cases := []struct {
		h    annals.HistoryOptions
		want []annals.Sequence
	}{
		{annals.HistoryOptions{}, []annals.Sequence{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{annals.HistoryOptions{Descending: true}, []annals.Sequence{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{annals.HistoryOptions{From: 3, To: 5}, []annals.Sequence{3, 4, 5}},
		{annals.HistoryOptions{From: 3, To: 5, Descending: true}, []annals.Sequence{5, 4, 3}},
		{annals.HistoryOptions{From: 3, To: 3}, []annals.Sequence{3}},
		{annals.HistoryOptions{From: 3, To: 3, Descending: true}, []annals.Sequence{3}},
		{annals.HistoryOptions{From: 9}, []annals.Sequence{9, 10}},
		{annals.HistoryOptions{To: 2, Descending: true}, []annals.Sequence{2, 1}},
		{annals.HistoryOptions{To: 1}, []annals.Sequence{1}},
		{annals.HistoryOptions{From: 11}, nil},
		{annals.HistoryOptions{From: 5, To: 3}, nil},
		{annals.HistoryOptions{From: 5, To: 3, Descending: true}, nil},
		{annals.HistoryOptions{Field: "status"}, []annals.Sequence{1, 4, 7, 10}},
		{annals.HistoryOptions{Field: "a.b", From: 2, To: 9, Descending: true}, []annals.Sequence{7, 4}},
		{annals.HistoryOptions{Field: "a"}, nil},
		{annals.HistoryOptions{Field: "Status"}, nil},
		{annals.HistoryOptions{Tenant: "acme", From: 10}, []annals.Sequence{10}},
		{annals.HistoryOptions{Tenant: "none"}, nil},
	}
	for _, c := range cases {
		if got := sequences(t, j, order, c.h); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.h, got, c.want)
		}
	}
	if got := sequences(t, j, annals.Entity{Type: "order", ID: "none"}, annals.HistoryOptions{}); got != nil {
		t.Errorf("of nothing: %v", got)
	}
	for _, bad := range []annals.Entity{{}, {Type: "order"}, {ID: "1"}} {
		for _, err := range j.History(context.Background(), bad, annals.HistoryOptions{}) {
			if !errors.Is(err, annals.ErrInvalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	}
}

// TestFault56History lets many writers append to one entity at the sequence that
// they expect: its history has every sequence once, and grows only at its end.
func TestFault56History(t *testing.T) {
	j := newJournal(t, smallSegments())
	entity := annals.Entity{Type: "account", ID: "1"}
	const writers, each = 8, 10
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for won := 0; won < each; {
				last, err := j.LastSequence(context.Background(), entity)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = j.AppendExpect(context.Background(), []annals.Expect{{Entity: entity, Sequence: last}}, annals.Event{Type: "x", Entity: entity})
				if err == nil {
					won++
				} else if _, lost := errors.AsType[*annals.ConflictError](err); !lost {
					t.Error(err)
					return
				}
			}
		})
	}
	for seen := 0; seen < writers*each && !t.Failed(); {
		got := sequences(t, j, entity, annals.HistoryOptions{})
		for i, n := range got {
			if n != annals.Sequence(i+1) {
				t.Fatalf("history is %v", got)
			}
		}
		if len(got) < seen {
			t.Fatalf("history has %d entries, had %d", len(got), seen)
		}
		seen = len(got)
	}
	writing.Wait()
	if down := sequences(t, j, entity, annals.HistoryOptions{Descending: true}); len(down) != writers*each || down[0] != writers*each {
		t.Errorf("history is %v", down)
	}
}

// TestFault57Search finds an event once that was sent several times.
func TestFault57Search(t *testing.T) {
	j := newJournal(t, nil)
	event := annals.Event{ID: "1", Type: "x", Entity: annals.Entity{Type: "a", ID: "b"}, CorrelationID: "c"}
	for range 3 {
		appended(t, j, context.Background(), event, event)
	}
	for _, filter := range []string{"", "id:1", "correlation_id:c", "entity_id:b"} {
		if got := positions(t, j.SearchAll(context.Background(), annals.Query{Filter: filter}), nil); !slices.Equal(got, []annals.Position{0}) {
			t.Errorf("%q: %v", filter, got)
		}
	}
	if got := sequences(t, j, event.Entity, annals.HistoryOptions{}); !slices.Equal(got, []annals.Sequence{1}) {
		t.Errorf("history is %v", got)
	}
}

// TestFault58And59Search finds nothing of an append that was refused: for an id
// that is taken, or for one bad event among good ones.
func TestFault58And59Search(t *testing.T) {
	j := newJournal(t, nil)
	appended(t, j, context.Background(), annals.Event{ID: "1", Type: "x", Source: "first"})
	for _, bad := range []annals.Event{{ID: "1", Type: "x", Source: "second"}, {}, {Type: "x", Outcome: "no such"}} {
		good := annals.Event{ID: "2", Type: "x", Source: "second", Entity: annals.Entity{Type: "a", ID: "b"}}
		if _, err := j.Append(context.Background(), good, bad); err == nil {
			t.Fatalf("%+v was taken", bad)
		}
	}
	for filter, want := range map[string]int{"source:second": 0, "id:2": 0, "entity_type:a": 0, "source:first": 1, "": 1} {
		if got := positions(t, j.SearchAll(context.Background(), annals.Query{Filter: filter}), nil); len(got) != want {
			t.Errorf("%q: %v, want %d", filter, got, want)
		}
	}
	if got := sequences(t, j, annals.Entity{Type: "a", ID: "b"}, annals.HistoryOptions{}); got != nil {
		t.Errorf("history is %v", got)
	}
}

// TestFault55Search finds absurd times where they say they are.
func TestFault55Search(t *testing.T) {
	j := newJournal(t, nil)
	for _, at := range []string{"0000-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "1970-01-01T00:00:00Z", "2262-04-11T23:47:17Z", "9999-12-31T23:59:59.999999999Z"} {
		e, err := annals.ParseEvent([]byte(`{"type":"x","time":"` + at + `"}`))
		check(t, err)
		_, err = j.AppendEncoded(context.Background(), nil, e)
		check(t, err)
	}
	cases := []struct {
		since, until string
		want         []annals.Position
	}{
		{"0000-01-01", "", []annals.Position{0, 1, 2, 3, 4}},
		{"0000-01-01T00:00:00.000000001Z", "", []annals.Position{1, 2, 3, 4}},
		{"", "0000-01-01T00:00:00.000000001Z", []annals.Position{0}},
		{"1677-09-21T00:12:43Z", "1970-01-01T00:00:00Z", []annals.Position{1}},
		{"1900-01-01", "2262-04-11T23:47:17.000000001Z", []annals.Position{2, 3}},
		{"2300-01-01", "9999-12-31T23:59:59.999999999Z", nil},
		{"2300-01-01", "", []annals.Position{4}},
		{"9999-12-31T23:59:59.999999999Z", "", []annals.Position{4}},
	}
	for _, c := range cases {
		params := make(map[string][]string)
		if c.since != "" {
			params["since"] = []string{c.since}
		}
		if c.until != "" {
			params["until"] = []string{c.until}
		}
		q := annals.Query{Params: params, Order: annals.Ascending}
		if got := positions(t, j.SearchAll(context.Background(), q), nil); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", params, got, c.want)
		}
	}
}

package annals_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/annals-io/annals"
	"pgregory.net/rapid"
)

// produced returns an event with a producer's counter.
func produced(tenant, producer string, sequence uint64) annals.Event {
	return annals.Event{Type: "x", Tenant: tenant, Producer: annals.Producer{ID: producer, Sequence: sequence}}
}

func TestGaps(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	defer j.Close()
	_, err = j.Append(context.Background(), annals.Event{Type: "x"},
		produced("", "a", 5), produced("", "a", 7), produced("", "a", 6), produced("", "a", 12), produced("", "a", 10), produced("", "a", 10),
		produced("", "b", 1), produced("", "b", math.MaxUint64), produced("acme", "a", 1), produced("acme", "a", 3), produced("", "c", 0))
	check(t, err)
	for _, tt := range []struct {
		q        annals.GapQuery
		want     string
		complete bool
	}{
		{annals.GapQuery{}, "[{default a 8 9} {default a 11 11} {default b 2 18446744073709551614}]", true},
		{annals.GapQuery{Producer: "a"}, "[{default a 8 9} {default a 11 11}]", true},
		{annals.GapQuery{Producer: "a", Tenants: []string{"*"}}, "[{acme a 2 2} {default a 8 9} {default a 11 11}]", true},
		{annals.GapQuery{Producer: "none"}, "[]", true},
		{annals.GapQuery{Producer: "a*"}, "[]", true},
		{annals.GapQuery{Producer: "a", Budget: 4}, "[{default a 8 11}]", false},
	} {
		gaps, complete, err := j.Gaps(context.Background(), tt.q)
		check(t, err)
		if got := fmt.Sprint(gaps); got != tt.want || complete != tt.complete {
			t.Errorf("%+v: %s, complete %t, want %s", tt.q, got, complete, tt.want)
		}
	}
	if g := (annals.Gap{From: 8, To: 9}); g.Count() != 2 {
		t.Errorf("count is %d", g.Count())
	}
	if _, _, err := j.Gaps(context.Background(), annals.GapQuery{Tenants: []string{""}}); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("empty tenant: %v", err)
	}
}

// TestGapsModel compares with a set of numbers.
func TestGapsModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint64Range(1, 40), 1, 60).Draw(r, "numbers")
		seen := make(map[uint64]bool)
		low, high := numbers[0], numbers[0]
		for _, n := range numbers {
			seen[n], low, high = true, min(low, n), max(high, n)
		}
		missing := make(map[uint64]bool)
		for n := low; n <= high; n++ {
			if !seen[n] {
				missing[n] = true
			}
		}
		for _, g := range annals.GapsBetween(numbers) {
			for n := g.From; n <= g.To; n++ {
				if !missing[n] {
					r.Fatalf("%v: %d is in the gap %+v", numbers, n, g)
				}
				delete(missing, n)
			}
		}
		if len(missing) > 0 {
			r.Fatalf("%v: no gap has %v", numbers, missing)
		}
	})
}

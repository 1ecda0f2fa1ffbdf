package annals_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals"
)

// TestExplain says what a search looks up and how much it reads at most.
func TestExplain(t *testing.T) {
	j := newJournal(t, nil)
	for i := range 300 {
		appended(t, j, context.Background(), annals.Event{Type: "x", Source: fmt.Sprint("s", i%100)})
	}
	cases := []struct {
		q    annals.Query
		want string
	}{
		{annals.Query{Filter: "source:s7 -type:y"}, `of tenant "default", newest first
index: source "s7"
checked on each entry: -type:y
reads at most 3 of 300 entries
`},
		{annals.Query{Filter: "correlation_id:c", Tenants: []string{"b", "a"}}, `of tenant "a", "b", oldest first
index: correlation_id "c"
reads at most 0 of 300 entries
`},
		{annals.Query{Tenants: []string{"*"}}, `of every tenant, newest first
index: every entry
reads at most 300 of 300 entries
`},
		{annals.Query{Filter: "position:>=5 position:<5", Tenants: []string{"*", "_annals"}}, `of tenant "*", "_annals", newest first
index: no entry
position: from 5 before 5
reads at most 0 of 300 entries
`},
		{annals.Query{Params: map[string][]string{"tenant": {"*"}}, Tenants: []string{annals.SystemTenant}}, `of no tenant, newest first
index: every entry
reads at most 0 of 300 entries
`},
	}
	for _, c := range cases {
		got, err := j.Explain(context.Background(), c.q)
		check(t, err)
		if got != c.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", c.q, got, c.want)
		}
	}
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	if got, err := j.Explain(context.Background(), annals.Query{Tenants: many}); err != nil || !strings.Contains(got, " and 2 more") {
		t.Errorf("of 12 tenants: %s, %v", got, err)
	}
	if _, err := j.Explain(context.Background(), annals.Query{Filter: "type:("}); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("of a bad filter: %v", err)
	}
}

package annals_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals"
)

// TestSearchForeignTenant refuses the parameter that names a tenant out of reach,
// whether there is one or not, in the same words.
func TestSearchForeignTenant(t *testing.T) {
	j := newJournal(t, nil)
	for _, tenant := range []string{"", "acme"} {
		appended(t, j, context.Background(), annals.Event{Type: "x", Tenant: tenant})
	}
	check(t, j.WriteNotice(annals.Event{Type: "annals.test"}))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		tenants, param []string
		name           string
	}{
		{nil, []string{"acme"}, "acme"},
		{nil, []string{"none"}, "none"},
		{nil, []string{annals.SystemTenant}, annals.SystemTenant},
		{nil, []string{annals.DefaultTenant, "acme"}, "acme"},
		{[]string{}, []string{"*", "acme"}, "acme"},
		{[]string{"*"}, []string{annals.SystemTenant}, annals.SystemTenant},
		{[]string{"acme"}, []string{"beta"}, "beta"},
		{[]string{"acme"}, []string{annals.DefaultTenant}, annals.DefaultTenant},
	} {
		q := annals.Query{Tenants: c.tenants, Params: map[string][]string{"tenant": c.param}}
		_, searched := j.Search(context.Background(), q)
		_, had := j.Has(context.Background(), q)
		_, explained := j.Explain(context.Background(), q)
		errs := []error{searched, had, explained}
		for _, err := range j.SearchAll(context.Background(), q) {
			errs = append(errs, err)
		}
		for _, err := range j.FollowMatching(ended, 0, q) {
			errs = append(errs, err)
		}
		want := fmt.Sprintf("tenant %q: %v", c.name, annals.ErrNotFound)
		for i, err := range errs {
			if !errors.Is(err, annals.ErrNotFound) || errors.Is(err, annals.ErrInvalid) || err.Error() != want {
				t.Errorf("tenants %v, parameter %v, way %d: %v, want %s", c.tenants, c.param, i, err, want)
			}
		}
		if len(errs) != 5 {
			t.Errorf("tenants %v, parameter %v: %d errors", c.tenants, c.param, len(errs))
		}
	}
}

// TestSearchAllLimit takes the same limits from the parameter as from the field.
func TestSearchAllLimit(t *testing.T) {
	j := newJournal(t, nil)
	for range 3 {
		appended(t, j, context.Background(), annals.Event{Type: "x"})
	}
	for text, want := range map[string]int{"2": 2, "1001": 3, "5000": 3} {
		q := annals.Query{Params: map[string][]string{"limit": {text}}}
		if n := len(positions(t, j.SearchAll(context.Background(), q), nil)); n != want {
			t.Errorf("limit %s: %d entries, want %d", text, n, want)
		}
	}
	const want = ", want a number from 1"
	for _, text := range []string{"0", "-1", "x", "99999999999999999999"} {
		q := annals.Query{Params: map[string][]string{"limit": {text}}}
		for _, err := range j.SearchAll(context.Background(), q) {
			if !errors.Is(err, annals.ErrInvalid) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("limit %s: %v, want %s", text, err, want)
			}
		}
	}
	for _, err := range j.SearchAll(context.Background(), annals.Query{Limit: -1}) {
		if !errors.Is(err, annals.ErrInvalid) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("limit -1: %v, want %s", err, want)
		}
	}
}

// TestSearchEmptyCursor takes the parameter cursor without a value for none.
func TestSearchEmptyCursor(t *testing.T) {
	j := newJournal(t, nil)
	for range 3 {
		appended(t, j, context.Background(), annals.Event{Type: "x"})
	}
	q := annals.Query{Params: map[string][]string{"cursor": {""}}, Limit: 2}
	first, err := j.Search(context.Background(), q)
	check(t, err)
	if len(first.Entries) != 2 || !first.HasMore {
		t.Errorf("first page: %+v", first)
	}
	q.Cursor = first.NextCursor
	second, err := j.Search(context.Background(), q)
	check(t, err)
	if len(second.Entries) != 1 || second.HasMore {
		t.Errorf("second page: %+v", second)
	}
	q.Cursor, q.Limit = "", 0
	if has, err := j.Has(context.Background(), q); err != nil || !has {
		t.Errorf("Has: %t, %v", has, err)
	}
}

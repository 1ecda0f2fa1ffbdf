package annals_test

import (
	"context"
	"errors"
	"testing"

	"github.com/annals-io/annals"
)

// TestPrincipal appends as several credentials to one journal.
func TestPrincipal(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	defer j.Close()
	one, err := annals.NewPrincipal(annals.Identity{Type: "token", ID: "t-1"}, "acme")
	check(t, err)
	many, err := annals.NewPrincipal(annals.Identity{Type: "token", ID: "t-2"}, "")
	check(t, err)
	entity := annals.Entity{Type: "order", ID: "1"}
	for _, tt := range []struct {
		name       string
		principal  *annals.Principal
		event      annals.Event
		tenant, by string
	}{
		{"of one tenant", one, annals.Event{Type: "a"}, "acme", "t-1"},
		{"of one tenant, named", one, annals.Event{Type: "a", Tenant: "other"}, "other", "t-1"},
		{"of many, named", many, annals.Event{Type: "a", Tenant: "acme"}, "acme", "t-2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := j.Append(annals.WithPrincipal(t.Context(), tt.principal), tt.event)
			check(t, err)
			e, err := j.At(t.Context(), r[0].Position)
			check(t, err)
			if e.Tenant() != tt.tenant || e.RecordedBy().ID != tt.by {
				t.Errorf("got tenant %s, recorded by %v", e.Tenant(), e.RecordedBy())
			}
		})
	}
	t.Run("of many, not named", func(t *testing.T) {
		_, err := j.Append(annals.WithPrincipal(t.Context(), many), annals.Event{Type: "a"})
		if x, ok := errors.AsType[*annals.InvalidError](err); !ok || x.Pointer != "/tenant" {
			t.Errorf("got error %v, want one about /tenant", err)
		}
	})
	t.Run("expectations", func(t *testing.T) {
		ctx := annals.WithPrincipal(t.Context(), one)
		_, err := j.AppendExpect(ctx, []annals.Expect{{Entity: entity}}, annals.Event{Type: "a", Entity: entity})
		check(t, err)
		if _, err := j.AppendExpect(ctx, []annals.Expect{{Entity: entity}}, annals.Event{Type: "b", Entity: entity}); !isConflict(err) {
			t.Errorf("got error %v, want a conflict in the principal's tenant", err)
		}
		ctx = annals.WithPrincipal(t.Context(), many)
		if _, err := j.AppendExpect(ctx, []annals.Expect{{Entity: entity}}, annals.Event{Type: "b", Tenant: "acme"}); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("got error %v of an expectation without a tenant", err)
		}
	})
	for name, who := range map[string]annals.Identity{"NUL": {ID: "a\x00"}, "not UTF-8": {Type: "\xff"}} {
		if _, err := annals.NewPrincipal(who, "t"); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := annals.NewPrincipal(annals.Identity{}, annals.SystemTenant); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("the journal's own tenant: got error %v", err)
	}
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*annals.ConflictError](err)
	return ok
}

// TestAudit appends events of the journal's own.
func TestAudit(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	defer j.Close()
	r, err := j.Audit(context.Background(), annals.Event{Type: "annals.token.created", Data: map[string]any{"id": "t-1"}})
	check(t, err)
	e, err := j.At(t.Context(), r[0].Position)
	check(t, err)
	if e.Tenant() != annals.SystemTenant || e.Type() != "annals.token.created" {
		t.Errorf("got %s", e.JSON)
	}
	page, err := j.Search(t.Context(), annals.Query{})
	check(t, err)
	if len(page.Entries) != 0 {
		t.Errorf("a search that does not name the tenant finds %s", page.Entries[0].JSON)
	}
	for _, typ := range []string{"token.created", "annals", "annalsx.y"} {
		if _, err := j.Audit(t.Context(), annals.Event{Type: typ}); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", typ, err)
		}
	}
}

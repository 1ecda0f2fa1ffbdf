package access_test

import (
	"errors"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
)

// TestTokenEvents journals a token's events again and again: each is there once.
func TestTokenEvents(t *testing.T) {
	j, err := annals.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	s := access.NewStore(durable.NewMem())
	token, _ := newToken(t, s)
	for range 2 {
		if err := token.Audit(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if token, err = s.Revoke(token.ID, operator, day1.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := list(t, s)[0].Audit(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if got := j.Size(); got != 2 {
		t.Errorf("journal has %d entries, want 2", got)
	}
	e, err := j.GetTenant(t.Context(), annals.SystemTenant, "annals.token.revoked/"+token.ID)
	if err != nil || e.Type() != access.TypeTokenRevoked || e.Sequence != 2 {
		t.Errorf("entry is %s of sequence %d, error %v", e.Type(), e.Sequence, err)
	}

	// Another's token of the same id.
	token.Permissions, token.RevokedAt = access.All, time.Time{}
	err = token.Audit(t.Context(), j)
	if _, ok := errors.AsType[*annals.ConflictError](err); !ok || j.Size() != 2 {
		t.Errorf("altered: %v, %d entries", err, j.Size())
	}
}

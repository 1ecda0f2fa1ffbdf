package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/annals-io/annals"
)

// Types of the events of tokens.
const (
	TypeTokenCreated = "annals.token.created"
	TypeTokenRevoked = "annals.token.revoked"
)

// entityToken is the type of the entity that a token is.
const entityToken = "annals.token"

// An Auditor journals events of the journal's own, durably; *[annals.Journal] is one.
type Auditor interface {
	// Audit returns when the events are durable.
	Audit(ctx context.Context, events ...annals.Event) ([]annals.Receipt, error)
}

// Audit journals that a token was made and, if it was, revoked. It says what the token's
// file says, under ids of the token's own: repeated, by whichever process, it adds nothing
// twice. A *[annals.ConflictError] means that the file was altered.
func (t *Token) Audit(ctx context.Context, a Auditor) error {
	events := []annals.Event{t.created()}
	if !t.RevokedAt.IsZero() {
		revoked := t.event(TypeTokenRevoked, t.RevokedBy)
		revoked.Time = t.RevokedAt
		events = append(events, revoked)
	}
	var altered error
	for _, e := range events {
		_, err := a.Audit(ctx, e)
		if err != nil {
			err = fmt.Errorf("journal %s of token %s: %w", e.Type, t.ID, err)
		}
		if err != nil && !isAltered(err) {
			return err
		}
		altered = errors.Join(altered, err)
	}
	return altered
}

// created is the event of a new token.
func (t *Token) created() annals.Event {
	e := t.event(TypeTokenCreated, t.CreatedBy)
	e.Time = t.CreatedAt
	data := map[string]any{"permissions": t.Permissions.Names(), "tenants": t.Tenants}
	if !t.ExpiresAt.IsZero() {
		data["expires_at"] = t.ExpiresAt
	}
	e.Data = data
	return e
}

func (t *Token) event(typ string, by annals.Identity) annals.Event {
	return annals.Event{
		ID: typ + "/" + t.ID, Type: typ, Severity: annals.SeverityNotice,
		Actor:  annals.Actor{Type: by.Type, ID: by.ID},
		Entity: annals.Entity{Type: entityToken, ID: t.ID, Name: t.Name},
	}
}

// isAltered reports whether an error of [Token.Audit] says that another content has the
// event's id.
func isAltered(err error) bool {
	_, ok := errors.AsType[*annals.ConflictError](err)
	return ok
}

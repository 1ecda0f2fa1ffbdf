package main

import (
	"context"
	"errors"
	"time"

	"github.com/annals-io/annals/internal/access"
	"github.com/spf13/cobra"
)

func newTokenRevoke(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make a token useless for ever",
		Long:    "Revoke a token: a running server refuses it within five seconds. The id is its second\npart, as in annals_ID_SECRET; the whole token is not asked for. Revoking twice is no error.",
		Example: "  annals token revoke --data ./journal k3q7x2mzv5ab",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("revoke takes the id of one token")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, args []string) error {
			return e.tokenRevoke(ctx, args[0])
		}),
	}
}

// tokenRevoke revokes a token and prints it.
func (e *env) tokenRevoke(ctx context.Context, id string) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	d, err := e.openTokens(false)
	if err != nil {
		return err
	}
	var t *access.Token
	err = e.patiently(ctx, func() error {
		t, err = d.Revoke(id, localUser(), e.now())
		return err
	})
	if errors.Is(err, access.ErrNoToken) {
		err = hinted(err, "annals token list shows the ids")
	}
	if err == nil {
		audited := d.audit(ctx, t)
		err = errors.Join(e.printRevoked(form, t), audited)
	}
	return errors.Join(err, d.close())
}

func (e *env) printRevoked(form string, t *access.Token) error {
	if form == formTable {
		e.note("token %s is revoked", t.ID)
		return nil
	}
	return e.printJSON(e.tokenReport(t, time.Time{}))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/query"
	"github.com/spf13/cobra"
)

// A newTokenReport is the machine's form of a token that was made. Its shape is a
// contract.
type newTokenReport struct {
	ID          string     `json:"id"`
	Token       string     `json:"token"`
	Permissions []string   `json:"permissions"`
	Tenants     []string   `json:"tenants"`
	ExpiresAt   *time.Time `json:"expires_at"`
}

// tokenWishes are the flags of token create.
type tokenWishes struct {
	permissions, expires, name string
	tenants                    []string
}

func newTokenCreate(e *env) *cobra.Command {
	var w tokenWishes
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a token and show it once",
		Long: "Make a token and print it. It is kept nowhere: who loses it makes another. Permissions are\n" +
			"append, read, export and admin; none includes another. A token is for one tenant, several,\n" +
			"or * for every one.",
		Example: "  annals token create --data ./journal --permissions append --tenant shop --name checkout\n" +
			"  annals token create --data ./journal --permissions read,export --tenant '*' --expires 90d",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.tokenCreate(ctx, &w)
		}),
	}
	c.Flags().StringVar(&w.permissions, "permissions", "", "what it may do: append, read, export, admin, separated by commas")
	c.Flags().StringSliceVar(&w.tenants, "tenant", nil, "whose events it is for; default "+annals.DefaultTenant+", * for all (ANNALS_TENANT)")
	c.Flags().StringVar(&w.expires, "expires", "", "until when it works: a time, or a distance such as 90d; default for ever")
	c.Flags().StringVar(&w.name, "name", "", "what it is for, shown in lists")
	_ = c.RegisterFlagCompletionFunc("permissions", cobra.FixedCompletions([]string{"append", "read", "append,read", "read,export", "append,read,export,admin"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// token returns the token that is wished for.
func (w *tokenWishes) token(now time.Time) (*access.Token, error) {
	t := &access.Token{Name: w.name, Tenants: w.tenants, CreatedAt: now, CreatedBy: localUser()}
	if len(t.Tenants) == 0 {
		t.Tenants = []string{annals.DefaultTenant}
	}
	var err error
	if w.permissions == "" {
		return nil, hinted(usagef("no permissions are named"), "such as --permissions append,read")
	}
	if t.Permissions, err = access.ParsePermissions(w.permissions); err != nil {
		return nil, usagef("%w", err)
	}
	if t.ExpiresAt, err = parseExpiry(w.expires, now); err != nil {
		return nil, err
	}
	if err := t.Check(); err != nil {
		return nil, usagef("%w", err)
	}
	return t, nil
}

// parseExpiry reads a time, or a distance from now; "" is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := query.ParseDistance(text); ok {
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, hinted(usagef("expires is %q", clip(text, maxValue)), "write a time such as 2027-01-31T00:00:00Z, or a distance such as 90d")
	}
	return t, nil
}

// tokenCreate makes a token and prints it.
func (e *env) tokenCreate(ctx context.Context, w *tokenWishes) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	t, err := w.token(e.now())
	if err != nil {
		return err
	}
	d, err := e.openTokens(true)
	if err != nil {
		return err
	}
	var text string
	err = e.patiently(ctx, func() error {
		text, err = d.Create(t)
		return err
	})
	if err == nil {
		audited := d.audit(ctx, t)
		err = errors.Join(e.printNewToken(form, t, text), audited)
	}
	return errors.Join(err, d.close())
}

// printNewToken prints a token with its text.
func (e *env) printNewToken(form string, t *access.Token, text string) error {
	r := newTokenReport{ID: t.ID, Token: text, Permissions: t.Permissions.Names(), Tenants: t.Tenants}
	if !t.ExpiresAt.IsZero() {
		r.ExpiresAt = &t.ExpiresAt
	}
	if form != formTable {
		return e.printJSON(&r)
	}
	_, err := fmt.Fprintf(e.stdout, "%s\n", text)
	e.note("token %s may %s for %s, %s; it is not shown again", t.ID, t.Permissions, tenantsText(t.Tenants), expiryText(t.ExpiresAt))
	return err
}

func tenantsText(tenants []string) string {
	if len(tenants) == 1 && tenants[0] == access.EveryTenant {
		return "every tenant"
	}
	return "tenant " + strings.Join(tenants, ", ")
}

func expiryText(at time.Time) string {
	if at.IsZero() {
		return "for ever"
	}
	return "until " + at.UTC().Format(time.RFC3339)
}

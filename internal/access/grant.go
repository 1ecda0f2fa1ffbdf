package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/annals-io/annals"
)

// EveryTenant stands for every tenant but the journal's own.
const EveryTenant = "*"

// maxTenants bounds the tenants that a grant names.
const maxTenants = 100

// ErrUnauthenticated reports a request without a credential, or with one that is
// not, or no longer, good. What is wrong with it is not told to the sender.
var ErrUnauthenticated = errors.New("access: no valid credential")

// ErrInvalid reports a token that cannot be made as it is described.
var ErrInvalid = errors.New("invalid token")

// An Authenticator finds out whose request it is.
type Authenticator interface {
	// Authenticate returns what the request's credential may do. It is called for
	// every request, concurrently. Errors: [ErrUnauthenticated]; any other means that
	// it could not find out, and that the request may be repeated.
	Authenticate(r *http.Request) (*Grant, error)
}

// A Grant is what one credential may do. Make it with [NewGrant] or [Local]; it never
// changes afterwards.
type Grant struct {
	ID          string          // of the credential, such as a token's; no secret
	Who         annals.Identity // what entries name as recorded_by
	Tenants     []string        // whose events; [EveryTenant] is all but the journal's own
	Permissions Permission

	tenant    string
	principal *annals.Principal
	ended     context.Context // nil: never
}

// NewGrant returns the grant of a credential. Errors: [ErrInvalid].
func NewGrant(id string, who annals.Identity, tenants []string, p Permission) (*Grant, error) {
	g := &Grant{ID: id, Who: who, Tenants: slices.Clone(tenants), Permissions: p}
	if err := CheckTenants(tenants); err != nil {
		return nil, err
	}
	if len(tenants) == 1 && tenants[0] != EveryTenant && tenants[0] != annals.SystemTenant {
		g.tenant = tenants[0]
	}
	return g.finish()
}

// Local returns the grant of whoever reaches a server that asks for no credential:
// everything, for every tenant; events that name none belong to the default one.
func Local(who annals.Identity) (*Grant, error) {
	g := &Grant{ID: "local", Who: who, Tenants: []string{EveryTenant}, Permissions: All, tenant: annals.DefaultTenant}
	return g.finish()
}

func (g *Grant) finish() (*Grant, error) {
	var err error
	if g.principal, err = annals.NewPrincipal(g.Who, g.tenant); err != nil {
		return nil, fmt.Errorf("make grant %s: %w", g.ID, err)
	}
	return g, nil
}

// CheckTenants reports what is wrong with a list of tenants. Errors: [ErrInvalid].
func CheckTenants(tenants []string) error {
	if len(tenants) == 0 || len(tenants) > maxTenants {
		return fmt.Errorf("%w: %d tenants, want 1 to %d", ErrInvalid, len(tenants), maxTenants)
	}
	for i, t := range tenants {
		switch {
		case slices.Contains(tenants[:i], t):
			return fmt.Errorf("%w: tenant %.40q is there twice", ErrInvalid, t)
		case t == EveryTenant || t == annals.SystemTenant:
			continue
		}
		if _, err := annals.NewPrincipal(annals.Identity{Type: "token", ID: "-"}, t); t == "" || err != nil {
			return fmt.Errorf("%w: tenant %.40q is no name of one", ErrInvalid, t)
		}
	}
	return nil
}

// May reports whether the grant has every permission of p.
func (g *Grant) May(p Permission) bool { return g.Permissions&p == p }

// Owns reports whether a tenant's events are the grant's to deal with. The journal's own
// are an administrator's only: of every tenant, or where they are named.
func (g *Grant) Owns(tenant string) bool {
	every := slices.Contains(g.Tenants, EveryTenant)
	if tenant == annals.SystemTenant {
		return g.May(Admin) && (every || slices.Contains(g.Tenants, tenant))
	}
	return tenant != "" && tenant != EveryTenant && (every || slices.Contains(g.Tenants, tenant))
}

// Tenant returns the tenant of requests that name none, "" if they have to: the only one,
// or the default one where no credential is asked for.
func (g *Grant) Tenant() string { return g.tenant }

// Ended returns a context that ends when the credential is not good any more: what goes on
// for long must end with it.
func (g *Grant) Ended() context.Context {
	if g.ended == nil {
		return context.Background()
	}
	return g.ended
}

// WithEnd returns the grant as one that ends with ctx.
func (g *Grant) WithEnd(ctx context.Context) *Grant {
	ending := *g
	ending.ended = ctx
	return &ending
}

// Principal returns what the context of the grant's appends carries.
func (g *Grant) Principal() *annals.Principal { return g.principal }

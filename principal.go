package annals

import (
	"context"
	"fmt"
	"strings"

	"github.com/annals-io/annals/engine"
)

// A Principal is whose credential appends: a program that takes events of many, such
// as a server, makes one of each and puts it into the context of their appends. It
// never changes and may be used concurrently.
type Principal struct {
	identity Identity
	tenant   string
	finisher finisher
}

// NewPrincipal returns the principal of a credential. Entries that it appends have
// who as recorded_by, in place of [Options.RecordedBy]; their events belong to tenant
// if they name none, and without a tenant an event must name its own.
//
// Errors: [ErrInvalid].
func NewPrincipal(who Identity, tenant string) (*Principal, error) {
	f, err := newFinisher(defaults{tenant: tenant, recordedBy: who})
	if err != nil {
		return nil, err
	}
	if tenant == SystemTenant {
		return nil, fmt.Errorf("%w: the tenant %s is the journal's own", ErrInvalid, SystemTenant)
	}
	return &Principal{who, tenant, f}, nil
}

// Identity returns whose credential it is.
func (p *Principal) Identity() Identity { return p.identity }

// Tenant returns the owner of events that name none, "" if they have to.
func (p *Principal) Tenant() string { return p.tenant }

type principalKey struct{}

// WithPrincipal returns a context whose appends are those of p.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// principal returns whose appends those of ctx are: the journal's own if nobody is
// named.
func (j *Journal) principal(ctx context.Context) *Principal {
	if p, ok := ctx.Value(principalKey{}).(*Principal); ok {
		return p
	}
	return j.own
}

// Audit appends events of the journal's own: what happens to it rather than in it,
// such as reads, changes of configuration and credentials. Their types begin with
// "annals."; they belong to the tenant [SystemTenant], have the source annals unless they
// name another, and are outside of searches that do not name that tenant. It is for programs that open
// a journal to others. Like [Journal.Append] it returns when they are durable.
//
// Errors: those of [Journal.Append].
func (j *Journal) Audit(ctx context.Context, events ...Event) ([]Receipt, error) {
	encoded := make([]Encoded, len(events))
	for i, e := range events {
		var err error
		if encoded[i], err = ownEvent(e); err != nil {
			return nil, inEvent(i, len(events), err)
		}
	}
	return j.append(ctx, engine.Batch{}, encoded)
}

// ownEvent encodes an event of the journal's own.
func ownEvent(e Event) (Encoded, error) {
	e.Tenant = SystemTenant
	if e.Source == "" {
		e.Source = "annals"
	}
	encoded, err := e.encode(encodeOptions{system: true})
	if err == nil && !strings.HasPrefix(encoded.Type(), journalTypes) {
		err = fmt.Errorf("%w: type %.40q of an event of the journal's own does not begin with %s", ErrInvalid, e.Type, journalTypes)
	}
	return encoded, err
}

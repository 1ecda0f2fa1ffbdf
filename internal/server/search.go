package server

import (
	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// getEvents searches. The journal understands the parameters. With id, for ids that a
// path cannot carry, the answer has the entry of that id at most.
func getEvents(x *exchange) error {
	id, err := x.take("id")
	if err != nil {
		return err
	}
	q := annals.Query{Params: x.query}
	if id != "" {
		q.Filter = exact("id", id)
	}
	p, err := x.search(q)
	if err != nil {
		return err
	}
	return x.sendPageOf(p)
}

// getEvent answers with one entry, in the bytes that are stored.
func getEvent(x *exchange) error {
	e, err := x.entry()
	if err != nil {
		return err
	}
	return x.sendImmutable("application/json", e.Hash().String(), e.JSON)
}

// entry returns the entry whose id is in the path.
func (x *exchange) entry() (annals.Entry, error) {
	id := x.r.PathValue("id")
	name := x.query.Get("tenant")
	if name != access.EveryTenant && name+x.grant.Tenant() != "" {
		tenant, err := x.tenant()
		if err != nil {
			return annals.Entry{}, err
		}
		return x.server.journal.GetTenant(x.r.Context(), tenant, id)
	}
	return x.entryOfAny(id)
}

// entryOfAny returns the entry with an id of any of the grant's tenants, if just one of
// them has it.
func (x *exchange) entryOfAny(id string) (found annals.Entry, err error) {
	q := annals.Query{Filter: exact("id", id), Limit: 2}
	p, err := x.search(q)
	switch {
	case err != nil:
		return found, err
	case len(p.Entries) == 1:
		return p.Entries[0], nil
	case len(p.Entries) > 1:
		return found, problemf(codeInvalid, "several tenants have that id: name one with the parameter tenant")
	case len(p.Damage) > 0:
		return found, p.Damage[0]
	case !p.Complete:
		return found, annals.ErrIncomplete
	}
	return found, annals.ErrNotFound
}

package index

import (
	"github.com/annals-io/annals/engine"
)

// Bounds of a filter that is asked for every tenant. Terms belong to a tenant, so
// that each term is looked up once for each tenant that a part has.
const (
	// maxLookups bounds the lookups in a part, and with them memory. It also bounds
	// the tenants that a part is asked for.
	maxLookups = 32 << 10

	// fewLookups are made however few entries could be read in their place.
	fewLookups = 1 << 10

	// lookupEntries is how many entries are read in the time of a lookup, or fewer.
	lookupEntries = 4

	// keptTenants is how many tenants a run keeps in memory, once they were read.
	keptTenants = 1 << 10
)

// An everyone is a filter for the records of every tenant.
type everyone struct {
	hasher *Hasher
	filter engine.Filter
	parts  int // of the filter
}

func (h *Hasher) newEveryone(f engine.Filter) (*everyone, error) {
	left := maxNodes
	if _, err := h.node("", f, &left); err != nil {
		return nil, err
	}
	return &everyone{hasher: h, filter: f, parts: maxNodes - left}, nil
}

// root returns the filter for the tenants of a part. It is nil, which chooses every
// entry, where they are so many that n entries are read sooner.
func (e *everyone) root(p part, n uint32) (*node, error) {
	tenants, ok, err := p.tenants()
	if err != nil || !ok {
		return nil, err
	}
	lookups := len(tenants) * e.parts
	if lookups > maxLookups || lookups > fewLookups && lookups > int(n/lookupEntries) {
		return nil, nil
	}
	return e.hasher.unite(tenants, e.filter)
}

// unite hashes a filter for each of some tenants; nil is none.
func (h *Hasher) unite(tenants []string, f engine.Filter) (*node, error) {
	left := maxNodes
	all := &node{op: opAny}
	for _, tenant := range tenants {
		n := &node{op: opTerm, class: terms, hash: h.Term(tenant, engine.TenantTerm())}
		if f != nil {
			x, err := h.node(tenant, f, &left)
			if err != nil {
				return nil, err
			}
			n = &node{op: opAll, parts: []*node{x, n}}
		}
		all.parts = append(all.parts, n)
	}
	return all, nil
}

// A tenantList is the tenants of a run.
type tenantList struct {
	names []string
	many  bool // more than maxLookups: names is empty
}

// tenants implements part.
func (r *run) tenants() (names []string, ok bool, err error) {
	l := r.owners.Load()
	if l == nil {
		if l, err = r.readTenants(); err != nil {
			return nil, false, r.fail(err)
		}
		if len(l.names) <= keptTenants {
			r.owners.Store(l)
		}
	}
	return l.names, !l.many, nil
}

// readTenants reads the kind table, which is in the order of tenants.
func (r *run) readTenants() (*tenantList, error) {
	var names []string
	for k, err := range r.newKinds(r.file).all() {
		if err != nil {
			return nil, err
		}
		if n := len(names); n == 0 || names[n-1] != k.Tenant {
			names = append(names, k.Tenant)
		}
		if len(names) > maxLookups {
			return &tenantList{many: true}, nil
		}
	}
	return &tenantList{names: names}, nil
}

// tenants implements part. It has those of all entries that were added before.
func (t *tail) tenants() (names []string, ok bool, err error) {
	t.kindsMu.Lock()
	defer t.kindsMu.Unlock()
	return t.owners, true, nil
}

// tenants implements part; nobody asks a hole.
func (hole) tenants() (names []string, ok bool, err error) { return nil, false, nil }

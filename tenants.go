package annals

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A tenantSet says whose entries a search is about.
type tenantSet struct {
	names     map[string]bool
	producers bool // every tenant but the journal's own
}

// everyProducer is the name that stands for every tenant but the journal's own.
const everyProducer = "*"

// tenantsOf returns whose entries a query is about. A parameter never widens what
// the caller grants, and the error for a tenant out of reach does not tell whether
// there is one.
func (j *Journal) tenantsOf(q *Query) (tenantSet, error) {
	granted := q.Tenants
	if len(granted) == 0 {
		granted = []string{j.opts.Tenant}
	}
	s, err := newTenantSet(granted)
	asked := q.Params["tenant"]
	if err != nil || len(asked) == 0 {
		return s, err
	}
	t, err := newTenantSet(asked)
	if err != nil {
		return s, err
	}
	for _, name := range asked {
		if name != everyProducer && !s.has(name) {
			return s, fmt.Errorf("tenant %q: %w", clipText(name), ErrNotFound)
		}
	}
	return s.intersect(t), nil
}

func newTenantSet(names []string) (tenantSet, error) {
	s := tenantSet{names: make(map[string]bool, len(names))}
	if len(names) > maxTenants {
		return s, invalidParam("tenant", "%d tenants, at most %d; * means every one", len(names), maxTenants)
	}
	for _, name := range names {
		switch name {
		case "":
			return s, invalidParam("tenant", "empty")
		case everyProducer:
			s.producers = true
		default:
			s.names[name] = true
		}
	}
	return s, nil
}

func (s *tenantSet) has(name string) bool {
	return s.names[name] || s.producers && name != SystemTenant
}

// hasQuoted is has for a canonical JSON string.
func (s *tenantSet) hasQuoted(raw []byte) bool {
	if len(raw) < 2 {
		return false
	}
	if name := raw[1 : len(raw)-1]; bytes.IndexByte(name, '\\') < 0 {
		return s.names[string(name)] || s.producers && string(name) != SystemTenant
	}
	return s.has(unquote(raw))
}

// intersect returns what both sets have.
func (s tenantSet) intersect(t tenantSet) tenantSet {
	both := tenantSet{names: make(map[string]bool), producers: s.producers && t.producers}
	for name := range s.names {
		if t.has(name) {
			both.names[name] = true
		}
	}
	for name := range t.names {
		if s.has(name) {
			both.names[name] = true
		}
	}
	return both
}

// list returns the names of the set, sorted.
func (s *tenantSet) list() []string {
	names := slices.Sorted(maps.Keys(s.names))
	if s.producers {
		names = append([]string{everyProducer}, names...)
	}
	return names
}

func (s *tenantSet) String() string {
	const most = 10
	names := s.list()
	switch {
	case s.producers && len(names) == 1:
		return "of every tenant"
	case len(names) == 0:
		return "of no tenant"
	}
	var b strings.Builder
	b.WriteString("of tenant")
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %q", name)
	}
	if len(names) > most {
		fmt.Fprintf(&b, " and %d more", len(names)-most)
	}
	return b.String()
}

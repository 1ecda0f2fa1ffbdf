package annals

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/query"
)

// A search is a query that was understood: what is looked for, where, and in
// which order. It never changes.
type search struct {
	journal *Journal
	expr    query.Expr
	plan    *query.Plan
	tenants tenantSet
	desc    bool

	from, to Position // where matches can be, of what there was at the first page
	budget   int      // negative: none
	texts    int      // free texts of expr: each goes through every byte

	// Of pages.
	limit     int // zero: none
	wantTotal bool
	resumed   bool    // there was a page before
	start     cursor  // where this one begins
	skip      int     // matches to leave out first
	total     *uint64 // as a page before has counted it
	binding   binding // of cursors
}

// end returns the cursor's place when nothing is left.
func (s *search) end() Position {
	if s.desc {
		return s.from
	}
	return s.to
}

// matcher returns a matcher of all that is left for this page and those behind it.
func (s *search) matcher() *matcher {
	m := &matcher{search: s, from: s.from, to: s.to}
	if s.resumed && s.desc {
		m.to = max(m.from, min(m.to, s.start.next))
	} else if s.resumed {
		m.from = min(m.to, max(m.from, s.start.next))
	}
	return m
}

// A matcher finds the entries of a search, and keeps account of what is left.
type matcher struct {
	*search
	from, to Position // not examined yet
	examined uint64
	bytes    uint64 // once for each free text
	spent    bool   // the budget has come to its end, and something was left

	doc query.JSONDocument
}

// place returns where a search goes on.
func (m *matcher) place() Position {
	if m.desc {
		return m.to
	}
	return m.from
}

// done reports whether nothing is left, or cannot be there.
func (m *matcher) done() bool { return m.from >= m.to || m.plan.Empty() }

// matches yields the entries that the search chooses among what is left, and
// damage that may hide some as *[CorruptError]. Any other error ends it. The
// bytes of an entry are valid until the next step.
func (m *matcher) matches(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		q := m.query()
		if q == nil {
			m.exhaust()
			return
		}
		for r, err := range m.journal.engine.Search(ctx, *q) {
			if m.from >= m.to {
				return
			}
			if m.overspent() {
				m.spent = true
				return
			}
			e, ok, err := m.examine(r, err)
			if (ok || err != nil) && !yield(e, err) {
				return
			}
			if _, damage := asCorrupt(err); err != nil && !damage {
				return
			}
		}
		m.exhaust()
	}
}

// exhaust notes that nothing is left.
func (m *matcher) exhaust() {
	if m.desc {
		m.to = m.from
	} else {
		m.from = m.to
	}
}

// overspent reports whether another entry would be one too many.
func (m *matcher) overspent() bool {
	return m.budget >= 0 && (m.examined >= uint64(m.budget) || m.bytes/budgetBytes >= uint64(m.budget))
}

// examine looks at what the engine yields, which may be more than was asked for.
func (m *matcher) examine(r engine.Entry, err error) (e Entry, ok bool, _ error) {
	if err == nil {
		e, err = parseEntry(r.Position, r.Bytes)
	}
	if err != nil {
		if c, damage := asCorrupt(err); damage && c.First < c.Next {
			m.examined++
			m.passDamage(c)
		}
		return Entry{}, false, err
	}
	m.examined++
	m.bytes += uint64(len(r.Bytes)) * uint64(max(1, m.texts))
	if e.Position < m.from || e.Position >= m.to {
		return Entry{}, false, nil
	}
	m.pass(e.Position)
	return e, m.match(&e), nil
}

// pass notes that position p, and what comes before it in the order of the
// search, is not left.
func (m *matcher) pass(p Position) {
	if m.desc {
		m.to = p
	} else {
		m.from = p + 1
	}
}

// passDamage passes the first position that damage can be about: the engine may
// still find readable entries behind that one.
func (m *matcher) passDamage(c *CorruptError) {
	if first := max(c.First, m.from); !m.desc && first < m.to {
		m.pass(first)
	}
	if last := min(c.Next, m.to); m.desc && last > m.from {
		m.pass(last - 1)
	}
}

// match reports whether the search chooses an entry.
func (m *matcher) match(e *Entry) bool {
	tenant, _ := e.Member("tenant")
	if !m.tenants.hasQuoted(tenant) {
		return false
	}
	m.doc.Reset(e.JSON)
	return query.Eval(m.expr, &m.doc)
}

// query returns what the engine is asked for, nil if nothing can be there.
func (m *matcher) query() *engine.Query {
	if m.done() {
		return nil
	}
	q := &engine.Query{
		Filter: engineFilter(m.plan.Filter), From: m.from, To: m.to,
		Since: m.plan.Since, Until: m.plan.Until, Descending: m.desc,
	}
	switch {
	case m.plan.Tenants != nil:
		q.Tenants = slices.DeleteFunc(slices.Clone(m.plan.Tenants), func(name string) bool { return !m.tenants.has(name) })
	case m.tenants.producers:
		return q // of every tenant: the journal's own entries are few
	default:
		q.Tenants = slices.Sorted(maps.Keys(m.tenants.names))
	}
	if len(q.Tenants) == 0 {
		return nil
	}
	return q
}

// engineFilter returns a plan's filter as engines have it.
func engineFilter(n query.Node) engine.Filter {
	switch n := n.(type) {
	case nil:
		return nil
	case query.All:
		return engine.All(engineFilters(n))
	case query.Any:
		return engine.Any(engineFilters(n))
	case query.Term:
		return engine.Has(n)
	case query.ID:
		return engine.Has(engine.IDTerm(string(n)))
	case query.Entity:
		return engine.Has(engine.EntityTerm(engine.Entity(n)))
	}
	panic("annals: internal error: unknown node of a plan")
}

func engineFilters(nodes []query.Node) []engine.Filter {
	out := make([]engine.Filter, len(nodes))
	for i, n := range nodes {
		out[i] = engineFilter(n)
	}
	return out
}

package annals

import (
	"context"
	"iter"

	"github.com/annals-io/annals/internal/query"
)

// HistoryOptions say which part of an entity's history is wanted. The zero value
// asks for all of it.
type HistoryOptions struct {
	Tenant     string   // owner of the entity; empty means [Options.Tenant]
	From, To   Sequence // first and last, both included; zero is no bound
	Field      string   // only entries whose changes have this field
	Descending bool     // last sequence first
}

// History yields the entries of an entity in the order of their sequences. The
// bytes of an entry are valid until the next step: clone what is kept.
//
// An entry that could be one and cannot be read is yielded as a *[CorruptError];
// a consumer that goes on gets the entries behind it. Any other error ends the
// iteration: [ErrInvalid], [ErrClosed], that of ctx.
func (j *Journal) History(ctx context.Context, entity Entity, h HistoryOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := j.historyOf(entity, h)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for e, err := range s.matcher().matches(ctx) {
			if err == nil && !h.has(e.Sequence) {
				if h.passed(e.Sequence) {
					return
				}
				continue
			}
			if !yield(e, err) || err == nil && h.last(e.Sequence) {
				return
			}
		}
	}
}

// has reports whether a sequence is within the bounds.
func (h *HistoryOptions) has(n Sequence) bool {
	return n >= h.From && (h.To == 0 || n <= h.To)
}

// passed reports whether nothing comes behind a sequence that is out of bounds.
// Positions and sequences of one entity ascend together.
func (h *HistoryOptions) passed(n Sequence) bool {
	if h.Descending {
		return n < h.From
	}
	return h.To != 0 && n > h.To
}

// last reports whether nothing comes behind a sequence that is within the bounds.
func (h *HistoryOptions) last(n Sequence) bool {
	if h.Descending {
		return n == max(h.From, 1)
	}
	return n == h.To
}

// historyOf returns the search for an entity's entries.
func (j *Journal) historyOf(entity Entity, h HistoryOptions) (*search, error) {
	if entity.Type == "" || entity.ID == "" {
		return nil, invalidParam("entity", "needs a type and an id")
	}
	if h.Tenant == "" {
		h.Tenant = j.opts.Tenant
	}
	expr := []query.Expr{matchText("entity_type", entity.Type), matchText("entity_id", entity.ID)}
	if h.Field != "" {
		expr = append(expr, matchText("field", h.Field))
	}
	s := &search{
		journal: j, expr: query.AllOf(expr...), desc: h.Descending, budget: -1,
		tenants: tenantSet{names: map[string]bool{h.Tenant: true}}, start: cursor{end: j.Size()},
	}
	s.lookUp(query.NewPlan(s.expr))
	return s, nil
}

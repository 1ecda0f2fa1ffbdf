package server

import (
	"fmt"
	"math"
	"slices"

	"github.com/annals-io/annals"
)

// getHistory answers with a page of an entity's entries in the order of their sequences.
func getHistory(x *exchange) error {
	return x.history(x.r.PathValue("type"), x.r.PathValue("id"))
}

// getHistoryOf is getHistory for names that a path cannot carry.
func getHistoryOf(x *exchange) error {
	typ, id := x.query.Get("type"), x.query.Get("id")
	if typ == "" || id == "" {
		return problemf(codeInvalid, "the parameters type and id are required")
	}
	return x.history(typ, id)
}

// history answers with a page of a history: the search for the entity, one page of which
// has the sequences that come next.
func (x *exchange) history(typ, id string) error {
	tenant, err := x.tenant()
	if err != nil {
		return err
	}
	from, err := x.number("from", 0, 1, math.MaxUint64)
	if err != nil {
		return err
	}
	to, err := x.number("to", 0, 1, math.MaxUint64)
	if err != nil {
		return err
	}
	q := annals.Query{Filter: exact("entity_type", typ) + " " + exact("entity_id", id), Tenants: []string{tenant}, Order: annals.Ascending}
	if from > 0 {
		q.Filter += fmt.Sprintf(" sequence:>=%d", from)
	}
	if to > 0 {
		q.Filter += fmt.Sprintf(" sequence:<=%d", to)
	}
	if field := x.query.Get("field"); field != "" {
		q.Filter += " " + exact("field", field)
	}
	if err := x.takePaging(&q); err != nil {
		return err
	}
	p, err := x.server.journal.Search(x.r.Context(), q)
	if err != nil {
		return err
	}
	return x.sendPageOf(p)
}

// takePaging takes over what the parameters say about a page.
func (x *exchange) takePaging(q *annals.Query) error {
	limit, err := x.number("limit", annals.DefaultPage, 1, annals.MaxPage)
	if err != nil {
		return err
	}
	orders := []string{string(annals.Ascending), string(annals.Descending)}
	if q.Order == annals.Descending {
		slices.Reverse(orders)
	}
	order, err := x.choice("order", orders...)
	if err != nil {
		return err
	}
	q.Limit, q.Order, q.Cursor = int(limit), annals.Order(order), x.query.Get("cursor")
	return nil
}

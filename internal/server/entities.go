package server

import (
	"strconv"

	"github.com/annals-io/annals"
)

// getEntities lists entities with their last sequences, oldest first. An entity has one
// entry whose sequence is 1, so the list is the search for those: each page costs what
// examining the entries of the type costs, up to the budget of a search.
func getEntities(x *exchange) error {
	q := annals.Query{Filter: "sequence:1", Order: annals.Ascending}
	if typ := x.query.Get("type"); typ != "" {
		q.Filter += " " + exact("entity_type", typ)
	}
	if x.query.Has("tenant") {
		q.Params = map[string][]string{"tenant": x.query["tenant"]}
	}
	if err := x.takePaging(&q); err != nil {
		return err
	}
	p, err := x.search(q)
	if err != nil {
		return err
	}
	out := takeBuffer()
	defer out.give()
	out.b = append(out.b, `{"entities":[`...)
	for i := range p.Entries {
		if i > 0 {
			out.b = append(out.b, ',')
		}
		if out.b, err = x.appendEntity(out.b, &p.Entries[i]); err != nil {
			return err
		}
	}
	out.b = appendPageEnd(append(out.b, ']'), p)
	return x.sendPage("application/json", out.b)
}

// appendEntity appends the entity of its first entry.
func (x *exchange) appendEntity(dst []byte, first *annals.Entry) ([]byte, error) {
	tenant, entity := first.Tenant(), first.Entity()
	last, err := x.server.journal.LastSequenceTenant(x.r.Context(), tenant, entity)
	if err != nil {
		return dst, err
	}
	dst = appendText(append(dst, `{"tenant":`...), tenant)
	dst = appendText(append(dst, `,"type":`...), entity.Type)
	dst = appendText(append(dst, `,"id":`...), entity.ID)
	dst = strconv.AppendUint(append(dst, `,"sequence":`...), uint64(last), 10)
	dst = strconv.AppendUint(append(dst, `,"first_position":`...), uint64(first.Position), 10)
	return append(dst, '}'), nil
}

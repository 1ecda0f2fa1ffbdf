package client

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"github.com/annals-io/annals"
)

// values returns the parameters of a search: those of q, and its fields.
func values(q *annals.Query) (url.Values, error) {
	v := url.Values{}
	maps.Copy(v, q.Params)
	for _, name := range []string{"order", "limit", "offset", "cursor", "total"} {
		if len(v[name]) > 0 {
			return nil, fmt.Errorf("%w: parameter %s is a field of the query", annals.ErrInvalid, name)
		}
	}
	if q.Filter != "" {
		filter := q.Filter
		if other := v.Get("q"); other != "" {
			filter = "(" + filter + ") (" + other + ")"
		}
		v.Set("q", filter)
	}
	if len(v["tenant"]) == 0 && len(q.Tenants) > 0 {
		v["tenant"] = q.Tenants
	}
	set := func(name, value string, given bool) {
		if given {
			v.Set(name, value)
		}
	}
	set("order", string(q.Order), q.Order != "")
	set("limit", strconv.Itoa(q.Limit), q.Limit != 0)
	set("offset", strconv.Itoa(q.Offset), q.Offset != 0)
	set("cursor", q.Cursor, q.Cursor != "")
	set("total", "true", q.Total)
	return v, nil
}

// historyQuery returns the parameters of a history.
func historyQuery(entity annals.Entity, h annals.HistoryOptions) url.Values {
	v := url.Values{"type": {entity.Type}, "id": {entity.ID}}
	if h.Tenant != "" {
		v.Set("tenant", h.Tenant)
	}
	if h.From != 0 {
		v.Set("from", strconv.FormatUint(uint64(h.From), 10))
	}
	if h.To != 0 {
		v.Set("to", strconv.FormatUint(uint64(h.To), 10))
	}
	if h.Field != "" {
		v.Set("field", h.Field)
	}
	if h.Descending {
		v.Set("order", string(annals.Descending))
	}
	return v
}

package annals

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/annals-io/annals/internal/query"
)

// settings are the parameters that say how to answer, not which entries are
// wanted.
var settings = []string{"order", "limit", "offset", "cursor", "total", "tenant"}

// newSearch understands a query. maxLimit is the largest page, zero for an
// answer without pages. The error is an [ErrInvalid].
func (j *Journal) newSearch(q Query, maxLimit int) (*search, error) {
	tenants, err := j.tenantsOf(&q)
	if err != nil {
		return nil, err
	}
	if err := q.takeSettings(); err != nil {
		return nil, err
	}
	if err := q.checkSettings(maxLimit); err != nil {
		return nil, err
	}
	s := &search{
		journal: j, tenants: tenants, limit: q.Limit, skip: q.Offset, wantTotal: q.Total,
		budget: q.Budget, binding: j.bind(&q, &tenants),
	}
	if s.budget == 0 {
		s.budget = DefaultBudget
	}
	if s.limit == 0 && maxLimit > 0 {
		s.limit = DefaultPage
	}
	if err := s.resume(q.Cursor); err != nil {
		return nil, err
	}
	return s, s.understand(&q)
}

// newWhole understands a query that asks for no page.
func (j *Journal) newWhole(q Query) (*search, error) {
	for _, name := range settings {
		if _, ok := q.Params[name]; ok && name != "tenant" {
			return nil, invalidParam(name, "is for pages, which are not asked for here")
		}
	}
	for name, set := range map[string]bool{
		"order": q.Order != "", "limit": q.Limit != 0, "offset": q.Offset != 0, "cursor": q.Cursor != "", "total": q.Total,
	} {
		if set {
			return nil, invalidParam(name, "is for pages, which are not asked for here")
		}
	}
	return j.newSearch(q, 0)
}

// tenantsOf returns whose entries a query is about.
func (j *Journal) tenantsOf(q *Query) (tenantSet, error) {
	granted := q.Tenants
	asked, given := q.Params["tenant"]
	if len(granted) == 0 && !given {
		granted = []string{j.opts.Tenant}
	}
	if len(granted) == 0 {
		return newTenantSet(asked)
	}
	s, err := newTenantSet(granted)
	if err != nil || !given {
		return s, err
	}
	t, err := newTenantSet(asked)
	return s.intersect(t), err
}

// takeSettings takes over what the parameters say about the answer.
func (q *Query) takeSettings() error {
	order, err := q.setting("order", q.Order != "")
	if err != nil {
		return err
	}
	if order != "" {
		q.Order = Order(order)
	}
	cursor, err := q.setting("cursor", q.Cursor != "")
	if err != nil {
		return err
	}
	if cursor != "" {
		q.Cursor = cursor
	}
	total, err := q.setting("total", q.Total)
	if err != nil {
		return err
	}
	if total != "" && total != "true" && total != "false" {
		return invalidParam("total", "is %q, want true or false", clipText(total))
	}
	q.Total = q.Total || total == "true"
	if err := q.takeNumber("limit", &q.Limit, 1, MaxPage); err != nil {
		return err
	}
	return q.takeNumber("offset", &q.Offset, 0, MaxOffset)
}

// takeNumber takes over a number.
func (q *Query) takeNumber(name string, n *int, least, most int) error {
	text, err := q.setting(name, *n != 0)
	if err != nil || text == "" {
		return err
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		return invalidParam(name, "is %q, want %d to %d", clipText(text), least, most)
	}
	*n = v
	return nil
}

// setting returns the value of a parameter that may be given once, and not if
// there is a value for it already.
func (q *Query) setting(name string, taken bool) (string, error) {
	values, ok := q.Params[name]
	switch {
	case !ok || len(values) == 0:
		return "", nil
	case len(values) > 1 || taken:
		return "", invalidParam(name, "given more than once")
	case values[0] == "":
		return "", invalidParam(name, "empty")
	}
	return values[0], nil
}

// checkSettings checks what a query says about the answer.
func (q *Query) checkSettings(maxLimit int) error {
	if maxLimit == 0 {
		maxLimit = math.MaxInt
	}
	switch {
	case q.Limit < 0 || q.Limit > maxLimit:
		return invalidParam("limit", "is %d, want 1 to %d", q.Limit, maxLimit)
	case q.Offset < 0 || q.Offset > MaxOffset:
		return invalidParam("offset", "is %d, want 0 to %d; a cursor goes further", q.Offset, MaxOffset)
	case q.Offset > 0 && q.Cursor != "":
		return invalidParam("offset", "does not go with a cursor")
	case q.Order != "" && q.Order != Ascending && q.Order != Descending:
		return invalidParam("order", "is %q, want %s or %s", clipText(string(q.Order)), Ascending, Descending)
	}
	return nil
}

// resume reads the cursor of an earlier page, if there is one.
func (s *search) resume(text string) error {
	j := s.journal
	if text == "" {
		s.start = cursor{end: j.Size(), now: j.opts.Now()}
		return nil
	}
	c, detail := parseCursor(text, j.engine.Secret("cursor"), s.binding.journal)
	if detail != "" {
		return invalidParam("cursor", "%s", detail)
	}
	s.start, s.resumed, s.skip, s.total = c, true, c.skip, c.total
	return nil
}

// understand reads the filter and makes the plan.
func (s *search) understand(q *Query) error {
	expr, err := q.expr(s)
	if err != nil {
		return &invalidQuery{err}
	}
	s.expr = expr
	switch q.Order {
	case "":
		s.desc = !asksCorrelation(expr)
	default:
		s.desc = q.Order == Descending
	}
	s.binding.desc = s.desc
	if s.resumed {
		if detail := s.start.check(s.binding, s.journal.opts.Now()); detail != "" {
			return invalidParam("cursor", "%s", detail)
		}
	}
	s.lookUp(query.NewPlan(expr))
	return nil
}

// lookUp makes a plan that of the search.
func (s *search) lookUp(plan *query.Plan) {
	s.plan, s.to = plan, s.start.end
	if plan.To != 0 {
		s.to = min(s.to, Position(plan.To))
	}
	s.from = min(s.to, Position(plan.From))
}

// expr returns what entries must satisfy.
func (q *Query) expr(s *search) (query.Expr, error) {
	text, err := query.Parse(q.Filter, s.start.now)
	if err != nil {
		return nil, err
	}
	params := maps.Clone(q.Params)
	maps.DeleteFunc(params, func(name string, _ []string) bool { return slices.Contains(settings, name) || name == "id" })
	filter, _, err := query.FromParams(params, s.start.now)
	if err != nil {
		return nil, err
	}
	ids, err := matchIDs(q.Params["id"])
	return query.AllOf(text, filter, ids), err
}

// matchIDs returns the expression of the parameter id, which is taken as it is.
func matchIDs(ids []string) (query.Expr, error) {
	if len(ids) > query.MaxTerms {
		return nil, &query.ParamError{Name: "id", Text: fmt.Sprintf("more than %d terms", query.MaxTerms)}
	}
	if len(ids) == 0 {
		return query.AllOf(), nil
	}
	some := make([]query.Expr, len(ids))
	for i, id := range ids {
		if id == "" {
			return nil, &query.ParamError{Name: "id", Text: "empty"}
		}
		some[i] = matchText("id", id)
	}
	return query.AnyOf(some...), nil
}

// matchText returns the expression for a field that is a text.
func matchText(field, text string) query.Expr {
	f, _, err := query.Lookup(field)
	if err != nil {
		panic("annals: internal error: " + err.Error())
	}
	return &query.Match{Field: f, Op: query.Equal, Value: query.Operand{Text: text}}
}

// asksCorrelation reports whether an expression asks, at its top level, for a
// correlation.
func asksCorrelation(e query.Expr) bool {
	switch e := e.(type) {
	case *query.Match:
		return e.Field.Name == "correlation_id"
	case query.And:
		return slices.ContainsFunc(e, asksCorrelation)
	case query.Or:
		return !slices.ContainsFunc(e, func(x query.Expr) bool { return !asksCorrelation(x) })
	}
	return false
}

// cursorText returns the cursor of the next page.
func (s *search) cursorText(next cursor) string {
	next.binding, next.end, next.now, next.issued = s.binding, s.start.end, s.start.now, s.journal.opts.Now()
	return next.text(s.journal.engine.Secret("cursor"))
}

// clipText shortens a text for an error.
func clipText(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

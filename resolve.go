package annals

import (
	"errors"
	"fmt"
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
	if err := q.takeSettings(maxLimit); err != nil {
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
		if q.given(name) && name != "tenant" {
			return nil, invalidParam(name, "is for pages, which are not asked for here")
		}
	}
	for i, set := range []bool{q.Order != "", q.Limit != 0, q.Offset != 0, q.Cursor != "", q.Total} {
		if set {
			return nil, invalidParam(settings[i], "is for pages, which are not asked for here")
		}
	}
	return j.newSearch(q, 0)
}

// takeSettings takes over what the parameters say about the answer.
func (q *Query) takeSettings(maxLimit int) error {
	if err := takeText(q, "order", &q.Order); err != nil {
		return err
	}
	if err := takeText(q, "cursor", &q.Cursor); err != nil {
		return err
	}
	total, err := q.setting("total", q.Total)
	if err != nil {
		return err
	}
	if total != "" && total != "true" && total != "false" {
		return invalidParam("total", "is %q, want true or false", clipText(total))
	}
	q.Total = q.Total || total == "true"
	if err := q.takeNumber("limit", &q.Limit, 1, maxLimit); err != nil {
		return err
	}
	return q.takeNumber("offset", &q.Offset, 0, MaxOffset)
}

// takeText takes over a text.
func takeText[T ~string](q *Query, name string, into *T) error {
	text, err := q.setting(name, *into != "")
	if text != "" {
		*into = T(text)
	}
	return err
}

// takeNumber takes over a number from least to most, where a most of zero is no
// bound.
func (q *Query) takeNumber(name string, n *int, least, most int) error {
	text, err := q.setting(name, *n != 0)
	if err != nil || text == "" {
		return err
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || most > 0 && v > most {
		return invalidParam(name, "is %q, want %s", clipText(text), bounds(least, most))
	}
	*n = v
	return nil
}

// bounds returns the text of what takeNumber takes.
func bounds(least, most int) string {
	if most == 0 {
		return fmt.Sprintf("a number from %d", least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// given reports whether there is a parameter. An empty cursor is none: it is what
// the last page has.
func (q *Query) given(name string) bool {
	values := q.Params[name]
	return len(values) > 1 || len(values) == 1 && (values[0] != "" || name != "cursor")
}

// setting returns the value of a parameter that may be given once, and not if
// there is a value for it already.
func (q *Query) setting(name string, taken bool) (string, error) {
	values := q.Params[name]
	switch {
	case !q.given(name):
		return "", nil
	case len(values) > 1:
		return "", invalidParam(name, "given more than once")
	case taken:
		return "", invalidParam(name, "is set by the caller already")
	case values[0] == "":
		return "", invalidParam(name, "empty")
	}
	return values[0], nil
}

// checkSettings checks what a query says about the answer.
func (q *Query) checkSettings(maxLimit int) error {
	switch {
	case q.Limit < 0 || maxLimit > 0 && q.Limit > maxLimit:
		return invalidParam("limit", "is %d, want %s", q.Limit, bounds(1, maxLimit))
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
	if c.end > j.Size() { // a restored backup, or a reader that lags
		return invalidParam("cursor", "is of entries that this journal does not have (yet)")
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
	s.expr, s.texts = expr, countTexts(expr)
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

// An invalidQuery says what is wrong with a query. It is an [ErrInvalid].
type invalidQuery struct{ err error }

func (e *invalidQuery) Error() string {
	text := "annals: invalid query: " + e.err.Error()
	if hint := queryHint(e.err); hint != "" {
		text += "; " + hint
	}
	return text
}

// Unwrap returns [ErrInvalid] and what is wrong.
func (e *invalidQuery) Unwrap() []error { return []error{ErrInvalid, e.err} }

// queryHint returns what a filter's error says to do about it.
func queryHint(err error) string {
	if e, ok := errors.AsType[*query.SyntaxError](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*query.ParamError](err); ok {
		return e.Hint
	}
	return ""
}

// invalidParam is the error for a setting of a query.
func invalidParam(name, format string, args ...any) error {
	return &invalidQuery{&query.ParamError{Name: name, Text: fmt.Sprintf(format, args...)}}
}

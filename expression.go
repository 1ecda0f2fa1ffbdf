package annals

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/annals-io/annals/internal/query"
)

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

// matchIDs returns the expression of the parameter id, whose values are whole ids,
// taken as they are.
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
		if strings.HasSuffix(id, "*") { // a prefix in every other parameter
			return nil, &query.ParamError{
				Name: "id", Text: fmt.Sprintf("is %q, want a whole id", clipText(id)),
				Hint: `q=id:x* asks for a prefix, q=id:"x*" for an id that ends in an asterisk`,
			}
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

// countTexts returns how many free texts an expression has.
func countTexts(e query.Expr) (n int) {
	switch e := e.(type) {
	case *query.Text:
		return 1
	case query.Not:
		return countTexts(e.X)
	case query.And:
		for _, x := range e {
			n += countTexts(x)
		}
	case query.Or:
		for _, x := range e {
			n += countTexts(x)
		}
	}
	return n
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

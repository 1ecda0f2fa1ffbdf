package query

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// passed are the parameters of a search that are no filter.
var passed = []string{"limit", "cursor", "order", "offset", "total", "tenant", "id"}

// FromParams returns the expression of a search's parameters, and those that are
// no filter: limit, cursor, order, offset, total, tenant and id, as they came.
// Parameters that belong to one route alone must be taken out before. All
// filters must hold:
//
//   - a field's name or alias, or a path such as data.region: exact, or a prefix
//     with a trailing *; * alone means any value; given several times it means
//     any of the values. Times, numbers and true or false take what filter text
//     takes after the colon; all else is literal but for the *. On a path, text in
//     quotes is a string even if it looks like a number.
//   - since and until: the time, included and excluded
//   - q: filter text
//
// The error is a *[ParamError], or the *[SyntaxError] of q.
func FromParams(params map[string][]string, now time.Time) (Expr, map[string][]string, error) {
	rest := make(map[string][]string)
	b := paramReader{now: now}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		values := params[name]
		switch {
		case slices.Contains(passed, name):
			rest[name] = values
		case name == "since" || name == "until":
			// Below.
		case name == "q":
			b.filter(values)
		default:
			b.field(name, values)
		}
		if b.err != nil {
			return nil, nil, b.err
		}
	}
	b.times(params["since"], params["until"])
	if b.err != nil {
		return nil, nil, b.err
	}
	e := AllOf(b.parts...)
	if what := excess(e); what != "" {
		return nil, nil, &ParamError{Text: what, Hint: hintSplit}
	}
	return e, rest, nil
}

// A paramReader collects the filters of parameters, up to the first error.
type paramReader struct {
	now   time.Time
	parts []Expr
	terms int
	bytes int // of all values
	err   error
}

// fail records what is wrong with a parameter.
func (b *paramReader) fail(name, hint, format string, args ...any) {
	b.err = &ParamError{Name: clip(name), Text: fmt.Sprintf(format, args...), Hint: hint}
}

// allow holds the limits of a filter for the values of one parameter.
func (b *paramReader) allow(name string, values []string) bool {
	b.terms += len(values)
	for _, v := range values {
		b.bytes += len(name) + len(v)
		if !utf8.ValidString(name) || !utf8.ValidString(v) {
			b.fail(name, "", "not valid UTF-8")
			return false
		}
	}
	switch {
	case b.terms > MaxTerms:
		b.fail(name, hintSplit, "more than %d terms", MaxTerms)
	case b.bytes > MaxTextBytes:
		b.fail(name, hintSplit, "more than %d bytes of parameters", MaxTextBytes)
	}
	return b.err == nil
}

// filter adds the filter text of q.
func (b *paramReader) filter(values []string) {
	text, ok := b.single("q", values)
	if !ok {
		return
	}
	p := &parser{text: text, now: b.now, terms: b.terms}
	e, err := p.filter()
	if err != nil {
		b.err = err
		return
	}
	b.terms = p.terms
	b.parts = append(b.parts, e)
}

// single returns the value of a parameter that may be given once.
func (b *paramReader) single(name string, values []string) (string, bool) {
	switch len(values) {
	case 0:
		return "", false
	case 1:
		return values[0], true
	}
	b.fail(name, "", "given %d times", len(values))
	return "", false
}

// field adds the filter of a field.
func (b *paramReader) field(name string, values []string) {
	if len(values) == 0 || !b.allow(name, values) {
		return
	}
	field, path, err := Lookup(name)
	if err != nil {
		b.err = unknownParam(name, err)
		return
	}
	some := make([]Expr, len(values))
	for i, v := range values {
		if some[i], err = matchParam(target{field, path}, v, b.now); err != nil {
			b.err = paramError(name, err)
			return
		}
	}
	b.parts = append(b.parts, AnyOf(some...))
}

// unknownParam is the error for a name that Lookup refused with err.
func unknownParam(name string, err error) error {
	root, _, _ := strings.Cut(name, ".")
	if fieldNames[root] != nil {
		return err
	}
	hint := suggest(name, append([]string{"since", "until", "q"}, passed...)...)
	return &ParamError{Name: clip(name), Text: "unknown parameter", Hint: hint}
}

// paramError makes an error of a parameter of one of its value.
func paramError(name string, err error) error {
	var bad *SyntaxError
	if !errors.As(err, &bad) {
		return err
	}
	return &ParamError{Name: clip(name), Text: bad.Text, Hint: bad.Hint}
}

// matchParam returns the match of one value. The error is a *SyntaxError.
func matchParam(in target, text string, now time.Time) (Expr, error) {
	p := &parser{text: text, now: now}
	switch in.field.Kind {
	case Time, Number, Bool:
		e, err := p.value(in)
		if err == nil && p.pos < len(text) {
			err = p.fail(p.pos, "", "unexpected %q", clip(text[p.pos:]))
		}
		return e, err
	}
	v := value{op: Equal, low: token{text: text}}
	if in.field.Kind == Path && len(text) > 1 && text[0] == '"' {
		quoted, err := p.token()
		if err == nil && p.pos == len(text) {
			v.low = quoted
			return p.match(in, v)
		}
	}
	prefix, star := strings.CutSuffix(text, "*")
	switch {
	case text == "":
		return nil, p.fail(0, "leave the parameter out, or write * for any value", "empty")
	case star && prefix == "":
		v.op = Exists
	case star:
		v.op, v.low.text = Prefix, prefix
	}
	return p.match(in, v)
}

// times adds since and until.
func (b *paramReader) times(since, until []string) {
	for _, end := range []struct {
		name   string
		values []string
		op     Op
	}{{"since", since, GreaterOrEqual}, {"until", until, Less}} {
		text, ok := b.single(end.name, end.values)
		if !ok || !b.allow(end.name, end.values) {
			continue
		}
		at, what := parseMoment(text, b.now)
		if what != "" {
			b.fail(end.name, timeHint, "%s", what)
			return
		}
		// A date is the start of its day.
		b.parts = append(b.parts, &Match{Field: fieldNames["time"], Op: end.op, Value: canonicalTime(at.first)})
	}
}

package server

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parseQuery reads the query parameters. One that the route does not take is an error:
// a filter that is left out by mistake would answer with too much.
func (x *exchange) parseQuery() error {
	if x.r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return problemf(codeInvalid, "the query string is not valid: "+err.Error())
	}
	x.query = values
	if slices.Contains(x.route.params, "*") {
		return nil
	}
	for name, v := range values {
		if !slices.Contains(x.route.params, name) {
			return unknownParam(name, x.route.params)
		}
		if len(v) > 1 {
			return badParam(name, "is given more than once")
		}
	}
	return nil
}

// unknownParam is the error for a parameter that a route does not take.
func unknownParam(name string, known []string) error {
	detail := fmt.Sprintf("unknown parameter %q; ", clip(name, 60))
	if len(known) == 0 {
		return problemf(codeInvalid, detail+"the route takes none")
	}
	return problemf(codeInvalid, detail+"the route takes "+strings.Join(known, ", "))
}

// badParam is the error for the value of a parameter.
func badParam(name, what string) error {
	return problemf(codeInvalid, fmt.Sprintf("parameter %q %s", name, what))
}

// take returns the value of a parameter and removes it, for handlers that hand the
// rest on.
func (x *exchange) take(name string) (string, error) {
	values := x.query[name]
	delete(x.query, name)
	if len(values) > 1 {
		return "", badParam(name, "is given more than once")
	}
	if len(values) == 1 && values[0] == "" {
		return "", badParam(name, "is empty")
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// number returns the value of a parameter that is a number from least to most, or def
// without one.
func (x *exchange) number(name string, def, least, most uint64) (uint64, error) {
	text := x.query.Get(name)
	if !x.query.Has(name) {
		return def, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err == nil && n >= least && n <= most {
		return n, nil
	}
	want := fmt.Sprintf("%d to %d", least, most)
	if most == math.MaxUint64 {
		want = fmt.Sprintf("a number from %d", least)
	}
	return 0, badParam(name, fmt.Sprintf("is %q, want %s", clip(text, 60), want))
}

// choice returns the value of a parameter that is one of several, the first without
// one.
func (x *exchange) choice(name string, choices ...string) (string, error) {
	if !x.query.Has(name) {
		return choices[0], nil
	}
	if text := x.query.Get(name); slices.Contains(choices, text) {
		return text, nil
	}
	return "", badParam(name, fmt.Sprintf("is %q, want %s", clip(x.query.Get(name), 60), strings.Join(choices, " or ")))
}

package main

import (
	"context"
	"net/url"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/spf13/cobra"
)

const filterHelp = `Filter text: field:value, values with a trailing * for a prefix, field:>=value
and a..b for ranges, words and "quoted text" for a search in all strings. A space
or AND is "and", OR is "or", a leading - or NOT is "not", and parentheses group. Several
arguments are joined by spaces. Text that begins with - follows --.`

// A search is what flags and filter text ask for.
type search struct {
	since, until string
	params       []string // NAME=VALUE
	order        string   // or "" for that of the query
}

// searchFlags adds the flags that choose entries.
func (e *env) searchFlags(c *cobra.Command, tenants string) *search {
	s := new(search)
	c.Flags().StringVar(&s.since, "since", "", "earliest time, as 2026-01-31, 2026-01-31T08:00:00Z or 24h for a day ago")
	c.Flags().StringVar(&s.until, "until", "", "time to stop before")
	c.Flags().StringArrayVar(&s.params, "param", nil, "NAME=VALUE, a field that must have the value; a repeated NAME means any of them")
	e.tenantFlag(c, tenants)
	_ = c.RegisterFlagCompletionFunc("param", completeParam)
	return s
}

// orderFlag adds the flag --order.
func orderFlag(c *cobra.Command, order *string, usage string) {
	c.Flags().StringVar(order, "order", "", "by position: asc is oldest first, desc newest first; default "+usage)
	_ = c.RegisterFlagCompletionFunc("order", cobra.FixedCompletions([]string{"asc", "desc"}, cobra.ShellCompDirectiveNoFileComp))
}

// checkOrder refuses what is no order.
func checkOrder(order string) error {
	switch annals.Order(order) {
	case "", annals.Ascending, annals.Descending:
		return nil
	}
	return usagef("order %q is unknown, want asc or desc", order)
}

// settingFlags are the parameters of a search that are flags here.
var settingFlags = map[string]bool{"order": true, "limit": true, "offset": true, "cursor": true, "total": true, "tenant": true}

// query returns the query of a search. Its filter is among the parameters, so
// that commands have [annals.Query.Filter] for a condition of their own.
func (s *search) query(e *env, args []string) (annals.Query, error) {
	q := annals.Query{Params: make(url.Values), Tenants: []string{"*"}, Order: annals.Order(s.order)}
	if err := checkOrder(s.order); err != nil {
		return q, err
	}
	if e.tenant != "" {
		q.Tenants = []string{e.tenant}
	}
	for _, p := range s.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return q, usagef("param %q is not NAME=VALUE", p)
		}
		if settingFlags[name] {
			return q, hinted(usagef("param %s is a flag of its own", name), "--%s", name)
		}
		q.Params.Add(name, value)
	}
	for name, value := range map[string]string{"q": strings.Join(args, " "), "since": s.since, "until": s.until} {
		if value != "" {
			q.Params.Add(name, value)
		}
	}
	_, _, err := query.FromParams(q.Params, e.now()) // before a journal is opened
	if word := lowerOperator(q.Params.Get("q")); word != "" && err == nil {
		e.note("%q is searched for as a word; the operator is %s", word, strings.ToUpper(word))
	}
	return q, err
}

// completeFilter completes the name of a field at the end of a filter text.
func completeFilter(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	start := strings.LastIndexAny(word, " (") + 1
	if strings.HasPrefix(word[start:], "-") {
		start++
	}
	return completeField(word, start, ":")
}

// completeParam completes the name of a field in a parameter.
func completeParam(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return completeField(word, 0, "=")
}

// completeField completes the name of a field that begins at start.
func completeField(word string, start int, end string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, f := range query.Fields() {
		after := end
		if f.Kind == query.Path {
			after = "."
		}
		if strings.HasPrefix(f.Name, word[start:]) {
			out = append(out, word[:start]+f.Name+after)
		}
	}
	return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// all writes every entry of a query, and passes damage. each sees the entries, too.
func (e *env) all(ctx context.Context, j source, q annals.Query, out entryWriter, each func(*annals.Entry)) error {
	for x, err := range j.SearchAll(ctx, q) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return err
			}
			continue
		}
		if each != nil {
			each(&x)
		}
		if err := out.write(&x); err != nil {
			return err
		}
	}
	return nil
}

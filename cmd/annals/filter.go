package main

import (
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/spf13/cobra"
)

const filterHelp = `Filter text: field:value, values with a trailing * for a prefix, field:>=value
and a..b for ranges, words and "quoted text" for a search in all strings. A space
is "and", OR is "or", a leading - is "not", and parentheses group. Several arguments
are joined by spaces. Text that begins with - follows --.`

// A filter says which entries a search is about.
type filter struct {
	expr   query.Expr
	doc    query.JSONDocument
	tenant string // the only one, or "" for all but the journal's own
	any    bool   // the text matches everything
}

// newFilter returns the filter of a search.
func (e *env) newFilter(args []string) (*filter, error) {
	expr, err := query.Parse(strings.Join(args, " "), e.now())
	if err != nil {
		return nil, err
	}
	all, ok := expr.(query.And)
	return &filter{expr: expr, tenant: e.tenant, any: ok && len(all) == 0}, nil
}

// match reports whether an entry is among those searched for.
func (f *filter) match(e *annals.Entry) bool {
	switch tenant := e.Tenant(); {
	case f.tenant != "" && tenant != f.tenant:
		return false
	case f.tenant == "" && tenant == annals.SystemTenant:
		return false
	case f.any:
		return true
	}
	f.doc.Reset(e.JSON)
	return query.Eval(f.expr, &f.doc)
}

// completeFilter completes the name of a field at the end of a filter text.
func completeFilter(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	start := strings.LastIndexAny(word, " (") + 1
	minus := strings.HasPrefix(word[start:], "-")
	if minus {
		start++
	}
	var out []string
	for _, f := range query.Fields() {
		after := ":"
		if f.Kind == query.Path {
			after = "."
		}
		if strings.HasPrefix(f.Name, word[start:]) {
			out = append(out, word[:start]+f.Name+after)
		}
	}
	return out, directive
}

package main

import (
	"context"
	"errors"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

// A search is what a query asks for.
type search struct {
	filter *filter
	limit  int
	asc    bool
}

func newQuery(e *env) *cobra.Command {
	var order string
	s := search{}
	c := &cobra.Command{
		Use:   "query [TEXT]",
		Short: "Search the journal, newest first",
		Long: "Search the journal. Without TEXT every event matches. The journal's own events are\n" +
			"found with --tenant " + annals.SystemTenant + " alone.\n\n" + filterHelp,
		Example: "  annals query --data ./journal 'type:order.* outcome:failure'\n" +
			"  annals query --data ./journal --limit 5 'actor_id:u-17 time:24h'\n" +
			"  annals query --data ./journal -- '-outcome:success'",
		ValidArgsFunction: completeFilter,
		RunE: e.action(func(ctx context.Context, args []string) error {
			if s.limit < 1 {
				return usagef("limit is %d, want 1 or more", s.limit)
			}
			if order != "asc" && order != "desc" {
				return usagef("order %q is unknown, want asc or desc", order)
			}
			s.asc = order == "asc"
			return e.query(ctx, s, args)
		}),
	}
	c.Flags().IntVar(&s.limit, "limit", 50, "most events to print")
	c.Flags().StringVar(&order, "order", "desc", "by position: desc is newest first, asc oldest first")
	e.tenantFlag(c, "search this tenant alone; default all tenants of producers")
	_ = c.RegisterFlagCompletionFunc("order", cobra.FixedCompletions([]string{"asc", "desc"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// query prints the answer of a search.
func (e *env) query(ctx context.Context, s search, args []string) error {
	form, err := e.form(formTable, formNDJSON, formJSON, formCSV)
	if err != nil {
		return err
	}
	if s.filter, err = e.newFilter(args); err != nil {
		return err
	}
	return e.read(func(j *annals.Journal) error {
		out := e.entryWriter(form)
		scan := e.newest
		if s.asc {
			scan = e.oldest
		}
		more, err := scan(ctx, j, s, out)
		if err != nil {
			return err
		}
		if err := out.end(more, !e.damaged); err != nil {
			return err
		}
		if more && form != formJSON { // which says so itself
			e.note("%d shown, there are more; --limit N shows more", s.limit)
		}
		return nil
	})
}

// oldest writes the first entries that match, and reports whether there are more.
func (e *env) oldest(ctx context.Context, j *annals.Journal, s search, out entryWriter) (more bool, err error) {
	left := s.limit
	for x, err := range j.Scan(ctx, 0, j.Size()) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return false, err
			}
			continue
		}
		if !s.filter.match(&x) {
			continue
		}
		if left == 0 {
			return true, nil
		}
		if err := out.write(&x); err != nil {
			return false, err
		}
		left--
	}
	return false, nil
}

// passDamage notes damage and passes other errors on.
func (e *env) passDamage(err error) error {
	c, ok := errors.AsType[*annals.CorruptError](err)
	if !ok {
		return err
	}
	e.noteDamage(c)
	return nil
}

// Blocks of a scan from the end: the first is small, since the newest entries are
// wanted most often.
const (
	firstBlock = 256
	maxBlock   = 16384
)

// newest writes the last entries that match, the last one first, and reports
// whether there are more. It reads blocks of positions from the end, remembers
// where matches are, and reads those again, so that memory does not grow with
// the size of entries.
func (e *env) newest(ctx context.Context, j *annals.Journal, s search, out entryWriter) (more bool, err error) {
	left, block := s.limit, annals.Position(firstBlock)
	var found []annals.Position
	for to := j.Size(); to > 0; block = min(2*block, maxBlock) {
		from := to - min(to, block)
		if found, err = e.matches(ctx, j, s.filter, from, to, found[:0]); err != nil {
			return false, err
		}
		for i := len(found) - 1; i >= 0; i-- {
			if left == 0 {
				return true, nil
			}
			x, err := j.At(ctx, found[i])
			if err != nil {
				return false, err
			}
			if err := out.write(&x); err != nil {
				return false, err
			}
			left--
		}
		to = from
	}
	return false, nil
}

// matches appends the positions from from to to whose entries match.
func (e *env) matches(ctx context.Context, j *annals.Journal, f *filter, from, to annals.Position, found []annals.Position) ([]annals.Position, error) {
	for x, err := range j.Scan(ctx, from, to) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return nil, err
			}
			continue
		}
		if f.match(&x) {
			found = append(found, x.Position)
		}
	}
	return found, nil
}

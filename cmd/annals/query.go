package main

import (
	"context"
	"errors"
	"io"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

// A paging says which part of an answer is wanted.
type paging struct {
	limit, offset, budget int
	cursor                string
	total, explain        bool
}

func newQuery(e *env) *cobra.Command {
	var p paging
	c := &cobra.Command{
		Use:   "query [TEXT]",
		Short: "Search the journal, newest first",
		Long: "Search the journal. Without TEXT every event matches. The journal's own events are\n" +
			"found with --tenant " + annals.SystemTenant + " alone. An answer that was cut says so and gives a cursor to\n" +
			"go on with: repeat the command with it. A cursor keeps to what there was at first.\n\n" + filterHelp + "\n\n" +
			"--output json is {events, next_cursor, has_more, complete, total}; complete is false\n" +
			"where damage or the budget may have hidden something.",
		Example: "  annals query --data ./journal 'type:order.* outcome:failure'\n" +
			"  annals query --data ./journal --limit 5 --since 24h actor_id:u-17\n" +
			"  annals query --data ./journal --param type=order.paid --param type=order.sent --total\n" +
			"  annals query --data ./journal --explain 'data.region:eu -outcome:success'\n" +
			"  annals query --data ./journal -- '-outcome:success'",
		ValidArgsFunction: completeFilter,
	}
	s := e.searchFlags(c, "search this tenant alone; default all tenants of producers")
	c.RunE = e.action(func(ctx context.Context, args []string) error {
		if err := p.check(); err != nil {
			return err
		}
		q, err := s.query(e, args)
		if err != nil {
			return err
		}
		if p.budget > 0 {
			if err := e.localOnly("budget"); err != nil {
				return err
			}
		}
		if p.explain {
			return e.explain(ctx, q)
		}
		return e.query(ctx, q, p)
	})
	f := c.Flags()
	f.IntVar(&p.limit, "limit", annals.DefaultPage, "most events to print")
	f.IntVar(&p.offset, "offset", 0, "events to leave out first")
	f.StringVar(&p.cursor, "cursor", "", "go on behind an answer that gave this cursor")
	f.BoolVar(&p.total, "total", false, "count all matches, too")
	f.IntVar(&p.budget, "budget", 0, "most entries to examine; default no limit")
	f.BoolVar(&p.explain, "explain", false, "say how the search is made, and do not make it")
	orderFlag(c, &s.order, "desc, but asc for a correlation_id")
	return e.serverFlags(c)
}

// check refuses numbers that mean nothing.
func (p *paging) check() error {
	switch {
	case p.limit < 1:
		return usagef("limit is %d, want 1 or more", p.limit)
	case p.offset < 0 || p.offset > annals.MaxOffset:
		return hinted(usagef("offset is %d, want 0 to %d", p.offset, annals.MaxOffset), "a cursor goes further")
	case p.offset > 0 && p.cursor != "":
		return usagef("offset does not go with a cursor")
	case p.budget < 0:
		return usagef("budget is %d, want 1 or more, or 0 for no limit", p.budget)
	}
	return nil
}

// explain prints how a search is made.
func (e *env) explain(ctx context.Context, q annals.Query) error {
	if _, err := e.form(formTable); err != nil {
		return err
	}
	if err := e.localOnly("explain"); err != nil {
		return err
	}
	return e.read(func(from source) error {
		j := from.(*annals.Journal) // no server
		text, err := j.Explain(ctx, q)
		if err == nil {
			_, err = io.WriteString(e.stdout, printableLines(text))
		}
		return err
	})
}

// query prints the answer of a search.
func (e *env) query(ctx context.Context, q annals.Query, p paging) error {
	form, err := e.form(formTable, formNDJSON, formJSON, formCSV)
	if err != nil {
		return err
	}
	return e.readBeside(func(j source) error {
		a := answer{out: e.entryWriter(form)}
		if err := a.pages(ctx, e, j, q, p); err != nil {
			return err
		}
		if err := a.out.end(&a.end); err != nil {
			return err
		}
		if form != formJSON { // which says so itself
			e.noteEnd(&a, &p)
		}
		if a.shown == 0 && !a.end.more {
			e.noteEmpty(form)
		}
		return nil
	})
}

// An answer is what the pages of a search come to.
type answer struct {
	out             entryWriter
	shown, examined uint64
	damage          bool
	end             ending
}

// pages writes as many pages of a search as it takes.
func (a *answer) pages(ctx context.Context, e *env, j source, q annals.Query, p paging) error {
	q.Cursor, q.Offset, q.Total = p.cursor, p.offset, p.total
	for left := p.limit; ; q.Offset = 0 {
		q.Limit, q.Budget = min(left, annals.MaxPage), -1
		if p.budget > 0 {
			q.Budget = p.budget - int(a.examined)
		}
		page, err := j.Search(ctx, q)
		if err != nil {
			return err
		}
		if err := a.take(e, page); err != nil {
			return err
		}
		left -= len(page.Entries)
		if left == 0 || !page.HasMore || p.budget > 0 && a.examined >= uint64(p.budget) {
			return nil
		}
		q.Cursor = page.NextCursor
	}
}

// take writes one page.
func (a *answer) take(e *env, page *annals.Page) error {
	for i := range page.Entries {
		if err := a.out.write(&page.Entries[i]); err != nil {
			return err
		}
	}
	for _, c := range page.Damage {
		e.noteDamage(c)
	}
	a.shown += uint64(len(page.Entries))
	a.examined += page.Examined
	a.damage = a.damage || len(page.Damage) > 0
	a.end = ending{cursor: page.NextCursor, more: page.HasMore, complete: page.Complete && !a.damage, total: page.Total}
	return nil
}

// noteEnd says what an answer leaves out, and its total.
func (e *env) noteEnd(a *answer, p *paging) {
	switch {
	case a.end.total != nil:
		e.note("%s in all", plural(*a.end.total, "event"))
	case p.total:
		e.note("the number of all matches is not known")
	}
	switch budgeted := p.budget > 0 && a.examined >= uint64(p.budget); {
	case a.end.more && budgeted && !a.end.complete:
		e.note("incomplete: %d shown, there may be more: the budget ended after %s; --cursor %s goes on",
			a.shown, plural(a.examined, "entry"), a.end.cursor)
	case a.end.more:
		e.note("%d shown, there are more; --limit N shows more, --cursor %s goes on", a.shown, a.end.cursor)
	}
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

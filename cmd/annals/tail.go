package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
	"github.com/spf13/cobra"
)

// A tailing says what of a journal's end is shown.
type tailing struct {
	lines  int
	from   string // start, now, a position, or "" for the last lines
	follow bool
}

func newTail(e *env) *cobra.Command {
	var t tailing
	c := &cobra.Command{
		Use:   "tail [TEXT]",
		Short: "Show the newest entries, and follow the journal",
		Long: "Print the last entries that match, oldest first, and with --follow those that come\n" +
			"after them until an interrupt ends it. It works beside the process that writes.\n" +
			"On a terminal it shows a line an event, in colour unless NO_COLOR is set.\n\n" + filterHelp,
		Example: "  annals tail --data ./journal -f\n" +
			"  annals tail --data ./journal -n 100 'outcome:failure severity:>=warning'\n" +
			"  annals tail --data ./journal -f --from start type:order.* | jq .data",
		ValidArgsFunction: completeFilter,
	}
	s := e.searchFlags(c, "show this tenant alone; default all tenants of producers")
	c.RunE = e.action(func(ctx context.Context, args []string) error {
		if err := t.check(c.Flags().Changed("lines")); err != nil {
			return err
		}
		q, err := s.query(e, args)
		if err != nil {
			return err
		}
		return e.tail(ctx, q, t)
	})
	f := c.Flags()
	f.BoolVarP(&t.follow, "follow", "f", false, "go on with new entries as they come")
	f.IntVarP(&t.lines, "lines", "n", 10, "entries to begin with")
	f.StringVar(&t.from, "from", "", "begin at a position, at the start, or now: start, now or a number")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"start", "now"}, cobra.ShellCompDirectiveNoFileComp))
	return e.serverFlags(c)
}

// check refuses what does not go together.
func (t *tailing) check(lines bool) error {
	if t.lines < 0 {
		return usagef("lines is %d, want 0 or more", t.lines)
	}
	if t.from != "" && lines {
		return usagef("from does not go with lines, which count from the end")
	}
	_, err := t.position(0)
	return err
}

// position returns where to begin in a journal of a size, if from says it.
func (t *tailing) position(size annals.Position) (annals.Position, error) {
	switch t.from {
	case "", "start":
		return 0, nil
	case "now":
		return size, nil
	}
	n, err := strconv.ParseUint(t.from, 10, 63)
	if err != nil {
		return 0, usagef("from is %q, want start, now or a position", t.from)
	}
	return annals.Position(n), nil
}

// tail prints the end of the journal.
func (e *env) tail(ctx context.Context, q annals.Query, t tailing) error {
	form, err := e.form(formTable, formNDJSON, formJSON)
	if err != nil {
		return err
	}
	err = e.readBeside(func(j source) error {
		from, err := e.tailStart(ctx, j, q, t)
		if err != nil {
			return err
		}
		out := e.tailWriter(form)
		if t.follow {
			return errors.Join(e.follow(ctx, j, q, from, out), out.end(new(ending)))
		}
		q.Filter, q.Order = fmt.Sprintf("position:>=%d", from), annals.Ascending
		shown := 0
		err = errors.Join(e.all(ctx, j, q, out, func(*annals.Entry) { shown++ }), out.end(new(ending)))
		if err == nil && shown == 0 {
			e.noteEmpty(form)
		}
		return err
	})
	if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok && s.signal == syscall.SIGINT && t.follow && errors.Is(err, context.Canceled) {
		return nil // that is how it ends
	}
	return err
}

// tailStart returns the position of the first entry to show.
func (e *env) tailStart(ctx context.Context, j source, q annals.Query, t tailing) (annals.Position, error) {
	size, err := endOf(ctx, j, q)
	if err != nil {
		return 0, err
	}
	if t.from != "" {
		return t.position(size)
	}
	if t.lines == 0 {
		return size, nil
	}
	q.Order, q.Limit = annals.Descending, t.lines
	for x, err := range j.SearchAll(ctx, q) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return 0, err
			}
			continue
		}
		size = min(size, x.Position)
	}
	return size, nil
}

// follow writes entries as they come. Each is printed at once.
func (e *env) follow(ctx context.Context, j source, q annals.Query, from annals.Position, out entryWriter) error {
	ctx, stop := e.whileRead(ctx)
	defer stop()
	for x, err := range j.FollowMatching(ctx, from, q) {
		if err != nil {
			if isBrokenPipe(context.Cause(ctx)) {
				return context.Cause(ctx)
			}
			if err = e.passDamage(err); err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(out.write(&x), out.end(new(ending))); err != nil {
			return err
		}
	}
	return nil
}

// unreadPeriod is how often a command that waits looks for the reader of its output.
const unreadPeriod = time.Second

// whileRead returns a context that ends with a broken pipe when nobody reads
// standard output any more: a command that has nothing to write would not notice.
// stop ends it, and waits for that.
func (e *env) whileRead(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	if e.unread == nil {
		return ctx, func() { cancel(nil) }
	}
	var watch sync.WaitGroup
	watch.Go(func() { e.unreadLoop(ctx, cancel) })
	return ctx, func() {
		cancel(nil)
		watch.Wait()
	}
}

// unreadLoop cancels ctx when nobody reads standard output any more, and ends with
// it.
func (e *env) unreadLoop(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(unreadPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if e.unread() {
				cancel(&outputError{syscall.EPIPE})
			}
		}
	}
}

// tailWriter returns the writer of a form: tables have a line an entry, without a
// header.
func (e *env) tailWriter(form string) entryWriter {
	out := bufio.NewWriterSize(e.stdout, 64<<10)
	if form == formTable {
		plain := e.width == 0 || e.getenv("NO_COLOR") != "" || e.getenv("TERM") == "dumb"
		return newStreamWriter(out, e.tableWidth(), !plain)
	}
	return e.formatWriter(out, export.Options{Format: export.NDJSON})
}

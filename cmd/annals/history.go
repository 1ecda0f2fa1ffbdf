package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
	"github.com/spf13/cobra"
)

func newHistory(e *env) *cobra.Command {
	var h annals.HistoryOptions
	var from, to uint64
	var order string
	var limit int
	c := &cobra.Command{
		Use:   "history TYPE ID",
		Short: "Show what happened to one entity",
		Long: "Print the entries of an entity in the order of its sequences, oldest first. On a\n" +
			"terminal the table shows each changed field with its old and its new value.\n\n" +
			"--output json is {events, next_cursor, has_more, complete}; there is no cursor:\n" +
			"--from goes on. IDs that begin with - follow --.",
		Example: "  annals history --data ./journal order 1001\n" +
			"  annals history --data ./journal --field status --order desc order 1001\n" +
			"  annals history --data ./journal --from 10 --to 20 --output csv order 1001",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "" || args[1] == "" {
				return errors.New("history takes the type and the id of an entity")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.RunE = e.action(func(ctx context.Context, args []string) error {
		h.From, h.To = annals.Sequence(from), annals.Sequence(to)
		h.Descending = annals.Order(order) == annals.Descending
		if err := checkHistory(c, h, order, limit); err != nil {
			return err
		}
		return e.history(ctx, annals.Entity{Type: args[0], ID: args[1]}, h, limit)
	})
	f := c.Flags()
	f.Uint64Var(&from, "from", 0, "first sequence")
	f.Uint64Var(&to, "to", 0, "last sequence")
	f.StringVar(&h.Field, "field", "", "only entries that changed this field")
	f.IntVar(&limit, "limit", 0, "most entries to print; default all")
	c.Flag("from").DefValue, c.Flag("to").DefValue = "the first", "the last"
	orderFlag(c, &order, "asc")
	e.tenantFlag(c, "owner of the entity; default "+annals.DefaultTenant)
	_ = c.RegisterFlagCompletionFunc("field", cobra.NoFileCompletions)
	return e.serverFlags(c)
}

// checkHistory refuses what no history has. Sequences begin with 1.
func checkHistory(c *cobra.Command, h annals.HistoryOptions, order string, limit int) error {
	switch f := c.Flags(); {
	case f.Changed("limit") && limit < 1:
		return usagef("limit is %d, want 1 or more", limit)
	case f.Changed("to") && h.To < max(1, h.From):
		return usagef("to is %d, want %d or more", h.To, max(1, h.From))
	case f.Changed("field") && h.Field == "":
		return usagef("field is empty")
	}
	return checkOrder(order)
}

// history prints the history of an entity.
func (e *env) history(ctx context.Context, entity annals.Entity, h annals.HistoryOptions, limit int) error {
	form, err := e.form(formTable, formNDJSON, formJSON, formCSV)
	if err != nil {
		return err
	}
	if h.Tenant = e.ownTenant(); h.Tenant == "*" {
		return hinted(usagef("a history is of one tenant, not of all"), "annals query 'entity_id:%s' looks in all tenants", quoteID(entity.ID))
	}
	return e.readBeside(func(j source) error {
		out := e.entryWriter(form)
		if form == formTable {
			t := out.(*tableWriter)
			t.columns, t.rows = historyColumns, historyRows
		}
		shown, last, more, err := e.copyHistory(ctx, j.History(ctx, entity, h), out, limit)
		if err != nil {
			return err
		}
		if shown == 0 {
			if err := e.checkEntity(ctx, j, entity, h.Tenant); err != nil {
				return err
			}
		}
		if err := out.end(&ending{more: more, complete: !e.damaged}); err != nil {
			return err
		}
		if more && form != formJSON { // which says so itself
			flag, next := "from", last+1
			if h.Descending {
				flag, next = "to", last-1
			}
			e.note("%d shown, there are more; --limit N shows more, --%s %d goes on", shown, flag, next)
		}
		return nil
	})
}

// copyHistory writes up to limit entries, or all if that is 0. last is the sequence
// of the last one.
func (e *env) copyHistory(ctx context.Context, entries iter.Seq2[annals.Entry, error], out entryWriter, limit int) (shown int, last annals.Sequence, more bool, err error) {
	for x, err := range entries {
		switch {
		case err != nil:
			if err = e.passDamage(err); err != nil {
				return shown, last, false, err
			}
			continue
		case limit > 0 && shown == limit:
			return shown, last, true, nil
		}
		if err := out.write(&x); err != nil {
			return shown, last, false, err
		}
		shown++
		last = x.Sequence
	}
	return shown, last, false, stopped(ctx)
}

// checkEntity returns an error if a tenant has no such entity, and otherwise notes
// that nothing of its history was asked for.
func (e *env) checkEntity(ctx context.Context, j source, entity annals.Entity, tenant string) error {
	for x, err := range j.History(ctx, entity, annals.HistoryOptions{Tenant: tenant, Descending: true}) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return err
			}
			continue
		}
		e.note("nothing of %s was asked for; its last sequence is %d", entityText(entity), x.Sequence)
		return nil
	}
	err := fmt.Errorf("%s has no entity of type %q with id %q: %w", tenantText(tenant), entity.Type, entity.ID, annals.ErrNotFound)
	return hinted(err, "annals query 'entity_id:%s' looks for the id in all types and tenants; --tenant names another", quoteID(entity.ID))
}

// quoteID returns an id as filter text has it.
func quoteID(id string) string {
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return id
	}
	return strconv.Quote(id)
}

// historyColumns are those of a table of one entity's entries.
var historyColumns = []column{
	{name: "SEQUENCE", max: 20, right: true, fixed: true}, {name: "TIME", max: 20, fixed: true}, {name: "TYPE", max: 36},
	{name: "ACTOR", max: 36}, {name: "OUTCOME", max: 7, fixed: true}, {name: "CHANGES"},
}

// maxChangeRows bounds the rows of one entry.
const maxChangeRows = 50

// historyRows returns an entry's rows: the first change beside the entry, each other one
// below it. Without changes the entry's message takes their place.
func historyRows(e *annals.Entry) ([][]string, error) {
	v, err := e.Event()
	if err != nil {
		return nil, err
	}
	member, _ := e.Member("changes")
	changes := export.Changes(member, math.MaxInt)
	if n := len(changes); n > maxChangeRows {
		changes = append(changes[:maxChangeRows-1], fmt.Sprintf("… and %d more fields", n-maxChangeRows+1))
	}
	if len(changes) == 0 {
		changes = []string{messageText(&v)}
	}
	rows := make([][]string, len(changes))
	for i, text := range changes {
		rows[i] = []string{"", "", "", "", "", text}
	}
	copy(rows[0], []string{
		strconv.FormatUint(uint64(e.Sequence), 10), v.Time.UTC().Format(time.RFC3339), v.Type, actorText(v.Actor), string(v.Outcome),
	})
	return rows, nil
}

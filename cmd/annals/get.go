package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

func newGet(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:     "get ID",
		Short:   "Print one entry by its id",
		Long:    "Print the entry with an id, in canonical form: the bytes that are hashed and proven.\nOn a terminal its members are listed.",
		Example: "  annals get --data ./journal 0198c0de-7a11-7000-8000-000000000001\n  annals get --data ./journal ID | jq .data",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("get takes one id")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, args []string) error {
			return e.get(ctx, args[0])
		}),
	}
	e.tenantFlag(c, "owner of the event; default "+annals.DefaultTenant)
	return e.serverFlags(c)
}

// get prints the entry with an id.
func (e *env) get(ctx context.Context, id string) error {
	form, err := e.form(formTable, formNDJSON, formJSON)
	if err != nil {
		return err
	}
	tenant := e.ownTenant()
	return e.readBeside(func(j source) error {
		x, err := j.GetTenant(ctx, tenant, id)
		if errors.Is(err, annals.ErrNotFound) {
			return hinted(fmt.Errorf("%s has no event with id %q: %w", tenantText(tenant), id, err), "ids belong to a tenant; --tenant names another")
		}
		if err != nil {
			return err
		}
		if form == formTable {
			return e.printMembers(&x)
		}
		out := e.entryWriter(formNDJSON)
		return errors.Join(out.write(&x), out.end(new(ending)))
	})
}

// memberNames are the members of an entry in their order.
var memberNames = strings.Fields(`position sequence recorded_at id time type version tenant source category action outcome severity
	reason message actor entity related correlation_id parent_id trace_id span_id session_id workspace_id namespace cluster producer
	subjects tags changes snapshot data metadata duration_ms error retention_days sensitive recorded_by redacted`)

// printMembers lists an entry's members, one a line, and its hash.
func (e *env) printMembers(x *annals.Entry) error {
	out := bufio.NewWriter(e.stdout)
	for _, name := range memberNames {
		raw, ok := x.Member(name)
		if !ok {
			continue
		}
		value := string(raw)
		if s, ok := strings.CutPrefix(value, `"`); ok && !strings.Contains(s, `\`) {
			value = strings.TrimSuffix(s, `"`)
		}
		fmt.Fprintf(out, "%-15s %s\n", name, printable(value))
	}
	fmt.Fprintf(out, "%-15s %s\n", "hash", x.Hash())
	return out.Flush()
}

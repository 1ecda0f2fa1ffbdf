package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

// A span is what an export is about.
type span struct {
	from, to uint64 // positions; to is exclusive
	format   string
}

func newExport(e *env) *cobra.Command {
	s := span{}
	c := &cobra.Command{
		Use:   "export [TEXT]",
		Short: "Print all entries, oldest first",
		Long: "Print entries in canonical form, one a line, ascending by position. Without TEXT and\n" +
			"--tenant that is every entry of every tenant, the journal's own included, and the\n" +
			"SHA-256 of each line is the entry's hash. With TEXT it is every entry that a query finds.\n\n" + filterHelp,
		Example: "  annals export --data ./journal > journal.ndjson\n" +
			"  annals export --data ./journal --from 1000 'type:order.*'\n" +
			"  annals export --data ./journal | annals import --data ./copy --format jsonl",
		ValidArgsFunction: completeFilter,
		RunE: e.action(func(ctx context.Context, args []string) error {
			switch {
			case s.format != formNDJSON:
				return usagef("format %q is unknown, want %s", s.format, formNDJSON)
			case s.from > s.to:
				return usagef("from is %d, behind to, which is %d", s.from, s.to)
			}
			return e.export(ctx, s, args)
		}),
	}
	c.Flags().Uint64Var(&s.from, "from", 0, "first position")
	c.Flags().Uint64Var(&s.to, "to", 1<<63, "position to stop before")
	c.Flag("to").DefValue = "the end"
	c.Flags().StringVar(&s.format, "format", formNDJSON, "format of the export: ndjson")
	e.tenantFlag(c, "export this tenant alone")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formNDJSON}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// exportBuffer is how much is written at once.
const exportBuffer = 1 << 20

// export prints entries in order.
func (e *env) export(ctx context.Context, s span, args []string) error {
	if _, err := e.form(formNDJSON); err != nil {
		return err
	}
	f, err := e.newFilter(args)
	if err != nil {
		return err
	}
	if f.any && f.tenant == "" {
		f = nil
	}
	return e.readBeside(func(j *annals.Journal) error {
		lines := &lineWriter{out: bufio.NewWriterSize(e.stdout, exportBuffer), terminal: e.width > 0}
		err := e.copyEntries(ctx, j, s, f, lines)
		return errors.Join(err, lines.end(false, true))
	})
}

// progressStep is how many entries are read between two looks at the progress.
const progressStep = 4096

// copyEntries writes the entries of a span that match; f may be nil.
func (e *env) copyEntries(ctx context.Context, j *annals.Journal, s span, f *filter, out *lineWriter) error {
	to := min(j.Size(), annals.Position(s.to))
	from := min(to, annals.Position(s.from))
	var bar progress
	if e.writesFile {
		bar = e.progress("exporting", int64(to-from), false)
	}
	defer bar.end()
	for x, err := range j.Scan(ctx, from, to) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return err
			}
			continue
		}
		if x.Position%progressStep == 0 {
			bar.set(int64(x.Position - from))
		}
		if f != nil && !f.match(&x) {
			continue
		}
		if err := out.write(&x); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

func newRecover(e *env) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "recover --to NEWDIR",
		Short: "Save what is readable of a damaged journal",
		Long: "Write what is readable of a damaged journal to a new one. The damaged journal is\n" +
			"evidence and is not changed. Entries before the first gap keep their bytes, and so\n" +
			"their receipts and proofs; behind it positions close up. The last entry of the new\n" +
			"journal says what was lost. A journal that was merely not closed needs no recover:\n" +
			"opening it is enough.\n\n" +
			"The exit status is 3 if anything was lost or damaged; the report is printed all the\n" +
			"same. A recover that did not get that far leaves an incomplete NEWDIR: delete it before\n" +
			"recover is repeated.",
		Example:           "  annals recover --data ./damaged --to ./saved",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.recoverTo(ctx, to)
		}),
	}
	c.Flags().StringVar(&to, "to", "", "directory of the new journal, which must not exist or be empty (required)")
	_ = c.MarkFlagRequired("to")
	return c
}

// recoverTo restores the journal to a new directory and prints the report.
func (e *env) recoverTo(ctx context.Context, to string) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	dir, err := e.dataDir()
	if err != nil {
		return err
	}
	var bar progress
	r, err := annals.Restore(ctx, dir, to, func(done, of uint64) {
		if bar == (progress{}) {
			bar = e.progress("recovering", int64(of), false)
		}
		bar.set(int64(done))
	})
	bar.end()
	if err != nil {
		if r != nil {
			e.note("%s is incomplete: delete it before recover is repeated", to)
		}
		return openError(dir, err)
	}
	if r.Gaps == nil {
		r.Gaps = []annals.Problem{}
	}
	for _, g := range r.Gaps {
		what := "lost"
		if g.Position == nil {
			what = "damage"
		}
		e.note("%s: %s", what, problemText(g))
	}
	if form == formTable {
		_, err = fmt.Fprintf(e.stdout, "%s restored to %s in %s, the first %s identical, %s lost\n",
			plural(r.Restored, "entry"), printable(to), seconds(r.Seconds), grouped(r.Identical), grouped(r.Lost))
	} else {
		err = e.printJSON(r)
	}
	if err == nil && len(r.Gaps) > 0 {
		err = errLost
	}
	return err
}

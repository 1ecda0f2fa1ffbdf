package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

func newVerify(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing is missing or altered",
		Long: "Check every byte of the log, the chain of its records, every entry, the hash tree and\n" +
			"the signed checkpoint. Nothing is changed, and a process may be writing meanwhile. The\n" +
			"exit status is 3 if anything is wrong. An unfinished last write, which no receipt was\n" +
			"given for, is reported and is not wrong.",
		Example:           "  annals verify --data ./journal\n  annals verify --data ./journal --output json | jq .problems",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.verify(ctx)
		}),
	}
}

// verify checks the journal and prints the report.
func (e *env) verify(ctx context.Context) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	dir, err := e.dataDir()
	if err != nil {
		return err
	}
	bar := e.progress("verifying", logBytes(dir), true)
	r, err := annals.Verify(ctx, dir, &annals.VerifyOptions{Progress: bar.set})
	bar.end()
	switch {
	case errors.Is(err, annals.ErrNewerFormat):
		return &codedError{err, statusCorrupt}
	case err != nil:
		return openError(dir, err)
	}
	if form == formTable {
		_, err = e.stdout.Write(verifyText(dir, r))
	} else {
		err = e.printJSON(r)
	}
	if err == nil && !r.OK {
		err = errFailed
	}
	return err
}

// logBytes returns about how much there is to verify, -1 if that is not known.
func logBytes(dir string) int64 {
	var total int64
	err := filepath.WalkDir(filepath.Join(dir, "log"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return -1
	}
	return total
}

// shownProblems is how many problems are printed for people.
const shownProblems = 20

// verifyText is a report for people.
func verifyText(dir string, r *annals.VerifyReport) []byte {
	var b bytes.Buffer
	result := "sound: all that its files vouch for is there, unaltered"
	if !r.OK {
		result = "NOT SOUND: " + plural(uint64(len(r.Problems)), "problem")
	}
	fmt.Fprintf(&b, "%s is %s\n", printable(dir), result)
	fmt.Fprintf(&b, "checked     %s in %s, in %s\n", plural(r.Events, "entry"), plural(uint64(r.Segments), "segment"), seconds(r.Seconds))
	fmt.Fprintf(&b, "            every byte of the log, chain, entries, ids, sequences, hash tree, checkpoint\n")
	if c := r.Checkpoint; c != nil {
		fmt.Fprintf(&b, "checkpoint  %s of %s, root %s\n", plural(c.Size, "entry"), printable(c.Origin), c.Root)
	} else {
		b.WriteString("checkpoint  none\n")
	}
	if r.TornTail > 0 {
		fmt.Fprintf(&b, "unfinished  the last %s are of a write that was not finished; opening sets them aside\n", plural(uint64(r.TornTail), "byte"))
	}
	if r.Unproven > 0 {
		fmt.Fprintf(&b, "unproven    %s of the last write; opening keeps what is whole\n", plural(r.Unproven, "entry"))
	}
	for i, p := range r.Problems {
		if i == shownProblems {
			fmt.Fprintf(&b, "problem     and %d more; --output json lists up to 1,000\n", len(r.Problems)-i)
			break
		}
		fmt.Fprintf(&b, "problem     %s\n", problemText(p))
	}
	return b.Bytes()
}

// problemText is a problem for people.
func problemText(p annals.Problem) string {
	text := p.File
	if p.Offset != nil {
		text += fmt.Sprintf(", byte %d", *p.Offset)
	}
	switch {
	case p.Position != nil && p.Next != nil && *p.Next > *p.Position+1:
		text += fmt.Sprintf(", positions %d to %d", *p.Position, *p.Next-1)
	case p.Position != nil:
		text += fmt.Sprintf(", position %d", *p.Position)
	}
	return printable(text + ": " + p.What)
}

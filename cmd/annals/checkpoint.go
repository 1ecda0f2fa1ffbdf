package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
	"github.com/spf13/cobra"
)

// A checkpointReport is the machine's form of a checkpoint. Its shape is a
// contract.
type checkpointReport struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64
	Note   string `json:"note"`
}

func newCheckpoint(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the signed root of the hash tree",
		Long: "Print a signed checkpoint of all entries, a C2SP note, making one if needed. Keep it\n" +
			"elsewhere: whoever has it can show later that the journal was not altered or cut.",
		Example:           "  annals checkpoint --data ./journal\n  annals checkpoint --data ./journal --output json | jq -r .root",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.checkpoint(ctx)
		}),
	}
	return e.serverFlags(c)
}

// checkpoint prints the newest checkpoint.
func (e *env) checkpoint(ctx context.Context) error {
	form, err := e.form(formTable, formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	return e.read(func(j source) error {
		note, err := j.Checkpoint(ctx)
		if errors.Is(err, annals.ErrNotFound) {
			return fmt.Errorf("no checkpoint has been made: %w", err)
		}
		if err != nil {
			return err
		}
		if form == formTable {
			_, err = e.stdout.Write(note)
			return err
		}
		r, err := checkpointOf(note)
		if err != nil {
			return err
		}
		return e.printJSON(r)
	})
}

// checkpointOf returns what a note says that the journal has checked.
func checkpointOf(note []byte) (*checkpointReport, error) {
	text, _, _ := strings.Cut(string(note), "\n\n")
	c, err := merkle.ParseCheckpoint([]byte(text + "\n"))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	return &checkpointReport{Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Note: string(note)}, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
	"github.com/spf13/cobra"
)

func newToken(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens of a server",
		Long: "Make, list and revoke API tokens: what callers of annals serve show to be let in. They\n" +
			"are files in the journal's directory, so a running server need not be asked; it heeds\n" +
			"a change within five seconds. The files hold no secret: a token's text is shown once.",
		Example: "  annals token create --data ./journal --permissions append,read --name shop\n" +
			"  annals token list --data ./journal\n  annals token revoke --data ./journal ID",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTokenCreate(e), newTokenList(e), newTokenRevoke(e))
	return c
}

// localUser is who runs this program.
func localUser() annals.Identity {
	return annals.Identity{Type: "local", ID: strconv.Itoa(os.Getuid())}
}

// A tokenDir is a journal's directory whose tokens are changed.
type tokenDir struct {
	*access.Store
	journal *annals.Journal // nil if another process holds it, which then journals
	root    *durable.OS
}

// openTokens opens the tokens for a change: with the journal if nobody holds it.
func (e *env) openTokens(create bool) (*tokenDir, error) {
	dir, err := e.dataDir()
	if err != nil {
		return nil, err
	}
	opts := annals.Options{MustExist: !create, ScrubInterval: -1, Logger: e.logger(slog.LevelWarn)}
	began := e.now()
	j, err := annals.Open(dir, &opts)
	if errors.Is(err, annals.ErrLocked) {
		j, err = nil, nil
	}
	if err != nil {
		return nil, openError(dir, err)
	}
	if j != nil {
		e.noteRecovery(j, began)
	}
	root, err := durable.OpenOS(dir)
	if err != nil {
		return nil, errors.Join(err, closeJournal(j))
	}
	return &tokenDir{access.NewStore(root), j, root}, nil
}

func closeJournal(j *annals.Journal) error {
	if j == nil {
		return nil
	}
	return j.Close()
}

func (d *tokenDir) close() error { return errors.Join(d.root.Close(), closeJournal(d.journal)) }

// audit journals what happened to a token, unless another process does.
func (d *tokenDir) audit(ctx context.Context, t *access.Token) error {
	if d.journal == nil {
		return nil
	}
	if err := t.Audit(context.WithoutCancel(ctx), d.journal); err != nil {
		return hinted(fmt.Errorf("the change is made but not journalled: %w", err), "annals serve journals it when it can")
	}
	return nil
}

// lockWait is how long a command waits for another one that changes tokens.
const lockWait = 5 * time.Second

// patiently repeats do while another process changes tokens.
func (e *env) patiently(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := do()
		if !errors.Is(err, durable.ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

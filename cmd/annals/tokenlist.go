package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
	"github.com/spf13/cobra"
)

// A tokenReport is the machine's form of a token. Its shape is a contract.
type tokenReport struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	State       string     `json:"state"` // active, expired or revoked
	Permissions []string   `json:"permissions"`
	Tenants     []string   `json:"tenants"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	LastUsedAt  *time.Time `json:"last_used_at"` // to the minute
	RevokedAt   *time.Time `json:"revoked_at"`
}

func newTokenList(e *env) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Short:             "List the tokens",
		Long:              "List the tokens, oldest first, with what they may do and when they were last used. A\nserver notes uses once a minute.",
		Example:           "  annals token list --data ./journal\n  annals token list --data ./journal --output ndjson | jq 'select(.state == \"active\")'",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(context.Context, []string) error {
			return e.tokenList()
		}),
	}
}

// tokenList prints the tokens. It needs no journal, only its directory.
func (e *env) tokenList() error {
	form, err := e.form(formTable, formNDJSON, formJSON)
	if err != nil {
		return err
	}
	tokens, used, err := e.readTokens()
	if err != nil {
		return err
	}
	reports := make([]tokenReport, len(tokens))
	for i, t := range tokens {
		reports[i] = e.tokenReport(t, used[t.ID])
	}
	switch form {
	case formTable:
		_, err = e.stdout.Write(tokensText(reports))
	case formJSON:
		err = e.printJSON(reports)
	default:
		for i := range reports {
			if err = e.printJSON(&reports[i]); err != nil {
				break
			}
		}
	}
	if err == nil && e.damaged {
		err = &codedError{hinted(errors.New("a token's file is damaged, and the token does not work"), "make another token"), statusCorrupt}
	}
	return err
}

// readTokens reads the tokens of the journal's directory and when they were last used.
func (e *env) readTokens() (tokens []*access.Token, used map[string]time.Time, err error) {
	dir, err := e.dataDir()
	if err != nil {
		return nil, nil, err
	}
	root, err := openJournalDir(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	s := access.NewStore(root)
	tokens, damage, err := s.List()
	for _, d := range damage {
		e.damaged = true
		e.note("damage: %s", errorText(d))
	}
	if err == nil {
		used, err = s.Used()
	}
	return tokens, used, err
}

// openJournalDir opens a directory that holds a journal, but not the journal.
func openJournalDir(dir string) (*durable.OS, error) {
	root, err := durable.OpenOS(dir)
	if err == nil {
		if _, err = root.Stat(identityFile); err != nil {
			err = errors.Join(err, root.Close())
		}
	}
	if isMissing(err) {
		return nil, noJournal(dir)
	}
	return root, err
}

func (e *env) tokenReport(t *access.Token, used time.Time) tokenReport {
	optional := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return tokenReport{
		ID: t.ID, Name: t.Name, State: t.State(e.now()), Permissions: t.Permissions.Names(), Tenants: t.Tenants,
		CreatedAt: t.CreatedAt, ExpiresAt: optional(t.ExpiresAt), LastUsedAt: optional(used), RevokedAt: optional(t.RevokedAt),
	}
}

// tokensText is the tokens for people.
func tokensText(tokens []tokenReport) []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tMAY\tTENANTS\tLAST USED\tEXPIRES\tNAME")
	for _, t := range tokens {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.State, strings.Join(t.Permissions, ","),
			printable(strings.Join(t.Tenants, ",")), dateText(t.LastUsedAt), dateText(t.ExpiresAt), printable(t.Name))
	}
	w.Flush()
	return b.Bytes()
}

func dateText(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

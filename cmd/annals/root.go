package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Groups of commands in annals help.
const (
	groupWrite = "write"
	groupRead  = "read"
	groupProof = "proof"
	groupServe = "serve"
)

const rootLong = `annals keeps a journal of record: an append-only, tamper-evident store of events.

A journal is a directory; --data or ANNALS_DATA says which one. append and import
make a missing journal, every other command refuses. With --url or ANNALS_URL, and
--token-file or ANNALS_TOKEN, commands that append and read use a server instead.
Output is a table for a terminal and JSON for everything else; --output or
ANNALS_OUTPUT chooses.

Exit status: 0 done, 1 error or not found, 2 bad input or usage, 3 damage or
failed verification, 4 conflict, 5 unavailable: repeat with the same ids.`

// newRoot returns the command with all its subcommands.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:               "annals",
		Short:             "A journal of record for events",
		Long:              rootLong,
		Example:           "  annals import --data ./journal --format cloudtrail trail.json.gz\n  annals query --data ./journal 'outcome:failure actor_name:alice'\n  annals verify --data ./journal",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&e.dir, "data", "", "directory of the journal (ANNALS_DATA)")
	root.PersistentFlags().StringVar(&e.output, "output", "", "form of output: table, json, ndjson or csv (ANNALS_OUTPUT)")
	root.AddGroup(
		&cobra.Group{ID: groupWrite, Title: "Write:"},
		&cobra.Group{ID: groupRead, Title: "Read:"},
		&cobra.Group{ID: groupProof, Title: "Prove and repair:"},
		&cobra.Group{ID: groupServe, Title: "Serve others:"},
	)
	addGroup(root, groupWrite, newAppend(e), newImport(e))
	addGroup(root, groupRead, newGet(e), newQuery(e), newHistory(e), newTail(e), newExport(e), newStats(e))
	addGroup(root, groupProof, newVerify(e), newCheckpoint(e), newRecover(e))
	addGroup(root, groupServe, newServe(e), newToken(e))
	root.AddCommand(newBench(e), newVersion(e), newCompletion(e))
	root.InitDefaultHelpCmd()
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allForms, cobra.ShellCompDirectiveNoFileComp))
	return root
}

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// action makes the function that cobra runs of a command's own: it takes the
// settings of the environment where no flag gives them, and notes that the
// command has begun.
func (e *env) action(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		for _, name := range []string{"data", "output", "tenant", "index-data", "url", "token", "token-file", "insecure-http"} {
			f := c.Flags().Lookup(name)
			variable := "ANNALS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			value := e.getenv(variable)
			if f == nil || f.Changed || value == "" {
				continue
			}
			if err := f.Value.Set(value); err != nil {
				return usagef("%s: %w", variable, err)
			}
		}
		e.asked = c.Flags().Changed("output")
		e.started = true
		if err := e.choose(c); err != nil {
			return err
		}
		return do(c.Context(), args)
	}
}

// afterDashes are arguments that begin with -, for commands that may be given some.
var afterDashes = map[string]string{
	"query": "'-outcome:success'", "export": "'-outcome:success'", "tail": "'-outcome:success'", "history": "order -17", "get": "-17",
}

// flagError explains a flag that is not understood, which may be a negated term or
// an id, or a value that a flag cannot have.
func flagError(c *cobra.Command, err error) error {
	if example := afterDashes[c.Name()]; example != "" && strings.Contains(err.Error(), "unknown shorthand flag") {
		return hinted(err, "text that begins with - follows --, as in annals %s -- %s", c.Name(), example)
	}
	var invalid interface {
		error
		GetValue() string
	}
	if !errors.As(err, &invalid) {
		return err
	}
	_, name, _ := strings.Cut(err.Error(), "--")
	name, _, _ = strings.Cut(name, "\"")
	switch f := c.Flag(name); {
	case f == nil:
		return err
	case f.Value.Type() == "bool":
		return fmt.Errorf("%s is %q, want true or false", name, clip(invalid.GetValue(), maxValue))
	case f.Value.Type() == "int" || f.Value.Type() == "uint64":
		return fmt.Errorf("%s is %q, want a number from %d", name, clip(invalid.GetValue(), maxValue), leastOf[name])
	}
	return err
}

// leastOf are the least numbers of flags that do not begin with 0.
var leastOf = map[string]int{"limit": 1}

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// tenantFlag adds the flag --tenant.
func (e *env) tenantFlag(c *cobra.Command, usage string) {
	c.Flags().StringVar(&e.tenant, "tenant", "", usage+" (ANNALS_TENANT)")
}

// indexDataFlag adds the flag --index-data.
func (e *env) indexDataFlag(c *cobra.Command) {
	c.Flags().StringVar(&e.indexData, "index-data", "", "what of data, changes and tags is indexed: all (default), none, or paths as data.region,tags.* (ANNALS_INDEX_DATA)")
	_ = c.RegisterFlagCompletionFunc("index-data", cobra.FixedCompletions([]string{"all", "none"}, cobra.ShellCompDirectiveNoFileComp))
}

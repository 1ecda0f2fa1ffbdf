/*
Annals keeps an append-only, tamper-evident journal of events.

Each subcommand is one file with one constructor. Standard input, output and
error are values of an [env], so that tests run commands as they are. What is
printed for machines keeps its shape: scripts rely on it, and on the exit
status: 0 done, 1 error or not found, 2 bad input or usage, 3 damage or failed
verification, 4 conflict, 5 unavailable (repeat later), 128 and the signal's
number when stopped by one.
*/
package main

import (
	"context"
	"errors"
	"os"
)

func main() {
	ctx, stop := withSignals(context.Background())
	status := run(ctx, osEnv(), os.Args[1:])
	stop()
	os.Exit(status)
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, e *env, args []string) int {
	e.stdout = outputWriter{e.stdout}
	root := newRoot(e)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !e.started {
		err = asUsage(c, err)
	}
	if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok && errors.Is(err, context.Canceled) {
		err = s
	}
	report(e.stderr, err)
	return exitStatus(err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals"
	"github.com/spf13/cobra"
)

// maxAppendText bounds one JSON value of an append: its canonical form may take
// 32 MiB, and white space and escapes make a text longer.
const maxAppendText = 64 << 20

func newAppend(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "append",
		Short: "Append events from standard input",
		Long: "Append the events of a sequence of JSON values on standard input. A value is an\n" +
			"event, an array of events, or {\"events\": […], \"expect\": [{\"entity\": {…}, \"sequence\": n}]};\n" +
			"each is appended all or none. Its receipts, one a line, are printed as soon as it is\n" +
			"on stable storage. The first bad value ends the command; what has a receipt stays.\n\n" +
			"Give events an id: then a repeated command adds nothing twice.",
		Example: "  echo '{\"type\":\"order.placed\",\"entity\":{\"type\":\"order\",\"id\":\"1001\"}}' | annals append --data ./journal\n" +
			"  annals append --data ./journal < events.ndjson\n" +
			"  annals append --url https://annals.example.com --token-file token < events.ndjson",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(ctx context.Context, _ []string) error {
			return e.append(ctx)
		}),
	}
	e.tenantFlag(c, "owner of events that name none; default "+annals.DefaultTenant)
	e.indexDataFlag(c)
	return e.serverFlags(c)
}

// append appends what standard input holds, value by value.
func (e *env) append(ctx context.Context) error {
	if _, err := e.form(formNDJSON, formJSON); err != nil {
		return err
	}
	if err := e.checkTenant(); err != nil {
		return err
	}
	j, err := e.openTarget()
	if err != nil {
		return err
	}
	d := annals.NewDecoder(e.input(ctx), maxAppendText)
	for err == nil {
		err = e.appendNext(ctx, j, d)
	}
	if err == io.EOF {
		err = nil
	}
	return errors.Join(err, j.Close())
}

// checkTenant refuses the journal's own tenant for what producers send.
func (e *env) checkTenant() error {
	if e.tenant == annals.SystemTenant {
		return usagef("tenant %s is the journal's own", annals.SystemTenant)
	}
	return nil
}

// appendNext appends the next value and prints its receipts. A signal is heeded
// between values: what has begun gets its receipt.
func (e *env) appendNext(ctx context.Context, j target, d *annals.Decoder) error {
	text, err := d.Next()
	switch {
	case stopped(ctx) != nil:
		return stopped(ctx)
	case err == io.EOF:
		return err
	case errors.Is(err, annals.ErrInvalid), errors.Is(err, annals.ErrTooLarge):
		return inLine(d, err)
	case err != nil:
		return fmt.Errorf("read standard input: %w", err)
	}
	events, expect, err := annals.ParseBatch(text)
	if err != nil {
		return inLine(d, err)
	}
	receipts, err := j.AppendEncoded(context.WithoutCancel(ctx), expect, events...)
	if err != nil {
		return inLine(d, err)
	}
	var out []byte
	for i := range receipts {
		if out, err = e.jsonLine(out, &receipts[i]); err != nil {
			return err
		}
	}
	_, err = e.stdout.Write(out)
	return err
}

// inLine says in which line of the input an error is.
func inLine(d *annals.Decoder, err error) error {
	return fmt.Errorf("standard input, line %d: %w", d.Line(), err)
}

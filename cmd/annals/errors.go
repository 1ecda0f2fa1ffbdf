package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/annals-io/annals/internal/export"
	"github.com/annals-io/annals/internal/query"
	"github.com/spf13/cobra"
)

// Exit statuses. Scripts rely on them.
const (
	statusError       = 1 // an error of another kind, or not found
	statusInvalid     = 2 // bad input or usage, rejected lines
	statusCorrupt     = 3 // stored bytes do not check out
	statusConflict    = 4 // contradicts what is stored
	statusUnavailable = 5 // repeat later, with the same ids
	statusSignal      = 128
)

// A hintError is an error with the next step.
type hintError struct {
	err  error
	hint string
}

func (h *hintError) Error() string { return h.err.Error() }
func (h *hintError) Unwrap() error { return h.err }

// hinted adds the next step to an error.
func hinted(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// A usageError is a command line that is not understood.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// usagef returns a usageError.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// asUsage marks what cobra found wrong with a command line.
func asUsage(c *cobra.Command, err error) error {
	text, more, _ := strings.Cut(err.Error(), "\n")
	if guess := strings.TrimSpace(strings.ReplaceAll(more, "Did you mean this?", "")); guess != "" {
		return hinted(&usageError{errors.New(text)}, "did you mean %s?", strings.Join(strings.Fields(guess), " or "))
	}
	if _, ok := errors.AsType[*hintError](err); ok {
		return &usageError{err}
	}
	if c.HasParent() {
		return hinted(&usageError{err}, "annals help %s shows an example", c.Name())
	}
	return hinted(&usageError{err}, "annals help lists the commands")
}

// A codedError is an error whose exit status is not that of its kind.
type codedError struct {
	err    error
	status int
}

func (s *codedError) Error() string { return s.err.Error() }
func (s *codedError) Unwrap() error { return s.err }

// An outputError is an error of writing standard output, which says nothing about
// the journal.
type outputError struct{ err error }

func (o *outputError) Error() string { return o.err.Error() }
func (o *outputError) Unwrap() error { return o.err }

func isOutput(err error) bool {
	_, ok := errors.AsType[*outputError](err)
	return ok
}

// An outputWriter is standard output, whose errors are outputErrors.
type outputWriter struct{ out io.Writer }

func (w outputWriter) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

// Ends of commands that have printed what there is.
var (
	errRejected = errors.New("some lines were rejected")
	errDamaged  = errors.New("the journal is damaged; the rest of it was read")
	errFailed   = errors.New("verification failed")
	errLost     = errors.New("some of the journal is lost")
)

// isSilent reports whether an error has been reported already.
func isSilent(err error) bool {
	return errors.Is(err, errRejected) || errors.Is(err, errFailed) || errors.Is(err, errLost) || isBrokenPipe(err)
}

// exitStatus returns the exit status of an error.
func exitStatus(err error) int {
	s, signalled := errors.AsType[*signalError](err)
	special, hasStatus := errors.AsType[*codedError](err)
	switch {
	case err == nil:
		return 0
	case signalled:
		return statusSignal + int(s.signal)
	case isBrokenPipe(err):
		return statusSignal + int(syscall.SIGPIPE)
	case hasStatus:
		return special.status
	case isCorrupt(err):
		return statusCorrupt
	case isConflict(err):
		return statusConflict
	case isOutput(err):
		return statusError
	case isUnavailable(err):
		return statusUnavailable
	case isInvalid(err):
		return statusInvalid
	}
	return statusError
}

func isCorrupt(err error) bool {
	_, ok := errors.AsType[*annals.CorruptError](err)
	return ok || errors.Is(err, errDamaged) || errors.Is(err, errFailed) || errors.Is(err, errLost)
}

// identityFile is the file that says which journal a directory is.
const identityFile = "journal.json"

// isIdentity reports whether an error is damage of the file that opening, and so
// recover too, begins with.
func isIdentity(err error) bool {
	c, ok := errors.AsType[*annals.CorruptError](err)
	return ok && c.Path == identityFile
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*annals.ConflictError](err)
	return ok
}

// isUnavailable reports whether the same call may succeed later.
func isUnavailable(err error) bool {
	for _, target := range []error{
		annals.ErrUnknown, annals.ErrFailed, annals.ErrUnavailable, annals.ErrLocked, client.ErrRateLimited,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return isFull(err)
}

// isFull reports whether there was no room.
func isFull(err error) bool {
	return errors.Is(err, annals.ErrDiskFull) || errors.Is(err, syscall.ENOSPC)
}

// isInvalid reports whether what was given is at fault.
func isInvalid(err error) bool {
	_, usage := errors.AsType[*usageError](err)
	_, syntax := errors.AsType[*query.SyntaxError](err)
	_, param := errors.AsType[*query.ParamError](err)
	_, option := errors.AsType[*export.OptionError](err)
	return usage || syntax || param || option || errors.Is(err, errRejected) || errors.Is(err, annals.ErrInvalid) || errors.Is(err, annals.ErrTooLarge)
}

// report prints an error and the next step, if it is known.
func report(w io.Writer, err error) {
	if err == nil || isSilent(err) {
		return
	}
	text, hint := errorText(err), printable(hintOf(err))
	if hint != "" {
		text = strings.TrimSuffix(text, "; "+hint) // an invalid event's text ends in its hint
	}
	fmt.Fprintf(w, "annals: %s\n", text)
	if s, ok := errors.AsType[*query.SyntaxError](err); ok {
		for line := range strings.Lines(s.Caret()) {
			fmt.Fprintf(w, "annals:   %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if hint != "" {
		fmt.Fprintf(w, "annals: hint: %s\n", hint)
	}
}

// errorText returns an error's text on one line, without the prefix that the
// errors of the library begin with.
func errorText(err error) string {
	text := strings.ReplaceAll("\n"+err.Error(), "\nannals: ", "\n")[1:]
	text = strings.ReplaceAll(text, ": annals: ", ": ")
	var parts []string
	for part := range strings.SplitSeq(text, "\n") {
		if !slices.Contains(parts, part) { // a write error comes again from each later write
			parts = append(parts, part)
		}
	}
	return printable(strings.Join(parts, "; "))
}

// hintOf returns the next step after an error, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.hint
	}
	if s, ok := errors.AsType[*query.SyntaxError](err); ok {
		return s.Hint
	}
	if p, ok := errors.AsType[*query.ParamError](err); ok {
		return p.Hint
	}
	if i, ok := errors.AsType[*annals.InvalidError](err); ok {
		return i.Hint
	}
	if o, ok := errors.AsType[*export.OptionError](err); ok {
		return o.Hint
	}
	if c, ok := errors.AsType[*annals.ConflictError](err); ok && c.ID != "" {
		return "an id keeps its first content; give other content another id"
	}
	if hint := serverHint(err); hint != "" {
		return hint
	}
	for _, known := range []struct {
		is   bool
		hint string
	}{
		{errors.Is(err, annals.ErrNewerFormat), "use the annals that wrote it, or a newer one; nothing was changed"},
		{isIdentity(err), "restore " + identityFile + " from a backup: without it nothing of the journal can be read"},
		{isCorrupt(err), "annals verify lists the damage; annals recover --to NEWDIR saves what is readable"},
		{errors.Is(err, annals.ErrUnknown), "the events may be stored or not; repeat the command with the same ids, it adds nothing twice"},
		{isOutput(err), "what was printed is not all of it"},
		{isFull(err), "make room and repeat the command"},
		{errors.Is(err, annals.ErrFailed), "repeat the command: opening the journal again recovers it"},
	} {
		if known.is {
			return known.hint
		}
	}
	return ""
}

// stopped returns why ctx ended, nil if it has not.
func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

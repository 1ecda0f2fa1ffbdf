package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/term"
)

// An env is what a command has of the process around it. One command uses it,
// once.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        func() []string
	now            func() time.Time

	width      int  // columns of standard output, 0 unless it is a terminal
	drawsOn    bool // standard error is a terminal, so progress is shown there
	writesFile bool // standard output is a regular file

	// unread reports whether nobody reads standard output any more; nil if that
	// cannot be known before the next write.
	unread func() bool

	// Set by flags and the environment.
	dir, output, tenant, indexData string
	remote                         remote
	asked                          bool // output was asked for by its flag

	// Set while the command runs.
	started bool            // errors are the command's, not of its usage
	damaged bool            // damage was met
	damage  map[string]bool // what was said about it
	bar     progress        // what is drawn on standard error
}

// osEnv returns the env of this process.
func osEnv() *env {
	e := &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ, now: time.Now,
		drawsOn: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if out := int(os.Stdout.Fd()); term.IsTerminal(out) {
		width, _, err := term.GetSize(out)
		if err != nil || width <= 0 {
			width = defaultWidth
		}
		e.width = width
	} else if info, err := os.Stdout.Stat(); err == nil {
		e.writesFile = info.Mode().IsRegular()
		if info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
			e.unread = func() bool { return readerGone(os.Stdout) }
		}
	}
	return e
}

// defaultWidth is how wide a table is where nothing says how wide it can be.
const defaultWidth = 120

// tableWidth returns the columns that a table may take.
func (e *env) tableWidth() int {
	if e.width > 0 {
		return e.width
	}
	if n, err := strconv.Atoi(e.getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return defaultWidth
}

// A signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (s *signalError) Error() string { return "stopped by signal: " + s.signal.String() }

// withSignals returns a context that ends with the first interrupt or terminate
// signal; a second one ends the process, should it hang. A write to a pipe that
// nobody reads any more fails instead of ending the process, so that the journal
// is closed.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go signalLoop(ctx, signals, cancel)
	return ctx, func() { cancel(nil) }
}

// signalLoop waits for one signal or the end of ctx, which ends it.
func signalLoop(ctx context.Context, signals chan os.Signal, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case s := <-signals:
		number, _ := s.(syscall.Signal)
		cancel(&signalError{number})
	}
	signal.Stop(signals)
}

// input returns standard input, as a reader that fails with ctx's error when
// ctx ends, and ends when it is closed. The goroutine behind it may outlive the command: nothing can
// interrupt its last Read but the end of the process.
func (e *env) input(ctx context.Context) io.ReadCloser {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go copyLoop(w, e.stdin)
	return r
}

// copyLoop copies until the source ends or the pipe is closed.
func copyLoop(w *io.PipeWriter, r io.Reader) {
	_, err := io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, 256<<10))
	w.CloseWithError(err) // nil is io.EOF
}

// isBrokenPipe reports whether an error says that nobody reads standard output
// any more.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

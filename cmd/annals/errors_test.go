package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	_, syntax := query.Parse("type:(a", time.Time{})
	_, invalid := annals.ParseEvent([]byte(`{"typ":1}`))
	wrap := func(err error) error { return fmt.Errorf("open journal j: %w", err) }
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"none", nil, 0, ""},
		{"plain", wrap(fs.ErrPermission), 1, "annals: open journal j: permission denied\n"},
		{"not found", annals.ErrNotFound, 1, "annals: not found\n"},
		{"newer format", wrap(annals.ErrNewerFormat), 1, "annals: open journal j: format is newer than this program\nannals: hint: use the annals that wrote it, or a newer one; nothing was changed\n"},
		{"usage", usagef("limit is %d", 0), 2, "annals: limit is 0\n"},
		{"invalid", invalid, 2, "annals: invalid event: /typ: unknown member of an event (at byte 1)\nannals: hint: did you mean type?\n"},
		{"too large", wrap(annals.ErrTooLarge), 2, "annals: open journal j: too large\n"},
		{"filter", syntax, 2, "annals: filter, character 6: ( is never closed\nannals:   type:(a\nannals:        ^\n"},
		{"rejected", errRejected, 2, ""},
		{"failed verification", errFailed, 3, ""},
		{"corrupt", wrap(&annals.CorruptError{Path: "log/x", Offset: 7, Err: errors.New("checksum does not match")}), 3,
			"annals: open journal j: log/x is corrupt at byte 7: checksum does not match\nannals: hint: annals verify lists the damage; annals recover --to NEWDIR saves what is readable\n"},
		{"sequence", &annals.ConflictError{Current: 2, Expected: 1}, 4, "annals: entity / is at sequence 2, not 1\n"},
		{"id", &annals.ConflictError{ID: "x"}, 4, "annals: id \"x\" is taken by other content at position 0\nannals: hint: an id keeps its first content; give other content another id\n"},
		{"unknown", wrap(annals.ErrUnknown), 5, "annals: open journal j: outcome unknown\nannals: hint: the events may be stored or not; repeat the command with the same ids, it adds nothing twice\n"},
		{"disk full", wrap(annals.ErrDiskFull), 5, "annals: open journal j: disk full\nannals: hint: make room and repeat the command\n"},
		{"no space", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 5, "annals: write x: no space left on device\nannals: hint: make room and repeat the command\n"},
		{"failed", annals.ErrFailed, 5, "annals: failed by an earlier write error\nannals: hint: repeat the command: opening the journal again recovers it\n"},
		{"locked", wrap(annals.ErrLocked), 5, "annals: open journal j: locked by another process\n"},
		{"several", errors.Join(annals.ErrDiskFull, annals.ErrClosed), 5, "annals: disk full; closed\nannals: hint: make room and repeat the command\n"},
		{"status of its own", hinted(&codedError{annals.ErrNewerFormat, 3}, "look"), 3, "annals: format is newer than this program\nannals: hint: look\n"},
		{"output", errors.Join(&outputError{syscall.ENOSPC}, &outputError{syscall.ENOSPC}, annals.ErrClosed), 1,
			"annals: no space left on device; closed\nannals: hint: what was printed is not all of it\n"},
		{"interrupt", &signalError{syscall.SIGINT}, 130, "annals: stopped by signal: interrupt\n"},
		{"broken pipe", fmt.Errorf("write: %w", syscall.EPIPE), 141, ""},
		{"control characters", errors.New("id \"a\x1b[2J\n\u202e\" is odd"), 1, "annals: id \"a\\x1b[2J; \\u202e\" is odd\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			report(&got, tt.err)
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if got := exitStatus(tt.err); got != tt.status {
				t.Errorf("exit status %d, want %d", got, tt.status)
			}
		})
	}
}

// TestNoRoomForOutput runs commands whose output cannot be written.
func TestNoRoomForOutput(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(10), "import", "--data", dir, "--format", "jsonl")
	for _, args := range [][]string{
		{"export"}, {"query"}, {"query", "--output", "table"}, {"query", "--output", "csv"}, {"query", "--output", "json"},
		{"get", "e1"}, {"get", "e1", "--output", "table"}, {"stats"}, {"stats", "--output", "table"}, {"verify"}, {"checkpoint"},
		{"import", "--format", "jsonl"}, {"append"}, {"version"},
	} {
		e := newTestEnv(`{"type":"a"}`)
		e.stdout = failingWriter{&os.PathError{Op: "write", Path: "out", Err: syscall.ENOSPC}}
		if status := run(t.Context(), &e.env, append(args, "--data", dir)); status != statusError {
			t.Errorf("%s: exit status %d, want %d: %s", strings.Join(args, " "), status, statusError, e.err.String())
		}
		if msg := e.err.String(); strings.Count(msg, "write out: no space left on device") != 1 || strings.Contains(msg, "make room") {
			t.Errorf("%s said %q", strings.Join(args, " "), msg)
		}
	}
}

// TestHelp asks that every command explains itself.
func TestHelp(t *testing.T) {
	root := newRoot(&newTestEnv("").env)
	commands := root.Commands()
	if len(commands) < 12 {
		t.Fatalf("%d commands", len(commands))
	}
	for _, c := range commands {
		if c.Name() == "help" {
			continue
		}
		if c.Short == "" || !strings.Contains(c.Example, "annals "+c.Name()) {
			t.Errorf("%s: summary %q, example %q", c.Name(), c.Short, c.Example)
		}
		out := runOK(t, "", "help", c.Name())
		if !strings.Contains(out, "Examples:") {
			t.Errorf("help %s printed %q", c.Name(), out)
		}
	}
}

// TestProgress draws bars where standard error is a terminal, and takes them away.
func TestProgress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	input := filepath.Join(t.TempDir(), "events.jsonl")
	check(t, os.WriteFile(input, []byte(lines(2*progressStep)), 0o600))
	for _, args := range [][]string{{"import", "--format", "jsonl", input}, {"verify"}, {"recover", "--to", dir + "2"}} {
		e := newTestEnv("")
		e.drawsOn = true
		if status := run(t.Context(), &e.env, append(args, "--data", dir)); status != 0 {
			t.Fatalf("%s: exit status %d: %s", args[0], status, e.err.String())
		}
		if got := e.err.String(); !strings.Contains(got, "ing") || !strings.HasSuffix(got, "\r") || strings.Contains(got, "\n") {
			t.Errorf("%s drew %q", args[0], got)
		}
	}
}

func TestStopped(t *testing.T) {
	if err := stopped(t.Context()); err != nil {
		t.Errorf("context that goes on: %v", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	want := &signalError{syscall.SIGINT}
	cancel(want)
	if err := stopped(ctx); err != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

// TestDocsSearchMistake has the sample of a mistake in docs/search.md as it is
// printed.
func TestDocsSearchMistake(t *testing.T) {
	docs, err := os.ReadFile("../../docs/search.md")
	check(t, err)
	e := newTestEnv("")
	if status := run(t.Context(), &e.env, []string{"query", "--data", "none", "actr:alice"}); status != statusInvalid {
		t.Errorf("exit status %d, want %d", status, statusInvalid)
	}
	var want strings.Builder
	for line := range strings.Lines(e.err.String()) {
		want.WriteString("    " + line)
	}
	if want.Len() == 0 || !strings.Contains(string(docs), "\n"+want.String()+"\n") {
		t.Errorf("docs/search.md does not have\n%s", want.String())
	}
}

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals"
)

// TestTailFollows follows a journal beside a process that writes it, and ends with
// an interrupt.
func TestTailFollows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	w := start(t, "append", "--data", dir)
	w.send(`{"id":"1","type":"a"}` + "\n")
	w.line()
	waitForEntries(t, dir, 1)
	f := start(t, "tail", "--data", dir, "-f", "type:a")
	if got := f.line(); !strings.HasPrefix(got, `{"id":"1",`) {
		t.Errorf("first line is %s", got)
	}
	for _, id := range []string{"2", "3"} { // one after the other: nothing is held back
		w.send(`{"id":"other` + id + `","type":"b"}` + "\n" + `{"id":"` + id + `","type":"a"}` + "\n")
		if got := f.line(); !strings.HasPrefix(got, `{"id":"`+id+`",`) {
			t.Errorf("line is %s, want id %s", got, id)
		}
	}
	check(t, f.cmd.Process.Signal(syscall.SIGINT))
	if status := f.status(); status != 0 || f.stderr.String() != "" {
		t.Errorf("interrupt: exit status %d, standard error %q", status, f.stderr.String())
	}
	check(t, w.stdin.Close())
	w.status()
}

// TestTailOutlivesWriters follows a journal that nobody holds, and that then is
// opened by one writer after another.
func TestTailOutlivesWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(3), "append", "--data", dir)
	f := start(t, "tail", "--data", dir, "--follow", "--from", "1")
	f.line()
	f.line()
	for _, id := range []string{"x", "y"} {
		w := start(t, "append", "--data", dir)
		w.send(`{"id":"` + id + `","type":"a"}` + "\n")
		if got := f.line(); !strings.HasPrefix(got, `{"id":"`+id+`",`) {
			t.Errorf("line is %s, want id %s", got, id)
		}
		check(t, w.stdin.Close())
		w.status()
	}
	check(t, f.cmd.Process.Signal(syscall.SIGTERM))
	if status := f.status(); status != 128+int(syscall.SIGTERM) {
		t.Errorf("terminate: exit status %d", status)
	}
}

// TestTailColours shows colours on a terminal that has them, and no code of a
// terminal otherwise.
func TestTailColours(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, `{"type":"a\u001b[35m","time":"2026-01-02T03:04:05Z","outcome":"failure","severity":"error","message":"m"}`, "append", "--data", dir)
	for _, tt := range []struct {
		name, variable, value, want string
		width                       int
	}{
		{"terminal", "", "", "\x1b[2m2026-01-02T03:04:05Z\x1b[0m  \x1b[31ma\\x1b[35m\x1b[0m    ", 80},
		{"NO_COLOR", "NO_COLOR", "1", "2026-01-02T03:04:05Z  a\\x1b[35m  ", 80},
		{"dumb", "TERM", "dumb", "2026-01-02T03:04:05Z  a\\x1b[35m  ", 80},
		{"no terminal", "ANNALS_OUTPUT", "table", "2026-01-02T03:04:05Z  a\\x1b[35m  ", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newTestEnv("")
			e.width = tt.width
			e.getenv = func(name string) string {
				if name == tt.variable {
					return tt.value
				}
				return ""
			}
			if status := run(t.Context(), &e.env, []string{"tail", "--data", dir}); status != 0 {
				t.Fatalf("exit status %d: %s", status, e.err.String())
			}
			got := e.out.String()
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\x1b") != (tt.name == "terminal") {
				t.Errorf("got %q, want %q first", got, tt.want)
			}
		})
	}
}

// TestQueryPages asks for more than a page holds: entries come once, in order, and
// the cursor goes on behind them.
func TestQueryPages(t *testing.T) {
	const n, limit = 3500, 2100
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(n), "import", "--data", dir, "--format", "jsonl")
	e := newTestEnv("")
	if status := run(t.Context(), &e.env, []string{"query", "--data", dir, "--limit", "2100", "--offset", "5", "--total", "type:a"}); status != 0 {
		t.Fatalf("exit status %d: %s", status, e.err.String())
	}
	checkIDs(t, e.out.String(), n-1-5, limit)
	_, cursor, ok := strings.Cut(e.err.String(), "--cursor ")
	if !ok || !strings.Contains(e.err.String(), "3,500 events in all") {
		t.Fatalf("it said %q", e.err.String())
	}
	cursor, _, _ = strings.Cut(cursor, " ")
	checkIDs(t, runOK(t, "", "query", "--data", dir, "--limit", "5000", "--cursor", cursor, "type:a"), n-1-5-limit, n-5-limit)
}

// checkIDs checks that text has the events of lines, count of them, from a number
// downwards.
func checkIDs(t *testing.T, text string, first, count int) {
	t.Helper()
	x := annals.Entry{}
	got := 0
	for line := range strings.Lines(text) {
		x.JSON = []byte(strings.TrimSuffix(line, "\n"))
		if want := "e" + strconv.Itoa(first-got); x.ID() != want {
			t.Fatalf("line %d has id %s, want %s", got, x.ID(), want)
		}
		got++
	}
	if got != count {
		t.Errorf("%d lines, want %d", got, count)
	}
}

// TestTailEndsWithItsReader follows a journal in which nothing happens, until
// nobody reads what would be printed.
func TestTailEndsWithItsReader(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a pipe does not say so here")
	}
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(2), "import", "--data", dir, "--format", "jsonl")
	r, w, err := os.Pipe()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), "annals", "tail", "--data", dir, "-f")
	var stderr buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	check(t, cmd.Start())
	check(t, w.Close())
	_, err = bufio.NewReader(r).ReadString('\n')
	check(t, err)
	check(t, r.Close())
	_ = cmd.Wait() // the status says it
	if got, want := cmd.ProcessState.ExitCode(), 128+int(syscall.SIGPIPE); got != want || stderr.String() != "" {
		t.Errorf("exit status %d, want %d; standard error: %s", got, want, stderr.String())
	}
}

// TestUnread asks about the reader of standard output until there is none.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		e := env{unread: func() bool { asked++; return asked == 3 }}
		ctx, stop := e.whileRead(t.Context())
		<-ctx.Done()
		stop()
		if asked != 3 || !isBrokenPipe(context.Cause(ctx)) {
			t.Errorf("asked %d times, ended with %v", asked, context.Cause(ctx))
		}
		ctx, stop = e.whileRead(t.Context())
		stop()
		if err := context.Cause(ctx); err != context.Canceled {
			t.Errorf("stop ends it with %v", err)
		}
	})
}

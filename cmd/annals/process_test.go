package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals"
)

// A process is a running annals.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr buffer
}

// start runs annals as a process with pipes.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.CommandContext(t.Context(), "annals", args...)}
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	check(t, err)
	out, err := p.cmd.StdoutPipe()
	check(t, err)
	p.stdout = bufio.NewReader(out)
	p.cmd.Stderr = &p.stderr
	check(t, p.cmd.Start())
	return p
}

// send writes to standard input.
func (p *process) send(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.stdin, text)
	check(p.t, err)
}

// line reads a line of standard output, which there must be.
func (p *process) line() string {
	p.t.Helper()
	s, err := p.stdout.ReadString('\n')
	if err != nil {
		p.t.Fatalf("read standard output: %v; standard error:\n%s", err, p.stderr.String())
	}
	return s
}

// status reads the rest of standard output and waits.
func (p *process) status() int {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p.stdout)
	check(p.t, err)
	_ = p.cmd.Wait() // the status says it
	return p.cmd.ProcessState.ExitCode()
}

// TestReadBesideWriter reads while another process holds the journal: reads see
// what that one has acknowledged, and appends are refused.
func TestReadBesideWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	w := start(t, "append", "--data", dir)
	w.send(`{"id":"1","type":"a"}` + "\n")
	w.line()

	// A second process shows what is durable with a delay: it follows until it does.
	j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer j.Close()
	for x, err := range j.Follow(t.Context(), 0) {
		check(t, err)
		if x.ID() == "1" {
			break
		}
	}
	if got := runOK(t, "", "query", "--data", dir); !strings.Contains(got, `"id":"1"`) {
		t.Errorf("query beside a writer printed %q", got)
	}
	runOK(t, "", "verify", "--data", dir)

	e := newTestEnv(`{"type":"b"}`)
	if status := run(t.Context(), &e.env, []string{"append", "--data", dir}); status != statusUnavailable {
		t.Errorf("append beside a writer: exit status %d, want %d", status, statusUnavailable)
	}
	if msg := e.err.String(); !strings.Contains(msg, "locked by another process\nannals: hint: ") {
		t.Errorf("append beside a writer said %q", msg)
	}

	check(t, w.stdin.Close())
	if status := w.status(); status != 0 {
		t.Errorf("writer: exit status %d, standard error:\n%s", status, w.stderr.String())
	}
}

// TestSignals stops an append that waits for input. The journal is closed: no
// recovery is needed afterwards.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			w := start(t, "append", "--data", dir)
			w.send(`{"type":"a"}` + "\n")
			w.line()
			check(t, w.cmd.Process.Signal(s))
			if status, want := w.status(), 128+int(s); status != want {
				t.Errorf("exit status %d, want %d", status, want)
			}
			if got := strings.Count(runOK(t, "", "export", "--data", dir), "\n"); got != 1 {
				t.Errorf("journal has %d entries, want 1", got)
			}
		})
	}
}

// TestSignalStopsImport stops an import that waits for more input, and then
// finishes it.
func TestSignalStopsImport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	in := lines(3 * batchLines)
	w := start(t, "import", "--data", dir, "--format", "jsonl")
	w.send(in)
	waitForEntries(t, dir, 1)
	check(t, w.cmd.Process.Signal(syscall.SIGINT))
	if status := w.status(); status != 130 {
		t.Errorf("exit status %d, want 130", status)
	}
	msg := w.stderr.String()
	if !strings.Contains(msg, "annals: stopped after line ") || !strings.Contains(msg, "hint: repeat the command") {
		t.Errorf("the import said %q", msg)
	}
	finishImport(t, dir, in, 3*batchLines)
}

// TestKilledImport kills an import, which is then repeated: nothing is lost or
// there twice.
func TestKilledImport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	in := lines(3 * batchLines)
	w := start(t, "import", "--data", dir, "--format", "jsonl")
	w.send(in)
	waitForEntries(t, dir, 1)
	check(t, w.cmd.Process.Kill())
	w.status()
	e := newTestEnv("")
	if status := run(t.Context(), &e.env, []string{"stats", "--data", dir}); status != 0 {
		t.Fatalf("stats: exit status %d: %s", status, e.err.String())
	}
	if msg := e.err.String(); !strings.HasPrefix(msg, "annals: the journal was not closed; it was recovered") {
		t.Errorf("opening a journal that was not closed said %q", msg)
	}
	finishImport(t, dir, in, 3*batchLines)
}

// lines returns n events, one a line.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"e%d","type":"a","entity":{"type":"t","id":"%d"}}`+"\n", i, i%7)
	}
	return b.String()
}

// waitForEntries waits until a journal that another process may be about to make
// shows n entries.
func waitForEntries(t *testing.T, dir string, n annals.Position) {
	t.Helper()
	for {
		check(t, t.Context().Err())
		j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
		if err != nil {
			continue // not made yet
		}
		for x, err := range j.Follow(t.Context(), 0) {
			check(t, err)
			if x.Position+1 >= n {
				break
			}
		}
		check(t, j.Close())
		return
	}
}

// finishImport repeats an import and checks that each event is there once, in
// order.
func finishImport(t *testing.T, dir, in string, n int) {
	t.Helper()
	runOK(t, in, "import", "--data", dir, "--format", "jsonl")
	next := 0
	for line := range strings.Lines(runOK(t, "", "export", "--data", dir, "type:a")) {
		if want := `{"id":"e` + strconv.Itoa(next) + `",`; !strings.HasPrefix(line, want) {
			t.Fatalf("entry %d is %s", next, line)
		}
		next++
	}
	if next != n {
		t.Errorf("journal has %d events, want %d", next, n)
	}
	if got := runOK(t, "", "verify", "--data", dir); !strings.HasPrefix(got, `{"ok":true,`) {
		t.Errorf("verify printed %s", got)
	}
}

// TestBrokenPipe ends the reader of an export early: no word about it, and the
// journal is closed.
func TestBrokenPipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(2000), "import", "--data", dir, "--format", "jsonl")
	r, w, err := os.Pipe()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), "annals", "export", "--data", dir)
	var stderr buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	check(t, cmd.Start())
	check(t, w.Close())
	_, err = bufio.NewReader(r).ReadString('\n')
	check(t, err)
	check(t, r.Close())
	_ = cmd.Wait() // the status says it
	if got, want := cmd.ProcessState.ExitCode(), 128+int(syscall.SIGPIPE); got != want {
		t.Errorf("exit status %d, want %d", got, want)
	}
	if stderr.String() != "" {
		t.Errorf("standard error: %s", stderr.String())
	}
	runOK(t, "", "stats", "--data", dir) // says nothing of recovery
}

// TestCancelled runs a command whose context has ended.
func TestCancelled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(10), "import", "--data", dir, "--format", "jsonl")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&signalError{syscall.SIGTERM})
	for _, args := range [][]string{{"export"}, {"query"}, {"tail", "-f"}, {"history", "t", "1"}, {"verify"}, {"append"}, {"import", "--format", "jsonl"}} {
		e := newTestEnv(lines(10))
		if status := run(ctx, &e.env, append(args, "--data", dir)); status != 143 {
			t.Errorf("%s: exit status %d, want 143: %s", args[0], status, e.err.String())
		}
	}
}

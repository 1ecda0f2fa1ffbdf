package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// A buffer is a bytes.Buffer that several goroutines may write to.
type buffer struct {
	mu     sync.Mutex
	b      bytes.Buffer // guarded by mu
	writes *sync.Cond   // of mu; made by waitFor
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writes != nil {
		defer b.writes.Broadcast()
	}
	return b.b.Write(p)
}

// waitFor waits until a text was written.
func (b *buffer) waitFor(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writes == nil {
		b.writes = sync.NewCond(&b.mu)
	}
	for !strings.Contains(b.b.String(), text) {
		b.writes.Wait()
	}
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A testEnv runs commands in this process.
type testEnv struct {
	env
	out, err buffer
}

func newTestEnv(stdin string) *testEnv {
	e := new(testEnv)
	e.env = env{
		stdin: strings.NewReader(stdin), stdout: &e.out, stderr: &e.err,
		getenv: func(string) string { return "" }, environ: func() []string { return nil }, now: time.Now,
	}
	return e
}

// runOK runs a command that must succeed and say nothing on standard error, and
// returns what it prints.
func runOK(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	e := newTestEnv(stdin)
	status := run(t.Context(), &e.env, args)
	if msg := e.err.String(); status != 0 || msg != "" {
		t.Fatalf("annals %s: exit status %d, standard error:\n%s", strings.Join(args, " "), status, msg)
	}
	return e.out.String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failingWriter fails every write.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

var _ io.Writer = failingWriter{}

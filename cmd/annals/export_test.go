package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A stoppingWriter ends a context with the first write.
type stoppingWriter struct {
	io.Writer
	stop func()
}

func (w stoppingWriter) Write(p []byte) (int, error) {
	w.stop()
	return w.Writer.Write(p)
}

// TestExportInterrupted interrupts exports: what was printed is whole entries, and
// JSON is left open.
func TestExportInterrupted(t *testing.T) {
	const n = 12000
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(n), "import", "--data", dir, "--format", "jsonl")
	for _, args := range [][]string{{"--format", "json"}, {"--format", "json", "type:a"}, {"--format", "json", "--order", "desc"}, {"--format", "ndjson"}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		e := newTestEnv("")
		e.stdout = stoppingWriter{&e.out, func() { cancel(&signalError{syscall.SIGINT}) }}
		status := run(ctx, &e.env, append([]string{"export", "--data", dir}, args...))
		text := strings.TrimSpace(e.out.String())
		got := strings.Count(text, `{"id":`)
		if status != 130 || got == 0 || got >= n || !strings.HasSuffix(text, "}") {
			t.Errorf("%q: exit status %d, %d entries, ends in %q", args, status, got, text[max(0, len(text)-10):])
		}
	}
}

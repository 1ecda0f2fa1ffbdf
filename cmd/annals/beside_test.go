package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportLetsWritersIn appends while nobody reads what an export prints, as
// when it waits behind a pager.
func TestExportLetsWritersIn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	const n = 20000 // more than buffers and a pipe hold
	runOK(t, lines(n), "import", "--data", dir, "--format", "jsonl")
	x := start(t, "export", "--data", dir)
	x.line() // it is open
	runOK(t, `{"type":"late"}`, "append", "--data", dir)
	got := 1
	for {
		if _, err := x.stdout.ReadString('\n'); err != nil {
			break
		}
		got++
	}
	if status := x.status(); status != 0 || got != n {
		t.Errorf("export: exit status %d, %d lines, want %d; standard error:\n%s", status, got, n, x.stderr.String())
	}
}

// TestRecoverInterrupted stops a recover once it has begun to write.
func TestRecoverInterrupted(t *testing.T) {
	base := t.TempDir()
	dir, to := filepath.Join(base, "journal"), filepath.Join(base, "new")
	runOK(t, lines(3), "import", "--data", dir, "--format", "jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := newTestEnv("")
	status := run(ctx, &e.env, []string{"recover", "--data", dir, "--to", to})
	if want := "new is incomplete: delete it before recover is repeated\n"; status == 0 || !strings.Contains(e.err.String(), want) {
		t.Errorf("exit status %d, standard error %q, want %q in it", status, e.err.String(), want)
	}
	if out := e.out.String(); out != "" {
		t.Errorf("it printed %q", out)
	}
}

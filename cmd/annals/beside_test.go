package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadsLetWritersIn appends while nobody reads what a command prints, as when
// it waits behind a pager.
func TestReadsLetWritersIn(t *testing.T) {
	for _, args := range [][]string{
		{"export"}, {"query", "--limit", "900"}, {"history", "t", "1", "--limit", "900"}, {"tail", "-n", "900"}, {"get", "e0"},
	} {
		t.Run(args[0], func(t *testing.T) { testLetsWritersIn(t, args) })
	}
}

func testLetsWritersIn(t *testing.T, args []string) {
	const n, bytes = 900, 1 << 20 // in all, which is more than buffers and a pipe hold
	var in strings.Builder
	text := strings.Repeat("x", bytes/n)
	want := n
	if args[0] == "get" {
		text, want = strings.Repeat("x", bytes/5), 1
	}
	for i := range want {
		fmt.Fprintf(&in, `{"id":"e%d","type":"a","entity":{"type":"t","id":"1"},"data":"%s"}`+"\n", i, text)
	}
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, in.String(), "import", "--data", dir, "--format", "jsonl")
	x := start(t, append(args, "--data", dir)...)
	_, err := x.stdout.Peek(1) // it is open
	check(t, err)
	runOK(t, `{"type":"late"}`, "append", "--data", dir)
	got := 0
	for {
		if _, err := x.stdout.ReadString('\n'); err != nil {
			break
		}
		got++
	}
	if status := x.status(); status != 0 || got != want {
		t.Errorf("exit status %d, %d lines, want %d; standard error:\n%s", status, got, want, x.stderr.String())
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

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// TestPipeRefused checks that a planted pipe is refused, and without waiting for
// its other end.
func TestPipeRefused(t *testing.T) {
	dir := t.TempDir()
	check(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	fsys := newOS(t, dir)
	_, open := fsys.Open("pipe")
	_, openWrite := fsys.OpenWrite("pipe")
	_, lock := fsys.Lock("pipe")
	_, list := fsys.ReadDir("pipe")
	_, read := durable.ReadFile(fsys, "pipe", 1<<20)
	for i, err := range []error{open, openWrite, lock, list, fsys.SyncDir("pipe"), read} {
		if err == nil {
			t.Errorf("call %d: no error", i)
		}
	}
}

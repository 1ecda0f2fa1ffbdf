package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// TestFault7SyncIsNotRepeated checks that no error of a sync is tried away, not
// even EINTR.
func TestFault7SyncIsNotRepeated(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	check(t, err)
	for _, want := range []error{nil, syscall.EIO, syscall.EINTR, syscall.ENOSPC} {
		calls := 0
		err := durable.SyncOnce(f, "fdatasync", func(int) error {
			calls++
			return want
		})
		if calls != 1 || !errors.Is(err, want) {
			t.Errorf("got %v after %d calls, want %v after 1", err, calls, want)
		}
	}
	check(t, f.Close())
	err = durable.SyncOnce(f, "fdatasync", func(int) error { return nil })
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed file: got %v, want %v", err, fs.ErrClosed)
	}
}

//go:build !linux

package durable

import (
	"os"
	"runtime"
)

// largeFile is the flag that large files need, where there is one.
const largeFile = 0

// syncData makes a file's bytes and length durable: F_FULLFSYNC on macOS, where
// fsync(2) does not reach the disk, FlushFileBuffers on Windows.
func syncData(f *os.File) error { return f.Sync() }

// syncDir makes the names in a directory durable. Windows has no such call.
func syncDir(f *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return f.Sync()
}

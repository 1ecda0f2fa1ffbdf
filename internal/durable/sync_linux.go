package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// largeFile lets 32-bit systems use files over 2 GiB. [os.OpenFile] sets it,
// [os.Root.OpenFile] does not.
const largeFile = unix.O_LARGEFILE

// syncData makes a file's bytes and length durable: fdatasync(2).
func syncData(f *os.File) error { return syncOnce(f, "fdatasync", unix.Fdatasync) }

// syncDir makes the names in a directory durable: fsync(2).
func syncDir(f *os.File) error { return syncOnce(f, "fsync", unix.Fsync) }

// syncOnce makes one system call and reports every error, EINTR too.
//
// [os.File.Sync] repeats a call that returned EINTR, which is not safe: the
// kernel looks up, and thereby forgets, an earlier write error of the file even
// when it returns another error, and EINTR would hide it from the repeated call
// (file_write_and_wait_range in mm/filemap.c). It costs nothing: a wait for a
// local disk is not interruptible, and the Go runtime installs its signal
// handlers with SA_RESTART. A network file system that does return EINTR has not
// promised anything, and the caller must treat it so.
func syncOnce(f *os.File, op string, call func(fd int) error) error {
	conn, err := f.SyscallConn() // keeps the descriptor open during the call
	if err != nil {
		return err
	}
	var callErr error
	if conn.Control(func(fd uintptr) { callErr = call(int(fd)) }) != nil {
		callErr = os.ErrClosed // the only reason, which Control words otherwise
	}
	if callErr != nil {
		return &os.PathError{Op: op, Path: f.Name(), Err: callErr}
	}
	return nil
}

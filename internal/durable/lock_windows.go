package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// openFlags are added to every open. Opening does not block on Windows.
const openFlags = 0

// flock takes the lock of an open file, or returns ErrLocked. It belongs to this
// opening of the file, so a second one in the same process does not get it.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	if err := conn.Control(func(fd uintptr) {
		const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
		lockErr = windows.LockFileEx(windows.Handle(fd), flags, 0, 1, 0, new(windows.Overlapped))
	}); err != nil {
		return err
	}
	if errors.Is(lockErr, windows.ERROR_LOCK_VIOLATION) || errors.Is(lockErr, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return lockErr
}

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openFlags are added to every open. A pipe opened for reading would otherwise
// wait for a writer; regular files and directories are not affected.
const openFlags = unix.O_NONBLOCK

// flock takes the lock of an open file, or returns ErrLocked. It belongs to this
// opening of the file, so a second one in the same process does not get it.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	if err := conn.Control(func(fd uintptr) {
		lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB)
	}); err != nil {
		return err
	}
	if errors.Is(lockErr, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return lockErr
}

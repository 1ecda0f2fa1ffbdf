// Package durable is the file system seam: the only package that writes files.
//
// Everything above it speaks to an [FS], a tree of files below one root
// directory. There are three: [OS] is the real one; [Mem] keeps files in memory
// and can cut the power, so that a test sees what a disk may hold afterwards;
// [Faulty] wraps either and makes chosen operations fail.
//
// # What is durable when
//
// Bytes written with [File.WriteAt], and a size set with [File.Truncate], are
// durable once [File.Sync] on that file has returned nil. A name that was
// created, renamed or removed is durable once [FS.SyncDir] on its directory has
// returned nil. Nothing else promises anything: before that, a power cut may
// keep all, some or none of it, in any order.
//
// A Sync that failed must never be repeated: on Linux the kernel marks the pages
// clean after reporting the error once, so a second call returns nil without
// having written anything. The caller gives the file up instead.
package durable

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked reports that another process, or another handle of this one, holds
// the lock.
var ErrLocked = errors.New("locked by another process")

// An FS is a tree of files and directories. Names are slash-separated and
// relative to the root, in the form that [fs.ValidPath] accepts; "." is the
// root itself. Errors are those of package [os]: test them with [errors.Is] for
// [fs.ErrNotExist], [fs.ErrExist], [fs.ErrPermission] and system error numbers.
//
// An FS may be used concurrently.
type FS interface {
	// Create makes a new empty file, readable and writable by its owner alone
	// (0600), and opens it for reading and writing. It fails with fs.ErrExist
	// if the name is taken.
	Create(name string) (File, error)

	// Open opens an existing file for reading.
	Open(name string) (File, error)

	// OpenWrite opens an existing file for reading and writing.
	OpenWrite(name string) (File, error)

	// Rename gives a file a new name, replacing whatever file had it, in one
	// step: after a power cut either the old or the new state is there.
	Rename(from, to string) error

	// Remove deletes a file or an empty directory.
	Remove(name string) error

	// Mkdir makes a directory for its owner alone (0700). It fails with
	// fs.ErrExist if the name is taken.
	Mkdir(name string) error

	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error

	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]Info, error)

	// Stat describes a file or directory. It does not follow symbolic links.
	Stat(name string) (Info, error)

	// Lock takes an exclusive lock on the named file, which it creates if
	// needed, until the result is closed or the process ends. It never waits:
	// if the lock is held the error is ErrLocked.
	Lock(name string) (io.Closer, error)
}

// A File is an open file. Its methods may be called concurrently, except that
// Close must be the last call.
type File interface {
	// ReadAt follows [io.ReaderAt]: fewer bytes than asked for come with an error.
	io.ReaderAt

	// WriteAt follows [io.WriterAt]. Writing past the end extends the file; the
	// bytes between read as zero.
	io.WriterAt

	// Size returns the file's length in bytes.
	Size() (int64, error)

	// Truncate sets the file's length in bytes; new bytes read as zero.
	Truncate(size int64) error

	// Sync makes the file's bytes and length durable (fdatasync).
	Sync() error

	// Close releases the file. It makes nothing durable.
	Close() error
}

// An Info describes a file or directory.
type Info struct {
	Name string // last element of its name
	Size int64  // bytes; zero for directories
	Mode fs.FileMode
}

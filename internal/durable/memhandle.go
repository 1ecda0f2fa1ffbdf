package durable

import (
	"io"
	"io/fs"
	"syscall"
)

// A memHandle is an open file of a [Mem].
type memHandle struct {
	mem      *Mem
	file     *memFile
	name     string
	writable bool
	closed   bool // guarded by mem.mu
}

// do calls f with the lock held, unless the handle is closed, and names the file
// in its error.
func (h *memHandle) do(op string, f func() error) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	err := fs.ErrClosed
	if !h.closed {
		err = f()
	}
	if err != nil && err != io.EOF {
		return &fs.PathError{Op: op, Path: h.name, Err: err}
	}
	return err
}

// ReadAt implements [File].
func (h *memHandle) ReadAt(p []byte, off int64) (n int, err error) {
	err = h.do("read", func() error {
		if off < 0 {
			return fs.ErrInvalid
		}
		if n = h.file.read(p, off); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// WriteAt implements [File].
func (h *memHandle) WriteAt(p []byte, off int64) (n int, err error) {
	err = h.do("write", func() error {
		if err := h.checkWrite(off); err != nil {
			return err
		}
		n, err = h.mem.write(h.file, p, off)
		return err
	})
	return n, err
}

// checkWrite refuses a change at an offset that cannot be.
func (h *memHandle) checkWrite(off int64) error {
	switch {
	case !h.writable:
		return syscall.EBADF
	case off < 0:
		return fs.ErrInvalid
	}
	return nil
}

// Size implements [File].
func (h *memHandle) Size() (size int64, err error) {
	err = h.do("stat", func() error {
		size = h.file.size
		return nil
	})
	return size, err
}

// Truncate implements [File].
func (h *memHandle) Truncate(size int64) error {
	return h.do("truncate", func() error {
		if err := h.checkWrite(size); err != nil {
			return err
		}
		return h.mem.truncate(h.file, size)
	})
}

// Sync implements [File].
func (h *memHandle) Sync() error {
	return h.do("sync", func() error {
		h.mem.sync(h.file)
		return nil
	})
}

// Close implements [File].
func (h *memHandle) Close() error {
	return h.do("close", func() error {
		h.closed = true
		h.mem.release(h.file)
		return nil
	})
}

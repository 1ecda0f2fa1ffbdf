package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
)

// TempSuffix ends the names of files that are being written and not yet complete.
// What a crash leaves of them can be removed.
const TempSuffix = ".tmp"

// ErrTooLarge reports a file over the limit given to [ReadFile].
var ErrTooLarge = errors.New("file too large")

// WriteFile replaces the file name by data, durably and in one step: create
// name.tmp, write, sync, close, rename, sync the directory. When it returns nil
// the new content is durable; after any error, or a power cut, the file is either
// as before or has the new content. Only one call for a name may run at a time.
func WriteFile(fsys FS, name string, data []byte) error {
	return WriteFileFrom(fsys, name, bytes.NewReader(data))
}

// WriteFileFrom is [WriteFile] with the bytes that r gives, of which it holds few
// in memory at a time.
func WriteFileFrom(fsys FS, name string, r io.Reader) error {
	if err := replaceFile(fsys, name, r); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	return nil
}

func replaceFile(fsys FS, name string, r io.Reader) error {
	temp := name + TempSuffix
	err := writeTemp(fsys, temp, r)
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		// Best effort: the next call removes what stays behind.
		fsys.Remove(temp)
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// writeTemp makes a durable file out of what r gives, except for its name.
func writeTemp(fsys FS, temp string, r io.Reader) error {
	f, err := fsys.Create(temp)
	if errors.Is(err, fs.ErrExist) { // left by a call that did not end
		if err := fsys.Remove(temp); err != nil {
			return err
		}
		f, err = fsys.Create(temp)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(f, 0), r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReadFile returns the content of a file of at most maxBytes bytes. For a larger
// one the error is [ErrTooLarge], and nothing is allocated.
func ReadFile(fsys FS, name string, maxBytes int64) (data []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxBytes || size > math.MaxInt {
		return nil, fmt.Errorf("read %s: %w: %d bytes, at most %d allowed", name, ErrTooLarge, size, maxBytes)
	}
	data = make([]byte, size)
	if err := ReadFull(f, data, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// ReadFull fills buf from offset off. When it cannot be filled there is always
// an error, [io.ErrUnexpectedEOF] if the file ends before, and buf must not be
// used: what was not read is not data.
func ReadFull(r io.ReaderAt, buf []byte, off int64) error {
	n, err := r.ReadAt(buf, off)
	if n == len(buf) {
		return nil // ReadAt may report the end of the file along with the last bytes
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

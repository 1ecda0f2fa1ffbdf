package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Permissions of everything this package makes: the owner's alone.
const (
	filePerm fs.FileMode = 0o600
	dirPerm  fs.FileMode = 0o700
)

// errNotRegular reports a name that is a device, a pipe or a socket.
var errNotRegular = errors.New("not a regular file")

// OS is the real file system below one directory. It holds the directory open,
// so renaming or replacing it does not redirect later calls, and no symbolic
// link inside leads out of it: a name that would is an error.
//
// Only regular files can be opened, and opening never blocks: a pipe planted in
// the directory is refused.
type OS struct {
	root *os.Root // never changes
}

// OpenOS opens an existing directory. It changes nothing; see [CreateDir].
// Close the result when done; open files are not affected by that.
func OpenOS(dir string) (*OS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &OS{root: root}, nil
}

// CreateDir makes a directory and the missing ones above it, for their owner
// alone (0700), and makes their names durable. The permissions of a directory
// that exists are left alone.
func CreateDir(dir string) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	err := os.Mkdir(dir, dirPerm)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err = CreateDir(parent); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirPerm)
	}
	if err == nil {
		return syncPath(parent)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := checkDir(dir, err); err != nil {
		return err
	}
	// An earlier call may have ended before it synced the name. Where we may not
	// read the parent we did not make this directory either.
	if err := syncPath(parent); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// syncPath makes the names in a directory durable.
func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

// checkDir returns exists unless dir is a directory.
func checkDir(dir string, exists error) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return exists
	}
	return nil
}

// Close releases the directory.
func (o *OS) Close() error { return o.root.Close() }

// open opens a regular file.
func (o *OS) open(op, name string, flag int) (*os.File, error) {
	local, err := localName(op, name)
	if err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(local, flag|openFlags|largeFile, filePerm)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(op, name, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkRegular returns an error unless f is a regular file.
func checkRegular(op, name string, f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: op, Path: name, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: op, Path: name, Err: errNotRegular}
	}
	return nil
}

// openFile is open with the result as a [File].
func (o *OS) openFile(op, name string, flag int) (File, error) {
	f, err := o.open(op, name, flag)
	if err != nil {
		return nil, err // not a nil *osFile in a File
	}
	return osFile{f}, nil
}

// Create implements [FS].
func (o *OS) Create(name string) (File, error) {
	return o.openFile("create", name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// Open implements [FS].
func (o *OS) Open(name string) (File, error) {
	return o.openFile("open", name, os.O_RDONLY)
}

// OpenWrite implements [FS].
func (o *OS) OpenWrite(name string) (File, error) {
	return o.openFile("openwrite", name, os.O_RDWR)
}

// Rename implements [FS].
func (o *OS) Rename(from, to string) error {
	localFrom, err := localName("rename", from)
	if err != nil {
		return err
	}
	localTo, err := localName("rename", to)
	if err != nil {
		return err
	}
	info, err := o.root.Lstat(localFrom)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "rename", Path: from, Err: syscall.EISDIR}
	}
	return o.root.Rename(localFrom, localTo)
}

// Remove implements [FS].
func (o *OS) Remove(name string) error {
	local, err := localName("remove", name)
	if err != nil {
		return err
	}
	return o.root.Remove(local)
}

// Mkdir implements [FS].
func (o *OS) Mkdir(name string) error {
	local, err := localName("mkdir", name)
	if err != nil {
		return err
	}
	return o.root.Mkdir(local, dirPerm)
}

// openDir opens a directory for reading.
func (o *OS) openDir(op, name string) (*os.File, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	f, err := o.root.OpenFile(local, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// SyncDir implements [FS]. On Windows, where a directory cannot be synced and
// the file system's own journal orders names, it only checks the name.
func (o *OS) SyncDir(name string) error {
	f, err := o.openDir("syncdir", name)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

// ReadDir implements [FS].
func (o *OS) ReadDir(name string) ([]Info, error) {
	f, err := o.openDir("readdir", name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(names))
	for _, base := range names {
		info, err := o.Stat(path.Join(name, base))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since the names were read
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Stat implements [FS].
func (o *OS) Stat(name string) (Info, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	st, err := o.root.Lstat(local)
	if err != nil {
		return Info{}, err
	}
	info := Info{Name: path.Base(name), Mode: st.Mode()}
	if !st.IsDir() {
		info.Size = st.Size()
	}
	return info, nil
}

// Lock implements [FS]. The kernel drops the lock when the process ends, however
// it ends, so a file left behind by a dead process does not lock anything.
// Programs that this one starts do not inherit it.
func (o *OS) Lock(name string) (io.Closer, error) {
	f, err := o.open("lock", name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// localName returns the operating system's form of the name of something below
// the root.
func localName(op, name string) (string, error) {
	local, err := filepath.Localize(name)
	if err != nil || name == "." {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return local, nil
}

// An osFile is an open file of an [OS].
type osFile struct {
	*os.File
}

// Size implements [File].
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync implements [File].
func (f osFile) Sync() error { return syncData(f.File) }

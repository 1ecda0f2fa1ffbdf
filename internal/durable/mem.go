package durable

import (
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that knows which of its bytes and names are
// durable, and which only exist until the power goes; see [Mem.Crash]. Its
// capacity can be limited. It is made for tests.
//
// A Mem may be used concurrently.
type Mem struct {
	// mu guards everything below, with all files and directories. The exported
	// methods take it; every other method of this and the types below needs it,
	// which a Locked in each of their names would only repeat.
	mu sync.Mutex

	root    *memDir
	pending []dirOp // changes of names that are not durable, oldest first
	locked  map[*memFile]bool

	// era owns the pages that may be written in place. A crash starts a new one,
	// since both sides share all pages then.
	era *era

	capacity  int64 // blocks; used may exceed it
	used      int64 // blocks of all files that have a name or are open
	fileLimit int64 // highest size of a file
}

// An era is the time between two crashes of one Mem. Only its address matters.
type era struct{ _ byte }

// maxFileBytes bounds every file of a Mem, so that a wild offset is an error
// rather than a huge table of blocks.
const maxFileBytes = 4 << 30

// A memNode is a *memFile or a *memDir.
type memNode interface {
	info(name string) Info
}

// A memDir is a directory. Its parent never changes: directories are not renamed.
type memDir struct {
	parent *memDir            // nil at the root
	now    map[string]memNode // as programs see it
	synced map[string]memNode // as it is after a power cut that loses all it may
}

func newMemDir(parent *memDir) *memDir {
	return &memDir{parent: parent, now: make(map[string]memNode), synced: make(map[string]memNode)}
}

func (*memDir) info(name string) Info { return Info{Name: name, Mode: fs.ModeDir | dirPerm} }

func (f *memFile) info(name string) Info { return Info{Name: name, Size: f.size, Mode: filePerm} }

// NewMem returns an empty Mem without limits.
func NewMem() *Mem {
	return &Mem{
		root:      newMemDir(nil),
		locked:    make(map[*memFile]bool),
		era:       new(era),
		capacity:  math.MaxInt64,
		fileLimit: maxFileBytes,
	}
}

// find returns what has a name.
func (m *Mem) find(op, name string) (memNode, error) {
	if !fs.ValidPath(name) || strings.ContainsRune(name, 0) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	var node memNode = m.root
	for rest := name; rest != "" && rest != "."; {
		var base string
		base, rest, _ = strings.Cut(rest, "/")
		dir, ok := node.(*memDir)
		if !ok {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		if node = dir.now[base]; node == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return node, nil
}

// findFile returns the file that has a name.
func (m *Mem) findFile(op, name string) (*memFile, error) {
	node, err := m.find(op, name)
	if err != nil {
		return nil, err
	}
	f, ok := node.(*memFile)
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.EISDIR}
	}
	return f, nil
}

// findDir returns the directory that has a name.
func (m *Mem) findDir(op, name string) (*memDir, error) {
	node, err := m.find(op, name)
	if err != nil {
		return nil, err
	}
	dir, ok := node.(*memDir)
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, nil
}

// findSlot returns the place of a name, which may be empty.
func (m *Mem) findSlot(op, name string) (slot, error) {
	if name == "." {
		return slot{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if _, err := m.find(op, name); err != nil && !isNotExist(err) {
		return slot{}, err
	}
	dir, err := m.findDir(op, path.Dir(name))
	if err != nil {
		return slot{}, err
	}
	return slot{dir, path.Base(name)}, nil
}

// add puts a new node at a name that must be free.
func (m *Mem) add(op, name string, create func(parent *memDir) memNode) (memNode, error) {
	at, err := m.findSlot(op, name)
	if err != nil {
		return nil, err
	}
	if at.dir.now[at.name] != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	node := create(at.dir)
	m.change(dirOp{to: at, node: node})
	return node, nil
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.add("create", name, newMemFile)
	if err != nil {
		return nil, err
	}
	return m.open(node.(*memFile), name, true), nil
}

func (m *Mem) open(f *memFile, name string, writable bool) File {
	f.refs++
	return &memHandle{mem: m, file: f, name: name, writable: writable}
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.findFile("open", name)
	if err != nil {
		return nil, err
	}
	return m.open(f, name, false), nil
}

// OpenWrite implements [FS].
func (m *Mem) OpenWrite(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.findFile("openwrite", name)
	if err != nil {
		return nil, err
	}
	return m.open(f, name, true), nil
}

// Rename implements [FS].
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.findFile("rename", from)
	if err != nil {
		return err
	}
	source, err := m.findSlot("rename", from)
	if err != nil {
		return err
	}
	target, err := m.findSlot("rename", to)
	if err != nil {
		return err
	}
	if _, ok := target.dir.now[target.name].(*memDir); ok {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	if source != target {
		m.change(dirOp{from: source, to: target, node: f})
	}
	return nil
}

// Remove implements [FS]. The blocks of a file are free once it is not open
// either.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.findSlot("remove", name)
	if err != nil {
		return err
	}
	node := at.dir.now[at.name]
	if node == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if dir, ok := node.(*memDir); ok && len(dir.now) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	m.change(dirOp{from: at, node: node})
	return nil
}

// Mkdir implements [FS].
func (m *Mem) Mkdir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.add("mkdir", name, func(parent *memDir) memNode { return newMemDir(parent) })
	return err
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, err := m.findDir("syncdir", name)
	if err != nil {
		return err
	}
	m.commit(func(at slot) bool { return at.dir == dir })
	return nil
}

// ReadDir implements [FS].
func (m *Mem) ReadDir(name string) ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, err := m.findDir("readdir", name)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(dir.now))
	for _, base := range slices.Sorted(maps.Keys(dir.now)) {
		infos = append(infos, dir.now[base].info(base))
	}
	return infos, nil
}

// Stat implements [FS].
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("stat", name)
	if err != nil {
		return Info{}, err
	}
	return node.info(path.Base(name)), nil
}

// Lock implements [FS].
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.findFile("lock", name)
	if isNotExist(err) {
		var node memNode
		if node, err = m.add("lock", name, newMemFile); err == nil {
			f = node.(*memFile)
		}
	}
	if err != nil {
		return nil, err
	}
	if m.locked[f] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	m.locked[f] = true
	return &memLock{mem: m, file: f}, nil
}

// A memLock is a lock that is held.
type memLock struct {
	mem    *Mem
	file   *memFile
	closed bool // guarded by mem.mu
}

// Close implements [io.Closer].
func (l *memLock) Close() error {
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	if l.closed {
		return fs.ErrClosed
	}
	l.closed = true
	delete(l.mem.locked, l.file)
	return nil
}

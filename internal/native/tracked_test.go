package native_test

import (
	"io"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/annals-io/annals/internal/durable"
)

// A tracked is a file system that knows the name which each open file has now,
// where [durable.Faulty] only knows the one that it was opened by: the newest
// segment was opened as log/spare. It can skip operations, which then seem to
// have worked, and counts open files.
type tracked struct {
	durable.FS
	skip func(durable.Op) bool // asked before each mutating operation; nil = never
	open atomic.Int64          // files that are open

	mu    sync.Mutex
	files map[string][]*trackedFile // open files by name; guarded by mu
}

func newTracked(fsys durable.FS, skip func(durable.Op) bool) *tracked {
	return &tracked{FS: fsys, skip: skip, files: make(map[string][]*trackedFile)}
}

func (t *tracked) do(op durable.Op, run func() error) error {
	if t.skip != nil && t.skip(op) {
		return nil
	}
	return run()
}

// A trackedFile is an open file of a tracked.
type trackedFile struct {
	durable.File
	fs   *tracked
	name string // guarded by fs.mu
}

func (t *tracked) opened(name string, f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	t.open.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	h := &trackedFile{File: f, fs: t, name: name}
	t.files[name] = append(t.files[name], h)
	return h, nil
}

func (t *tracked) Create(name string) (f durable.File, err error) {
	err = t.do(durable.Op{Kind: durable.OpCreate, Name: name}, func() error {
		f, err = t.FS.Create(name)
		return err
	})
	return t.opened(name, f, err)
}

func (t *tracked) Open(name string) (durable.File, error) {
	f, err := t.FS.Open(name)
	return t.opened(name, f, err)
}

func (t *tracked) OpenWrite(name string) (f durable.File, err error) {
	err = t.do(durable.Op{Kind: durable.OpOpenWrite, Name: name}, func() error {
		f, err = t.FS.OpenWrite(name)
		return err
	})
	return t.opened(name, f, err)
}

func (t *tracked) Rename(from, to string) error {
	return t.do(durable.Op{Kind: durable.OpRename, Name: from, To: to}, func() error {
		if err := t.FS.Rename(from, to); err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, h := range t.files[from] {
			h.name = to
		}
		t.files[to] = t.files[from]
		delete(t.files, from)
		return nil
	})
}

func (t *tracked) Remove(name string) error {
	return t.do(durable.Op{Kind: durable.OpRemove, Name: name}, func() error { return t.FS.Remove(name) })
}

func (t *tracked) Mkdir(name string) error {
	return t.do(durable.Op{Kind: durable.OpMkdir, Name: name}, func() error { return t.FS.Mkdir(name) })
}

func (t *tracked) SyncDir(name string) error {
	return t.do(durable.Op{Kind: durable.OpSyncDir, Name: name}, func() error { return t.FS.SyncDir(name) })
}

func (t *tracked) Lock(name string) (io.Closer, error) { return t.FS.Lock(name) }

func (h *trackedFile) op(kind durable.OpKind) durable.Op {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return durable.Op{Kind: kind, Name: h.name}
}

func (h *trackedFile) WriteAt(p []byte, off int64) (n int, err error) {
	op := h.op(durable.OpWrite)
	op.Off, op.Len = off, len(p)
	n = len(p)
	err = h.fs.do(op, func() error {
		n, err = h.File.WriteAt(p, off)
		return err
	})
	return n, err
}

func (h *trackedFile) Truncate(size int64) error {
	op := h.op(durable.OpTruncate)
	op.Off = size
	return h.fs.do(op, func() error { return h.File.Truncate(size) })
}

func (h *trackedFile) Sync() error { return h.fs.do(h.op(durable.OpSync), h.File.Sync) }

func (h *trackedFile) Close() error {
	h.fs.open.Add(-1)
	return h.File.Close()
}

// isSegment reports whether a name is that of a segment in its place.
func isSegment(name string) bool {
	return path.Dir(name) == "log" && strings.HasSuffix(name, ".wal")
}

package durable

import (
	"cmp"
	"io"
)

// Create implements [FS].
func (f *Faulty) Create(name string) (File, error) { return f.open(OpCreate, name, f.fs.Create) }

// Open implements [FS].
func (f *Faulty) Open(name string) (File, error) { return f.open(OpOpen, name, f.fs.Open) }

// OpenWrite implements [FS].
func (f *Faulty) OpenWrite(name string) (File, error) {
	return f.open(OpOpenWrite, name, f.fs.OpenWrite)
}

func (f *Faulty) open(kind OpKind, name string, open func(string) (File, error)) (File, error) {
	file, err := get(f, Op{Kind: kind, Name: name}, func() (File, error) { return open(name) })
	if err != nil {
		return nil, err
	}
	return &faultyFile{fs: f, file: file, name: name}, nil
}

// Rename implements [FS].
func (f *Faulty) Rename(from, to string) error {
	return f.do(Op{Kind: OpRename, Name: from, To: to}, func() error { return f.fs.Rename(from, to) })
}

// Remove implements [FS].
func (f *Faulty) Remove(name string) error {
	return f.do(Op{Kind: OpRemove, Name: name}, func() error { return f.fs.Remove(name) })
}

// Mkdir implements [FS].
func (f *Faulty) Mkdir(name string) error {
	return f.do(Op{Kind: OpMkdir, Name: name}, func() error { return f.fs.Mkdir(name) })
}

// SyncDir implements [FS].
func (f *Faulty) SyncDir(name string) error {
	return f.do(Op{Kind: OpSyncDir, Name: name}, func() error { return f.fs.SyncDir(name) })
}

// ReadDir implements [FS].
func (f *Faulty) ReadDir(name string) ([]Info, error) {
	return get(f, Op{Kind: OpReadDir, Name: name}, func() ([]Info, error) { return f.fs.ReadDir(name) })
}

// Stat implements [FS].
func (f *Faulty) Stat(name string) (Info, error) {
	return get(f, Op{Kind: OpStat, Name: name}, func() (Info, error) { return f.fs.Stat(name) })
}

// Lock implements [FS]. Releasing the lock is an operation of kind close.
func (f *Faulty) Lock(name string) (io.Closer, error) {
	lock, err := get(f, Op{Kind: OpLock, Name: name}, func() (io.Closer, error) { return f.fs.Lock(name) })
	if err != nil {
		return nil, err
	}
	return &faultyLock{fs: f, lock: lock, name: name}, nil
}

// A faultyLock is a lock held through a [Faulty].
type faultyLock struct {
	fs   *Faulty
	lock io.Closer
	name string
}

// Close implements [io.Closer].
func (l *faultyLock) Close() error { return l.fs.close(l.name, l.lock) }

// close closes c whatever the hook says; only the result is the hook's.
func (f *Faulty) close(name string, c io.Closer) error {
	fault := f.ask(Op{Kind: OpClose, Name: name})
	err := c.Close()
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// A faultyFile is an open file of a [Faulty].
type faultyFile struct {
	fs   *Faulty
	file File
	name string
}

// ReadAt implements [File].
func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	return f.transfer(OpRead, p, off, f.file.ReadAt, io.ErrUnexpectedEOF)
}

// WriteAt implements [File].
func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.transfer(OpWrite, p, off, f.file.WriteAt, io.ErrShortWrite)
}

// transfer reads or writes as far as it may. The error short says that it was
// not all.
func (f *faultyFile) transfer(kind OpKind, p []byte, off int64, run func([]byte, int64) (int, error), short error) (int, error) {
	fault := f.fs.ask(Op{Kind: kind, Name: f.name, Off: off, Len: len(p)})
	switch {
	case fault.Short > 0 && fault.Short < len(p):
		p = p[:fault.Short]
		fault.Err = cmp.Or(fault.Err, short)
	case fault.Short <= 0 && fault.Err != nil && !fault.After:
		return 0, fault.Err
	}
	n, err := run(p, off)
	if fault.Err != nil {
		return n, fault.Err
	}
	return n, err
}

// Size implements [File].
func (f *faultyFile) Size() (int64, error) { return f.file.Size() }

// Truncate implements [File].
func (f *faultyFile) Truncate(size int64) error {
	return f.fs.do(Op{Kind: OpTruncate, Name: f.name, Off: size}, func() error { return f.file.Truncate(size) })
}

// Sync implements [File].
func (f *faultyFile) Sync() error {
	return f.fs.do(Op{Kind: OpSync, Name: f.name}, f.file.Sync)
}

// Close implements [File].
func (f *faultyFile) Close() error { return f.fs.close(f.name, f.file) }

package durable

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// ErrInjected is an error for tests to inject where no system error is meant.
var ErrInjected = errors.New("injected fault")

// An OpKind is a kind of file operation.
type OpKind uint8

// The kinds of file operations.
const (
	OpCreate OpKind = iota + 1
	OpOpen
	OpOpenWrite
	OpRename
	OpRemove
	OpMkdir
	OpSyncDir
	OpReadDir
	OpStat
	OpLock
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpClose
)

// opNames are the words of [Op.String].
var opNames = [...]string{
	OpCreate: "create", OpOpen: "open", OpOpenWrite: "openwrite", OpRename: "rename", OpRemove: "remove",
	OpMkdir: "mkdir", OpSyncDir: "syncdir", OpReadDir: "readdir", OpStat: "stat", OpLock: "lock",
	OpRead: "read", OpWrite: "write", OpTruncate: "truncate", OpSync: "sync", OpClose: "close",
}

// String returns the kind's word in a trace.
func (k OpKind) String() string {
	if k == 0 || int(k) >= len(opNames) {
		return fmt.Sprintf("OpKind(%d)", uint8(k))
	}
	return opNames[k]
}

// Mutates reports whether an operation of this kind changes what is on the disk
// or what of it is durable. Opening for writing counts: it is where a file that
// must not be written to is refused. Locking does not.
func (k OpKind) Mutates() bool {
	switch k {
	case OpCreate, OpOpenWrite, OpRename, OpRemove, OpMkdir, OpSyncDir, OpWrite, OpTruncate, OpSync:
		return true
	}
	return false
}

// An Op is one file operation about to be done.
type Op struct {
	N    int64 // number among all operations of a [Faulty], from 0
	Kind OpKind
	Name string // of the file or directory; of an open file, as it was opened
	To   string // new name, of a rename
	Off  int64  // first byte of a read or write, new size of a truncate
	Len  int    // bytes to read or write
}

// String describes the operation as one line of a trace, for example
// "write log/spare 0+4096", "truncate state 128" or "rename a b".
func (op Op) String() string {
	switch op.Kind {
	case OpRead, OpWrite:
		return fmt.Sprintf("%v %s %d+%d", op.Kind, op.Name, op.Off, op.Len)
	case OpTruncate:
		return fmt.Sprintf("%v %s %d", op.Kind, op.Name, op.Off)
	case OpRename:
		return fmt.Sprintf("%v %s %s", op.Kind, op.Name, op.To)
	}
	return fmt.Sprintf("%v %s", op.Kind, op.Name)
}

// A Fault says what happens to an operation. The zero Fault lets it through.
type Fault struct {
	// Err is what the operation returns, as it is, without being done. A file
	// whose close fails is closed nevertheless, as on Linux.
	Err error

	// After does the operation before Err is returned. What it opened is closed.
	After bool

	// Short, if not zero, lets a read or write go only so many bytes far. It
	// returns that number with Err or, if that is nil, io.ErrUnexpectedEOF or
	// io.ErrShortWrite.
	Short int

	// Lie lets a sync or directory sync return nil without being done.
	Lie bool
}

func (f Fault) isZero() bool { return f.Err == nil && !f.After && f.Short == 0 && !f.Lie }

// A Hook decides what happens to an operation. It is called without locks held,
// from the goroutine that does the operation, and may block, as a hung disk does.
// Operations done concurrently call it concurrently.
type Hook func(Op) Fault

// Hooks returns a hook that asks every hook and follows the first that wants a
// fault.
func Hooks(hooks ...Hook) Hook {
	return func(op Op) (first Fault) {
		for _, hook := range hooks {
			if fault := hook(op); first.isZero() {
				first = fault
			}
		}
		return first
	}
}

// FailNth returns a hook that makes the mutating operation number n, from 0, fail
// with err; see [OpKind.Mutates]. Those before and after go through.
func FailNth(n int64, err error) Hook {
	var count atomic.Int64
	return func(op Op) Fault {
		if op.Kind.Mutates() && count.Add(1)-1 == n {
			return Fault{Err: err}
		}
		return Fault{}
	}
}

// Trace returns a hook that writes one line for each operation, [Op.String], and
// lets it through. An error of w is ignored.
func Trace(w io.Writer) Hook {
	var mu sync.Mutex // held while writing, so that lines stay whole
	return func(op Op) Fault {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, op)
		return Fault{}
	}
}

// Faulty is a file system whose operations fail as a hook decides.
type Faulty struct {
	fs     FS   // never changes
	hook   Hook // never changes
	ops    atomic.Int64
	failed atomic.Bool
}

// NewFaulty returns a file system that asks hook before each operation on fsys.
// [File.Size] is not an operation.
func NewFaulty(fsys FS, hook Hook) *Faulty {
	return &Faulty{fs: fsys, hook: hook}
}

// Ops returns the number of operations so far.
func (f *Faulty) Ops() int64 { return f.ops.Load() }

// Failed reports whether the hook has wanted a fault so far.
func (f *Faulty) Failed() bool { return f.failed.Load() }

// ask numbers an operation and returns what happens to it.
func (f *Faulty) ask(op Op) Fault {
	op.N = f.ops.Add(1) - 1
	fault := f.hook(op)
	if !fault.isZero() {
		f.failed.Store(true)
	}
	return fault
}

// do does an operation that has no result, as far as it may.
func (f *Faulty) do(op Op, run func() error) error {
	fault := f.ask(op)
	if fault.Lie && (op.Kind == OpSync || op.Kind == OpSyncDir) {
		return nil
	}
	if fault.Err != nil && !fault.After {
		return fault.Err
	}
	err := run()
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// get does an operation that has a result, as far as it may.
func get[T any](f *Faulty, op Op, run func() (T, error)) (result T, err error) {
	err = f.do(op, func() error {
		result, err = run()
		return err
	})
	if err == nil {
		return result, nil
	}
	if c, ok := any(result).(io.Closer); ok {
		c.Close() // opened, but reported as failed
	}
	var none T
	return none, err
}

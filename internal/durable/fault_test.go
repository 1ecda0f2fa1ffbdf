package durable_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// on returns a hook that wants a fault for one kind of operation.
func on(kind durable.OpKind, fault durable.Fault) durable.Hook {
	return func(op durable.Op) durable.Fault {
		if op.Kind == kind {
			return fault
		}
		return durable.Fault{}
	}
}

// allOps does one operation of each kind and returns their errors.
func allOps(fsys durable.FS) map[durable.OpKind]error {
	errs := make(map[durable.OpKind]error)
	f, err := fsys.Create("new")
	errs[durable.OpCreate] = err
	if err == nil {
		_, errs[durable.OpWrite] = f.WriteAt([]byte("data"), 2)
		_, errs[durable.OpRead] = f.ReadAt(make([]byte, 3), 1)
		errs[durable.OpTruncate] = f.Truncate(5)
		errs[durable.OpSync] = f.Sync()
		errs[durable.OpClose] = f.Close()
	}
	open := func(kind durable.OpKind, open func(string) (durable.File, error)) {
		f, err := open("a")
		if errs[kind] = err; err == nil {
			errs[durable.OpClose] = f.Close()
		}
	}
	open(durable.OpOpen, fsys.Open)
	open(durable.OpOpenWrite, fsys.OpenWrite)
	errs[durable.OpMkdir] = fsys.Mkdir("d")
	_, errs[durable.OpReadDir] = fsys.ReadDir(".")
	_, errs[durable.OpStat] = fsys.Stat("a")
	lock, err := fsys.Lock("LOCK")
	if errs[durable.OpLock] = err; err == nil {
		errs[durable.OpClose] = lock.Close()
	}
	errs[durable.OpRename] = fsys.Rename("a", "b")
	errs[durable.OpRemove] = fsys.Remove("c")
	errs[durable.OpSyncDir] = fsys.SyncDir(".")
	return errs
}

// world returns a file system on which allOps works.
func world(t testing.TB) *durable.Mem {
	m := durable.NewMem()
	for _, name := range []string{"a", "c"} {
		putDurable(t, m, name, "content of "+name)
	}
	check(t, m.SyncDir("."))
	return m
}

// TestTrace pins the form of traces, which golden files elsewhere rely on.
func TestTrace(t *testing.T) {
	var trace strings.Builder
	f := durable.NewFaulty(world(t), durable.Trace(&trace))
	for kind, err := range allOps(f) {
		if err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
	want := `create new
write new 2+4
read new 1+3
truncate new 5
sync new
close new
open a
close a
openwrite a
close a
mkdir d
readdir .
stat a
lock LOCK
close LOCK
rename a b
remove c
syncdir .
`
	if diff := cmp.Diff(want, trace.String()); diff != "" {
		t.Errorf("trace (-want +got)\n%s", diff)
	}
	if f.Failed() {
		t.Error("a trace counts as a fault")
	}
	if got, want := f.Ops(), int64(strings.Count(want, "\n")); got != want {
		t.Errorf("operations: got %d, want %d", got, want)
	}
	if got := durable.OpKind(99).String(); got != "OpKind(99)" {
		t.Errorf("unknown kind: got %s", got)
	}
}

// TestErrBefore fails each kind of operation and checks that it was not done.
func TestErrBefore(t *testing.T) {
	for kind := durable.OpCreate; kind <= durable.OpClose; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			m := world(t)
			f := durable.NewFaulty(m, on(kind, durable.Fault{Err: syscall.EIO}))
			errs := allOps(f)
			for other, err := range errs {
				if (other == kind) != errors.Is(err, syscall.EIO) {
					t.Errorf("%v: %v", other, err)
				}
			}
			if !f.Failed() {
				t.Error("Failed is false")
			}
			want := map[string]string{"./": "", "b": "content of a", "new": "\x00\x00dat", "LOCK": "", "d/": ""}
			switch kind {
			case durable.OpCreate:
				delete(want, "new")
			case durable.OpMkdir:
				delete(want, "d/")
			case durable.OpLock:
				delete(want, "LOCK")
			case durable.OpRemove:
				want["c"] = "content of c"
			case durable.OpRename:
				delete(want, "b")
				want["a"] = "content of a"
			case durable.OpWrite:
				want["new"] = "\x00\x00\x00\x00\x00"
			case durable.OpTruncate:
				want["new"] = "\x00\x00data"
			}
			if diff := cmp.Diff(want, tree(t, m, ".")); diff != "" {
				t.Errorf("tree (-want +got)\n%s", diff)
			}
			if kind == durable.OpSyncDir {
				if _, err := m.Crash(durable.Cut{}).Stat("b"); err == nil {
					t.Error("the directory was synced")
				}
			}
		})
	}
}

// TestErrAfter reports each kind of operation as failed although it was done, as
// in fault 12, close failing after a good sync.
func TestErrAfter(t *testing.T) {
	want := tree(t, afterAllOps(t, durable.Hooks()), ".")
	for kind := durable.OpOpen; kind <= durable.OpClose; kind++ { // create is below
		m := afterAllOps(t, on(kind, durable.Fault{Err: syscall.EIO, After: true}))
		if diff := cmp.Diff(want, tree(t, m, ".")); diff != "" {
			t.Errorf("%v (-want +got)\n%s", kind, diff)
		}
		if diff := cmp.Diff(want, tree(t, m.Crash(durable.Cut{}), ".")); kind == durable.OpSyncDir && diff != "" {
			t.Errorf("%v was not done (-want +got)\n%s", kind, diff)
		}
	}
	m := durable.NewMem()
	f := durable.NewFaulty(m, on(durable.OpCreate, durable.Fault{Err: syscall.EIO, After: true}))
	if file, err := f.Create("a"); file != nil || err != syscall.EIO {
		t.Errorf("create: got %v, %v, want nil, %v", file, err, syscall.EIO)
	}
	if _, err := m.Stat("a"); err != nil {
		t.Errorf("create was not done: %v", err)
	}
	f = durable.NewFaulty(m, on(durable.OpLock, durable.Fault{Err: syscall.EIO, After: true}))
	if lock, err := f.Lock("a"); lock != nil || err != syscall.EIO {
		t.Errorf("lock: got %v, %v, want nil, %v", lock, err, syscall.EIO)
	}
	lock, err := m.Lock("a") // the caller got none, so it must not be held
	check(t, err)
	check(t, lock.Close())
}

func afterAllOps(t *testing.T, hook durable.Hook) *durable.Mem {
	m := world(t)
	allOps(durable.NewFaulty(m, hook))
	return m
}

// TestFault12CloseReleases checks that a close that fails releases what it should:
// the space of a removed file, and a lock.
func TestFault12CloseReleases(t *testing.T) {
	m := durable.NewMem()
	m.SetCapacity(4096)
	f := durable.NewFaulty(m, on(durable.OpClose, durable.Fault{Err: syscall.EIO}))
	file, err := f.Create("a")
	check(t, err)
	writeAt(t, file, "x", 0)
	check(t, m.Remove("a"))
	lock, err := f.Lock("LOCK")
	check(t, err)
	if first, second := file.Close(), lock.Close(); first != syscall.EIO || second != syscall.EIO {
		t.Errorf("close: got %v and %v, want %v", first, second, syscall.EIO)
	}
	put(t, m, "b", "x")
	again, err := m.Lock("LOCK")
	check(t, err)
	check(t, again.Close())
}

// TestFault10And26Short stops reads and writes early.
func TestFault10And26Short(t *testing.T) {
	tests := []struct {
		name        string
		fault       durable.Fault
		n           int
		write, read error
		stored      string
	}{
		{"short", durable.Fault{Short: 3}, 3, io.ErrShortWrite, io.ErrUnexpectedEOF, "new"},
		{"short with error", durable.Fault{Short: 3, Err: syscall.EIO}, 3, syscall.EIO, syscall.EIO, "new"},
		{"not short enough", durable.Fault{Short: 7}, 7, nil, nil, "newdata"},
		{"all, with error", durable.Fault{Short: 7, Err: syscall.EIO}, 7, syscall.EIO, syscall.EIO, "newdata"},
		{"all, with error after", durable.Fault{Err: syscall.EIO, After: true}, 7, syscall.EIO, syscall.EIO, "newdata"},
		{"nothing", durable.Fault{Err: syscall.EIO}, 0, syscall.EIO, syscall.EIO, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := durable.NewMem()
			m.SetBytes("r", []byte("content"))
			f := durable.NewFaulty(m, func(op durable.Op) durable.Fault {
				if op.Kind == durable.OpRead || op.Kind == durable.OpWrite {
					return test.fault
				}
				return durable.Fault{}
			})
			w, err := f.Create("w")
			check(t, err)
			n, err := w.WriteAt([]byte("newdata"), 0)
			if n != test.n || err != test.write {
				t.Errorf("write: got %d, %v, want %d, %v", n, err, test.n, test.write)
			}
			if got := string(m.Bytes("w")); got != test.stored {
				t.Errorf("stored: got %q, want %q", got, test.stored)
			}
			r, err := f.Open("r")
			check(t, err)
			buf := []byte("xxxxxxx")
			n, err = r.ReadAt(buf, 0)
			if n != test.n || err != test.read {
				t.Errorf("read: got %d, %v, want %d, %v", n, err, test.n, test.read)
			}
			if got, want := string(buf), "content"[:n]+"xxxxxxx"[n:]; got != want {
				t.Errorf("buffer: got %q, want %q", got, want)
			}
		})
	}
}

// TestFault9LyingSync reports syncs as done that were not.
func TestFault9LyingSync(t *testing.T) {
	m := durable.NewMem()
	lie := durable.Fault{Lie: true}
	f := durable.NewFaulty(m, on(durable.OpSync, lie))
	check(t, durable.WriteFile(f, "a", []byte("data")))
	if got := m.Crash(durable.Cut{}).Bytes("a"); got == nil || len(got) > 0 {
		t.Errorf("after a lying sync: got %q, want an empty file", got)
	}
	f = durable.NewFaulty(m, on(durable.OpSyncDir, lie))
	check(t, durable.WriteFile(f, "b", []byte("data")))
	if got := m.Crash(durable.Cut{}).Bytes("b"); got != nil {
		t.Errorf("after a lying directory sync: got %q, want no file", got)
	}
	if !f.Failed() {
		t.Error("a lie does not count as a fault")
	}
	f = durable.NewFaulty(m, func(durable.Op) durable.Fault { return lie })
	check(t, f.Mkdir("d")) // other operations cannot lie
	if _, err := m.Stat("d"); err != nil {
		t.Errorf("mkdir lied: %v", err)
	}
}

// TestFault7FailNth checks which operation fails: that one, once.
func TestFault7FailNth(t *testing.T) {
	f := durable.NewFaulty(durable.NewMem(), durable.FailNth(2, durable.ErrInjected))
	file, err := f.Create("a") // 0
	check(t, err)
	writeAt(t, file, "x", 0) // 1
	if _, err := f.Stat("a"); err != nil {
		t.Errorf("stat: %v", err)
	}
	if f.Failed() {
		t.Error("failed too early")
	}
	if err := file.Sync(); err != durable.ErrInjected { // 2
		t.Errorf("first sync: got %v, want %v", err, durable.ErrInjected)
	}
	if !f.Failed() {
		t.Error("Failed is false")
	}
	check(t, file.Sync())
	check(t, file.Close())
}

// TestHooks checks that every hook sees every operation and the first fault wins.
func TestHooks(t *testing.T) {
	var trace strings.Builder
	first, second := errors.New("first"), errors.New("second")
	f := durable.NewFaulty(durable.NewMem(), durable.Hooks(
		on(durable.OpMkdir, durable.Fault{Err: first}),
		durable.Hooks(on(durable.OpMkdir, durable.Fault{Err: second}), on(durable.OpRemove, durable.Fault{Err: second})),
		durable.Trace(&trace)))
	if err := f.Mkdir("a"); err != first {
		t.Errorf("mkdir: got %v, want %v", err, first)
	}
	if err := f.Remove("a"); err != second {
		t.Errorf("remove: got %v, want %v", err, second)
	}
	if got, want := trace.String(), "mkdir a\nremove a\n"; got != want {
		t.Errorf("trace: got %q, want %q", got, want)
	}
}

// TestFault37HungSync blocks one operation; others go on meanwhile.
func TestFault37HungSync(t *testing.T) {
	hung, release := make(chan struct{}), make(chan struct{})
	f := durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpSync {
			close(hung)
			<-release
		}
		return durable.Fault{}
	})
	file, err := f.Create("a")
	check(t, err)
	var syncing sync.WaitGroup
	var syncErr error
	syncing.Go(func() { syncErr = file.Sync() })
	<-hung
	writeAt(t, file, "x", 0)
	check(t, f.Mkdir("d"))
	close(release)
	syncing.Wait()
	check(t, syncErr)
}

// TestFaultyNumbersOps numbers operations done at the same time.
func TestFaultyNumbersOps(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[int64]int)
	f := durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		mu.Lock()
		defer mu.Unlock()
		seen[op.N]++
		return durable.Fault{}
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				f.Stat(".")
			}
		})
	}
	wg.Wait()
	for n := range int64(400) {
		if seen[n] != 1 {
			t.Fatalf("number %d was given %d times", n, seen[n])
		}
	}
	if f.Ops() != 400 {
		t.Errorf("operations: got %d, want 400", f.Ops())
	}
}

// TestFaultyClosesOS checks that what Faulty opened but does not hand out is
// closed on the real file system too: the directory can be removed on Windows,
// and a lock taken again anywhere.
func TestFaultyClosesOS(t *testing.T) {
	dir := t.TempDir()
	fsys := newOS(t, dir)
	f := durable.NewFaulty(fsys, func(durable.Op) durable.Fault {
		return durable.Fault{Err: durable.ErrInjected, After: true}
	})
	for range 3 {
		if _, err := f.Lock("LOCK"); err != durable.ErrInjected {
			t.Fatalf("lock: got %v, want %v", err, durable.ErrInjected)
		}
	}
	lock, err := fsys.Lock("LOCK")
	check(t, err)
	check(t, lock.Close())
	check(t, os.Remove(filepath.Join(dir, "LOCK")))
}

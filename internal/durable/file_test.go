package durable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

func TestWriteFile(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		check(t, fsys.Mkdir("d"))
		for _, data := range []string{"", "first", "second, longer", "3", strings.Repeat("x", 10_000)} {
			check(t, durable.WriteFile(fsys, "d/a", []byte(data)))
			if got := get(t, fsys, "d/a"); got != data {
				t.Errorf("got %q, want %q", got, data)
			}
			infos, err := fsys.ReadDir("d")
			check(t, err)
			if len(infos) != 1 {
				t.Errorf("directory has %v, want the file alone", infos)
			}
		}
		if err := durable.WriteFile(fsys, "no/a", nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("missing directory: got %v, want %v", err, fs.ErrNotExist)
		}
		put(t, fsys, "d/b.tmp", "left behind")
		check(t, durable.WriteFile(fsys, "d/b", []byte("new")))
		if got := get(t, fsys, "d/b"); got != "new" {
			t.Errorf("over a stale temporary file: got %q, want new", got)
		}
		if err := durable.WriteFile(fsys, "d", []byte("x")); err == nil {
			t.Error("over a directory: no error")
		}
		if _, err := fsys.Stat("d.tmp"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after an error: stat of the temporary file: got %v, want %v", err, fs.ErrNotExist)
		}
	})
}

// TestWriteFileTrace pins the order of the steps.
func TestWriteFileTrace(t *testing.T) {
	var trace strings.Builder
	m := durable.NewMem()
	check(t, m.Mkdir("d"))
	check(t, durable.WriteFile(durable.NewFaulty(m, durable.Trace(&trace)), "d/a", []byte("data")))
	want := "create d/a.tmp\nwrite d/a.tmp 0+4\nsync d/a.tmp\nclose d/a.tmp\nrename d/a.tmp d/a\nsyncdir d\n"
	if diff := cmp.Diff(want, trace.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A start is a state in which WriteFile is tried.
type start struct {
	old   string // content; empty without a file
	stale bool   // with a temporary file left behind
}

var starts = []start{{"", false}, {"old", false}, {"old", true}}

func (s start) mem() *durable.Mem {
	m := durable.NewMem()
	if s.old != "" {
		m.SetBytes("a", []byte(s.old))
	}
	if s.stale {
		m.SetBytes("a.tmp", []byte("stale"))
	}
	return m
}

// TestFault13WriteFileFails fails each operation of WriteFile, in several ways.
// The file has its old or its new content then, also after any power cut, nothing
// else is left, and the next call succeeds.
func TestFault13WriteFileFails(t *testing.T) {
	nth := func(fault durable.Fault) func(int64) durable.Hook {
		return func(n int64) durable.Hook {
			return func(op durable.Op) durable.Fault {
				if op.N == n {
					return fault
				}
				return durable.Fault{}
			}
		}
	}
	ways := map[string]func(n int64) durable.Hook{
		"before":  nth(durable.Fault{Err: durable.ErrInjected}),
		"after":   nth(durable.Fault{Err: durable.ErrInjected, After: true}),
		"short":   nth(durable.Fault{Err: durable.ErrInjected, Short: 1}),
		"FailNth": func(n int64) durable.Hook { return durable.FailNth(n, durable.ErrInjected) },
	}
	for name, way := range ways {
		for _, start := range starts {
			n := int64(0)
			for failWriteFile(t, fmt.Sprintf("%s, %+v, operation %d", name, start, n), start, way(n)) {
				n++
			}
			if n < 5 { // create, write, sync, rename, syncdir; perhaps close
				t.Errorf("%s, %+v: WriteFile had %d operations", name, start, n)
			}
		}
	}
}

// failWriteFile tries one fault and reports whether it came to it.
func failWriteFile(t *testing.T, what string, start start, hook durable.Hook) bool {
	m := start.mem()
	f := durable.NewFaulty(m, hook)
	err := durable.WriteFile(f, "a", []byte("new"))
	if !f.Failed() {
		check(t, err)
		return false
	}
	if !errors.Is(err, durable.ErrInjected) {
		t.Errorf("%s: got %v, want %v", what, err, durable.ErrInjected)
	}
	checkOldOrNew(t, m, start.old)
	if _, err := m.Stat("a.tmp"); !errors.Is(err, fs.ErrNotExist) && !start.stale {
		t.Errorf("%s: a.tmp is left", what)
	}
	check(t, durable.WriteFile(m, "a", []byte("new")))
	if got := string(m.Crash(durable.Cut{}).Bytes("a")); got != "new" {
		t.Errorf("%s: the next call left %q, want new", what, got)
	}
	return true
}

// checkOldOrNew cuts the power in many ways and checks what a holds.
func checkOldOrNew(t *testing.T, m *durable.Mem, old string) {
	t.Helper()
	cuts := []durable.Cut{{}, durable.KeepAll}
	for seed := range uint64(20) {
		cuts = append(cuts, durable.Cut{Seed: seed, Keep: 50, Tear: seed%2 == 0})
	}
	for _, cut := range cuts {
		got := m.Crash(cut).Bytes("a")
		if string(got) != "new" && (string(got) != old || (got == nil) != (old == "")) {
			t.Errorf("%+v: got %q, want %q or new", cut, got, old)
		}
	}
}

// TestFault1WriteFileCrash cuts the power before each operation of WriteFile and
// after the last.
func TestFault1WriteFileCrash(t *testing.T) {
	for _, start := range starts {
		m := start.mem()
		cuts := 0
		f := durable.NewFaulty(m, func(durable.Op) durable.Fault {
			checkOldOrNew(t, m, start.old)
			cuts++
			return durable.Fault{}
		})
		check(t, durable.WriteFile(f, "a", []byte("new")))
		if cuts < 6 {
			t.Errorf("%+v: %d cuts, want at least 6", start, cuts)
		}
		checkOldOrNew(t, m, "new")
	}
}

func TestReadFile(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "empty", "")
		put(t, fsys, "ten", "0123456789")
		huge, err := fsys.Create("huge")
		check(t, err)
		check(t, huge.Truncate(4<<30)) // more than 32-bit systems do without being asked
		check(t, huge.Close())
		tests := []struct {
			name string
			max  int64
			want string
			err  error
		}{
			{"empty", 0, "", nil},
			{"ten", 9, "", durable.ErrTooLarge},
			{"ten", 10, "0123456789", nil},
			{"ten", 11, "0123456789", nil},
			{"ten", -1, "", durable.ErrTooLarge},
			{"huge", 4<<30 - 1, "", durable.ErrTooLarge},
			{"no", 10, "", fs.ErrNotExist},
		}
		for _, test := range tests {
			got, err := durable.ReadFile(fsys, test.name, test.max)
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("%s, at most %d: got %q, %v, want %q, %v", test.name, test.max, got, err, test.want, test.err)
			}
		}
	})
}

// TestFault26ReadFull checks that bytes that were not read are never taken for
// data, not even when a reader breaks the rule that says so.
func TestFault26ReadFull(t *testing.T) {
	tests := []struct {
		n    int
		err  error
		want error
	}{
		{4, nil, nil},
		{4, io.EOF, nil},
		{3, nil, io.ErrUnexpectedEOF},
		{3, io.EOF, io.ErrUnexpectedEOF},
		{0, io.EOF, io.ErrUnexpectedEOF},
		{3, syscall.EIO, syscall.EIO},
		{0, syscall.EIO, syscall.EIO},
	}
	for _, test := range tests {
		reader := readerFunc(func(p []byte, off int64) (int, error) { return test.n, test.err })
		if got := durable.ReadFull(reader, make([]byte, 4), 0); got != test.want {
			t.Errorf("%d, %v: got %v, want %v", test.n, test.err, got, test.want)
		}
	}
	check(t, durable.ReadFull(bytes.NewReader(nil), nil, 0))
	m := durable.NewMem()
	m.SetBytes("a", []byte("content"))
	f := durable.NewFaulty(m, on(durable.OpRead, durable.Fault{Short: 3}))
	if data, err := durable.ReadFile(f, "a", 10); data != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v, want nil, %v", data, err, io.ErrUnexpectedEOF)
	}
}

type readerFunc func(p []byte, off int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// TestFault27And34WriteFileFull replaces a file on a full disk, or one without
// room for another name.
func TestFault27And34WriteFileFull(t *testing.T) {
	m := durable.NewMem()
	m.SetCapacity(2 * 4096)
	check(t, durable.WriteFile(m, "a", []byte("old")))
	err := durable.WriteFile(m, "a", make([]byte, 4097))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: got %v, want %v", err, syscall.ENOSPC)
	}
	f := durable.NewFaulty(m, on(durable.OpCreate, durable.Fault{Err: syscall.ENOSPC}))
	if err := durable.WriteFile(f, "a", []byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("no inodes: got %v, want %v", err, syscall.ENOSPC)
	}
	if got := fmt.Sprint(m.Names(), " ", string(m.Bytes("a"))); got != "[a] old" {
		t.Errorf("got %s, want [a] old", got)
	}
	check(t, durable.WriteFile(m, "a", make([]byte, 4096))) // all space is free again
}

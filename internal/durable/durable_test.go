package durable_test

import (
	"io"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// A tester is a *testing.T, *testing.B or *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// check ends the test on an error.
func check(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// implementations are the file systems that must behave alike.
var implementations = []struct {
	name string
	make func(t testing.TB) durable.FS
}{
	{"OS", func(t testing.TB) durable.FS { return newOS(t, t.TempDir()) }},
	{"Mem", func(testing.TB) durable.FS { return durable.NewMem() }},
	{"Faulty", func(testing.TB) durable.FS { return durable.NewFaulty(durable.NewMem(), durable.Hooks()) }},
}

// forEach runs a test on every implementation.
func forEach(t *testing.T, test func(t *testing.T, fsys durable.FS)) {
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) { test(t, impl.make(t)) })
	}
}

// newOS opens a directory until the test ends.
func newOS(t testing.TB, dir string) *durable.OS {
	t.Helper()
	fsys, err := durable.OpenOS(dir)
	check(t, err)
	t.Cleanup(func() { check(t, fsys.Close()) })
	return fsys
}

// put makes a new file; nothing of it is synced.
func put(t tester, fsys durable.FS, name, data string) {
	t.Helper()
	f, err := fsys.Create(name)
	check(t, err)
	writeAt(t, f, data, 0)
	check(t, f.Close())
}

// putDurable makes a new file, durable but for its name.
func putDurable(t tester, fsys durable.FS, name, data string) {
	t.Helper()
	f, err := fsys.Create(name)
	check(t, err)
	writeAt(t, f, data, 0)
	check(t, f.Sync())
	check(t, f.Close())
}

func writeAt(t tester, f durable.File, data string, off int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(data), off)
	check(t, err)
	if n != len(data) {
		t.Fatalf("wrote %d of %d bytes without an error", n, len(data))
	}
}

// content returns what an open file holds.
func content(t tester, f durable.File) string {
	t.Helper()
	size, err := f.Size()
	check(t, err)
	data, err := io.ReadAll(io.NewSectionReader(f, 0, size+1))
	check(t, err)
	if int64(len(data)) != size {
		t.Fatalf("read %d bytes of a file of %d", len(data), size)
	}
	return string(data)
}

// get returns what a named file holds.
func get(t tester, fsys durable.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	check(t, err)
	defer f.Close()
	return content(t, f)
}

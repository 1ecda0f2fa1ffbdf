package durable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestMemFollowsOS does random operations on Mem and OS and compares the results.
func TestMemFollowsOS(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pair := &twins{t: rt, real: newOS(t, t.TempDir()), mem: durable.NewMem()}
		defer pair.close()
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			pair.step()
			if diff := cmp.Diff(tree(rt, pair.real, "."), tree(rt, pair.mem, ".")); diff != "" {
				rt.Fatalf("trees differ (-OS +Mem)\n%s", diff)
			}
		}
	})
}

// twins are two file systems that get the same operations.
type twins struct {
	t     *rapid.T
	real  durable.FS
	mem   durable.FS
	files []twinFile // open in both
}

type twinFile struct{ real, mem durable.File }

func (p *twins) close() {
	for _, f := range p.files {
		f.real.Close()
		f.mem.Close()
	}
}

// both does one operation on both and compares how it ends.
func (p *twins) both(what string, real, mem error) bool {
	for _, class := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, fs.ErrClosed, nil} {
		if errors.Is(real, class) != errors.Is(mem, class) {
			p.t.Fatalf("%s: OS says %v, Mem says %v", what, real, mem)
		}
	}
	return real == nil
}

func (p *twins) step() {
	name := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/b", "d/d", "d/d/a", "a/a"})
	from, to := name.Draw(p.t, "name"), name.Draw(p.t, "to")
	switch rapid.SampledFrom([]string{"create", "open", "rename", "remove", "mkdir", "syncdir", "file", "file", "file"}).Draw(p.t, "op") {
	case "create":
		p.open("create "+from, from, durable.FS.Create)
	case "open":
		p.open("open "+from, from, durable.FS.OpenWrite)
	case "rename":
		p.both("rename "+from+" "+to, p.real.Rename(from, to), p.mem.Rename(from, to))
	case "remove":
		p.both("remove "+from, p.real.Remove(from), p.mem.Remove(from))
	case "mkdir":
		p.both("mkdir "+from, p.real.Mkdir(from), p.mem.Mkdir(from))
	case "syncdir":
		_, err := p.real.ReadDir(from) // as SyncDir to look at, without waiting for a disk
		p.both("syncdir "+from, err, p.mem.SyncDir(from))
	case "file":
		if len(p.files) > 0 {
			p.change(rapid.SampledFrom(p.files).Draw(p.t, "file"))
		}
	}
}

func (p *twins) open(what, name string, open func(durable.FS, string) (durable.File, error)) {
	r, realErr := open(p.real, name)
	m, memErr := open(p.mem, name)
	if p.both(what, realErr, memErr) {
		p.files = append(p.files, twinFile{r, m})
	}
}

func (p *twins) change(f twinFile) {
	off := rapid.Int64Range(0, 3*4096).Draw(p.t, "off")
	switch rapid.IntRange(0, 2).Draw(p.t, "change") {
	case 0:
		data := bytes.Repeat([]byte{rapid.Byte().Draw(p.t, "byte")}, rapid.IntRange(0, 9000).Draw(p.t, "len"))
		_, real := f.real.WriteAt(data, off)
		_, mem := f.mem.WriteAt(data, off)
		p.both("write", real, mem)
	case 1:
		p.both("truncate", f.real.Truncate(off), f.mem.Truncate(off))
	case 2:
		check(p.t, f.mem.Sync()) // which nobody can see
	}
	if diff := cmp.Diff(content(p.t, f.real), content(p.t, f.mem)); diff != "" {
		p.t.Fatalf("open files differ (-OS +Mem)\n%s", diff)
	}
}

// tree returns the content of all files by name; directories end in a slash.
func tree(t tester, fsys durable.FS, dir string) map[string]string {
	all := map[string]string{dir + "/": ""}
	infos, err := fsys.ReadDir(dir)
	check(t, err)
	for _, info := range infos {
		name := strings.TrimPrefix(dir+"/"+info.Name, "./")
		if info.Mode.IsDir() {
			maps.Copy(all, tree(t, fsys, name))
		} else {
			all[name] = get(t, fsys, name)
		}
	}
	return all
}

// TestFault27DiskFull fills a disk, and makes room again.
func TestFault27DiskFull(t *testing.T) {
	m := durable.NewMem()
	m.SetCapacity(3*4096 + 4095) // three blocks
	a, err := m.Create("a")
	check(t, err)
	data := bytes.Repeat([]byte("x"), 5*4096)
	n, err := a.WriteAt(data, 100)
	if !errors.Is(err, syscall.ENOSPC) || n != 3*4096-100 {
		t.Fatalf("write: got %d, %v, want %d, %v", n, err, 3*4096-100, syscall.ENOSPC)
	}
	if size, err := a.Size(); err != nil || size != 3*4096 {
		t.Errorf("size of what fits: got %d, %v, want %d", size, err, 3*4096)
	}
	writeAt(t, a, strings.Repeat("y", 3*4096), 0) // overwriting takes no space
	check(t, a.Sync())
	b, err := m.Create("b") // nor does a name
	check(t, err)
	full := func(what string) {
		t.Helper()
		if n, err := b.WriteAt([]byte("z"), 0); n != 0 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: got %d, %v, want 0, %v", what, n, err, syscall.ENOSPC)
		}
	}
	full("write to another file")
	check(t, b.Truncate(1<<20)) // a hole takes none either
	full("write into a hole")
	check(t, a.Truncate(2*4096))
	writeAt(t, b, "z", 0)
	check(t, b.Truncate(0))
	check(t, m.Remove("a"))
	writeAt(t, b, "z", 0) // the block that Truncate gave back
	if _, err := b.WriteAt([]byte("z"), 4096); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("removed file that is open: got %v, want %v", err, syscall.ENOSPC)
	}
	check(t, a.Close())
	writeAt(t, b, strings.Repeat("z", 8192), 4096)
	check(t, m.Rename("b", "b"))
	if _, err := b.WriteAt([]byte("z"), 3*4096); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full again: got %v, want %v", err, syscall.ENOSPC)
	}
	check(t, m.Remove("b"))
	check(t, b.Close())
	put(t, m, "c", strings.Repeat("z", 3*4096))
	check(t, m.Rename("c", "c"))
	b, err = m.Create("b")
	check(t, err)
	full("after all was given back and taken again")
	m.SetCapacity(-1)
	writeAt(t, b, strings.Repeat("z", 8192), 3*4096)
}

// TestFault31FullAfterCrash checks that a disk is as full after a restart.
func TestFault31FullAfterCrash(t *testing.T) {
	m := durable.NewMem()
	m.SetCapacity(2 * 4096)
	put(t, m, "a", strings.Repeat("x", 8192))
	after := m.Crash(durable.KeepAll)
	f, err := after.Create("b")
	check(t, err)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("all kept: got %v, want %v", err, syscall.ENOSPC)
	}
	put(t, m.Crash(durable.Cut{}), "b", strings.Repeat("x", 8192)) // nothing was kept
}

// TestRemovalLostWhenFull checks that a lost removal brings the blocks back, even
// above the capacity.
func TestRemovalLostWhenFull(t *testing.T) {
	m := durable.NewMem()
	m.SetCapacity(2 * 4096)
	check(t, m.Mkdir("d"))
	putDurable(t, m, "d/a", strings.Repeat("x", 8192))
	check(t, m.SyncDir("d"))
	check(t, m.SyncDir("."))
	check(t, m.Remove("d/a"))
	putDurable(t, m, "b", strings.Repeat("y", 8192))
	check(t, m.SyncDir("."))
	after := m.Crash(durable.Cut{})
	if got, want := after.Names(), []string{"b", "d/a"}; !slices.Equal(got, want) {
		t.Fatalf("names: got %v, want %v", got, want)
	}
	f, err := after.OpenWrite("b")
	check(t, err)
	writeAt(t, f, "Y", 8191)
	if _, err := f.WriteAt([]byte("y"), 8192); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want %v", err, syscall.ENOSPC)
	}
	check(t, after.Remove("d/a"))
	if _, err := f.WriteAt([]byte("y"), 8192); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("b alone is full: got %v, want %v", err, syscall.ENOSPC)
	}
	check(t, f.Truncate(4096))
	writeAt(t, f, "y", 4096)
}

// TestFault32FileLimit checks what ulimit -f does.
func TestFault32FileLimit(t *testing.T) {
	m := durable.NewMem()
	m.SetFileLimit(10)
	f, err := m.Create("a")
	check(t, err)
	for _, test := range []struct {
		off       int64
		len, want int
		err       error
	}{{0, 10, 10, nil}, {0, 11, 10, syscall.EFBIG}, {9, 2, 1, syscall.EFBIG}, {10, 1, 0, syscall.EFBIG}, {1 << 62, 1, 0, syscall.EFBIG}, {10, 0, 0, nil}} {
		n, err := f.WriteAt(make([]byte, test.len), test.off)
		if n != test.want || !errors.Is(err, test.err) {
			t.Errorf("write %d+%d: got %d, %v, want %d, %v", test.off, test.len, n, err, test.want, test.err)
		}
	}
	check(t, f.Truncate(10))
	if err := f.Truncate(11); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("truncate: got %v, want %v", err, syscall.EFBIG)
	}
	m.SetFileLimit(-1)
	check(t, f.Truncate(11))
	if err := f.Truncate(1 << 40); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("truncate without a limit: got %v, want %v", err, syscall.EFBIG)
	}
}

func TestBytesAndNames(t *testing.T) {
	m := durable.NewMem()
	check(t, m.Mkdir("d"))
	check(t, m.SyncDir("."))
	put(t, m, "d/old", "old content")
	if got := m.Bytes("no"); got != nil {
		t.Errorf("missing file: got %q, want nil", got)
	}
	if got := m.Bytes("d"); got != nil {
		t.Errorf("directory: got %q, want nil", got)
	}
	f, err := m.Open("d/old")
	check(t, err)
	m.SetBytes("d/old", []byte("rot"))
	m.SetBytes("new", []byte("planted"))
	if got := content(t, f); got != "rot" {
		t.Errorf("open file: got %q, want rot", got)
	}
	m.Bytes("new")[0] = 'X' // a copy
	for what, fsys := range map[string]*durable.Mem{"now": m, "after a cut": m.Crash(durable.Cut{})} {
		if got, want := fsys.Names(), []string{"d/old", "new"}; !slices.Equal(got, want) {
			t.Errorf("%s: names: got %v, want %v", what, got, want)
		}
		if got := string(fsys.Bytes("d/old")) + " " + string(fsys.Bytes("new")); got != "rot planted" {
			t.Errorf("%s: got %q", what, got)
		}
	}
	for _, name := range []string{"d", "no/a", "../a"} {
		if !panics(func() { m.SetBytes(name, nil) }) {
			t.Errorf("SetBytes of %s: no panic", name)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// TestMemConcurrent uses one Mem from many goroutines, for the race detector, and
// checks that what each crash sees is whole.
func TestMemConcurrent(t *testing.T) {
	m := durable.NewMem()
	const writers = 4
	ends := make(chan error, writers)
	for w := range writers {
		go func() { ends <- writeRounds(m, fmt.Sprintf("f%d", w)) }()
	}
	for seed := range uint64(50) {
		after := m.Crash(durable.Cut{Seed: seed, Keep: 50})
		for _, name := range after.Names() {
			data := after.Bytes(name)
			if !strings.HasSuffix(name, ".tmp") && (len(data) != 5000 || len(bytes.Trim(data, string(data[:1]))) > 0) {
				t.Errorf("seed %d: %s is not one round's content", seed, name)
			}
			after.SetBytes(name, nil) // the other side must not notice
		}
	}
	for range writers {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}

// writeRounds replaces a file again and again and checks that it has what was
// written last.
func writeRounds(m *durable.Mem, name string) error {
	for round := range 30 {
		data := bytes.Repeat([]byte{byte('a' + round%26)}, 5000)
		if err := durable.WriteFile(m, name, data); err != nil {
			return err
		}
		if got := m.Bytes(name); !bytes.Equal(got, data) {
			return fmt.Errorf("round %d: %s has other bytes", round, name)
		}
	}
	return nil
}

package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

func TestReadAndWrite(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		f, err := fsys.Create("a")
		check(t, err)
		defer f.Close()
		steps := []struct {
			name string
			do   func() error
			want string
		}{
			{"new", func() error { return nil }, ""},
			{"write", func() error { _, err := f.WriteAt([]byte("hello"), 0); return err }, "hello"},
			{"overwrite", func() error { _, err := f.WriteAt([]byte("J"), 0); return err }, "Jello"},
			{"write nothing beyond the end", func() error { _, err := f.WriteAt(nil, 100); return err }, "Jello"},
			{"sync", f.Sync, "Jello"},
			{"hole", func() error { _, err := f.WriteAt([]byte("!"), 8); return err }, "Jello\x00\x00\x00!"},
			{"shrink", func() error { return f.Truncate(2) }, "Je"},
			{"grow", func() error { return f.Truncate(4) }, "Je\x00\x00"},
			{"across blocks", func() error { _, err := f.WriteAt([]byte("abcd"), 4094); return err }, "Je" + strings.Repeat("\x00", 4092) + "abcd"},
			{"shrink to a block", func() error { return f.Truncate(4096) }, "Je" + strings.Repeat("\x00", 4092) + "ab"},
			{"grow by a block", func() error { return f.Truncate(8192) }, "Je" + strings.Repeat("\x00", 4092) + "ab" + strings.Repeat("\x00", 4096)},
			{"empty", func() error { return f.Truncate(0) }, ""},
			{"grow from nothing", func() error { return f.Truncate(3) }, "\x00\x00\x00"},
		}
		for _, s := range steps {
			check(t, s.do())
			if diff := cmp.Diff(s.want, content(t, f)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", s.name, diff)
			}
		}
	})
}

func TestReadAtEnd(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "a", "0123456789")
		f, err := fsys.Open("a")
		check(t, err)
		defer f.Close()
		hole, err := fsys.Create("hole")
		check(t, err)
		defer hole.Close()
		check(t, hole.Truncate(3))
		buf := []byte("xxx")
		if err := durable.ReadFull(hole, buf, 0); err != nil || string(buf) != "\x00\x00\x00" {
			t.Errorf("read a hole: got %q, %v", buf, err)
		}
		tests := []struct {
			off    int64
			length int
			want   string
			err    error
		}{
			{0, 10, "0123456789", nil},
			{9, 1, "9", nil},
			{9, 2, "9", io.EOF},
			{10, 1, "", io.EOF},
			{1 << 40, 1, "", io.EOF},
			{10, 0, "", nil},
			{0, 11, "0123456789", io.EOF},
		}
		for _, test := range tests {
			buf := []byte(strings.Repeat("x", test.length))
			n, err := f.ReadAt(buf, test.off)
			if got := string(buf[:n]); got != test.want || err != test.err {
				t.Errorf("read %d+%d: got %q, %v, want %q, %v", test.off, test.length, got, err, test.want, test.err)
			}
			if rest := string(buf[n:]); strings.Trim(rest, "x") != "" {
				t.Errorf("read %d+%d: changed the buffer beyond %d bytes: %q", test.off, test.length, n, rest)
			}
		}
	})
}

// TestErrors checks what is refused, and that it is refused for its reason.
func TestErrors(t *testing.T) {
	anyError := errors.New("any")
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "file", "data")
		check(t, fsys.Mkdir("dir"))
		check(t, fsys.Mkdir("empty"))
		put(t, fsys, "dir/inner", "")
		open := func(open func(string) (durable.File, error), name string) error {
			f, err := open(name)
			if err == nil {
				f.Close()
			} else if f != nil {
				t.Errorf("open %s: a file with error %v", name, err)
			}
			return err
		}
		lock := func(name string) error {
			c, err := fsys.Lock(name)
			if err == nil {
				c.Close()
			}
			return err
		}
		list := func(name string) error { _, err := fsys.ReadDir(name); return err }
		stat := func(name string) error { _, err := fsys.Stat(name); return err }
		tests := []struct {
			name string
			got  error
			want error
		}{
			{"create taken", open(fsys.Create, "file"), fs.ErrExist},
			{"create over directory", open(fsys.Create, "dir"), fs.ErrExist},
			{"create in nothing", open(fsys.Create, "no/a"), fs.ErrNotExist},
			{"create in file", open(fsys.Create, "file/a"), anyError},
			{"open missing", open(fsys.Open, "no"), fs.ErrNotExist},
			{"open directory", open(fsys.Open, "dir"), anyError},
			{"open root", open(fsys.Open, "."), anyError},
			{"open-write missing", open(fsys.OpenWrite, "no"), fs.ErrNotExist},
			{"open-write directory", open(fsys.OpenWrite, "dir"), anyError},
			{"rename missing", fsys.Rename("no", "a"), fs.ErrNotExist},
			{"rename into nothing", fsys.Rename("file", "no/a"), fs.ErrNotExist},
			{"rename directory", fsys.Rename("dir", "dir2"), anyError},
			{"rename onto directory", fsys.Rename("file", "dir"), anyError},
			{"rename onto empty directory", fsys.Rename("file", "empty"), anyError},
			{"remove missing", fsys.Remove("no"), fs.ErrNotExist},
			{"remove full directory", fsys.Remove("dir"), anyError},
			{"remove root", fsys.Remove("."), fs.ErrInvalid},
			{"mkdir taken by file", fsys.Mkdir("file"), fs.ErrExist},
			{"mkdir taken by directory", fsys.Mkdir("dir"), fs.ErrExist},
			{"mkdir in nothing", fsys.Mkdir("no/a"), fs.ErrNotExist},
			{"sync missing directory", fsys.SyncDir("no"), fs.ErrNotExist},
			{"sync file as directory", fsys.SyncDir("file"), anyError},
			{"list missing", list("no"), fs.ErrNotExist},
			{"list file", list("file"), anyError},
			{"stat missing", stat("no"), fs.ErrNotExist},
			{"lock in nothing", lock("no/a"), fs.ErrNotExist},
			{"lock directory", lock("dir"), anyError},
		}
		for _, test := range tests {
			if test.got == nil || test.want != anyError && !errors.Is(test.got, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
			}
		}
		want := []durable.Info{
			{Name: "dir", Mode: fs.ModeDir | 0o700},
			{Name: "empty", Mode: fs.ModeDir | 0o700},
			{Name: "file", Size: 4, Mode: 0o600},
		}
		got, err := fsys.ReadDir(".")
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("refused operations changed the tree (-want +got)\n%s", diff)
		}
	})
}

// TestFault105InvalidNames tries names that would lead elsewhere, or nowhere.
func TestFault105InvalidNames(t *testing.T) {
	names := []string{"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "a\x00b"}
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "a", "")
		for _, name := range names {
			_, create := fsys.Create(name)
			_, open := fsys.Open(name)
			_, openWrite := fsys.OpenWrite(name)
			_, list := fsys.ReadDir(name)
			_, stat := fsys.Stat(name)
			_, lock := fsys.Lock(name)
			errs := []error{create, open, openWrite, list, stat, lock, fsys.Rename(name, "b"),
				fsys.Rename("a", name), fsys.Remove(name), fsys.Mkdir(name), fsys.SyncDir(name)}
			for i, err := range errs {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%q, call %d: got %v, want %v", name, i, err, fs.ErrInvalid)
				}
			}
		}
	})
}

func TestRename(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		check(t, fsys.Mkdir("dir"))
		put(t, fsys, "a", "A")
		put(t, fsys, "dir/b", "B")
		check(t, fsys.Rename("a", "a"))
		if got := get(t, fsys, "a"); got != "A" {
			t.Errorf("renamed to itself: got %q, want A", got)
		}
		check(t, fsys.Rename("a", "dir/b"))
		if got := get(t, fsys, "dir/b"); got != "A" {
			t.Errorf("replaced file: got %q, want A", got)
		}
		if _, err := fsys.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat of the old name: got %v, want %v", err, fs.ErrNotExist)
		}
	})
}

func TestStat(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		check(t, fsys.Mkdir("dir"))
		put(t, fsys, "dir/a", "12345")
		for name, want := range map[string]durable.Info{
			"dir/a": {Name: "a", Size: 5, Mode: 0o600},
			"dir":   {Name: "dir", Mode: fs.ModeDir | 0o700},
		} {
			got, err := fsys.Stat(name)
			check(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stat %s (-want +got)\n%s", name, diff)
			}
		}
		if root, err := fsys.Stat("."); err != nil || root.Name != "." || !root.Mode.IsDir() {
			t.Errorf("stat root: got %+v, %v", root, err)
		}
	})
}

// TestRemovedFileStaysOpen checks that an open file outlives its name.
func TestRemovedFileStaysOpen(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "a", "old")
		f, err := fsys.OpenWrite("a")
		check(t, err)
		defer f.Close()
		check(t, fsys.Remove("a"))
		put(t, fsys, "a", "new")
		writeAt(t, f, "OLD", 0)
		check(t, f.Sync())
		if got := content(t, f); got != "OLD" {
			t.Errorf("removed file: got %q, want OLD", got)
		}
		if got := get(t, fsys, "a"); got != "new" {
			t.Errorf("new file: got %q, want new", got)
		}
	})
}

func TestHandleRefusals(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "a", "data")
		f, err := fsys.Open("a")
		check(t, err)
		buf := make([]byte, 1)
		if _, err := f.WriteAt(buf, 0); err == nil {
			t.Error("write to a file opened for reading: no error")
		}
		if err := f.Truncate(0); err == nil {
			t.Error("truncate of a file opened for reading: no error")
		}
		if _, err := f.ReadAt(buf, -1); err == nil || err == io.EOF {
			t.Errorf("read at -1: got %v, want an error that is not EOF", err)
		}
		check(t, f.Close())
		_, read := f.ReadAt(buf, 0)
		_, size := f.Size()
		for i, err := range []error{read, size, f.Sync(), f.Close()} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("call %d after close: got %v, want %v", i, err, fs.ErrClosed)
			}
		}
		w, err := fsys.OpenWrite("a")
		check(t, err)
		defer w.Close()
		if _, err := w.WriteAt(buf, -1); err == nil {
			t.Error("write at -1: no error")
		}
		if err := w.Truncate(-1); err == nil {
			t.Error("truncate to -1: no error")
		}
		if got := content(t, w); got != "data" {
			t.Errorf("refused changes: got %q, want data", got)
		}
	})
}

// TestFault48SecondLock takes a lock twice in one process.
func TestFault48SecondLock(t *testing.T) {
	forEach(t, func(t *testing.T, fsys durable.FS) {
		first, err := fsys.Lock("LOCK")
		check(t, err)
		if _, err := fsys.Lock("LOCK"); !errors.Is(err, durable.ErrLocked) {
			t.Fatalf("second lock: got %v, want %v", err, durable.ErrLocked)
		}
		other, err := fsys.Lock("LOCK2")
		check(t, err)
		check(t, other.Close())
		check(t, first.Close())
		if err := first.Close(); err == nil {
			t.Error("second close of a lock: no error")
		}
		again, err := fsys.Lock("LOCK")
		check(t, err)
		check(t, again.Close())
		info, err := fsys.Stat("LOCK")
		check(t, err)
		if want := (durable.Info{Name: "LOCK", Mode: 0o600}); info != want {
			t.Errorf("lock file: got %+v, want %+v", info, want)
		}
	})
}

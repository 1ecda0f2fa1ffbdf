package durable_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSyncDirCommits checks what one SyncDir makes durable: the names of that
// directory, and what these build on.
func TestSyncDirCommits(t *testing.T) {
	base := map[string]string{"./": "", "d/": "", "e/": "", "a": "A", "d/b": "B"}
	tests := []struct {
		name string
		do   func(t *testing.T, m *durable.Mem)
		sync string
		want map[string]string // beside base
		gone []string          // of base
	}{
		{"nothing else", func(t *testing.T, m *durable.Mem) {
			putDurable(t, m, "d/new", "N")
			putDurable(t, m, "e/new", "N")
		}, "d", map[string]string{"d/new": "N"}, nil},
		{"not below", func(t *testing.T, m *durable.Mem) {
			putDurable(t, m, "d/new", "N")
		}, ".", nil, nil},
		{"rename by its old directory", func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("a", "d/a"))
		}, ".", map[string]string{"d/a": "A"}, []string{"a"}},
		{"rename by its new directory", func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("a", "d/a"))
		}, "d", map[string]string{"d/a": "A"}, []string{"a"}},
		{"rename of a new file", func(t *testing.T, m *durable.Mem) {
			putDurable(t, m, "e/new", "N")
			check(t, m.Rename("e/new", "d/b"))
		}, "d", map[string]string{"d/b": "N"}, nil},
		{"rename by way of a third", func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("a", "e/a"))
			check(t, m.Rename("e/a", "d/a"))
		}, "d", map[string]string{"d/a": "A"}, []string{"a"}},
		{"name taken again", func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("d/b", "e/b"))
			putDurable(t, m, "d/b", "N")
		}, "d", map[string]string{"d/b": "N", "e/b": "B"}, nil},
		{"rename into a new directory", func(t *testing.T, m *durable.Mem) {
			check(t, m.Mkdir("new"))
			check(t, m.Mkdir("new/new"))
			check(t, m.Rename("a", "new/new/a"))
		}, "new/new", map[string]string{"new/": "", "new/new/": "", "new/new/a": "A"}, []string{"a"}},
		{"create in a new directory", func(t *testing.T, m *durable.Mem) {
			check(t, m.Mkdir("new"))
			putDurable(t, m, "new/a", "N")
		}, "new", nil, nil},
		{"remove of an emptied directory", func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("d/b", "e/b"))
			check(t, m.Remove("d"))
		}, ".", map[string]string{"e/b": "B"}, []string{"d/", "d/b"}},
		{"remove", func(t *testing.T, m *durable.Mem) {
			check(t, m.Remove("a"))
			check(t, m.Remove("d/b"))
		}, ".", nil, []string{"a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := durable.NewMem()
			check(t, m.Mkdir("d"))
			check(t, m.Mkdir("e"))
			check(t, m.SyncDir("."))
			m.SetBytes("a", []byte("A"))
			m.SetBytes("d/b", []byte("B"))
			test.do(t, m)
			check(t, m.SyncDir(test.sync))
			want := maps.Clone(base)
			maps.Copy(want, test.want)
			for _, name := range test.gone {
				delete(want, name)
			}
			if diff := cmp.Diff(want, tree(t, m.Crash(durable.Cut{}), ".")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestFault6RenameIsOneStep replaces a file and cuts the power before the
// directory is synced.
func TestFault6RenameIsOneStep(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(1000) {
		m := durable.NewMem()
		putDurable(t, m, "a", "old")
		check(t, m.SyncDir("."))
		putDurable(t, m, "a.tmp", "new")
		check(t, m.Rename("a.tmp", "a"))
		after := m.Crash(durable.Cut{Seed: seed, Keep: 50})
		got := string(after.Bytes("a"))
		if got == "new" && after.Bytes("a.tmp") != nil {
			t.Fatalf("seed %d: the file has both names", seed)
		}
		seen[got]++
	}
	if len(seen) != 2 || seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("got %v, want old and new and nothing else", seen)
	}
}

// TestFault6RenameNeedsDirectories moves a durable file while directories come
// and go: it is under its old or its new name whatever is lost.
func TestFault6RenameNeedsDirectories(t *testing.T) {
	tests := map[string]struct {
		move     func(t *testing.T, m *durable.Mem)
		old, new string
	}{
		"into a new directory": {func(t *testing.T, m *durable.Mem) {
			check(t, m.Mkdir("new"))
			check(t, m.Rename("d/a", "new/a"))
		}, "d/a", "new/a"},
		"into a new directory of a new one": {func(t *testing.T, m *durable.Mem) {
			check(t, m.Mkdir("new"))
			check(t, m.Mkdir("new/new"))
			check(t, m.Rename("d/a", "new/new/a"))
		}, "d/a", "new/new/a"},
		"out of a directory that goes": {func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("d/a", "a"))
			check(t, m.Remove("d"))
		}, "d/a", "a"},
		"and the old name is taken again": {func(t *testing.T, m *durable.Mem) {
			check(t, m.Rename("d/a", "a"))
			putDurable(t, m, "d/a", "other")
		}, "d/a", "a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := durable.NewMem()
			check(t, m.Mkdir("d"))
			check(t, m.SyncDir("."))
			m.SetBytes("d/a", []byte("A"))
			test.move(t, m)
			seen := make(map[bool]bool)
			for seed := range uint64(1000) {
				after := m.Crash(durable.Cut{Seed: seed, Keep: 50})
				stayed, moved := string(after.Bytes(test.old)) == "A", string(after.Bytes(test.new)) == "A"
				if stayed == moved {
					t.Fatalf("seed %d: under the old name: %t, under the new: %t", seed, stayed, moved)
				}
				seen[moved] = true
			}
			if len(seen) != 2 {
				t.Errorf("all seeds agree: %v", seen)
			}
		})
	}
}

// TestFault6NamesStayConsistent does random changes of names and cuts the power.
// A file that was durable and was not removed since is under one of the names it
// had since, and no file is under two.
func TestFault6NamesStayConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &nameWorld{mem: durable.NewMem(), names: make(map[string][]string)}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step(t)
			w.check(t, w.mem.Crash(drawCut(t)))
		}
		if diff := cmp.Diff(tree(t, w.mem, "."), tree(t, w.mem.Crash(durable.KeepAll), ".")); diff != "" {
			t.Fatalf("everything kept (-want +got)\n%s", diff)
		}
		if w.mixed {
			return
		}
		if diff := cmp.Diff(w.durable, tree(t, w.mem.Crash(durable.Cut{}), ".")); w.durable != nil && diff != "" {
			t.Fatalf("nothing kept since all was synced (-want +got)\n%s", diff)
		}
	})
}

// A nameWorld is a tree of files, each with a content of its own, which follows
// the file from name to name.
type nameWorld struct {
	mem   *durable.Mem
	files int

	// names holds, for each file that was there when everything was last synced
	// and that was not removed since, the names that it had since.
	names   map[string][]string
	durable map[string]string // the tree at that time
	mixed   bool              // a single directory was synced since
}

func (w *nameWorld) step(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "d/a", "d/b", "d/d", "d/d/a", "e", "e/a"})
	from, to := name.Draw(t, "name"), name.Draw(t, "to")
	switch rapid.SampledFrom([]string{"create", "create", "rename", "rename", "remove", "mkdir", "syncdir", "sync"}).Draw(t, "op") {
	case "create":
		if f, err := w.mem.Create(from); err == nil {
			w.files++
			writeAt(t, f, fmt.Sprintf("file %d", w.files), 0)
			check(t, f.Sync())
			check(t, f.Close())
		}
	case "rename":
		moved, replaced := string(w.mem.Bytes(from)), string(w.mem.Bytes(to))
		if w.mem.Rename(from, to) == nil && from != to {
			delete(w.names, replaced)
			if had, ok := w.names[moved]; ok {
				w.names[moved] = append(had, to)
			}
		}
	case "remove":
		removed := string(w.mem.Bytes(from))
		if w.mem.Remove(from) == nil {
			delete(w.names, removed)
		}
	case "mkdir":
		_ = w.mem.Mkdir(from) // taken is as good
	case "syncdir":
		w.mixed = w.mem.SyncDir(from) == nil || w.mixed
	case "sync":
		w.syncAll(t)
	}
}

// syncAll makes all names durable.
func (w *nameWorld) syncAll(t *rapid.T) {
	w.durable, w.mixed = tree(t, w.mem, "."), false
	w.names = make(map[string][]string)
	for name, data := range w.durable {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			check(t, w.mem.SyncDir(dir))
		} else {
			w.names[data] = []string{name}
		}
	}
}

func (w *nameWorld) check(t *rapid.T, after *durable.Mem) {
	found := make(map[string]string)
	for _, name := range after.Names() {
		data := string(after.Bytes(name))
		if other := found[data]; other != "" {
			t.Fatalf("%s is both %s and %s", data, other, name)
		}
		found[data] = name
	}
	for _, data := range slices.Sorted(maps.Keys(w.names)) {
		if !slices.Contains(w.names[data], found[data]) {
			t.Fatalf("%s is under %q, want one of %q", data, found[data], w.names[data])
		}
	}
}

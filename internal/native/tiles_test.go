package native_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestTilesAreRebuilt deletes the tree, whole or in part. The next opening makes
// it anew from the log, even if nothing is appended.
func TestTilesAreRebuilt(t *testing.T) {
	t.Parallel()
	whole := durable.NewMem()
	e := open(t, whole)
	for i := range 300 { // two tile levels
		appendOne(t, e, fmt.Sprint(i), "x")
	}
	check(t, e.Close())
	want := contents(whole)
	for name, lose := range map[string]func(name string, data []byte) []byte{
		"deleted": func(string, []byte) []byte { return nil },
		"cut":     func(_ string, data []byte) []byte { return data[:len(data)/64*32] },
		"empty":   func(string, []byte) []byte { return []byte{} },
		"only the entry hashes left": func(name string, data []byte) []byte {
			if strings.HasSuffix(name, "level-0") {
				return data
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := whole.Crash(durable.KeepAll)
			for _, name := range mem.Names() {
				if !strings.HasPrefix(name, "tiles/") {
					continue
				}
				if rest := lose(name, mem.Bytes(name)); rest != nil {
					mem.SetBytes(name, rest)
				} else {
					check(t, mem.Remove(name))
				}
			}
			e := open(t, mem)
			if len(e.Damage()) > 0 {
				t.Fatal(e.Damage()[0])
			}
			check(t, e.Close())
			_, err := verifySound(mem, true)
			check(t, err)
			for _, name := range []string{"tiles/level-0", "tiles/level-1"} {
				if string(mem.Bytes(name)) != want[name] {
					t.Errorf("%s differs from what it was", name)
				}
			}
		})
	}
}

// unchanged reports the files that differ from before.
func unchanged(t *testing.T, mem *durable.Mem, before map[string]string) {
	t.Helper()
	after := contents(mem)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if b, ok := before[name]; !ok || b != after[name] {
			t.Errorf("%s was changed (was there before: %v)", name, ok)
		}
	}
}

// reopenDamaged opens and closes a damaged journal a few times, which must change
// nothing.
func reopenDamaged(t *testing.T, mem *durable.Mem, o native.Options) {
	t.Helper()
	before := contents(mem)
	for range 3 {
		e := openWith(t, o)
		if len(e.Damage()) == 0 {
			t.Error("no damage is reported")
		}
		check(t, e.Close())
		unchanged(t, mem, before)
	}
}

// TestDamagedOldSegmentChangesNothing: damage in a segment that recovery does not
// look at is found before anything is recovered, or the tree made anew.
func TestDamagedOldSegmentChangesNothing(t *testing.T) {
	t.Parallel()
	mem := durable.NewMem()
	e := open(t, mem)
	for i := range 60 {
		_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 700)}})
		check(t, err)
	}
	_, err := e.Checkpoint(ctx)
	check(t, err)
	killed := mem.Crash(durable.KeepAll)
	check(t, e.Close())
	for name, disk := range map[string]*durable.Mem{"after a crash": killed, "after a clean end": mem} {
		for _, tiles := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", tiles ", tiles), func(t *testing.T) {
				disk := disk.Crash(durable.KeepAll)
				infos, err := disk.ReadDir("log")
				check(t, err)
				change(disk, "log/"+infos[0].Name, flip(500))
				if !tiles {
					check(t, disk.Remove("tiles/level-0"))
				}
				reopenDamaged(t, disk, testOptions(disk))
			})
		}
	}
}

// TestRebuildSpills: a rebuild of so many entries that it writes tiles on its way
// does so only once the log has the root that was signed, and does without where
// they cannot be written.
func TestRebuildSpills(t *testing.T) {
	t.Parallel()
	whole := durable.NewMem()
	o := testOptions(whole)
	e := openWith(t, o)
	for i := range 300 {
		_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 200)}})
		check(t, err)
	}
	check(t, e.Close())
	o.LimitPending(512)                          // a sixteenth of them is written at once
	change(whole, "tiles/level-0", flip(299*32)) // where the root comes from

	t.Run("damaged", func(t *testing.T) {
		disk := whole.Crash(durable.KeepAll)
		infos, err := disk.ReadDir("log")
		check(t, err)
		change(disk, "log/"+infos[0].Name, flip(500))
		o := o
		o.FS = disk
		reopenDamaged(t, disk, o)
	})
	t.Run("read-only tiles", func(t *testing.T) {
		o := o
		o.FS = durable.NewFaulty(whole, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpWrite && strings.HasPrefix(op.Name, "tiles/") {
				return durable.Fault{Err: syscall.EIO}
			}
			return durable.Fault{}
		})
		e := openWith(t, o)
		appendOne(t, e, "after", "x")
		if _, err := e.Checkpoint(ctx); !errors.Is(err, syscall.EIO) {
			t.Errorf("checkpoint: got %v, want the disk's error", err)
		}
		check(t, e.Close())
	})
}

// TestCheckpointOfAnotherLog: a checkpoint that signed other entries, and no
// tiles that would have its root, is damage; the tree is not made anew to suit.
func TestCheckpointOfAnotherLog(t *testing.T) {
	t.Parallel()
	base := durable.NewMem()
	check(t, open(t, base).Close())
	var forks [2]*durable.Mem
	for i := range forks {
		forks[i] = base.Crash(durable.KeepAll)
		e := open(t, forks[i])
		for j := range 20 {
			appendOne(t, e, fmt.Sprint(i, "-", j), "x")
		}
		check(t, e.Close())
	}
	forks[0].SetBytes("checkpoint", forks[1].Bytes("checkpoint"))
	e := open(t, forks[0].Crash(durable.KeepAll))
	if d := e.Damage(); len(d) != 1 || !strings.Contains(d[0].Error(), "root") {
		t.Errorf("damage is %v, want the root", d)
	}
	check(t, forks[0].Remove("tiles/level-0"))
	reopenDamaged(t, forks[0], testOptions(forks[0]))
}

// TestEntryWithoutKeyChangesNothing: an entry that is no entry, though its bytes
// are as they were written, is found before anything is recovered.
func TestEntryWithoutKeyChangesNothing(t *testing.T) {
	t.Parallel()
	mem := durable.NewMem()
	e := open(t, mem)
	for i := range 10 {
		appendOne(t, e, fmt.Sprint(i), "x")
	}
	_, err := e.Checkpoint(ctx)
	check(t, err)
	killed := mem.Crash(durable.KeepAll)
	o := testOptions(killed)
	o.Describe = func(f *engine.Facts, entry []byte) error {
		err := describe(f, entry)
		if f.ID == "3" {
			err = errors.New("no key")
		}
		return err
	}
	reopenDamaged(t, killed, o)
}

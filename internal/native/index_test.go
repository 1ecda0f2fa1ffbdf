package native_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

// TestFault45Index: an index that is deleted, damaged or older than the log gives
// the same answers, is made anew, and has appends wait only that long.
func TestFault45Index(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	for _, s := range indexSpoilers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := sound.Crash(durable.KeepAll)
				s.spoil(t, mem)
				r, err := native.OpenReader(scriptOptions(mem))
				check(t, err)
				shown, err := readAll(r)
				check(t, err)
				check(t, shown.answers(r))
				check(t, r.Close())
				e := openWith(t, scriptOptions(mem))
				all, err := readAll(e)
				check(t, err)
				if len(all.entries) != 90 || len(e.Damage()) > 0 || e.Recovery() != nil {
					t.Fatalf("%d entries, damage %v, recovery %+v", len(all.entries), e.Damage(), e.Recovery())
				}
				check(t, all.answers(e))
				checkAppends(t, e, 90)
				synctest.Wait()
				if n := unindexed(t, e); n != 0 {
					t.Errorf("%d entries have no index", n)
				}
				check(t, e.Close())
				_, err = verifySound(mem, true)
				check(t, err)
				check(t, inspect(mem, mem, nil))
			})
		})
	}
}

// TestFault45DamagedWhileOpen: damage that an append itself meets in the index
// does not hide an id from it.
func TestFault45DamagedWhileOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		waits bool // no append is refused
		spoil func(t *testing.T, mem *durable.Mem, b *breaker)
	}{
		{"flipped", true, func(t *testing.T, mem *durable.Mem, _ *breaker) { indexSpoilers[6].spoil(t, mem) }},
		{"cannot be read", false, func(_ *testing.T, _ *durable.Mem, b *breaker) {
			b.always(durable.Fault{Err: syscall.EIO}, func(op durable.Op) bool { return op.Kind == durable.OpRead && inIndex(op) })
		}},
	} {
		for first := range 3 {
			t.Run(fmt.Sprint(tt.name, " ", first), func(t *testing.T) {
				t.Parallel()
				mem := indexed(t, 90)
				bubble(t, func(t *testing.T) {
					var b breaker
					e := openWith(t, scriptOptions(durable.NewFaulty(mem, b.hook)))
					synctest.Wait()
					if n := unindexed(t, e); n != 0 {
						t.Fatalf("%d entries have no index", n)
					}
					tt.spoil(t, mem, &b)
					time.AfterFunc(10*time.Second, b.disarm)
					switch first { // what meets it first
					case 1:
						got, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "4"})
						if err != nil || got != 18 {
							t.Errorf("last sequence %d, %v, want 18", got, err)
						}
					case 2:
						_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{record("n", "4")},
							Expect: []engine.Expect{{Tenant: "t", Entity: engine.Entity{Type: "e", ID: "4"}, Sequence: 17}}})
						c := new(engine.ConflictError)
						if ok := errors.As(err, &c) && c.Current == 18; !ok && (tt.waits || !errors.Is(err, engine.ErrUnavailable)) {
							t.Errorf("append with a wrong expectation: %v", err)
						}
					}
					if !tt.waits {
						retryUnavailable(t, e)
					}
					checkAppends(t, e, 90)
					s, err := readAll(e)
					check(t, err)
					check(t, s.answers(e))
					check(t, e.Close())
				})
				check(t, inspect(mem, mem, nil))
			})
		}
	}
}

// TestFault46IndexAheadOfLog: a log that has lost its end is found out by its index
// alone. The journal opens for reading, and the index is not believed.
func TestFault46IndexAheadOfLog(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := indexed(t, 90)
		for _, name := range mem.Names() {
			if name == "state" || name == "checkpoint" || strings.HasPrefix(name, "tiles/") {
				check(t, mem.Remove(name))
			}
		}
		name := newest(mem)
		all := records(mem.Bytes(name))
		change(mem, name, func(b []byte) []byte { return b[:all[len(all)/2].off] })
		before := contents(mem)
		rep, err := native.Verify(ctx, mem, native.Visitor{})
		check(t, err)
		if len(rep.Problems) == 0 {
			t.Error("verify finds nothing")
		}
		e := openWith(t, scriptOptions(mem))
		if len(e.Damage()) == 0 || !strings.Contains(fmt.Sprint(e.Damage()[0].Err), "index") {
			t.Errorf("damage is %v, want what the index says", e.Damage())
		}
		_, err = e.Append(ctx, one("new", ""))
		if c := new(engine.CorruptError); !errors.As(err, &c) {
			t.Errorf("append: %v, want a CorruptError", err)
		}
		size := 0
		for p := range engine.Position(90) {
			if _, err := e.Read(ctx, p); err == nil {
				size++
			}
		}
		if size >= 90 || size < 40 {
			t.Errorf("%d entries are left", size)
		}
		got := 0
		for i := range 90 {
			if p, err := e.Find(ctx, "t", fmt.Sprint("i", i)); err == nil && p == engine.Position(i) {
				got++
			}
		}
		if got != size {
			t.Errorf("%d ids are found of %d entries", got, size)
		}
		check(t, e.Close())
		if diff := cmp.Diff(before, contents(mem)); diff != "" {
			t.Errorf("files have changed (-want +got):\n%s", diff)
		}
	})
}

// TestFault45RotWithoutIndex: an entry of an old segment that cannot be read while the
// index is made anew may hide an id, or an entity's last sequence. Neither is
// given out again.
func TestFault45RotWithoutIndex(t *testing.T) {
	mem := rotten(t, 90, "i3")
	e := openWith(t, scriptOptions(mem))
	defer e.Close()
	for _, r := range []engine.Record{record("i3", "3"), record("new", "3"), record("other", "")} {
		var damage *engine.CorruptError
		if _, err := e.Append(ctx, engine.Batch{Records: []engine.Record{r}}); !errors.As(err, &damage) {
			t.Errorf("append of %s: got %v, want damage", r.ID, err)
		}
		if e.Size() > 90 {
			t.Fatalf("append of %s was taken", r.ID)
		}
	}
	var damage *engine.CorruptError
	if p, err := e.Find(ctx, "t", "i3"); !errors.As(err, &damage) {
		t.Errorf("find of what is unreadable: %d, %v, want damage", p, err)
	}
	if p, err := e.Find(ctx, "t", "i4"); err != nil || p != 4 {
		t.Errorf("find of its neighbour: %d, %v", p, err)
	}
	if n, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "4"}); err != nil || n != 18 {
		t.Errorf("last sequence that is not hidden: %d, %v, want 18", n, err)
	}
	if n, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "none"}); !errors.As(err, &damage) {
		t.Errorf("last sequence of an entity that may be hidden: %d, %v, want damage", n, err)
	}
}

// TestFault46SecretLost: the length of the log that the index tells of counts, also
// once nobody can read the rest of it.
func TestFault46SecretLost(t *testing.T) {
	mem := indexed(t, 90)
	e, err := native.Open(scriptOptions(mem))
	check(t, err)
	check(t, e.Close())
	names := mem.Names()
	for _, name := range names {
		if name == "state" || name == "checkpoint" || strings.HasPrefix(name, "tiles/") || name == "keys/secret" {
			check(t, mem.Remove(name))
		}
	}
	var newest string
	for _, name := range names {
		if strings.HasSuffix(name, ".wal") {
			newest = max(newest, name)
		}
	}
	check(t, mem.Remove(newest))
	before := mem.Names()
	e, err = native.Open(scriptOptions(mem))
	check(t, err)
	defer e.Close()
	if len(e.Damage()) == 0 {
		t.Errorf("a log that lost its end is taken for whole, with %d entries", e.Size())
	}
	if diff := cmp.Diff(before, mem.Names()); diff != "" {
		t.Errorf("opening a damaged journal changed its files (-want +got):\n%s", diff)
	}
}

package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

// answers compares what a journal answers by its index with what it holds.
func (s *stored) answers(e *native.Engine) error {
	last := make(map[engine.Entity]engine.Sequence)
	kinds := make(map[engine.KindCount]uint64)
	ends := make(map[string][]engine.Position)
	for id, p := range s.byID {
		got, err := e.Find(ctx, "t", id)
		if err != nil || got != engine.Position(p) {
			return fmt.Errorf("find %s: position %d, %w; want %d", id, got, err, p)
		}
		entry, err := e.Read(ctx, got)
		if err != nil || entry.Hash() != s.hashes[p] {
			return fmt.Errorf("read %s at %d: another entry, %w", id, p, err)
		}
		var f engine.Facts
		if err := describe(&f, entry.Bytes); err != nil {
			return err
		}
		kinds[engine.KindCount{Tenant: f.Tenant, Kind: f.Kind}]++
		ends[f.Terms[0].Value] = append(ends[f.Terms[0].Value], got)
		if f.Entity != (engine.Entity{}) {
			last[f.Entity] = max(last[f.Entity], s.entries[p].Sequence)
		}
	}
	for entity, want := range last {
		if got, err := e.LastSequence(ctx, "t", entity); err != nil || got != want {
			return fmt.Errorf("last sequence of %v: %d, %w; want %d", entity, got, err, want)
		}
	}
	for _, tenant := range []string{"t", "u"} {
		if p, err := e.Find(ctx, tenant, "absent "+tenant); !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("find of an absent id: position %d, %w", p, err)
		}
	}
	if n, err := e.Entities(ctx); err != nil || n != uint64(len(last)) {
		return fmt.Errorf("%d entities, %v, want %d", n, err, len(last))
	}
	return errors.Join(checkKinds(e, kinds), checkEnds(e, ends))
}

func checkKinds(e *native.Engine, want map[engine.KindCount]uint64) error {
	got := make(map[engine.KindCount]uint64)
	for k, err := range e.Kinds(ctx) {
		if err != nil {
			return fmt.Errorf("kinds: %w", err)
		}
		n := k.Count
		k.Count = 0
		got[k] += n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("kinds (-want +got):\n%s", diff)
	}
	return nil
}

// checkEnds searches for the positions of each end of an id.
func checkEnds(e *native.Engine, ends map[string][]engine.Position) error {
	for end, want := range ends {
		slices.Sort(want)
		for _, descending := range []bool{false, true} {
			q := engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: end}, Descending: descending}
			got, err := search(e, q)
			if err != nil {
				return fmt.Errorf("search %s: %w", end, err)
			}
			if descending {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("search %s, descending %v: %v, want %v", end, descending, got, want)
			}
		}
	}
	return nil
}

// search returns the positions of the entries that a query chooses.
func search(e *native.Engine, q engine.Query) (found []engine.Position, err error) {
	want := engine.Term(q.Filter.(engine.Has))
	for entry, err := range e.Search(ctx, q) {
		if err != nil {
			return found, err
		}
		var f engine.Facts
		if err := describe(&f, entry.Bytes); err != nil {
			return found, err
		}
		if slices.Contains(f.Terms, want) {
			found = append(found, entry.Position)
		}
	}
	return found, nil
}

// inIndex reports whether an operation is on a file of the index.
func inIndex(op durable.Op) bool { return strings.HasPrefix(op.Name, "index") }

// indexFiles returns the names of the index's files.
func indexFiles(mem *durable.Mem) []string {
	return slices.DeleteFunc(mem.Names(), func(name string) bool { return !strings.HasSuffix(name, ".idx") })
}

// indexed returns a disk with a closed journal of n entries that the index has
// many files of.
func indexed(t testing.TB, n int) *durable.Mem {
	t.Helper()
	mem := durable.NewMem()
	e := openWith(t, scriptOptions(mem))
	for i := range n {
		appendOne(t, e, fmt.Sprint("i", i), fmt.Sprint(i%5))
	}
	check(t, e.Close())
	if len(indexFiles(mem)) < 2 {
		t.Fatalf("the index has only the files %v", indexFiles(mem))
	}
	return mem
}

// unindexed reports how many entries a search has to read for want of an index.
func unindexed(t testing.TB, e *native.Engine) uint64 {
	t.Helper()
	est, err := e.Estimate(ctx, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "x"}})
	check(t, err)
	return est.Unindexed
}

// An indexSpoiler does something to the files of an index.
type indexSpoiler struct {
	name  string
	spoil func(t *testing.T, mem *durable.Mem)
}

func eachIndexFile(f func(b []byte) []byte) func(*testing.T, *durable.Mem) {
	return func(t *testing.T, mem *durable.Mem) {
		for _, name := range indexFiles(mem) {
			change(mem, name, f)
		}
	}
}

var indexSpoilers = []indexSpoiler{
	{"deleted", func(t *testing.T, mem *durable.Mem) {
		for _, name := range indexFiles(mem) {
			check(t, mem.Remove(name))
		}
		check(t, mem.Remove("index"))
	}},
	{"every second file deleted", func(t *testing.T, mem *durable.Mem) {
		for i, name := range indexFiles(mem) {
			if i%2 == 0 {
				check(t, mem.Remove(name))
			}
		}
	}},
	{"older than the log", func(t *testing.T, mem *durable.Mem) {
		names := indexFiles(mem)
		for _, name := range names[len(names)/2:] {
			check(t, mem.Remove(name))
		}
	}},
	{"cut in the header", eachIndexFile(func(b []byte) []byte { return b[:20] })},
	{"cut", eachIndexFile(func(b []byte) []byte { return b[:len(b)/2] })},
	{"headers flipped", eachIndexFile(func(b []byte) []byte { b[20] ^= 1; return b })},
	{"all but header and end flipped", eachIndexFile(func(b []byte) []byte {
		for i := 64; i < len(b)-300; i++ {
			b[i] ^= 0xff
		}
		return b
	})},
	{"some bytes flipped", eachIndexFile(func(b []byte) []byte {
		for i := 64; i < len(b); i += 97 {
			b[i] ^= 1
		}
		return b
	})},
	{"secret lost", func(t *testing.T, mem *durable.Mem) { check(t, mem.Remove("keys/secret")) }},
}

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

// checkAppends appends what is there, what contradicts it, and something new to a
// journal of n entries as [indexed] makes them.
func checkAppends(t testing.TB, e *native.Engine, n int) {
	t.Helper()
	for _, i := range []int{0, n / 3, n - 1} {
		if got := appendOne(t, e, fmt.Sprint("i", i), fmt.Sprint(i%5)); !got.Duplicate || got.Position != engine.Position(i) {
			t.Errorf("retry of %d: %+v", i, got)
		}
		_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("i", i), "other", 10)}})
		if c := new(engine.ConflictError); !errors.As(err, &c) || c.Position != engine.Position(i) {
			t.Errorf("other content for id %d: %v", i, err)
		}
	}
	size := e.Size()
	seq, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "3"})
	check(t, err)
	if got := appendOne(t, e, fmt.Sprint("new", size), "3"); got.Duplicate || got.Position != size || got.Sequence != seq+1 {
		t.Errorf("new entry: %+v, want position %d and sequence %d", got, size, seq+1)
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

// retryUnavailable appends an old id until that is not refused for want of an index.
func retryUnavailable(t testing.TB, e *native.Engine) {
	t.Helper()
	for range 30 {
		got, err := e.Append(ctx, one("i7", "2"))
		if err == nil {
			if !got[0].Duplicate || got[0].Position != 7 {
				t.Errorf("retry of 7: %+v", got[0])
			}
			return
		}
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	t.Fatal("appends do not resume")
}

// TestFault45AppendsWait: while the index is made anew reads answer, appends wait
// and then succeed; those that leave are told.
func TestFault45AppendsWait(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	bubble(t, func(t *testing.T) {
		mem := sound.Crash(durable.KeepAll)
		indexSpoilers[0].spoil(t, mem)
		release := make(chan struct{})
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpCreate && inIndex(op) {
				<-release
			}
			return durable.Fault{}
		})))
		var wg sync.WaitGroup
		var ended atomic.Bool
		wg.Go(func() {
			checkAppends(t, e, 90)
			ended.Store(true)
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := e.Append(ctx, one("leaves", "")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, engine.ErrUnknown) {
				t.Errorf("append that leaves: %v", err)
			}
		})
		_, err := e.Append(ctx, engine.Batch{Reserved: true, Records: []engine.Record{record("note", "")}}) // the journal's own need not wait
		check(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ended.Load() || unindexed(t, e) == 0 {
			t.Errorf("appends do not wait for the index (%d entries without one)", unindexed(t, e))
		}
		s, err := readAll(e)
		check(t, err)
		if len(s.entries) != 91 {
			t.Errorf("%d entries while appends wait, want 91", len(s.entries))
		}
		check(t, s.answers(e))
		close(release)
		wg.Wait()
		s, err = readAll(e)
		check(t, err)
		check(t, s.answers(e))
		check(t, e.Close())
	})
}

// TestFault45CloseWhileWaiting: appends that wait for the index are told that the
// journal is closed.
func TestFault45CloseWhileWaiting(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	bubble(t, func(t *testing.T) {
		mem := sound.Crash(durable.KeepAll)
		indexSpoilers[0].spoil(t, mem)
		held := true
		release := make(chan struct{})
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpCreate && inIndex(op) && held {
				<-release
			}
			return durable.Fault{}
		})))
		got := make(chan error)
		go func() {
			_, err := e.Append(ctx, one("waits", ""))
			got <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- e.Close() }()
		if err := <-got; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("append: %v, want ErrClosed", err)
		}
		close(release)
		check(t, <-closed)
		e = openWith(t, scriptOptions(mem))
		checkAppends(t, e, 90)
		check(t, e.Close())
	})
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

// rotten returns a disk like indexed's whose index is gone and one of whose entries,
// in an old segment, does not check out.
func rotten(t *testing.T, n int, entry string) *durable.Mem {
	t.Helper()
	mem := indexed(t, n)
	for _, name := range indexFiles(mem) {
		check(t, mem.Remove(name))
	}
	for _, name := range mem.Names() {
		at := bytes.Index(mem.Bytes(name), []byte(`{"id":"`+entry+`"`))
		if !strings.HasSuffix(name, ".wal") || at < 0 {
			continue
		}
		change(mem, name, func(b []byte) []byte { b[at+8] ^= 1; return b })
		return mem
	}
	t.Fatalf("entry %s is nowhere", entry)
	return nil
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

// TestWaitEndsWithTheLog: an append that waits for the index ends when the log fails.
func TestWaitEndsWithTheLog(t *testing.T) {
	mem := indexed(t, 90)
	for _, name := range indexFiles(mem) {
		check(t, mem.Remove(name))
	}
	bubble(t, func(t *testing.T) {
		var fail atomic.Bool
		held := make(chan struct{})
		fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			switch {
			case op.Kind == durable.OpCreate && inIndex(op):
				<-held
			case op.Kind == durable.OpSync && strings.HasPrefix(op.Name, "log/") && fail.Load():
				return durable.Fault{Err: durable.ErrInjected}
			}
			return durable.Fault{}
		})
		e := openWith(t, scriptOptions(fsys))
		waiting := make(chan error, 1)
		go func() {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{record("waits", "")}})
			waiting <- err
		}()
		synctest.Wait()
		fail.Store(true)
		if _, err := e.Append(ctx, engine.Batch{Reserved: true, Records: []engine.Record{record("fails", "")}}); !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("append whose sync fails: %v", err)
		}
		if err := <-waiting; !errors.Is(err, engine.ErrFailed) {
			t.Errorf("append that waits: %v, want ErrFailed", err)
		}
		close(held)
		e.Close() // the log has failed
	})
}

package native_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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

// An indexFault is what goes wrong with the files of an index.
type indexFault struct {
	name  string
	fault durable.Fault
	kinds []durable.OpKind
	least int // appends that are taken before it is too much
}

var indexFaults = []indexFault{
	{"no room", durable.Fault{Err: syscall.ENOSPC}, []durable.OpKind{durable.OpWrite, durable.OpCreate}, 8},
	{"no room after a while", durable.Fault{Err: syscall.ENOSPC, Short: 100}, []durable.OpKind{durable.OpWrite}, 8},
	{"no file handles", durable.Fault{Err: syscall.EMFILE}, []durable.OpKind{durable.OpCreate, durable.OpOpen}, 8},
	{"cannot be opened", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpOpen}, 8},
	{"cannot be written", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpWrite}, 8},
	{"cannot be synced", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpSync}, 8},
	{"synced but reported as failed", durable.Fault{Err: syscall.EIO, After: true}, []durable.OpKind{durable.OpSync}, 8},
	{"cannot be renamed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRename}, 8},
	{"directory cannot be synced", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpSyncDir}, 8},
	{"cannot be closed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpClose}, 8},
	{"read-only", durable.Fault{Err: syscall.EROFS}, []durable.OpKind{durable.OpCreate, durable.OpRename, durable.OpRemove}, 8},
	{"cannot be removed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRemove}, 8},
	{"cannot be read", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRead}, 0}, // then no id can be looked up
}

// TestFault47 makes operations on the index's files fail, with test 33: the log
// goes on up to a bound, then appends are refused as unavailable; reads answer all
// the time; with the fault gone appends resume by themselves.
func TestFault47(t *testing.T) {
	t.Parallel()
	for _, f := range indexFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) { failIndex(t, &f) })
		})
	}
}

func failIndex(t *testing.T, f *indexFault) {
	mem := durable.NewMem()
	var b breaker
	files := newTracked(durable.NewFaulty(mem, b.hook), nil)
	e := openWith(t, scriptOptions(files))
	l := ledger{leave: true}
	for i := range 40 {
		check(t, l.send(e, one(fmt.Sprint("a", i), fmt.Sprint(i%3))))
	}
	synctest.Wait()
	b.always(f.fault, func(op durable.Op) bool { return inIndex(op) && slices.Contains(f.kinds, op.Kind) })
	accepted, refused := 0, 0
	for i := range 60 {
		err := l.send(e, one(fmt.Sprint("b", i), fmt.Sprint(i%3)))
		synctest.Wait()
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, engine.ErrUnavailable):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if accepted < f.least || accepted > 20 || refused == 0 || b.hits.Load() == 0 {
		t.Errorf("%d accepted, %d refused, %d operations failed", accepted, refused, b.hits.Load())
	}
	s, err := readAll(e)
	check(t, err)
	check(t, errors.Join(s.holds(l.snapshot()), s.answers(e)))
	b.disarm()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if n := unindexed(t, e); n != 0 {
		t.Errorf("%d entries have no index after a while", n)
	}
	for i := range 20 {
		check(t, l.send(e, one(fmt.Sprint("c", i), fmt.Sprint(i%3))))
		synctest.Wait()
	}
	s, err = readAll(e)
	check(t, err)
	check(t, errors.Join(s.holds(l.snapshot()), s.answers(e)))
	check(t, e.Close())
	if n := files.open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
	_, err = verifySound(mem, true)
	check(t, err)
	check(t, inspect(mem, mem, l.snapshot()))
}

// TestFault47FailsAtOpenAndClose: what goes wrong with the index's files keeps a
// journal neither from opening nor from closing.
func TestFault47FailsAtOpenAndClose(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	for _, f := range indexFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := sound.Crash(durable.KeepAll)
				if slices.Contains(f.kinds, durable.OpCreate) {
					indexSpoilers[0].spoil(t, mem)
				}
				files := newTracked(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if inIndex(op) && slices.Contains(f.kinds, op.Kind) {
						return f.fault
					}
					return durable.Fault{}
				}), nil)
				e := openWith(t, scriptOptions(files))
				s, err := readAll(e)
				check(t, err)
				check(t, s.answers(e))
				if _, err := e.Append(ctx, one("x", "")); err != nil && !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("append: %v", err)
				}
				check(t, e.Close())
				if n := files.open.Load(); n != 0 {
					t.Errorf("%d files are still open", n)
				}
				_, err = verifySound(mem, true)
				check(t, err)
				check(t, inspect(mem, mem, nil))
			})
		})
	}
}

// TestFault47EveryOperationFails makes single operations on the index's files fail,
// in every way, of the nightly ones every. Callers meet no more of it than a refusal.
func TestFault47EveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			step := int64(5)
			if long {
				step = 1
			}
			for n := int64(*seedFlag) % step; ; n += step {
				mem := durable.NewMem()
				var what atomic.Value
				hook := f.failAt(n, &what)
				faulty := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if !inIndex(op) || op.Kind == durable.OpReadDir {
						return durable.Fault{}
					}
					return hook(op)
				})
				s := &script{fs: faulty, faulted: faulty.Failed}
				bubble(t, func(t *testing.T) { s.run() })
				unsure := slices.ContainsFunc(s.snapshot(), func(x sent) bool { return x.outcome == unknown })
				if err := errors.Join(s.err(), inspect(mem, mem, s.snapshot())); err != nil {
					t.Fatalf("%s, operation %d, %v: %v", f.name, n, what.Load(), err)
				}
				if unsure {
					t.Fatalf("%s, operation %d, %v: the log failed with the index", f.name, n, what.Load())
				}
				if !faulty.Failed() {
					if n < 10 {
						t.Fatalf("the script has only %d operations on the index that can fail so", n)
					}
					return
				}
			}
		})
	}
}

// TestReaderBesideIndex: second-process readers answer right between the operations
// of a writer that writes, merges and removes files of the index, and use them.
func TestReaderBesideIndex(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var reader atomic.Pointer[native.Engine]
		var n, looks, removed atomic.Int64
		var busy atomic.Bool
		w := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if !op.Kind.Mutates() || !inIndex(op) {
				return durable.Fault{}
			}
			if op.Kind == durable.OpRemove {
				removed.Add(1)
			}
			if n.Add(1)%3 != 0 && !long || reader.Load() == nil || !busy.CompareAndSwap(false, true) {
				return durable.Fault{}
			}
			defer busy.Store(false)
			second, err := native.OpenReader(scriptOptions(mem))
			check(t, err)
			defer second.Close()
			for _, r := range []*native.Engine{reader.Load(), second} {
				s, err := readAll(r)
				if err != nil {
					t.Errorf("before %v: %v", op, err)
					continue
				}
				err = s.answers(r)
				if err != nil && int(r.Size()) == len(s.entries) { // else it has seen more meanwhile
					t.Errorf("before %v: %v", op, err)
				}
			}
			looks.Add(1)
			return durable.Fault{}
		})))
		appendOne(t, w, "first", "x")
		idle()
		r, err := native.OpenReader(scriptOptions(mem))
		check(t, err)
		reader.Store(r)
		for i := range 100 {
			appendOne(t, w, fmt.Sprint(i), fmt.Sprint(i%4))
			if i%10 == 9 {
				idle()
				time.Sleep(time.Second) // a reader looks for files once a second
			}
		}
		idle()
		poll()
		if n := unindexed(t, r); r.Size() != w.Size() || n != 0 {
			t.Errorf("the reader has %d entries of %d, %d without an index", r.Size(), w.Size(), n)
		}
		if looks.Load() < 30 || removed.Load() < 16 {
			t.Errorf("the readers looked %d times, %d files were removed: too few to mean anything", looks.Load(), removed.Load())
		}
		reader.Store(nil)
		check(t, r.Close())
		check(t, w.Close())
	})
}

// TestReaderMeetsNonsense: a new entry that says nothing to a reader costs it the
// index of what it took in memory. It goes on, and yields everything.
func TestReaderMeetsNonsense(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := indexed(t, 30)
		w := openWith(t, scriptOptions(mem))
		o := scriptOptions(mem)
		o.Describe = func(f *engine.Facts, entry []byte) error {
			err := describe(f, entry)
			if err == nil && f.ID == "j6" {
				err = errors.New("nonsense")
			}
			return err
		}
		r, err := native.OpenReader(o)
		check(t, err)
		for i := range 12 {
			appendOne(t, w, fmt.Sprint("j", i), "x")
			idle()
			poll()
			if r.Size() != w.Size() {
				t.Fatalf("the reader has %d entries of %d", r.Size(), w.Size())
			}
		}
		for i := range 12 {
			p, err := r.Find(ctx, "t", fmt.Sprint("j", i))
			if i != 6 && (err != nil || p != engine.Position(30+i)) {
				t.Errorf("find j%d: position %d, %v", i, p, err)
			}
		}
		got, err := search(r, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "6"}})
		if want := []engine.Position{6, 16, 26, 36}; err != nil || !slices.Equal(got, want) {
			t.Errorf("search yields %v, %v, want %v", got, err, want)
		}
		check(t, r.Close())
		check(t, w.Close())
	})
}

// TestDamagedJournalWithIndex: a journal that is damaged and opens for reading is
// searched by its index, names the gap, and leaves the index as it is.
func TestDamagedJournalWithIndex(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := indexed(t, 120)
		e := openWith(t, scriptOptions(mem))
		for i := range 10 { // opening reads the last segment: it is the one to damage
			appendOne(t, e, fmt.Sprint("j", i), "x")
		}
		check(t, e.Close())
		name := newest(mem)
		all := records(mem.Bytes(name))
		change(mem, name, flip(all[1].off+90))
		change(mem, "state", func(b []byte) []byte { b[len(b)-3] ^= 1; return b }) // so that it is looked at closely
		before := contents(mem)
		e = openWith(t, scriptOptions(mem))
		if len(e.Damage()) == 0 {
			t.Fatal("no damage is reported")
		}
		found, gaps := 0, 0
		for _, end := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			for entry, err := range e.Search(ctx, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: end}}) {
				var f engine.Facts
				switch c := new(engine.CorruptError); {
				case errors.As(err, &c):
					gaps++
				case err != nil:
					t.Fatal(err)
				case describe(&f, entry.Bytes) == nil && f.Terms[0].Value == end:
					found++
				}
			}
		}
		if found != 129 || gaps == 0 {
			t.Errorf("%d entries are found, want 129 of 130; %d gaps", found, gaps)
		}
		readable := 0
		for i := range 120 {
			p, err := e.Find(ctx, "t", fmt.Sprint("i", i))
			if err == nil && p == engine.Position(i) {
				readable++
			}
		}
		if readable < 119 {
			t.Errorf("%d ids are found, want 119 at least", readable)
		}
		check(t, e.Close())
		if diff := cmp.Diff(before, contents(mem)); diff != "" {
			t.Errorf("files have changed (-want +got):\n%s", diff)
		}
	})
}

// TestCloseWritesIndex: what is in memory at Close is written if it is much, and
// then the next opening describes no entry and writes nothing.
func TestCloseWritesIndex(t *testing.T) {
	t.Parallel()
	const tail = 64
	for _, tt := range []struct {
		entries, files, described int
	}{
		{tail/16 - 1, 0, tail/16 - 1},
		{tail / 16, 1, 0},
		{tail - 1, 1, 0},
		{tail, 1, 0},
		{tail + 1, 1, 1},
		{tail + tail/16, 2, 0},
	} {
		t.Run(fmt.Sprint(tt.entries), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := durable.NewMem()
				var described atomic.Int64
				var ops tracer
				o := testOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if op.Kind.Mutates() && inIndex(op) {
						ops.add("%v", op)
					}
					return durable.Fault{}
				}))
				o.LimitTails(tail)
				o.Describe = func(f *engine.Facts, entry []byte) error {
					described.Add(1)
					return describe(f, entry)
				}
				e := openWith(t, o)
				for i := range tt.entries {
					appendOne(t, e, fmt.Sprint(i), "x")
				}
				check(t, e.Close())
				if n := len(indexFiles(mem)); n != tt.files {
					t.Errorf("the index has %d files, want %d", n, tt.files)
				}
				closed := ops.lines()
				described.Store(0)
				e = openWith(t, o)
				synctest.Wait()
				if n := described.Load(); n != int64(tt.described) {
					t.Errorf("opening describes %d entries, want %d", n, tt.described)
				}
				if more := strings.TrimPrefix(ops.lines(), closed); more != "" {
					t.Errorf("opening writes to the index:\n%s", more)
				}
				s, err := readAll(e)
				check(t, err)
				check(t, s.answers(e))
				check(t, e.Close())
			})
		})
	}
}

// TestIndexOfLaterVersion: a file of the index that a later program wrote is left
// alone by opening, and the journal goes on without it.
func TestIndexOfLaterVersion(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := indexed(t, 90)
		name := indexFiles(mem)[0]
		change(mem, name, func(b []byte) []byte {
			b[8]++ // the version, see docs/format.md
			binary.LittleEndian.PutUint32(b[124:], crc32.Checksum(b[:124], crc32.MakeTable(crc32.Castagnoli)))
			return b
		})
		later := string(mem.Bytes(name))
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpRemove && op.Name == name {
				t.Errorf("%v", op)
			}
			return durable.Fault{}
		})))
		if string(mem.Bytes(name)) != later {
			t.Error("opening changed it")
		}
		s, err := readAll(e)
		check(t, err)
		check(t, s.answers(e))
		checkAppends(t, e, 90)
		check(t, e.Close())
		e = openWith(t, scriptOptions(mem))
		s, err = readAll(e)
		check(t, err)
		check(t, s.answers(e))
		check(t, e.Close())
	})
}

// TestForeignIndexFiles: another journal's files in the index are not used, stay,
// and are reported by Verify.
func TestForeignIndexFiles(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem, other := indexed(t, 90), indexed(t, 95)
		foreign := "index/0000000000000001-0000000000000059.idx"
		mem.SetBytes(foreign, other.Bytes(indexFiles(other)[0]))
		rep, err := native.Verify(ctx, mem, native.Visitor{})
		check(t, err)
		if len(rep.Problems) != 1 || rep.Problems[0].Path != foreign || rep.Entries != 90 {
			t.Errorf("verify reports %v", rep.Problems)
		}
		e := openWith(t, scriptOptions(mem))
		if n := unindexed(t, e); n != 0 || len(e.Damage()) > 0 {
			t.Errorf("%d entries have no index, damage %v", n, e.Damage())
		}
		s, err := readAll(e)
		check(t, err)
		check(t, s.answers(e))
		checkAppends(t, e, 90)
		check(t, e.Close())
		if string(mem.Bytes(foreign)) != string(other.Bytes(indexFiles(other)[0])) {
			t.Error("the foreign file has changed")
		}
	})
}

// TestPolicies: what was indexed under one policy is found under another.
func TestPolicies(t *testing.T) {
	t.Parallel()
	covers := func(policy, field string) bool {
		return field == "" || field[0] == '~' || policy == "all" || policy != "none" && policy == field
	}
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		n := 0
		for _, policy := range []string{"all", "none", "end", "other", "all", "none"} {
			o := scriptOptions(mem)
			o.Policy, o.Covers = policy, covers
			o.Describe = func(f *engine.Facts, entry []byte) error {
				err := describe(f, entry)
				f.Terms = slices.DeleteFunc(f.Terms, func(t engine.Term) bool { return !covers(policy, t.Field) })
				return err
			}
			e := openWith(t, o)
			for range 37 {
				r := record(fmt.Sprint("i", n), fmt.Sprint(n%3))
				r.Terms = slices.DeleteFunc(r.Terms, func(t engine.Term) bool { return !covers(policy, t.Field) })
				_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{r}})
				check(t, err)
				n++
			}
			synctest.Wait()
			s, err := readAll(e)
			check(t, err)
			check(t, s.answers(e))
			check(t, e.Close())
		}
		o := scriptOptions(mem)
		o.Policy, o.Covers = "all", covers
		e := openWith(t, o)
		found := 0
		for _, err := range e.Search(ctx, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "nothing"}}) {
			check(t, err)
			found++
		}
		if want := 3 * 37; found != want { // of the policies that lack the field
			t.Errorf("a search for what is nowhere yields %d entries, want %d", found, want)
		}
		check(t, e.Close())
	})
}

// TestCloseWhileRead: calls that overlap Close answer or say that it is closed, and
// those after it do not hang.
func TestCloseWhileRead(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 60)
	for range 20 {
		e, err := native.Open(scriptOptions(sound.Crash(durable.KeepAll)))
		check(t, err)
		var wg sync.WaitGroup
		calls := []func() error{
			func() error { _, err := e.Find(ctx, "t", "i3"); return err },
			func() error { _, err := e.Read(ctx, 30); return err },
			func() error { _, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "1"}); return err },
			func() error {
				for _, err := range e.Kinds(ctx) {
					if err != nil {
						return err
					}
				}
				return nil
			},
			func() error { _, err := e.Append(ctx, one("i3", "3")); return err },
			func() error { e.Stats(); return nil },
			func() error { _, err := e.Estimate(ctx, engine.Query{}); return err },
			func() error {
				got, err := search(e, engine.Query{Tenants: []string{"t"}, Filter: engine.Has{Field: "end", Value: "3"}})
				if err == nil && len(got) != 6 {
					return fmt.Errorf("search finds %d entries", len(got))
				}
				return err
			},
			func() error { _, err := e.Entities(ctx); return err },
		}
		started := make(chan struct{}, len(calls))
		for i, call := range calls {
			wg.Go(func() {
				for k := 0; ; k++ {
					err := call()
					if k == 0 {
						started <- struct{}{}
					}
					switch {
					case errors.Is(err, engine.ErrClosed):
						return
					case err != nil:
						t.Errorf("call %d: %v", i, err)
						return
					}
					if i == 5 && k > 100 {
						return
					}
				}
			})
		}
		for range calls {
			<-started
		}
		check(t, e.Close())
		wg.Wait()
		for i, call := range calls {
			if err := call(); i != 5 && !errors.Is(err, engine.ErrClosed) {
				t.Errorf("call %d after Close: %v", i, err)
			}
		}
	}
}

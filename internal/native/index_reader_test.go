package native_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

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

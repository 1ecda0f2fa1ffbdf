package native_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// openReader opens a second-process reader, closed when the test ends.
func openReader(t testing.TB, fsys durable.FS) *native.Engine {
	t.Helper()
	r, err := native.OpenReader(testOptions(fsys))
	check(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// poll lets a reader look for new entries.
func poll() {
	time.Sleep(30 * time.Millisecond)
	synctest.Wait()
}

// TestFault43ReaderThenPowerCut: a reader beside the writer looks at every
// operation of the script. Whatever it showed is there, at the same place, after
// a power cut at that moment that loses all it may.
func TestFault43ReaderThenPowerCut(t *testing.T) {
	t.Parallel()
	mem := durable.NewMem()
	var n, looks, seen atomic.Int64
	bubble(t, func(t *testing.T) {
		s := new(script)
		s.fs = durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if !op.Kind.Mutates() || n.Add(1)%2 != 0 {
				return durable.Fault{}
			}
			r, err := native.OpenReader(testOptions(mem))
			if errors.Is(err, native.ErrNoJournal) {
				return durable.Fault{}
			}
			if err != nil {
				t.Errorf("reader before %v: %v", op, err)
				return durable.Fault{}
			}
			defer r.Close()
			if d := r.Damage(); len(d) > 0 {
				t.Errorf("reader before %v: %v", op, d[0])
			}
			shown, err := readAll(r)
			if err != nil {
				t.Errorf("reader before %v: %v", op, err)
				return durable.Fault{}
			}
			looks.Add(1)
			seen.Store(max(seen.Load(), int64(len(shown.entries))))
			if err := stillThere(mem.Crash(durable.Cut{}), shown); err != nil {
				t.Errorf("reader before %v, then a power cut: %v", op, err)
			}
			return durable.Fault{}
		})
		s.run()
		check(t, s.err())
	})
	if looks.Load() < 50 || seen.Load() < 20 {
		t.Errorf("the reader looked %d times and saw %d entries at most: too few to mean anything", looks.Load(), seen.Load())
	}
}

// TestReaderBesideWriter: a reader that stays open sees what is durable, at most
// 50 ms and its poll late, across rotation, a failed sync, recovery and closing,
// never less than before, and never what is not durable.
func TestReaderBesideWriter(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var b breaker
		fsys := durable.NewFaulty(mem, b.hook)
		w := open(t, fsys)
		var l ledger
		check(t, l.send(w, one("first", "x")))
		idle()
		r := openReader(t, mem)
		if _, err := r.Append(ctx, one("no", "")); err == nil {
			t.Error("a reader takes appends")
		}
		follow := followInBackground(r)
		most := r.Size()
		look := func() {
			t.Helper()
			if n := r.Size(); n < most {
				t.Fatalf("reader went back from %d to %d", most, n)
			} else {
				most = n
			}
			shown, err := readAll(r)
			check(t, err)
			check(t, stillThere(mem.Crash(durable.Cut{}), shown))
		}
		for round := range 6 {
			for i := range 8 {
				check(t, l.send(w, one(fmt.Sprintf("%d-%d", round, i), "x")))
				poll()
				look()
			}
			idle()
			poll()
			look()
			if r.Size() != w.Size() {
				t.Errorf("round %d: reader shows %d entries of %d after a while", round, r.Size(), w.Size())
			}
			switch round {
			case 1, 3: // poisoned, recovered
				b.arm(durable.Fault{Err: syscall.EIO, After: round == 3}, kindIs(durable.OpSync))
				l.send(w, one(fmt.Sprint("lost", round), "x"))
				poll()
				look()
				w.Close()
				w = open(t, fsys)
				poll()
				look()
			case 2, 4: // closed, opened again
				check(t, w.Close())
				poll()
				look()
				w = open(t, fsys)
			}
		}
		poll()
		look()
		if r.Size() != w.Size() {
			t.Errorf("reader shows %d entries of %d at the end", r.Size(), w.Size())
		}
		check(t, follow(int64(w.Size())))
	})
}

// followInBackground follows a journal. The result waits until it has yielded so
// many entries, stops it, and reports whether every position came once, in order.
func followInBackground(e *native.Engine) func(size int64) error {
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan engine.Position, 1<<12)
	failed := make(chan error, 1)
	go func() {
		defer close(seen)
		for entry, err := range e.Follow(ctx, 0) {
			if err != nil {
				failed <- err
				return
			}
			seen <- entry.Position
		}
	}()
	return func(size int64) error {
		defer cancel()
		for want := range engine.Position(size) {
			if got, ok := <-seen; !ok {
				return fmt.Errorf("follow ended before position %d: %w", want, <-failed)
			} else if got != want {
				return fmt.Errorf("follow yields position %d, want %d", got, want)
			}
		}
		cancel()
		if got, ok := <-seen; ok {
			return fmt.Errorf("follow yields position %d, behind the end", got)
		}
		return nil
	}
}

// TestReaderOpensWhileWriterTrims: between a reader's look at a segment's length
// and its reading, the writer may trim the segment. That is no error.
func TestReaderOpensWhileWriterTrims(t *testing.T) {
	t.Parallel()
	for _, verify := range []bool{false, true} {
		t.Run(fmt.Sprint("verify ", verify), func(t *testing.T) {
			mem := durable.NewMem()
			w := open(t, mem)
			for i := range 3 {
				appendOne(t, w, fmt.Sprint(i), "x")
			}
			_, err := w.Checkpoint(ctx)
			check(t, err)
			trimmed := false
			fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
				if op.Kind == durable.OpRead && isSegment(op.Name) && op.Len > 128 && !trimmed {
					trimmed = true
					all := records(mem.Bytes(op.Name))
					f, err := mem.OpenWrite(op.Name)
					check(t, err)
					check(t, f.Truncate(all[len(all)-1].end))
					check(t, f.Close())
				}
				return durable.Fault{}
			})
			if verify {
				rep, err := native.Verify(ctx, fsys, native.Visitor{})
				check(t, err)
				if len(rep.Problems) > 0 || rep.Entries != 3 {
					t.Errorf("%d entries, problems %v", rep.Entries, rep.Problems)
				}
			} else if r := openReader(t, fsys); r.Size() != 3 {
				t.Errorf("reader shows %d entries, want 3", r.Size())
			}
			if !trimmed {
				t.Error("nothing was trimmed")
			}
		})
	}
}

// TestReaderSeesCleanClose: a reader shows the last entry of a writer that closes
// at once, before a marker vouches for it, and those of the writers that follow.
func TestReaderSeesCleanClose(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		w := open(t, mem)
		appendOne(t, w, "first", "x")
		idle()
		r := openReader(t, mem)
		for i := range 3 {
			appendOne(t, w, fmt.Sprint(i), "x")
			check(t, w.Close())
			poll()
			if r.Size() != w.Size() {
				t.Errorf("reader shows %d entries of a closed journal of %d", r.Size(), w.Size())
			}
			w = open(t, mem)
		}
		check(t, errors.Join(w.Close(), r.Close()))
	})
}

// TestReaderShowsSequencesWithEntries: while a reader takes new entries in, the
// last sequence that it tells is that of the entries that it shows.
func TestReaderShowsSequencesWithEntries(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		e := open(t, mem)
		appendOne(t, e, "first", "x")
		idle()
		var reader atomic.Pointer[native.Engine]
		looks := 0
		fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if r := reader.Load(); r != nil && isSegment(op.Name) {
				looks++
				seq, err := r.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "x"})
				if err != nil || seq != engine.Sequence(r.Size()) {
					t.Errorf("%v: last sequence is %d of %d entries, %v", op, seq, r.Size(), err)
				}
			}
			return durable.Fault{}
		})
		r := openReader(t, fsys)
		for i := range 60 {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 700)}})
			check(t, err)
		}
		reader.Store(r)
		idle()
		poll()
		if r.Size() != 61 || looks < 5 {
			t.Errorf("the reader has %d entries, want 61, and was looked at %d times", r.Size(), looks)
		}
		reader.Store(nil)
	})
}

package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A world is a log, its index, perhaps a second-process reader of it, and a disk
// on which things go wrong.
type world struct {
	*testLog
	t       testing.TB
	mem     *durable.Mem
	policy  string
	x       *Index
	durable engine.Position
	reader  *Index          // nil if there is none
	shown   engine.Position // entries that the reader has
	flips   bool            // files are damaged
	faults  int             // chance of an operation to fail, in percent
	failed  int
}

func newWorld(t testing.TB, rng *rand.Rand) *world {
	w := &world{testLog: newTestLog(rng), t: t, mem: durable.NewMem(), policy: whole}
	w.open()
	return w
}

// hook makes operations fail by chance.
func (w *world) hook(op durable.Op) durable.Fault {
	if w.faults == 0 || w.rng.IntN(100) >= w.faults {
		return durable.Fault{}
	}
	switch {
	case op.Kind == durable.OpReadDir || op.Kind == durable.OpMkdir:
		return durable.Fault{} // an index whose directory cannot be listed does not open
	case op.Kind == durable.OpWrite && w.rng.IntN(2) == 0:
		w.failed++
		return durable.Fault{Err: syscall.ENOSPC, Short: w.rng.IntN(op.Len)}
	}
	w.failed++
	return durable.Fault{Err: syscall.EIO, After: w.rng.IntN(4) == 0}
}

func (w *world) options() Options {
	o := testOptions(durable.NewFaulty(w.mem, w.hook))
	o.Policy = w.policy
	return o
}

func (w *world) open() { w.x = w.testLog.open(w.t, w.options(), w.size()) }

// readOn opens a reader or lets it look for what is new.
func (w *world) readOn() error {
	if w.reader == nil {
		o := w.options()
		o.ReadOnly = true
		w.shown = w.durable
		w.reader = w.testLog.open(w.t, o, w.shown)
	} else {
		w.shown = max(w.shown, w.durable)
		for next := w.reader.Next(); next < w.shown; next = w.reader.Next() {
			if w.rng.IntN(20) == 0 { // as if they were damaged
				w.reader.Pass(min(w.shown, next+1+engine.Position(w.rng.IntN(4))))
				continue
			}
			w.testLog.add(w.reader, min(w.shown, next+1+engine.Position(w.rng.IntN(20))))
		}
		w.reader.refreshed = time.Time{}
		if err := w.reader.Refresh(); err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		room := -tailShares // the active one's
		for _, t := range tailsOf(w.reader.parts) {
			room += t.share()
		}
		if room > maxWaiting*tailShares {
			return fmt.Errorf("reader has %d tails, %d shares too many", len(tailsOf(w.reader.parts)), room-maxWaiting*tailShares)
		}
	}
	return nil
}

func (w *world) closeReader() {
	if w.reader != nil {
		w.reader.Abandon()
		w.reader = nil
	}
}

// step does something.
func (w *world) step() error {
	switch w.rng.IntN(16) {
	case 0, 1, 2, 3:
		for range w.rng.IntN(40) {
			w.extend()
		}
		w.testLog.add(w.x, w.size())
	case 4, 5:
		w.durable = w.size()
	case 6, 7, 8, 9:
		w.maintain(1 + w.rng.IntN(10))
	case 10:
		w.durable = w.size()
		w.x.Close() // may fail to write
		w.spoil()
		w.policy = []string{whole, parts}[w.rng.IntN(2)]
		w.open()
	case 11:
		w.crash()
	case 12:
		w.spoil()
	case 13:
		if w.rng.IntN(4) == 0 {
			w.closeReader()
		}
		return w.readOn()
	case 14:
		if w.reader != nil {
			return w.readOn()
		}
	case 15:
		w.faults = 0
		if w.rng.IntN(3) == 0 {
			w.faults = 1 + w.rng.IntN(10)
		}
	}
	return nil
}

// maintain maintains and merges so many times, or until there is nothing to do. It
// reports whether it came so far.
func (w *world) maintain(most int) bool {
	for range most {
		did, _ := w.x.Maintain(context.Background(), w.durable, w.filler(w.x)) // may fail
		merged, _ := w.x.Merge(context.Background())
		if !did && !merged {
			return true
		}
	}
	return false
}

// crash cuts the power and opens the index again. The log keeps what was durable.
func (w *world) crash() {
	cut := durable.Cut{Seed: w.rng.Uint64(), Keep: w.rng.IntN(101), Tear: w.rng.IntN(2) == 0}
	w.closeReader()
	after := w.mem.Crash(cut)
	w.x.Abandon()
	w.mem = after
	w.cut(w.durable + engine.Position(w.rng.Uint64N(uint64(w.size()-w.durable)+1)))
	w.durable = w.size()
	w.spoil()
	w.open()
}

// spoil deletes files, or damages them if the world has that.
func (w *world) spoil() {
	names := slices.DeleteFunc(w.mem.Names(), func(name string) bool { return !strings.HasSuffix(name, runSuffix) })
	if len(names) == 0 {
		return
	}
	name := names[w.rng.IntN(len(names))]
	switch w.rng.IntN(12) {
	case 0:
		for _, name := range names {
			check(w.t, w.mem.Remove(name))
		}
	case 1, 2:
		check(w.t, w.mem.Remove(name))
	case 3, 4, 5:
		if w.flips {
			spoilFile(w.t, w.rng, w.mem, name)
		}
	}
}

// spoilFile flips a bit of a file, or cuts it.
func spoilFile(t testing.TB, rng *rand.Rand, mem *durable.Mem, name string) {
	b := mem.Bytes(name)
	f, err := mem.OpenWrite(name)
	check(t, err)
	defer f.Close()
	if len(b) == 0 || rng.IntN(4) == 0 {
		check(t, f.Truncate(rng.Int64N(int64(len(b)+1))))
		return
	}
	at := rng.IntN(len(b))
	_, err = f.WriteAt([]byte{b[at] ^ 1<<rng.IntN(8)}, int64(at))
	check(t, err)
}

// TestFault45Model plays random lives of an index against a plain list of
// entries: adding, writing, merging, opening anew, second-process readers, deleted
// and damaged files, errors of the disk, power cuts and changes of policy. Whatever happens
// it finds everything, and as long as its files are sound nothing else (with test
// 47: no error of the index's files does more).
func TestFault45Model(t *testing.T) {
	rng := newRand(t)
	worlds, failed, merged := 20, 0, 0
	if long {
		worlds = 3000
	}
	for i := range worlds {
		w := newWorld(t, rng)
		w.flips = i%2 == 0
		for step := range 60 {
			if err := w.step(); err != nil {
				t.Fatalf("world %d, step %d: %v", i, step, err)
			}
			sound := !w.flips && w.faults == 0
			if err := w.testLog.check(w.x, w.size(), sound); err != nil {
				t.Fatalf("world %d, step %d: %v", i, step, err)
			}
			if w.reader == nil {
				continue
			}
			if err := w.testLog.check(w.reader, w.shown, sound); err != nil {
				t.Fatalf("world %d, step %d: reader: %v", i, step, err)
			}
		}
		w.settle(&merged)
		failed += w.failed
	}
	if failed < worlds || merged < worlds/4 {
		t.Errorf("%d operations failed and %d runs were merged: too few to mean anything", failed, merged)
	}
}

// settle lets the index finish its work on a sound disk: then it knows
// everything, and so does the next one, with nothing to add.
func (w *world) settle(merged *int) {
	w.t.Helper()
	w.faults = 0
	w.durable = w.size()
	w.closeReader()
	for range 2 { // what the first check condemns is made anew before the second
		if !w.maintain(1000) {
			w.t.Fatalf("maintaining does not come to an end: %v", w.x.view.Load())
		}
		check(w.t, w.testLog.check(w.x, w.size(), !w.flips))
	}
	w.maintain(1000)
	v := w.x.Acquire()
	for _, s := range v.parts {
		switch p := s.part.(type) {
		case hole:
			w.t.Fatalf("hole %+v remains in %v", p, v)
		case *run:
			if p.meta.entries() > 16 {
				*merged++
			}
		}
	}
	v.Release()
	check(w.t, w.x.Close())
	w.x.Abandon()           // once more, which does nothing
	w.x.Acquire().Release() // who comes late does not wait for ever
	w.open()
	check(w.t, w.testLog.check(w.x, w.size(), !w.flips))
	w.x.Abandon()
}

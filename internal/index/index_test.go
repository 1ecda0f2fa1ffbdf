package index

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// fullIndex returns the options of an index whose files cover n full tails of a
// log.
func fullIndex(t testing.TB, l *testLog, n int) (*durable.Mem, Options) {
	t.Helper()
	for range n * 16 {
		l.extend()
	}
	mem := durable.NewMem()
	x := l.open(t, testOptions(mem), 0)
	l.add(x, l.size())
	check(t, x.Close())
	return mem, testOptions(mem)
}

// shape names an index's parts: r for a run, t for a tail, h for a hole.
func (v *View) shape() string {
	var b strings.Builder
	for _, s := range v.parts {
		switch s.part.(type) {
		case *run:
			b.WriteByte('r')
		case *tail:
			b.WriteByte('t')
		case hole:
			b.WriteByte('h')
		}
	}
	return b.String()
}

func put(t testing.TB, mem *durable.Mem, name string, b []byte) {
	t.Helper()
	f, err := mem.Create(name)
	check(t, err)
	_, err = f.WriteAt(b, 0)
	check(t, err)
	check(t, f.Close())
}

// TestFault45FilesOfOthers: what is not a sound run of this index is not used.
// The writer removes what nobody can use, once the log is known to be sound, and
// leaves alone what others may want.
func TestFault45FilesOfOthers(t *testing.T) {
	later := func(b []byte) []byte {
		b = append([]byte(nil), b...)
		b[8]++
		copy(b, appendSum(append([]byte(nil), b[:headerBytes-sumBytes]...), 0))
		return b
	}
	const name = Dir + "/0000000000000020-0000000000000030.idx" // the third run
	for _, tt := range []struct {
		name    string
		put     string
		content func(sound []byte) []byte
		stays   bool
		problem error // what Check reports of it
	}{
		{"later version", name, later, true, engine.ErrNewerFormat},
		{"another journal's", name, func([]byte) []byte {
			other := durable.NewMem()
			o := testOptions(other)
			o.Journal[0]++
			return runOf(t, o, 32, 48)
		}, true, errForeign},
		{"another key's", name, func([]byte) []byte {
			other := durable.NewMem()
			o := testOptions(other)
			o.Key[0]++
			return runOf(t, o, 32, 48)
		}, false, errForeign}, // which is lost: there is one key only
		{"something else", name, func([]byte) []byte { return []byte("hello") }, true, errForeign},
		{"no end", name, func(b []byte) []byte { return b[:len(b)-1] }, false, errDamaged},
		{"flipped header", name, func(b []byte) []byte {
			b = append([]byte(nil), b...)
			b[40]++
			return b
		}, false, errDamaged},
		{"another run's name", Dir + "/0000000000000000-0000000000000030.idx", func(b []byte) []byte { return b }, false, errDamaged},
		{"unfinished", name + durable.TempSuffix, func(b []byte) []byte { return b }, false, nil},
		{"no run's name", Dir + "/notes.txt", func(b []byte) []byte { return b }, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(newRand(t))
			mem, o := fullIndex(t, l, 4)
			sound := mem.Bytes(name)
			check(t, mem.Remove(name))
			put(t, mem, tt.put, tt.content(sound))
			before := mem.Names()
			o.ReadOnly = true
			reader := l.open(t, o, l.size())
			var problems []error
			x, err := Open(o)
			check(t, err)
			check(t, x.Check(context.Background(), func(p Problem) {
				if p.File != tt.put {
					t.Errorf("%s: %v", p.File, p.Err)
				}
				problems = append(problems, p.Err)
			}))
			x.Abandon()
			if tt.problem == nil != (len(problems) == 0) || tt.problem != nil && !errors.Is(problems[0], tt.problem) {
				t.Errorf("problems are %v, want %v", problems, tt.problem)
			}
			o.ReadOnly = false
			w, err := Open(o)
			check(t, err)
			if diff := cmp.Diff(before, mem.Names()); diff != "" {
				t.Errorf("opening changes files (-want +got):\n%s", diff)
			}
			l.cover(w, l.size())
			_, err = mem.Stat(tt.put)
			if stays := err == nil; stays != tt.stays {
				t.Errorf("file stays: %v, want %v", stays, tt.stays)
			}
			for _, x := range []*Index{reader, w} {
				if got := x.view.Load().shape(); got != "rrhrt" {
					t.Errorf("parts are %s, want rrhrt", got)
				}
				check(t, l.check(x, l.size(), true))
			}
			for finish(t, l, w, l.size()) {
			}
			check(t, l.check(w, l.size(), true))
			if got := w.view.Load().shape(); got != "rrrrt" {
				t.Errorf("parts are %s at the end, want rrrrt", got)
			}
			reader.Abandon()
			check(t, w.Close())
		})
	}
}

// runOf returns a run of some positions, written under options.
func runOf(t testing.TB, o Options, first, next engine.Position) []byte {
	t.Helper()
	l := newTestLog(newRand(t))
	for l.size() < next {
		l.extend()
	}
	x, err := Open(o)
	check(t, err)
	x.Cover(first)
	x.Start(first)
	l.add(x, next)
	check(t, x.Close())
	return o.FS.(*durable.Mem).Bytes(runName(first, next))
}

// TestFault46IndexAheadOfLog: the index says how far the log went, and is not used
// beyond the log.
func TestFault46IndexAheadOfLog(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 4)
	x, err := Open(o)
	check(t, err)
	if x.End() != 64 {
		t.Fatalf("the index says that the log has %d entries, want 64", x.End())
	}
	l.cut(40)
	x.Cover(40)
	x.Start(40)
	check(t, l.check(x, 40, true))
	x.Abandon()
	if _, err := mem.Stat(runName(48, 64)); err == nil {
		t.Error("a run behind the log's end is still there")
	}
}

// TestFault45CondemnedStaysGone: what could not be read once is not read again by
// the next opening, in which it would come before what has taken its place.
func TestFault45CondemnedStaysGone(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 8)
	x := l.open(t, o, l.size())
	for finish(t, l, x, l.size()) {
	}
	wide := x.view.Load().parts[0].part.(*run)
	if wide.meta.entries() != 128 {
		t.Fatalf("nothing was merged: %v", x.view.Load())
	}
	spoilSection(t, mem, wide, identityLists)
	check(t, l.check(x, l.size(), false))
	did, err := x.Maintain(context.Background(), l.size(), l.filler(x)) // a part of it
	if !did || err != nil {
		t.Fatalf("nothing was made anew: %v", err)
	}
	check(t, x.Close())
	if _, err := mem.Stat(wide.name); err == nil {
		t.Error("the damaged file is still there")
	}
	x = l.open(t, o, l.size())
	defer x.Abandon()
	if got := x.view.Load().shape(); !strings.HasPrefix(got, "r") {
		t.Errorf("what was made anew is not used: %v", x.view.Load())
	}
	check(t, l.check(x, l.size(), true))
}

// TestFault45DamagedLog: entries that cannot be read have no index, what is around
// them has. Any identity may be among them, so nothing is added any more.
func TestFault45DamagedLog(t *testing.T) {
	rng := newRand(t)
	for _, damaged := range [][]engine.Position{{0}, {20}, {20, 21, 22}, {15, 16, 40}, {63}} {
		l := newTestLog(rng)
		for range 64 {
			l.extend()
		}
		for _, p := range damaged {
			l.unread[p] = true
		}
		x, err := Open(testOptions(durable.NewMem()))
		check(t, err)
		x.Cover(64)
		x.Start(64)
		for finish(t, l, x, 64) {
		}
		if _, ok := errors.AsType[*engine.CorruptError](x.Wait(context.Background(), nil, nil)); !ok {
			t.Errorf("damage at %v: whoever adds is not told", damaged)
		}
		check(t, l.check(x, 64, true))
		v := x.Acquire()
		for p := range engine.Position(64) {
			_, isHole := v.at(p).part.(hole)
			if isHole != l.unread[p] {
				t.Errorf("damage at %v: position %d is in a %T", damaged, p, v.at(p).part)
			}
		}
		unknown := 0
		v.Last(testHasher.ID("nobody", "x"), 0, 64, func(c Candidate) bool {
			for p := c.From; p < c.To; p++ {
				if unknown++; !c.Unknown || !l.unread[p] {
					t.Errorf("damage at %v: absent id has candidate %+v", damaged, c)
				}
			}
			return true
		})
		if unknown != len(damaged) {
			t.Errorf("damage at %v: %d positions may have an id, want %d", damaged, unknown, len(damaged))
		}
		v.Release()
		check(t, x.Close())
	}
}

// TestReaderListsWhileMerging: between a reader's look at the directory and its opening of
// files, the writer has merged them.
func TestReaderListsWhileMerging(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 8)
	w := l.open(t, o, l.size())
	o.ReadOnly = true
	opened := 0
	o.FS = durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpOpen {
			if opened++; opened == 4 {
				for finish(t, l, w, l.size()) {
				}
			}
		}
		return durable.Fault{}
	})
	r := l.open(t, o, l.size())
	if got := r.view.Load().shape(); got != "rt" {
		t.Errorf("the reader has %s, want the merged run and a tail", got)
	}
	check(t, l.check(r, l.size(), true))
	r.Abandon()
	check(t, w.Close())
}

// TestRefreshKeepsRuns: a reader that looks for new runs keeps those that it has
// open, and what it has read of them.
func TestRefreshKeepsRuns(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 4)
	w := l.open(t, o, l.size())
	opens := make(map[string]int)
	o.ReadOnly = true
	o.FS = durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpOpen {
			opens[op.Name]++
		}
		return durable.Fault{}
	})
	r := l.open(t, o, l.size())
	for range 3 {
		for range 40 {
			l.extend()
		}
		l.add(w, l.size())
		for finish(t, l, w, l.size()) {
		}
		l.add(r, l.size())
		r.refreshed = time.Time{}
		check(t, r.Refresh())
		check(t, l.check(r, l.size(), true))
		if n := len(tailsOf(r.parts)); n > 2 {
			t.Errorf("the reader has %d tails", n)
		}
	}
	for name, n := range opens {
		if n > 1 {
			t.Errorf("%s was opened %d times", name, n)
		}
	}
	if len(opens) < 8 {
		t.Errorf("%d files were opened: too few to mean anything", len(opens))
	}
	r.Abandon()
	check(t, w.Close())
}

// TestPictureBehind: whoever has an older picture of the log than of the index
// gets counts of what it sees.
func TestPictureBehind(t *testing.T) {
	l := newTestLog(newRand(t))
	_, o := fullIndex(t, l, 3)
	x := l.open(t, o, l.size())
	defer x.Abandon()
	v := x.Acquire()
	defer v.Release()
	for size := range l.size() + 1 {
		check(t, l.checkCounts(v, size))
	}
}

// TestFault47DirectoryRemoved: someone removes the index under a running writer.
func TestFault47DirectoryRemoved(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 4)
	x := l.open(t, o, l.size())
	for _, name := range mem.Names() {
		if strings.HasPrefix(name, Dir+"/") {
			check(t, mem.Remove(name))
		}
	}
	check(t, mem.Remove(Dir))
	for range 40 {
		l.extend()
	}
	l.add(x, l.size())
	for finish(t, l, x, l.size()) {
	}
	check(t, l.check(x, l.size(), true))
	check(t, x.Close())
	x = l.open(t, o, l.size())
	defer x.Abandon()
	check(t, l.check(x, l.size(), true))
}

// TestRefreshFillsHoles: a reader that was opened while the writer made the index
// anew gets it without a new tail.
func TestRefreshFillsHoles(t *testing.T) {
	l := newTestLog(newRand(t))
	for range 100 {
		l.extend()
	}
	o := testOptions(durable.NewMem())
	w, err := Open(o)
	check(t, err)
	w.Cover(100)
	w.Start(100)
	o.ReadOnly = true
	r, err := Open(o)
	check(t, err)
	r.Cover(100)
	r.Start(100)
	for finish(t, l, w, 100) {
	}
	check(t, r.Refresh())
	if got := r.view.Load().shape(); got != "rrrrrrrt" {
		t.Errorf("the reader has %s, want runs", got)
	}
	check(t, l.check(r, 100, true))
	r.Abandon()
	check(t, w.Close())
}

// TestMergeOverHole: one of the runs of a merge is condemned and made anew meanwhile.
// The merged run has it, and no file is left over.
func TestMergeOverHole(t *testing.T) {
	l := newTestLog(newRand(t))
	mem, o := fullIndex(t, l, 8)
	var x *Index
	filled, maintained := make(chan struct{}), make(chan error, 1)
	began := make(chan struct{})
	o.FS = durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpRename && op.To == runName(0, 128) {
			x.condemn(x.view.Load().parts[3].part, damage("for the test"))
			go func() {
				fill := func(ctx context.Context, from, to engine.Position, add func(*Item, engine.Sequence, uint32)) error {
					close(began)
					<-filled
					return l.filler(x)(ctx, from, to, add)
				}
				_, err := x.Maintain(context.Background(), l.size(), fill)
				maintained <- err
			}()
			<-began
		}
		return durable.Fault{}
	})
	x = l.open(t, o, l.size())
	did, err := x.Merge(context.Background())
	if !did || err != nil {
		t.Fatalf("nothing was merged: %v", err)
	}
	close(filled)
	check(t, <-maintained)
	if diff := cmp.Diff([]string{runName(0, 128)}, mem.Names()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := x.view.Load().shape(); got != "rt" || x.crowded.Load() {
		t.Errorf("parts are %s, appends wait: %v", got, x.crowded.Load())
	}
	check(t, l.check(x, l.size(), true))
	check(t, x.Close())
}

// TestMergeSupersedesRefilled: a run that is condemned during its merge and made anew
// in several files leaves none of them behind.
func TestMergeSupersedesRefilled(t *testing.T) {
	l := newTestLog(newRand(t))
	for range 8 * 64 {
		l.extend()
	}
	mem := durable.NewMem()
	o := testOptions(mem)
	o.TailEntries = 64
	x := l.open(t, o, 0)
	l.add(x, l.size())
	check(t, x.Close())
	o = testOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpRename && op.To == runName(0, 512) {
			v := x.view.Load()
			x.condemn(v.at(200).part, damage("for the test"))
			x.condemn(v.at(400).part, damage("for the test"))
			for range 4 { // not the second one, whose file is there still
				_, err := x.Maintain(context.Background(), l.size(), l.filler(x))
				check(t, err)
			}
		}
		return durable.Fault{}
	}))
	x = l.open(t, o, l.size())
	did, err := x.Merge(context.Background())
	if !did || err != nil {
		t.Fatalf("nothing was merged: %v", err)
	}
	if diff := cmp.Diff([]string{runName(0, 512)}, mem.Names()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	check(t, l.check(x, l.size(), true))
	check(t, x.Close())
}

package wal_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
)

// TestGaps damages logs in every way that hides entries and checks that exactly
// those are hidden.
func TestGaps(t *testing.T) {
	// Four segments: positions 0–5, 6–11, 12–17, 18–23, two to a record.
	l := newTestLog(t, 512)
	for range 12 {
		p := engine.Position(len(l.want))
		l.append(fmt.Appendf(nil, "entry-%04d", p), fmt.Appendf(nil, "entry-%04d", p+1))
	}
	l.close()
	sound := files(t, l.fs)
	names := slices.Sorted(maps.Keys(sound))
	if len(names) != 4 || names[2] != wal.SegmentName(2, 12) {
		t.Fatalf("segments are %v", names)
	}
	const rec = wal.RecordBytes + 40 // of one record: two entries of 10 bytes, padded
	second := wal.HeaderBytes + rec  // the second record of a segment
	edit := func(name string, change func(b []byte) []byte) func(map[string]string) {
		return func(all map[string]string) { all[name] = string(change([]byte(all[name]))) }
	}
	flip := func(at int) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for _, tt := range []struct {
		name   string
		damage func(all map[string]string)
		gaps   []span
	}{
		{"nothing", func(map[string]string) {}, nil},
		{"entry of a sealed segment", edit(names[1], flip(second+wal.RecordBytes+8)), []span{{8, 9}}},
		{"second entry", edit(names[1], flip(second+wal.RecordBytes+26)), []span{{9, 10}}},
		{"entry checksum", edit(names[1], flip(second+wal.RecordBytes+4)), []span{{8, 9}}},
		{"entry length", edit(names[1], flip(second+wal.RecordBytes)), []span{{8, 10}}},
		{"record length", edit(names[1], flip(second)), []span{{8, 10}}},
		{"first record", edit(names[1], flip(wal.HeaderBytes)), []span{{6, 8}}},
		{"last record", edit(names[1], flip(wal.HeaderBytes+2*rec)), []span{{10, 12}}},
		{"two records", edit(names[1], func(b []byte) []byte { return flip(second)(flip(wal.HeaderBytes)(b)) }), []span{{6, 10}}},
		{"all of it zero", edit(names[1], func(b []byte) []byte { clear(b[wal.HeaderBytes:]); return b }), []span{{6, 12}}},
		{"cut off in the second record", edit(names[1], func(b []byte) []byte { return b[:second+1] }), []span{{8, 12}}},
		{"cut off behind the second record", edit(names[1], func(b []byte) []byte { return b[:second+rec] }), []span{{10, 12}}},
		{"empty", edit(names[1], func(b []byte) []byte { return nil }), []span{{6, 12}}},
		{"first segment missing", func(all map[string]string) { delete(all, names[0]) }, []span{{0, 6}}},
		{"middle segment missing", func(all map[string]string) { delete(all, names[1]) }, []span{{6, 12}}},
		{"two missing", func(all map[string]string) { delete(all, names[1]); delete(all, names[2]) }, []span{{6, 18}}},
		{"newest missing", func(all map[string]string) { delete(all, names[3]) }, []span{{18, 24}}},
		{"all missing", func(all map[string]string) { clear(all) }, []span{{0, 24}}},
		{"newest: entry", edit(names[3], flip(second+wal.RecordBytes+8)), []span{{20, 21}}},
		{"newest: record length", edit(names[3], flip(second)), []span{{20, 22}}},
		{"newest: last record", edit(names[3], flip(second+rec)), []span{{22, 24}}},
		{"newest: cut at a record", edit(names[3], func(b []byte) []byte { return b[:second+rec] }), []span{{22, 24}}},
		{"newest: cut in a record", edit(names[3], func(b []byte) []byte { return b[:second-1] }), []span{{18, 24}}},
		{"newest: empty", edit(names[3], func([]byte) []byte { return nil }), []span{{18, 24}}},
		{"swapped", func(all map[string]string) { all[names[1]], all[names[2]] = all[names[2]], all[names[1]] }, []span{{6, 12}, {12, 18}}},
		{"overwritten by its neighbour", func(all map[string]string) { all[names[1]] = all[names[2]] }, []span{{6, 12}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := maps.Clone(sound)
			tt.damage(all)
			fsys := withFiles(t, all)
			opts := l.opts
			opts.Evidence.Entries, opts.Evidence.By = 24, "a checkpoint"
			r, err := wal.OpenReader(fsys, opts, false)
			check(t, err)
			defer r.Close()
			if r.View().Size() != 24 {
				t.Fatalf("size is %d", r.View().Size())
			}
			checkGaps(t, r.View(), l.want, tt.gaps...)
			if n := problems(t, fsys, opts); (n == 0) != (tt.gaps == nil) {
				t.Errorf("Check found %d problems", n)
			}
		})
	}
}

// problems returns how many problems Check finds.
func problems(t testing.TB, fsys durable.FS, opts wal.Options) int {
	t.Helper()
	n := 0
	_, err := wal.Check(fsys, opts, false, wal.Visitor{Problem: func(*engine.CorruptError) { n++ }})
	check(t, err)
	return n
}

// TestReadNear reads every entry with its own place as the hint, another's, and
// places that are none.
func TestReadNear(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(24)
	v := l.log.View()
	places := []uint32{0, 1, 127, 128, 129, 1 << 20, 1<<32 - 1}
	for raw, err := range v.Scan(context.Background(), 0, v.Size()) {
		check(t, err)
		got, err := v.ReadNear(nil, raw.Position, raw.Place)
		check(t, err)
		if string(got) != string(l.want[raw.Position]) {
			t.Errorf("position %d at %d: %q", raw.Position, raw.Place, got)
		}
		places = append(places, raw.Place)
	}
	entries := make(map[string]bool)
	for _, e := range l.want {
		entries[string(e)] = true
	}
	for p := range v.Size() {
		for _, place := range places {
			got, err := v.ReadNear(nil, p, place)
			check(t, err)
			if !entries[string(got)] {
				t.Errorf("position %d at %d: %q is no entry", p, place, got)
			}
		}
	}
	if _, err := v.ReadNear(nil, v.Size(), 128); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("behind the end: %v", err)
	}
	l.close()
}

// TestScanRange scans every range of a log of several segments.
func TestScanRange(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(10)
	v := l.log.View()
	for from := engine.Position(0); from <= 12; from++ {
		for to := engine.Position(0); to <= 12; to++ {
			next := from
			for raw, err := range v.Scan(context.Background(), from, to) {
				check(t, err)
				if raw.Position != next || string(raw.Bytes) != string(l.want[next]) {
					t.Fatalf("[%d,%d): %d %q", from, to, raw.Position, raw.Bytes)
				}
				next++
			}
			if want := max(from, min(to, 10)); next != want {
				t.Fatalf("[%d,%d) ended at %d, want %d", from, to, next, want)
			}
		}
	}
	for range v.Scan(context.Background(), 0, 10) {
		break // a consumer may stop
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range v.Scan(ctx, 0, 10) {
		if n++; n == 3 {
			cancel()
		}
		if n == 4 && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if n != 4 {
		t.Errorf("a cancelled scan took %d steps", n)
	}
	l.close()
}

// TestViewIsImmutable keeps a view of every size while the log grows over several
// segments, closes and opens again, and checks all of them at the end.
func TestViewIsImmutable(t *testing.T) {
	l := newTestLog(t, 512)
	var views []*wal.View
	for range 20 {
		views = append(views, l.log.View())
		l.fill(1)
	}
	for n, v := range views {
		old := testLog{t: t, want: l.want[:n]}
		old.check(v)
	}
	l.close()
	l.open()
	l.fill(20)
	l.check(l.log.View())
	l.close()
}

// TestManySegments reads a log of more segments than may be open, from several
// goroutines, while it grows.
func TestManySegments(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(3 * wal.MaxOpen)
	if n := l.log.View().Segments(); n <= wal.MaxOpen {
		t.Fatalf("%d segments", n)
	}
	l.close()
	l.open()
	first := l.log.View()
	want := slices.Clone(l.want)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 1000 {
				p := r.IntN(len(want))
				got, err := first.Read(nil, engine.Position(p))
				if err != nil || string(got) != string(want[p]) {
					t.Errorf("entry %d is %q, %v", p, got, err)
					return
				}
			}
			from := engine.Position(r.IntN(len(want)))
			for raw, err := range first.Scan(context.Background(), from, first.Size()) {
				if err != nil || string(raw.Bytes) != string(want[raw.Position]) {
					t.Errorf("scan of %d: %v", raw.Position, err)
					return
				}
			}
		})
	}
	l.fill(wal.MaxOpen)
	wg.Wait()
	if n := l.log.View().OpenFiles(); n > wal.MaxOpen {
		t.Errorf("%d segments are open, at most %d", n, wal.MaxOpen)
	}
	l.check(l.log.View())
	l.close()
	if n := l.log.View().OpenFiles(); n != 0 {
		t.Errorf("%d segments are open after closing", n)
	}
}

// TestFault26ReadErrors makes reads fail: an error of the disk is no damage, a short read
// is never filled up with zeros.
func TestFault26ReadErrors(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(8)
	l.close()
	for _, tt := range []struct {
		name  string
		fault durable.Fault
	}{
		{"error", durable.Fault{Err: durable.ErrInjected}},
		{"short", durable.Fault{Short: 3}},
		{"short with error", durable.Fault{Err: durable.ErrInjected, Short: 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := false
			faulty := durable.NewFaulty(l.fs, func(op durable.Op) durable.Fault {
				if broken && op.Kind == durable.OpRead && strings.HasSuffix(op.Name, ".wal") {
					return tt.fault
				}
				return durable.Fault{}
			})
			r, err := wal.OpenReader(faulty, l.opts, false)
			check(t, err)
			defer r.Close()
			broken = true
			for p := range engine.Position(8) {
				if b, err := r.View().Read(nil, p); err == nil {
					t.Errorf("read of %d gave %q", p, b)
				}
			}
			for raw, err := range r.View().Scan(context.Background(), 0, 8) {
				if err == nil {
					t.Errorf("scan gave %d %q", raw.Position, raw.Bytes)
				}
			}
			if _, err := wal.OpenReader(faulty, l.opts, false); tt.fault.Err != nil && !errors.Is(err, durable.ErrInjected) {
				t.Errorf("open: %v", err)
			}
			broken = false
			l.check(r.View())
		})
	}
}

// TestHostileNames opens logs whose file names claim what is not so.
func TestHostileNames(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(6)
	l.close()
	sound := files(t, l.fs)
	names := slices.Sorted(maps.Keys(sound))
	last := names[len(names)-1]
	for _, name := range []string{
		"00000003-ffffffffffffffff.wal", "ffffffff-ffffffffffffffff.wal", "00000003-0000000000000000.wal",
		"00000001-0000000000000000.wal", "00000002-7fffffffffffffff.wal", "00000000-0000000000000001.wal",
	} {
		for what, content := range map[string]string{"copy": sound[last], "empty": "", "zeros": strings.Repeat("\x00", 4096)} {
			t.Run(name+"/"+what, func(t *testing.T) {
				all := maps.Clone(sound)
				all[name] = content
				fsys := withFiles(t, all)
				before := files(t, fsys)
				if problems(t, fsys, l.opts) == 0 {
					t.Error("Check found nothing")
				}
				log, _, damage, err := wal.Open(fsys, l.opts)
				check(t, err)
				if len(damage) == 0 {
					t.Error("opened as sound")
				}
				got, gaps := readable(t, log.View())
				t.Logf("%d entries, gaps %v", len(got), gaps)
				for p, text := range got {
					if text != string(l.want[p]) {
						t.Errorf("entry %d is %q", p, text)
					}
				}
				log.Close()
				log.CloseReads()
				if !maps.Equal(before, files(t, fsys)) {
					t.Error("files changed")
				}
			})
		}
	}
	for _, name := range []string{"notes.txt", "00000003.wal", "00000009-0000000000000009.WAL", "0000000g-0000000000000009.wal", "00000001-0000000000000002.torn"} {
		t.Run(name, func(t *testing.T) {
			all := maps.Clone(sound)
			all[name] = "something"
			fsys := withFiles(t, all)
			log, rec, damage, err := wal.Open(fsys, l.opts)
			check(t, err)
			if rec != nil || damage != nil {
				t.Errorf("%v, %v", rec, damage)
			}
			l.check(log.View())
			_, err = log.Close()
			check(t, err)
			log.CloseReads()
		})
	}
}

// TestLargeTornTail sets aside an unfinished write that is larger than what is
// copied at once, and keeps it byte for byte.
func TestLargeTornTail(t *testing.T) {
	l := newTestLog(t, 1<<20)
	l.fill(3)
	l.close()
	name := wal.SegmentName(0, 0)
	all := files(t, l.fs)
	torn := strings.Repeat("torn ", 50_000)
	all[name] += torn
	fsys := withFiles(t, all)
	log, rec, damage, err := wal.Open(fsys, l.opts)
	check(t, err)
	if rec == nil || len(damage) > 0 || rec.TornBytes != int64(len(torn)) {
		t.Fatalf("%+v, %v", rec, damage)
	}
	l.check(log.View())
	if files(t, fsys)[rec.TornFile] != torn {
		t.Errorf("%s differs from what was torn", rec.TornFile)
	}
	_, err = log.Close()
	check(t, err)
	log.CloseReads()
}

package native_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// A noticeboard collects notices.
type noticeboard struct {
	mu  sync.Mutex
	all []native.Notice // guarded by mu
}

func (n *noticeboard) add(x native.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, x)
}

// of returns the notices of a kind.
func (n *noticeboard) of(kind native.NoticeKind) []native.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.all), func(x native.Notice) bool { return x.Kind != kind })
}

func openNoticed(t *testing.T, fsys durable.FS, board *noticeboard) *native.Engine {
	t.Helper()
	o := testOptions(fsys)
	o.Notify = board.add
	return openWith(t, o)
}

// fill appends until an append finds no room.
func (l *ledger) fill(t *testing.T, e *native.Engine, name string) {
	t.Helper()
	for i := range 1000 {
		b := engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(name, i), "x", 700), record(fmt.Sprint(name, "+", i), "")}}
		if err := l.send(e, b); errors.Is(err, engine.ErrDiskFull) {
			return
		} else if err != nil {
			t.Fatalf("append: got %v, want ErrDiskFull in the end", err)
		}
	}
	t.Fatal("the disk does not become full")
}

// used is the space that a journal is given in these tests: the reserve, and a
// few segments.
const used = 256<<10 + 50<<10

// A shortage takes room away and gives it back.
type shortage struct {
	name       string
	take, give func(mem *durable.Mem, b *breaker)
}

var shortages = []shortage{
	{"27 capacity",
		func(m *durable.Mem, _ *breaker) { m.SetCapacity(used) },
		func(m *durable.Mem, _ *breaker) { m.SetCapacity(-1) }},
	{"32 file size limit",
		func(m *durable.Mem, _ *breaker) { m.SetFileLimit(6 << 10) },
		func(m *durable.Mem, _ *breaker) { m.SetFileLimit(-1) }},
	{"34 inodes",
		func(_ *durable.Mem, b *breaker) {
			b.always(durable.Fault{Err: syscall.ENOSPC}, func(op durable.Op) bool { return op.Kind == durable.OpCreate })
		},
		func(_ *durable.Mem, b *breaker) { b.disarm() }},
}

// TestFault27DiskFull, with tests 30, 32 and 34: there is no room, then there is.
// What was acknowledged stays, what was refused is not there, reads go on, the
// pause and the resumption are noted once each, and nobody has to do anything.
func TestFault27DiskFull(t *testing.T) {
	t.Parallel()
	for _, c := range shortages {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { runShort(t, c) })
		})
	}
}

func runShort(t *testing.T, c shortage) {
	mem := durable.NewMem()
	var b breaker
	var board noticeboard
	var l ledger
	e := openNoticed(t, durable.NewFaulty(mem, b.hook), &board)
	check(t, l.send(e, one("first", "x")))
	c.take(mem, &b)
	l.fill(t, e, "a")
	size := e.Size()
	if !e.Stats().DiskFull {
		t.Error("stats do not say that the disk is full")
	}
	refusals := 1
	for i := range 20 {
		time.Sleep(30 * time.Millisecond)
		b := engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("full", i), "x", 900)}}
		if err := l.send(e, b); errors.Is(err, engine.ErrDiskFull) {
			refusals++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readAll(e); err != nil {
		t.Errorf("reading while the disk is full: %v", err)
	}
	paused := board.of(native.Paused)
	if len(paused) == 0 || !errors.Is(paused[0].Err, engine.ErrDiskFull) {
		t.Fatalf("%d notices of the pause: %+v", len(paused), paused)
	}
	c.give(mem, &b)
	time.Sleep(200 * time.Millisecond)
	check(t, l.send(e, one("resumed", "x")))
	resumed := board.of(native.Resumed)
	if len(resumed) != len(paused) {
		t.Fatalf("%d pauses, %d resumptions", len(paused), len(resumed))
	}
	total := 0
	for i, r := range resumed {
		total += int(r.Refused)
		if r.Since != paused[i].At {
			t.Errorf("resumption %d is since %v, the pause was at %v", i, r.Since, paused[i].At)
		}
	}
	if total != refusals {
		t.Errorf("notices count %d refused appends, callers met %d", total, refusals)
	}
	if e.Stats().DiskFull || e.Size() <= size {
		t.Errorf("full %v, size %d after resuming at %d", e.Stats().DiskFull, e.Size(), size)
	}
	if n := len(mem.Bytes("reserve")); n != 256<<10 {
		t.Errorf("reserve has %d bytes after resuming", n)
	}
	told := l.snapshot()
	killed := mem.Crash(durable.KeepAll)
	check(t, inspect(killed, killed, told))
	check(t, e.Close())
	cut := mem.Crash(durable.Cut{})
	check(t, inspect(cut, cut, told))
}

// TestFault27RefusedStaysRefused: a record that found room but for its padding is
// refused, and a power cut does not bring it back.
func TestFault27RefusedStaysRefused(t *testing.T) {
	t.Parallel()
	for i := range uint64(20) {
		seed := *seedFlag + i
		bubble(t, func(t *testing.T) {
			mem := durable.NewMem()
			full := false
			e := open(t, durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
				if !full || !kindIs(durable.OpWrite)(op) {
					return durable.Fault{}
				}
				full = false
				return durable.Fault{Err: syscall.ENOSPC, Short: op.Len - 1}
			}))
			var l ledger
			check(t, l.send(e, one("a", "x")))
			check(t, l.send(e, one("b", "x")))
			full = true
			if err := l.send(e, engine.Batch{Records: []engine.Record{paddedRecord("c", "x", 921)}}); !errors.Is(err, engine.ErrDiskFull) {
				t.Fatalf("got %v, want ErrDiskFull", err)
			}
			told := l.snapshot()
			disk := mem.Crash(durable.Cut{Seed: seed, Keep: 50})
			if err := inspect(disk, disk, told); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

// TestFault27CloseWhileFull: a journal on a full disk closes cleanly, with the
// help of its reserve.
func TestFault27CloseWhileFull(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		mem.SetCapacity(used)
		e := open(t, mem)
		var l ledger
		l.fill(t, e, "a")
		check(t, e.Close())
		_, err := verifySound(mem, true)
		check(t, err)
		e = open(t, mem)
		if e.Recovery() != nil {
			t.Errorf("recovery after a clean close: %+v", e.Recovery())
		}
		check(t, e.Close())
		mem.SetCapacity(-1)
		check(t, inspect(mem, mem, l.snapshot()))
	})
}

// TestFault29FullAtStart, with test 31: a journal is opened on a disk that is
// full, after a clean and an unclean end. It reads, refuses appends and says why;
// with room again it takes appends without being asked, knows the ids of what
// recovery brings then, and opens again.
func TestFault29FullAtStart(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		for _, reserve := range []bool{true, false} {
			t.Run(fmt.Sprintf("clean %v, reserve %v", clean, reserve), func(t *testing.T) {
				bubble(t, func(t *testing.T) { fullAtStart(t, clean, reserve) })
			})
		}
	}
}

// taken returns the space that files take.
func taken(mem *durable.Mem) int64 {
	n := 0
	for _, name := range mem.Names() {
		n += (len(mem.Bytes(name)) + 4095) &^ 4095
	}
	return int64(n)
}

func fullAtStart(t *testing.T, clean, reserve bool) {
	disk := durable.NewMem()
	e := open(t, disk)
	var l ledger
	for i := range 5 {
		check(t, l.send(e, one(fmt.Sprint(i), "x")))
	}
	var mem *durable.Mem
	if clean {
		check(t, e.Close())
		mem = disk.Crash(durable.Cut{})
	} else {
		mem = disk.Crash(durable.KeepAll) // without a marker: the last one is not proven
		check(t, e.Close())
		if !reserve {
			check(t, mem.Remove("reserve"))
		}
	}
	mem.SetCapacity(taken(mem))
	var board noticeboard
	e = openNoticed(t, mem, &board)
	if len(e.Damage()) > 0 {
		t.Fatal(e.Damage()[0])
	}
	held := !clean && !reserve // what is not proven waits for room
	want := engine.Position(5)
	if held {
		want = 4
	}
	if e.Size() != want {
		t.Errorf("%d entries are readable, want %d", e.Size(), want)
	}
	if held != e.Stats().DiskFull {
		t.Errorf("stats say disk full: %v, want %v", e.Stats().DiskFull, held)
	}
	for i := range 3 {
		time.Sleep(150 * time.Millisecond)
		if err := l.send(e, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("n", i), "x", 300<<10)}}); !errors.Is(err, engine.ErrDiskFull) {
			t.Errorf("append to a full disk: %v", err)
		}
	}
	for p := range e.Size() {
		_, err := e.Read(ctx, p)
		check(t, err)
	}
	check(t, e.Close())
	e = openNoticed(t, mem, &board)
	mem.SetCapacity(-1)
	time.Sleep(150 * time.Millisecond)
	for i := range 5 { // the last one is only known once recovery has finished
		got, err := e.Append(ctx, one(fmt.Sprint(i), "x"))
		check(t, err)
		if !got[0].Duplicate || got[0].Position != engine.Position(i) {
			t.Errorf("retry of %d: %+v", i, got[0])
		}
	}
	check(t, l.send(e, one("more", "x")))
	if e.Stats().DiskFull {
		t.Error("disk is still said to be full")
	}
	s, err := readAll(e)
	check(t, err)
	check(t, s.holds(l.snapshot()))
	check(t, e.Close())
	_, err = verifySound(mem, true)
	check(t, err)
	check(t, inspect(mem, mem, l.snapshot()))
}

// TestFault33NoFileHandles: nothing can be opened or made. Appends go on in the
// segment that is open and are refused at its end; reads of what is open work;
// nothing is poisoned.
func TestFault33NoFileHandles(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var b breaker
		e := open(t, durable.NewFaulty(mem, b.hook))
		var l ledger
		check(t, l.send(e, one("first", "x")))
		b.always(durable.Fault{Err: syscall.EMFILE}, func(op durable.Op) bool {
			return op.Kind == durable.OpCreate || op.Kind == durable.OpOpen || op.Kind == durable.OpOpenWrite
		})
		accepted, refusals := 0, 0
		for i := range 40 {
			err := l.send(e, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 900)}})
			switch {
			case err == nil:
				accepted++
			case errors.Is(err, engine.ErrUnavailable):
				refusals++
			default:
				t.Fatal(err)
			}
		}
		if accepted == 0 || refusals == 0 {
			t.Errorf("%d accepted, %d refused: want both", accepted, refusals)
		}
		if _, err := e.Checkpoint(ctx); err == nil {
			t.Error("a checkpoint needs files")
		}
		b.disarm()
		check(t, l.send(e, one("again", "x")))
		s, err := readAll(e)
		check(t, err)
		check(t, s.holds(l.snapshot()))
		check(t, e.Close())
		check(t, inspect(mem, mem, l.snapshot()))
	})
}

// TestCarriedDuplicate: a batch that repeats an id of the group before it has to
// wait for the next segment, and that group then finds no room. The batch must not
// be answered with a position that was never stored.
func TestCarriedDuplicate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var b breaker
		release := make(chan struct{})
		held := false
		e := open(t, durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if held && kindIs(durable.OpSync)(op) {
				held = false
				<-release
			}
			return b.hook(op)
		}))
		l := ledger{leave: true}
		check(t, l.send(e, one("a", "x")))
		held = true
		var wg sync.WaitGroup
		wg.Go(func() { check(t, l.send(e, one("b", "x"))) })
		time.Sleep(time.Millisecond)
		var first, second error
		wg.Go(func() {
			first = l.send(e, engine.Batch{Records: []engine.Record{paddedRecord("c", "x", 500)}})
		})
		time.Sleep(time.Millisecond)
		wg.Go(func() {
			second = l.send(e, engine.Batch{Reserved: true, Records: []engine.Record{paddedRecord("c", "x", 500), paddedRecord("d", "x", smallSegment)}})
		})
		time.Sleep(time.Millisecond)
		b.arm(durable.Fault{Err: syscall.ENOSPC}, kindIs(durable.OpWrite))
		close(release)
		wg.Wait()
		if !errors.Is(first, engine.ErrDiskFull) {
			t.Fatalf("got %v, want ErrDiskFull", first)
		}
		check(t, second) // the reserve is its own
		s, err := readAll(e)
		check(t, err)
		check(t, s.holds(l.snapshot()))
		check(t, e.Close())
	})
}

// A full disk is looked at again by real time: a journal's clock that stands
// still does not keep appends out once there is room.
func TestFault30ResumesUnderFrozenClock(t *testing.T) {
	mem := durable.NewMem()
	mem.SetCapacity(used)
	o := testOptions(mem)
	o.Now = func() time.Time { return time.Unix(1, 0) }
	e := openWith(t, o)
	new(ledger).fill(t, e, "frozen")
	mem.SetCapacity(used + 1<<20)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := e.Append(ctx, one("again", "x"))
		if err == nil {
			break
		}
		if !errors.Is(err, engine.ErrDiskFull) || ctx.Err() != nil {
			t.Fatalf("append with room: %v", err)
		}
		runtime.Gosched()
	}
	check(t, e.Close())
}

// While large appends find no room, they are not tried more often than the disk
// is looked at.
func TestFault27BackOff(t *testing.T) {
	mem := durable.NewMem()
	mem.SetCapacity(used + 200<<10)
	var writes atomic.Int64
	e := open(t, durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpWrite {
			writes.Add(1)
		}
		return durable.Fault{}
	}))
	appendOne(t, e, "small", "x")
	large := engine.Batch{Records: []engine.Record{paddedRecord("large", "x", 1<<20)}}
	began, n := time.Now(), 0
	for time.Since(began) < 300*time.Millisecond {
		if _, err := e.Append(ctx, large); !errors.Is(err, engine.ErrDiskFull) {
			t.Fatalf("append: %v, want ErrDiskFull", err)
		}
		n++
	}
	if tries := int(1 + time.Since(began)/(100*time.Millisecond)); int(writes.Load()) > 20+20*tries {
		t.Errorf("%d appends caused %d writes in %d times of looking", n, writes.Load(), tries)
	}
	check(t, e.Close())
}

package native_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestFault54ClockJumps, with test 63: the clock jumps back an hour, ahead ten
// years, and stands still, also across restarts. recorded_at never decreases,
// sequences and positions stay dense, ids unique.
func TestFault54ClockJumps(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{0, time.Second} {
		t.Run(fmt.Sprint("sync interval ", interval), func(t *testing.T) {
			bubble(t, func(t *testing.T) { clockJumps(t, interval) })
		})
	}
}

func clockJumps(t *testing.T, interval time.Duration) {
	mem := durable.NewMem()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	o := testOptions(mem)
	o.SyncInterval = interval
	o.Now = func() time.Time { return now }
	e := openWith(t, o)
	var l ledger
	jumps := []time.Duration{0, -time.Hour, 0, 10 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour, time.Nanosecond}
	for i := range 36 {
		now = now.Add(jumps[i%len(jumps)])
		check(t, l.send(e, one(fmt.Sprint(i), fmt.Sprint(i%2))))
		synctest.Wait()
		if i%10 == 9 {
			check(t, e.Close())
			now = now.Add(-time.Hour)
			e = openWith(t, o)
		}
	}
	s, err := readAll(e)
	check(t, err)
	check(t, s.holds(l.snapshot()))
	check(t, e.Close())
	_, err = verifySound(mem, true)
	check(t, err)
}

// TestSyncIntervalUnderFrozenClock: what is answered early is synced after real
// time, whatever the journal's clock does, also under a load that never pauses.
func TestSyncIntervalUnderFrozenClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		o := testOptions(mem)
		o.SegmentBytes = 1 << 20
		o.SyncInterval = 100 * time.Millisecond
		frozen := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return frozen }
		e := openWith(t, o)
		for i := range 100 {
			appendOne(t, e, fmt.Sprint(i), "x")
			time.Sleep(9 * time.Millisecond)
		}
		if n := e.Stats().Syncs; n < 8 || n > 12 {
			t.Errorf("%d syncs in 0.9 s, want one each 0.1 s", n)
		}
	})
}

// TestIntervalDurability kills and cuts the power of a journal that answers before
// it syncs: receipts say so, what was durable by the interval is there, and
// recovery is as sound as ever.
func TestIntervalDurability(t *testing.T) {
	t.Parallel()
	seeds := uint64(20)
	if long {
		seeds = 500
	}
	for seed := range seeds {
		bubble(t, func(t *testing.T) {
			if err := interval(t, *seedFlag+seed); err != nil {
				t.Fatalf("seed %d: %v", *seedFlag+seed, err)
			}
		})
	}
}

func interval(t *testing.T, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 0))
	mem := durable.NewMem()
	o := testOptions(mem)
	o.SyncInterval = 100 * time.Millisecond
	e := openWith(t, o)
	var l ledger
	var sentAt []time.Time
	for i := range 10 + random.IntN(30) {
		b := engine.Batch{}
		for j := range 1 + random.IntN(4) {
			b.Records = append(b.Records, paddedRecord(fmt.Sprintf("%d-%d", i, j), fmt.Sprint(j), random.IntN(900)))
		}
		if err := l.send(e, b); err != nil {
			return err
		}
		sentAt = append(sentAt, time.Now())
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
	}
	synctest.Wait()
	killed, cut := mem.Crash(durable.KeepAll), mem.Crash(durable.Cut{Seed: seed, Keep: random.IntN(100), Tear: seed%2 == 0})
	told := l.snapshot()
	for _, s := range told {
		for _, r := range s.receipts {
			if r.Durable {
				return fmt.Errorf("receipt %+v of an append that was not synced says durable", r)
			}
		}
	}
	if err := inspect(killed, killed, told); err != nil { // nothing written is lost by kill -9
		return fmt.Errorf("killed: %w", err)
	}
	for i := range told {
		if time.Since(sentAt[i]) <= o.SyncInterval {
			told[i].outcome = unknown
		}
	}
	if err := inspect(cut, cut, told); err != nil {
		return fmt.Errorf("power cut: %w", err)
	}
	return nil
}

// TestIntervalDuplicates: a retry of what is not synced yet is not called durable
// either, and is afterwards.
func TestIntervalDuplicates(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		o := testOptions(durable.NewMem())
		o.SyncInterval = time.Second
		e := openWith(t, o)
		appendOne(t, e, "first", "x") // its segment has to be synced
		appendOne(t, e, "a", "x")
		if r := appendOne(t, e, "a", "x"); !r.Duplicate || r.Durable {
			t.Errorf("retry before the sync: %+v", r)
		}
		time.Sleep(2 * time.Second)
		if r := appendOne(t, e, "a", "x"); !r.Duplicate || !r.Durable {
			t.Errorf("retry after the sync: %+v", r)
		}
	})
}

// TestFault50Scrub plants rot in a sealed segment. The scrub finds it within one
// cycle, says so once, and reads no faster than it may.
func TestFault50Scrub(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var board noticeboard
		book := new(logbook)
		o := testOptions(mem)
		o.Notify, o.Logger = board.add, slog.New(book)
		o.ScrubInterval, o.ScrubBytesPerSecond = time.Hour, 1000
		e := openWith(t, o)
		for i := range 20 {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 2000)}})
			check(t, err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := board.of(native.Damaged); len(n) != 0 || book.has(slog.LevelError, "") {
			t.Fatalf("false alarm: %+v; %s", n, book.text.String())
		}
		var name string
		for _, n := range mem.Names() {
			if isSegment(n) && name == "" {
				name = n
			}
		}
		change(mem, name, flip(records(mem.Bytes(name))[1].off+200))
		planted := time.Now()
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		found := board.of(native.Damaged)
		if len(found) != 1 || !strings.Contains(fmt.Sprint(found[0].Err), name) {
			t.Fatalf("%d notices of one planted flip: %+v", len(found), found)
		}
		if took := found[0].At.Sub(planted); took > 2*time.Hour {
			t.Errorf("found after %v, want within one cycle", took)
		}
		if len(e.Damage()) != 0 {
			t.Log("damage is also listed:", e.Damage())
		}
		appendOne(t, e, "after", "x")
	})
}

// TestFault50ScrubIsThrottled: one cycle over 40 KB at 1,000 bytes a second takes
// 40 seconds, and Close does not wait for it.
func TestFault50ScrubIsThrottled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var reads atomic.Int64
		o := testOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpOpen && isSegment(op.Name) {
				reads.Add(1)
			}
			return durable.Fault{}
		}))
		o.ScrubInterval, o.ScrubBytesPerSecond = time.Minute, 1000
		e := openWith(t, o)
		for i := range 20 {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 2000)}})
			check(t, err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		started := reads.Load()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		middle := reads.Load()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		end := reads.Load()
		if middle == started || end == middle {
			t.Errorf("segments opened: %d at the start, %d after 20 s, %d after 50 s: not spread out", started, middle, end)
		}
		time.Sleep(65 * time.Second) // in the middle of the next cycle
		began := time.Now()
		check(t, e.Close())
		if time.Since(began) > time.Second {
			t.Errorf("close waited %v for the scrub", time.Since(began))
		}
	})
}

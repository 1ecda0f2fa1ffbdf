package native_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestManyWriters lets 64 writers append batches of random shape to a few
// entities, with expectations and retries, and checks every answer against what
// the journal holds in the end: sequences are dense, an expectation that was
// answered held at its place in the order, and followers saw all of it in order.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seedFlag)
	mem := durable.NewMem()
	o := testOptions(mem)
	o.CheckpointInterval = time.Millisecond
	e := openWith(t, o)
	followers := []func(int64) error{followInBackground(e), followInBackground(e)}
	var l ledger
	var won, conflicts atomic.Int64
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(*seedFlag, uint64(w)))
			for i := range 12 {
				b := randomBatch(random, fmt.Sprintf("%d-%d", w, i))
				last, err := e.LastSequence(ctx, "t", engine.Entity{Type: "e", ID: "0"})
				if err != nil {
					t.Error(err)
				}
				if i%3 == 0 { // who is first wins
					b.Records = append(b.Records, record(fmt.Sprintf("%d-%d-expect", w, i), "0"))
					b.Expect = []engine.Expect{{Tenant: "t", Entity: engine.Entity{Type: "e", ID: "0"}, Sequence: last}}
				}
				err = l.send(e, b)
				if c := new(engine.ConflictError); errors.As(err, &c) {
					conflicts.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if b.Expect != nil {
					won.Add(1)
				}
				again, err := e.Append(ctx, b)
				if err != nil || !again[0].Duplicate {
					t.Errorf("retry: %+v, %v", again, err)
				}
			}
		})
	}
	wg.Wait()
	s, err := readAll(e)
	check(t, err)
	all := l.snapshot()
	check(t, s.holds(all))
	for i, x := range all {
		if x.outcome != acked || x.batch.Expect == nil {
			continue
		}
		first := engine.Sequence(0) // of the entity in this batch
		for j, r := range x.receipts {
			if x.batch.Records[j].Entity.ID == "0" && (first == 0 || r.Sequence < first) {
				first = r.Sequence
			}
		}
		if want := x.batch.Expect[0].Sequence + 1; first != want {
			t.Errorf("batch %d expected sequence %d and got %d", i, want-1, first)
		}
	}
	if won.Load() == 0 || conflicts.Load() == 0 {
		t.Errorf("%d expectations held, %d did not: want both", won.Load(), conflicts.Load())
	}
	for _, f := range followers {
		check(t, f(int64(e.Size())))
	}
	killed := mem.Crash(durable.KeepAll)
	for i := range all { // those that lost would conflict again
		all[i].batch.Expect = nil
	}
	check(t, inspect(killed, killed, all))
	check(t, e.Close())
	_, err = verifySound(mem, true)
	check(t, err)
}

// randomBatch returns one to five records for entities 1 to 4.
func randomBatch(random *rand.Rand, id string) engine.Batch {
	var b engine.Batch
	for i := range 1 + random.IntN(5) {
		entity := ""
		if n := random.IntN(5); n > 0 {
			entity = fmt.Sprint(n)
		}
		b.Records = append(b.Records, paddedRecord(fmt.Sprintf("%s-%d", id, i), entity, random.IntN(400)))
	}
	return b
}

// TestFault56OneWinner lets 64 writers expect the same sequence: one wins.
func TestFault56OneWinner(t *testing.T) {
	t.Parallel()
	e := open(t, durable.NewMem())
	for round := range 10 {
		var winners atomic.Int64
		var wg sync.WaitGroup
		for w := range 64 {
			wg.Go(func() {
				b := one(fmt.Sprintf("%d-%d", round, w), "x")
				b.Expect = []engine.Expect{{Tenant: "t", Entity: engine.Entity{Type: "e", ID: "x"}, Sequence: engine.Sequence(round)}}
				_, err := e.Append(ctx, b)
				c := new(engine.ConflictError)
				switch {
				case err == nil:
					winners.Add(1)
				case !errors.As(err, &c) || c.Current != engine.Sequence(round+1):
					t.Errorf("loser: %v", err)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			t.Fatalf("round %d: %d winners", round, winners.Load())
		}
	}
}

// TestCloseUnderLoad closes while writers append: every request is answered or
// refused, what was answered is there, the end is clean.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		mem := durable.NewMem()
		e := open(t, mem)
		var l ledger
		var started, wg sync.WaitGroup
		started.Add(8)
		for w := range 16 {
			wg.Go(func() {
				for i := range 1000 {
					err := l.send(e, one(fmt.Sprintf("%d-%d", w, i), fmt.Sprint(w)))
					if w < 8 && i == 0 {
						started.Done()
					}
					if errors.Is(err, engine.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
				}
			})
		}
		started.Wait()
		check(t, e.Close())
		wg.Wait()
		told := l.snapshot()
		if _, err := verifySound(mem, true); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		check(t, inspect(mem, mem, told))
		if _, err := e.Append(ctx, one("late", "")); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("append after close: %v", err)
		}
	}
}

// TestCancelWhileCommitting: a caller that leaves is told that the outcome is
// unknown, and a retry settles it.
func TestCancelWhileCommitting(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e, h, _, l, _ := newHang(t)
		leaving, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		_, err := e.Append(leaving, one("a", "x"))
		if !errors.Is(err, engine.ErrUnknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want ErrUnknown and context.Canceled", err)
		}
		h.on.Store(false)
		close(h.wake)
		if r := appendOne(t, e, "a", "x"); !r.Duplicate || r.Position != 1 {
			t.Errorf("retry: %+v", r)
		}
		s, err := readAll(e)
		check(t, err)
		check(t, s.holds(l.snapshot()))
	})
}

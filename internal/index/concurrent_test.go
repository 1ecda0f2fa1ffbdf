package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A crowd is an index that is added to, maintained, merged and searched at the
// same time.
type crowd struct {
	log     *testLog // complete before anyone begins: nobody changes it
	x       *Index
	durable atomic.Uint64 // also what is published
	done    chan struct{}
	wg      sync.WaitGroup
}

// loops maintains and merges until done is closed and there is nothing to do.
func (c *crowd) loops(t *testing.T) {
	loop := func(wake <-chan struct{}, do func() (bool, error)) {
		for {
			did, err := do()
			if err != nil && !errors.Is(err, errDamaged) { // a run that was spoilt
				t.Error(err)
				return
			}
			if did {
				continue
			}
			select {
			case <-wake:
			case <-c.done:
				return
			}
		}
	}
	c.wg.Go(func() {
		loop(c.x.Work(), func() (bool, error) {
			return c.x.Maintain(context.Background(), engine.Position(c.durable.Load()), c.log.filler(c.x))
		})
	})
	c.wg.Go(func() { loop(c.x.Ripe(), func() (bool, error) { return c.x.Merge(context.Background()) }) })
}

// searchers ask about what is published until done is closed.
func (c *crowd) searchers(t *testing.T, rng *rand.Rand, n int, asked *atomic.Int64) {
	for range n {
		l := *c.log
		l.rng = rand.New(rand.NewPCG(rng.Uint64(), 0))
		c.wg.Go(func() {
			for {
				select {
				case <-c.done:
					return
				default:
				}
				if size := c.durable.Load(); size > 0 {
					l := l
					l.entries = l.entries[:size]
					if err := l.check(c.x, engine.Position(size), false); err != nil {
						t.Error(err)
						return
					}
					asked.Add(1)
				}
			}
		})
	}
}

// TestConcurrent has one goroutine add, one maintain, one merge, and others search,
// while runs are spoilt on the disk: with what was published when they began they find
// everything.
func TestConcurrent(t *testing.T) {
	rng := newRand(t)
	l := newTestLog(rng)
	n := 1500
	if long {
		n = 40_000
	}
	for range n {
		l.extend()
	}
	mem := durable.NewMem()
	c := &crowd{log: l, done: make(chan struct{})}
	c.x = l.open(t, testOptions(mem), 0)
	var asked atomic.Int64
	c.loops(t)
	c.searchers(t, rng, 2, &asked)
	for spoilt := 0; c.x.Next() < l.size() || asked.Load() < 20; {
		if t.Failed() {
			break
		}
		if c.x.Next() == l.size() { // let them catch up
			check(t, c.x.Wait(context.Background(), nil, nil))
			continue
		}
		check(t, c.x.Wait(context.Background(), nil, nil))
		l.add(c.x, min(l.size(), c.x.Next()+engine.Position(rng.IntN(40))))
		c.durable.Store(uint64(c.x.Next()))
		c.x.Poke()
		if rng.IntN(8) == 0 && spoilt < 20 {
			for _, name := range mem.Names() {
				if b := mem.Bytes(name); strings.HasSuffix(name, runSuffix) && len(b) > 0 && rng.IntN(4) == 0 {
					f, err := mem.OpenWrite(name)
					if err != nil {
						continue // it was merged
					}
					at := rng.Int64N(int64(len(b)))
					f.WriteAt([]byte{b[at] ^ 1}, at)
					f.Close()
					spoilt++
				}
			}
		}
	}
	check(t, c.x.Wait(context.Background(), nil, nil))
	close(c.done)
	c.wg.Wait()
	check(t, l.check(c.x, l.size(), false))
	check(t, c.x.Close())
	t.Logf("%d searches", asked.Load())
}

// TestCondemnWhileSearched: a run that turns out to be damaged in the middle of a
// search is made anew while searches still hold it, and its file is another then.
func TestCondemnWhileSearched(t *testing.T) {
	rng := newRand(t)
	l := newTestLog(rng)
	for range 64 {
		l.extend()
		l.entries[len(l.entries)-1].Terms = []engine.Term{{Field: "a", Value: "all"}}
	}
	mem := durable.NewMem()
	x := l.open(t, testOptions(mem), 0)
	l.add(x, l.size())
	for finish(t, l, x, l.size()) {
	}
	held := x.Acquire()
	old := held.parts[1].part.(*run)
	spoilSection(t, mem, old, termLists)
	q := engine.Query{Tenants: []string{"tenant0", "tenant1", "tenant2"}, Filter: engine.Has{Field: "a", Value: "all"}}
	check(t, l.checkSearch(held, &q, l.size(), false))
	now := x.Acquire()
	if h, ok := now.parts[1].part.(hole); !ok || h.first != 16 || h.next != 32 {
		t.Fatalf("after the search there is %v", now)
	}
	if !x.crowded.Load() {
		t.Error("appends do not wait for the hole")
	}
	now.Release()
	for finish(t, l, x, l.size()) {
	}
	if x.crowded.Load() {
		t.Error("appends still wait")
	}
	check(t, l.checkSearch(held, &q, l.size(), false)) // whoever holds the old one still can
	if n := old.refs.Load(); n != 1 {
		t.Errorf("%d hold the damaged run, want 1", n)
	}
	held.Release()
	if n := old.refs.Load(); n != 0 {
		t.Errorf("%d hold the damaged run, want none", n)
	}
	check(t, l.check(x, l.size(), true))
	x.Abandon()
	x, err := Open(testOptions(mem))
	check(t, err)
	check(t, x.Check(context.Background(), func(p Problem) { t.Errorf("%s: %v", p.File, p.Err) }))
	x.Abandon()
}

// spoilSection flips a bit in every byte of a section of a run's file.
func spoilSection(t testing.TB, mem *durable.Mem, r *run, s section) {
	t.Helper()
	e := r.foot.sections[s]
	b := mem.Bytes(r.name)[e.off : e.off+e.len]
	spoilt := make([]byte, len(b))
	for i := range b {
		spoilt[i] = b[i] ^ 1
	}
	f, err := mem.OpenWrite(r.name)
	check(t, err)
	defer f.Close()
	_, err = f.WriteAt(spoilt, e.off)
	check(t, err)
}

// TestWait covers when appends wait for the index, and what ends that.
func TestWait(t *testing.T) {
	l := newTestLog(newRand(t))
	for range 200 {
		l.extend()
	}
	full := func(fsys durable.FS, n engine.Position) *Index { // no more than n entries are added
		x := l.open(t, testOptions(fsys), 0)
		l.add(x, n)
		return x
	}
	closed := make(chan struct{})
	close(closed)
	t.Run("room", func(t *testing.T) {
		x := full(durable.NewMem(), 16*(maxWaiting+1)) // one of them is the active one
		check(t, x.Wait(context.Background(), nil, nil))
	})
	for _, tt := range []struct {
		name       string
		ctx        func(context.Context) context.Context
		done, dead chan struct{}
		want       error
	}{
		{"context", func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}, nil, nil, context.Canceled},
		{"done", nil, closed, nil, engine.ErrClosed},
		{"dead", nil, nil, closed, engine.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := full(durable.NewMem(), 16*(maxWaiting+1)+1)
			ctx := context.Background()
			if tt.ctx != nil {
				ctx = tt.ctx(ctx)
			}
			if err := x.Wait(ctx, tt.done, tt.dead); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("until it is written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := full(durable.NewMem(), 16*(maxWaiting+1)+1)
			ended := false
			go func() {
				if err := x.Wait(context.Background(), nil, nil); err != nil {
					t.Error(err)
				}
				ended = true
			}()
			synctest.Wait()
			if did, err := x.Maintain(context.Background(), 15, l.filler(x)); did || err != nil || ended {
				t.Errorf("what is not durable was written: %v, %v, %v", did, err, ended)
			}
			if did, err := x.Maintain(context.Background(), 16, l.filler(x)); !did || err != nil {
				t.Errorf("nothing was written: %v", err)
			}
			synctest.Wait()
			if !ended {
				t.Error("the append still waits")
			}
		})
	})
	t.Run("until it cannot be written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			broken := true
			x := full(durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
				if broken && op.Kind == durable.OpSync {
					return durable.Fault{Err: durable.ErrInjected}
				}
				return durable.Fault{}
			}), 16*(maxWaiting+1)+1)
			var got error
			go func() { got = x.Wait(context.Background(), nil, nil) }()
			synctest.Wait()
			if _, err := x.Maintain(context.Background(), 200, l.filler(x)); !errors.Is(err, durable.ErrInjected) {
				t.Errorf("maintaining a broken disk: %v", err)
			}
			synctest.Wait()
			for _, err := range []error{got, x.Wait(context.Background(), nil, nil)} {
				if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, durable.ErrInjected) {
					t.Errorf("append: %v", err)
				}
			}
			broken = false
			for finish(t, l, x, 200) {
			}
			check(t, x.Wait(context.Background(), nil, nil))
		})
	})
}

// TestTailWalkWhileAdded follows a term that every entry has while entries are
// added: none that was there before is missing, in either direction.
func TestTailWalkWhileAdded(t *testing.T) {
	const n = 60_000
	x := newTail(0, n, 0, nil)
	hash := testHasher.Term("t", engine.Term{Field: "f"})
	it := Item{ID: Identity{1, 1}, terms: []uint64{hash}}
	var wg sync.WaitGroup
	for descending := range 2 {
		wg.Go(func() {
			for size := uint32(0); size < n; {
				if size = x.count.Load(); size < 4 {
					continue
				}
				c, err := x.find(terms, hash, size, true)
				if descending == 0 {
					c, err = x.find(terms, hash, min(size, 100), false)
				}
				check(t, err)
				for k := range uint32(4) {
					want := size - 1 - k
					if descending == 0 {
						want = k
					}
					if got, ok, err := c.seek(want); got != want || !ok || err != nil {
						t.Errorf("of %d entries position %d is not found: %d, %v, %v", size, want, got, ok, err)
						return
					}
				}
			}
		})
	}
	for range n {
		x.add(&it, 0, 0)
	}
	wg.Wait()
}

package native_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// A moment is what a disk may hold after one operation of a script, and what
// callers had been told by then.
type moment struct {
	op   string
	cut  durable.Cut
	disk *durable.Mem
	sent []sent
}

func (m *moment) String() string {
	return fmt.Sprintf("power cut %+v before %q", m.cut, m.op)
}

// cuts returns the power cuts to try at each operation.
func cuts(seed uint64) []durable.Cut {
	all := []durable.Cut{{}, durable.KeepAll}
	seeds := uint64(2)
	if long {
		seeds = 12
	}
	for i := range seeds {
		s := seed*1000 + i
		all = append(all, durable.Cut{Seed: s, Keep: 50}, durable.Cut{Seed: s, Keep: 50, Tear: true}, durable.Cut{Seed: s, Keep: 90, Tear: i%2 == 0})
	}
	return all
}

// A camera takes a moment at every mutating operation.
type camera struct {
	mem  *durable.Mem
	cuts []durable.Cut
	told func() []sent // what callers were told so far

	mu      sync.Mutex
	moments []moment // guarded by mu
	n       uint64   // operations so far; guarded by mu
}

// hook takes moments, then lets the operation through.
func (c *camera) hook(op durable.Op) durable.Fault {
	if op.Kind.Mutates() {
		c.take(op.String())
	}
	return durable.Fault{}
}

func (c *camera) take(op string) {
	told := c.told()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	for _, cut := range c.cuts {
		cut.Seed += c.n << 32
		c.moments = append(c.moments, moment{fmt.Sprintf("%d: %s", c.n, op), cut, c.mem.Crash(cut), told})
	}
}

// film plays the script and returns a moment for each operation and cut.
func film(t *testing.T, wrap func(durable.FS) durable.FS) []moment {
	mem := durable.NewMem()
	s := new(script)
	c := &camera{mem: mem, cuts: cuts(*seedFlag), told: s.snapshot}
	bubble(t, func(t *testing.T) {
		s.fs = durable.NewFaulty(mem, c.hook)
		if wrap != nil {
			s.fs = wrap(s.fs)
		}
		s.run()
		c.take("end")
	})
	check(t, s.err())
	return c.moments
}

// each calls f for every moment on two goroutines, and returns the first error
// with its moment.
func each(moments []moment, f func(moment) error) error {
	var next atomic.Int64
	var found atomic.Pointer[error]
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for found.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(moments) {
					return
				}
				if err := f(moments[i]); err != nil {
					err = fmt.Errorf("%v: %w", &moments[i], err)
					found.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := found.Load(); err != nil {
		return *err
	}
	return nil
}

// TestFault01PowerCutAtEveryOperation covers FAULTS D1 tests 1 to 6: what is not
// synced is lost, kept, kept in blocks of 4 KiB and in sectors of 512 bytes by
// chance, out of order, and so are unsynced names and renames.
func TestFault01PowerCutAtEveryOperation(t *testing.T) {
	t.Parallel()
	moments := film(t, nil)
	if len(moments) < 500 {
		t.Fatalf("%d moments are too few to mean anything", len(moments))
	}
	if !long { // of each operation at least one cut
		var sample []moment
		for i := int(*seedFlag) % everyCut; i < len(moments); i += everyCut {
			sample = append(sample, moments[i])
		}
		moments = sample
	}
	t.Logf("%d moments, seed %d", len(moments), *seedFlag)
	if err := each(moments, func(m moment) error { return inspect(m.disk, m.disk, m.sent) }); err != nil {
		t.Fatal(err)
	}
}

// everyCut is which of the moments of a power cut are looked at in a short run. An
// operation has as many cuts or more.
const everyCut = 3

// TestFault01PowerCutDuringRecovery cuts the power again at every operation of
// the recovery, for a sample of moments.
func TestFault01PowerCutDuringRecovery(t *testing.T) {
	t.Parallel()
	moments := film(t, nil)
	var sample []moment
	step := 601
	if long {
		step = 5
	}
	for i := int(*seedFlag) % step; i < len(moments); i += step {
		sample = append(sample, moments[i])
	}
	err := each(sample, func(m moment) error {
		inner := []durable.Cut{{}, {Seed: m.cut.Seed, Keep: 50}, {Seed: m.cut.Seed, Keep: 50, Tear: true}}
		c := &camera{mem: m.disk, cuts: inner, told: func() []sent { return m.sent }}
		if err := inspect(m.disk, durable.NewFaulty(m.disk, c.hook), m.sent); err != nil {
			return err
		}
		for _, again := range c.moments {
			if err := inspect(again.disk, again.disk, m.sent); err != nil {
				return fmt.Errorf("then %v: %w", &again, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

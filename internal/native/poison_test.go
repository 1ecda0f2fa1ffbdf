package native_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A breaker fails the operations that it is armed for.
type breaker struct {
	hits atomic.Int64

	mu     sync.Mutex
	match  func(durable.Op) bool // nil = not armed; guarded by mu
	fault  durable.Fault         // guarded by mu
	sticky bool                  // stays armed; guarded by mu
}

// arm makes the next operation that matches fail.
func (b *breaker) arm(fault durable.Fault, match func(durable.Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault, b.match, b.sticky = fault, match, false
}

// always makes every operation that matches fail.
func (b *breaker) always(fault durable.Fault, match func(durable.Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault, b.match, b.sticky = fault, match, true
}

// disarm lets everything through again.
func (b *breaker) disarm() { b.arm(durable.Fault{}, nil) }

func (b *breaker) hook(op durable.Op) durable.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.match == nil || !b.match(op) {
		return durable.Fault{}
	}
	if !b.sticky {
		b.match = nil
	}
	b.hits.Add(1)
	return b.fault
}

func kindIs(k durable.OpKind) func(durable.Op) bool {
	return func(op durable.Op) bool { return op.Kind == k && strings.HasPrefix(op.Name, "log") }
}

// TestFault07SyncErrorOnce, with tests 10, 11 and 13: one write, sync, rename or
// directory sync of the log fails, and would work the next time. Nothing is
// acknowledged, the writer is poisoned, no sync of that file follows, and opening
// again writes the tail to a new segment.
func TestFault07SyncErrorOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  durable.Fault
		match  func(durable.Op) bool
		rotate bool
	}{
		{"07 sync", durable.Fault{Err: syscall.EIO}, kindIs(durable.OpSync), false},
		{"07 sync was done", durable.Fault{Err: syscall.EIO, After: true}, kindIs(durable.OpSync), false},
		{"10 short write", durable.Fault{Short: 33}, kindIs(durable.OpWrite), false},
		{"11 write", durable.Fault{Err: syscall.EIO}, kindIs(durable.OpWrite), false},
		{"11 write was done", durable.Fault{Err: syscall.EIO, After: true}, kindIs(durable.OpWrite), false},
		{"13 rename", durable.Fault{Err: syscall.EIO}, kindIs(durable.OpRename), true},
		{"13 rename was done", durable.Fault{Err: syscall.EIO, After: true}, kindIs(durable.OpRename), true},
		{"13 directory sync", durable.Fault{Err: syscall.EIO}, kindIs(durable.OpSyncDir), true},
		{"13 directory sync was done", durable.Fault{Err: syscall.EIO, After: true}, kindIs(durable.OpSyncDir), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { poison(t, c.fault, c.match, c.rotate) })
		})
	}
}

func poison(t *testing.T, fault durable.Fault, match func(durable.Op) bool, rotate bool) {
	mem := durable.NewMem()
	var b breaker
	var mu sync.Mutex
	var after []durable.Op // syncs and writes of the log since the failure; guarded by mu
	files := newTracked(durable.NewFaulty(mem, b.hook), func(op durable.Op) bool {
		if b.hits.Load() > 0 && strings.HasPrefix(op.Name, "log/") && (op.Kind == durable.OpSync || op.Kind == durable.OpWrite) {
			mu.Lock()
			after = append(after, op)
			mu.Unlock()
		}
		return false
	})
	touched := func() []durable.Op {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(after)
	}
	e := open(t, files)
	var l ledger
	for i := range 3 {
		check(t, l.send(e, one(fmt.Sprint(i), "x")))
	}
	synctest.Wait()
	b.arm(fault, match)
	pad := 10
	if rotate {
		pad = smallSegment
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			err := l.send(e, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("w", i), "y", pad), record(fmt.Sprint("v", i), "")}})
			if !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, engine.ErrFailed) {
				t.Errorf("append during the failure: got %v", err)
			}
		})
	}
	wg.Wait()
	if b.hits.Load() != 1 {
		t.Fatal("nothing failed")
	}
	if err := l.send(e, one("later", "x")); !errors.Is(err, engine.ErrFailed) || errors.Is(err, engine.ErrUnknown) {
		t.Errorf("append after the failure: got %v, want ErrFailed", err)
	}
	if _, err := e.Read(ctx, 2); err != nil {
		t.Errorf("read after the failure: %v", err)
	}
	if e.Size() != 3 {
		t.Errorf("size is %d: something that is not known durable is visible", e.Size())
	}
	idle()
	if err := e.Close(); err == nil {
		t.Error("close of a failed journal reports nothing")
	}
	if ops := touched(); len(ops) > 0 {
		t.Errorf("the log was touched again: %v", ops)
	}
	old := newest(mem)
	e = open(t, files)
	if r := e.Recovery(); r == nil || len(e.Damage()) > 0 {
		t.Errorf("recovery %+v, damage %v", r, e.Damage())
	}
	for _, op := range touched() {
		if op.Name == old {
			t.Errorf("%v: the old segment was touched", op)
		}
	}
	if newest(mem) == old {
		t.Error("recovery made no new segment")
	}
	check(t, e.Close())
	told := l.snapshot()
	for _, cut := range []durable.Cut{{}, durable.KeepAll} {
		disk := mem.Crash(cut)
		check(t, inspect(disk, disk, told))
	}
}

// TestFault12CloseError: an acknowledgement stands when closing the file reports
// an error afterwards, and Close passes that on.
func TestFault12CloseError(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem := durable.NewMem()
		var b breaker
		e := open(t, durable.NewFaulty(mem, b.hook))
		var l ledger
		check(t, l.send(e, one("a", "x")))
		idle()
		b.arm(durable.Fault{Err: syscall.EIO}, kindIs(durable.OpClose))
		if err := e.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("close: got %v, want EIO", err)
		}
		for _, cut := range []durable.Cut{{}, durable.KeepAll} {
			disk := mem.Crash(cut)
			check(t, inspect(disk, disk, l.snapshot()))
		}
	})
}

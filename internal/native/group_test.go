package native_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestRejectedGroupTakesAnswersBack: what a request was told because of records
// of its own group, a conflict or a duplicate, does not outlive a failed write of
// that group.
func TestRejectedGroupTakesAnswersBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		mem, h := durable.NewMem(), &hang{wake: make(chan struct{})}
		var full atomic.Bool
		e := open(t, durable.NewFaulty(mem, durable.Hooks(h.hook, func(op durable.Op) durable.Fault {
			if full.Load() && op.Kind == durable.OpWrite && strings.HasPrefix(op.Name, "log/") {
				return durable.Fault{Err: syscall.ENOSPC}
			}
			return durable.Fault{}
		})))
		appendOne(t, e, "first", "x")
		idle()
		h.on.Store(true)
		leaving, cancel := context.WithCancel(ctx)
		defer cancel()
		expecting := one("other", "a")
		expecting.Expect = []engine.Expect{{Tenant: "t", Entity: engine.Entity{Type: "e", ID: "a"}}}
		errs := make([]error, 5)
		var wg sync.WaitGroup
		for i, b := range []engine.Batch{one("holds", "h"), one("id", "a"), one("id", "b"), one("id", "a"), expecting} {
			wg.Go(func() { _, errs[i] = e.Append(leaving, b) })
			synctest.Wait()
		}
		full.Store(true)
		h.on.Store(false)
		close(h.wake)
		wg.Wait()
		check(t, errs[0])
		for i, err := range errs[1:] {
			if !errors.Is(err, engine.ErrDiskFull) {
				t.Errorf("request %d of a group without room: got %v, want ErrDiskFull", i, err)
			}
		}
		full.Store(false)
	})
}

// TestAppendAfterItsContextEnded: an append whose context has ended before the
// call stores nothing.
func TestAppendAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e := open(t, durable.NewMem())
		ended, cancel := context.WithCancel(ctx)
		cancel()
		for i := range 100 {
			if _, err := e.Append(ended, one(fmt.Sprint(i), "x")); !errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrUnknown) {
				t.Fatalf("append %d: got %v, want only context.Canceled", i, err)
			}
		}
		idle()
		if e.Size() != 0 {
			t.Errorf("%d entries are stored", e.Size())
		}
	})
}

// TestReadOverlapsClose: a read that Close overtakes says so.
func TestReadOverlapsClose(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(engine.Engine) error{
		"read": func(e engine.Engine) error {
			_, err := e.Read(ctx, 0)
			return err
		},
		"append of a duplicate": func(e engine.Engine) error {
			_, err := e.Append(ctx, one("first", "x"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			in, out := make(chan struct{}), make(chan struct{})
			e := open(t, durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
				if op.Kind == durable.OpOpen && strings.HasSuffix(op.Name, ".wal") && on.CompareAndSwap(true, false) {
					close(in)
					<-out
					return durable.Fault{Err: errors.New("file already closed")}
				}
				return durable.Fault{}
			}))
			appendOne(t, e, "first", "x")
			on.Store(true)
			result := make(chan error)
			go func() { result <- read(e) }()
			<-in
			check(t, e.Close())
			close(out)
			if err := <-result; !errors.Is(err, engine.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		})
	}
}

// TestMarkerWaitsForRoom: a marker that finds no room is written when there is
// some again, though nobody appends.
func TestMarkerWaitsForRoom(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var full atomic.Bool
		var markers atomic.Int64
		e := open(t, durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
			if op.Kind != durable.OpWrite || op.Len != markerBytes || !strings.HasPrefix(op.Name, "log/") {
				return durable.Fault{}
			}
			if full.Load() {
				return durable.Fault{Err: syscall.ENOSPC}
			}
			markers.Add(1)
			return durable.Fault{}
		}))
		full.Store(true)
		appendOne(t, e, "first", "x")
		idle()
		full.Store(false)
		if n := markers.Load(); n != 0 {
			t.Fatalf("%d markers without room", n)
		}
		for range 100 {
			idle()
		}
		if n := markers.Load(); n != 1 {
			t.Errorf("%d markers were written, want 1", n)
		}
	})
}

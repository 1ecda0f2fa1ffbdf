package native_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// newStuck opens a journal with one entry on a disk where some operations hang
// from now on, until release is called.
func newStuck(t *testing.T, match func(durable.Op) bool) (e *native.Engine, release func()) {
	t.Helper()
	var on atomic.Bool
	wake := make(chan struct{})
	e = open(t, durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		if on.Load() && match(op) {
			<-wake
		}
		return durable.Fault{}
	}))
	appendOne(t, e, "first", "x")
	idle()
	on.Store(true)
	return e, func() {
		close(wake)
		synctest.Wait()
	}
}

// closeReturns closes a journal whose disk hangs.
func closeReturns(t *testing.T, e *native.Engine) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	time.Sleep(time.Minute)
	synctest.Wait()
	select {
	case err := <-closed:
		if err == nil {
			t.Error("close of a journal on a hung disk reports nothing")
		}
	default:
		t.Error("close hangs")
	}
}

// TestFault37HungOutsideSync: whatever the log asks of the disk is given up when
// it does not return, not only a sync.
func TestFault37HungOutsideSync(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]func(durable.Op) bool{
		"write": func(op durable.Op) bool { return op.Kind == durable.OpWrite && strings.HasPrefix(op.Name, "log/") },
		"spare": func(op durable.Op) bool { return op.Kind == durable.OpCreate && op.Name == "log/spare" },
		"name":  syncDirOf("log"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				e, release := newStuck(t, match)
				leaving, cancel := context.WithCancel(ctx)
				defer cancel()
				var wg sync.WaitGroup
				var failed atomic.Int64
				for i := range 40 {
					wg.Go(func() {
						_, err := e.Append(leaving, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 700)}})
						if errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrFailed) {
							failed.Add(1)
						} else if err != nil {
							t.Errorf("append %d: %v", i, err)
						}
					})
					synctest.Wait()
				}
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if !e.Stats().Stalled {
					t.Error("not stalled after 6 s")
				}
				time.Sleep(15 * time.Second)
				wg.Wait()
				if failed.Load() == 0 {
					t.Error("every append was acknowledged")
				}
				closeReturns(t, e)
				release()
			})
		})
	}
}

// TestFault37HungTiles: a disk that hangs in the tree holds neither callers that
// leave nor Close up for ever, and appends not at all.
func TestFault37HungTiles(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e, release := newStuck(t, func(op durable.Op) bool {
			return op.Kind == durable.OpSync && strings.HasPrefix(op.Name, "tiles/")
		})
		leaving, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := e.Checkpoint(leaving); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("checkpoint of a caller that left: got %v, want DeadlineExceeded", err)
		}
		appendOne(t, e, "second", "x")
		closeReturns(t, e)
		release()
	})
}

// TestFault37ReservedDoesNotLead: the journal's own records are given up like any
// other, though their caller never leaves.
func TestFault37ReservedDoesNotLead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e, release := newStuck(t, kindIs(durable.OpSync))
		b := one("own", "x")
		b.Reserved = true
		began := time.Now()
		told := make(chan error, 1)
		go func() {
			_, err := e.Append(ctx, b)
			told <- err
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case err := <-told:
			if !errors.Is(err, engine.ErrUnknown) {
				t.Errorf("got %v, want ErrUnknown", err)
			}
		default:
			t.Errorf("not told after %v", time.Since(began))
		}
		closeReturns(t, e)
		release()
	})
}

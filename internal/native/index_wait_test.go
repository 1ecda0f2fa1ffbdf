package native_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestFault45AppendsWait: while the index is made anew reads answer, appends wait
// and then succeed; those that leave are told.
func TestFault45AppendsWait(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	bubble(t, func(t *testing.T) {
		mem := sound.Crash(durable.KeepAll)
		indexSpoilers[0].spoil(t, mem)
		release := make(chan struct{})
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpCreate && inIndex(op) {
				<-release
			}
			return durable.Fault{}
		})))
		var wg sync.WaitGroup
		var ended atomic.Bool
		wg.Go(func() {
			checkAppends(t, e, 90)
			ended.Store(true)
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := e.Append(ctx, one("leaves", "")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, engine.ErrUnknown) {
				t.Errorf("append that leaves: %v", err)
			}
		})
		_, err := e.Append(ctx, engine.Batch{Reserved: true, Records: []engine.Record{record("note", "")}}) // the journal's own need not wait
		check(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ended.Load() || unindexed(t, e) == 0 {
			t.Errorf("appends do not wait for the index (%d entries without one)", unindexed(t, e))
		}
		s, err := readAll(e)
		check(t, err)
		if len(s.entries) != 91 {
			t.Errorf("%d entries while appends wait, want 91", len(s.entries))
		}
		check(t, s.answers(e))
		close(release)
		wg.Wait()
		s, err = readAll(e)
		check(t, err)
		check(t, s.answers(e))
		check(t, e.Close())
	})
}

// TestFault45CloseWhileWaiting: appends that wait for the index are told that the
// journal is closed.
func TestFault45CloseWhileWaiting(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	bubble(t, func(t *testing.T) {
		mem := sound.Crash(durable.KeepAll)
		indexSpoilers[0].spoil(t, mem)
		held := true
		release := make(chan struct{})
		e := openWith(t, scriptOptions(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind == durable.OpCreate && inIndex(op) && held {
				<-release
			}
			return durable.Fault{}
		})))
		got := make(chan error)
		go func() {
			_, err := e.Append(ctx, one("waits", ""))
			got <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- e.Close() }()
		if err := <-got; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("append: %v, want ErrClosed", err)
		}
		close(release)
		check(t, <-closed)
		e = openWith(t, scriptOptions(mem))
		checkAppends(t, e, 90)
		check(t, e.Close())
	})
}

// TestWaitEndsWithTheLog: an append that waits for the index ends when the log fails.
func TestWaitEndsWithTheLog(t *testing.T) {
	mem := indexed(t, 90)
	for _, name := range indexFiles(mem) {
		check(t, mem.Remove(name))
	}
	bubble(t, func(t *testing.T) {
		var fail atomic.Bool
		held := make(chan struct{})
		fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			switch {
			case op.Kind == durable.OpCreate && inIndex(op):
				<-held
			case op.Kind == durable.OpSync && strings.HasPrefix(op.Name, "log/") && fail.Load():
				return durable.Fault{Err: durable.ErrInjected}
			}
			return durable.Fault{}
		})
		e := openWith(t, scriptOptions(fsys))
		waiting := make(chan error, 1)
		go func() {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{record("waits", "")}})
			waiting <- err
		}()
		synctest.Wait()
		fail.Store(true)
		if _, err := e.Append(ctx, engine.Batch{Reserved: true, Records: []engine.Record{record("fails", "")}}); !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("append whose sync fails: %v", err)
		}
		if err := <-waiting; !errors.Is(err, engine.ErrFailed) {
			t.Errorf("append that waits: %v, want ErrFailed", err)
		}
		close(held)
		e.Close() // the log has failed
	})
}

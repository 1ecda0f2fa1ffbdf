package native_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// A hang is a disk whose syncs of the log hang while it is on.
type hang struct {
	on      atomic.Bool
	hanging atomic.Int64 // syncs that hang
	wake    chan struct{}
}

func (h *hang) hook(op durable.Op) durable.Fault {
	if h.on.Load() && kindIs(durable.OpSync)(op) {
		h.hanging.Add(1)
		<-h.wake
		h.hanging.Add(-1)
	}
	return durable.Fault{}
}

// A logbook keeps the levels and texts of log messages.
type logbook struct {
	slog.Handler
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, r.Level, r.Message)
	return nil
}

func (l *logbook) has(level slog.Level, text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), fmt.Sprint(level)+" "+text)
}

// newHang opens a journal with one entry on a disk that hangs from now on.
func newHang(t *testing.T) (*native.Engine, *hang, *logbook, *ledger, *durable.Mem) {
	t.Helper()
	mem, h, book := durable.NewMem(), &hang{wake: make(chan struct{})}, new(logbook)
	o := testOptions(durable.NewFaulty(mem, h.hook))
	o.Logger = slog.New(book)
	e := openWith(t, o)
	l := &ledger{leave: true}
	check(t, l.send(e, one("first", "x")))
	idle()
	h.on.Store(true)
	return e, h, book, l, mem
}

// TestFault36SlowSync: a sync of a second is reported, one of ten seconds has
// appends refused meanwhile; both are answered when they are done, not before.
func TestFault36SlowSync(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e, h, book, l, mem := newHang(t)
		var answered atomic.Int64
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if err := l.send(e, one(fmt.Sprint(i), "x")); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			})
			synctest.Wait()
		}
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if book.has(slog.LevelWarn, "the disk of the log is slow") {
			t.Error("warned before a second")
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if !book.has(slog.LevelWarn, "the disk of the log is slow") || e.Stats().Stalled {
			t.Errorf("after 1.1 s: stalled %v, want only a warning", e.Stats().Stalled)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if !e.Stats().Stalled {
			t.Error("not stalled after 5.1 s")
		}
		if err := l.send(e, one("no", "x")); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("append while stalled: got %v, want ErrUnavailable", err)
		}
		if entry, err := e.Read(ctx, 0); err != nil || len(entry.Bytes) == 0 {
			t.Errorf("read while stalled: %v", err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if answered.Load() != 0 || e.Size() != 1 {
			t.Fatalf("%d answers, size %d before the sync was done", answered.Load(), e.Size())
		}
		h.on.Store(false)
		close(h.wake)
		wg.Wait()
		if e.Stats().Stalled || e.Stats().SlowestSync < 10*time.Second {
			t.Errorf("stats after a slow sync: %+v", e.Stats())
		}
		check(t, l.send(e, one("yes", "x")))
		check(t, e.Close())
		check(t, inspect(mem, mem, l.snapshot()))
	})
}

// TestFault37HungSync, with the 25 seconds of test 36: a sync that does not
// return is given up. Waiters learn that the outcome is unknown, nothing is ever
// acknowledged, and Close does not hang. What the disk then holds opens.
func TestFault37HungSync(t *testing.T) {
	t.Parallel()
	for _, returns := range []bool{false, true} {
		t.Run(fmt.Sprint("returns later ", returns), func(t *testing.T) {
			bubble(t, func(t *testing.T) { hungSync(t, returns) })
		})
	}
}

func hungSync(t *testing.T, returns bool) {
	e, h, _, l, mem := newHang(t)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			err := l.send(e, one(fmt.Sprint(i), "x"))
			if !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, engine.ErrFailed) {
				t.Errorf("waiter: got %v, want ErrUnknown or ErrFailed", err)
			}
			if waited := time.Since(began); waited < 19*time.Second || waited > 21*time.Second {
				t.Errorf("waiter was told after %v, want 20 s", waited)
			}
		})
		synctest.Wait()
	}
	wg.Wait()
	if err := l.send(e, one("later", "x")); !errors.Is(err, engine.ErrFailed) {
		t.Errorf("append afterwards: got %v, want ErrFailed", err)
	}
	if e.Size() != 1 {
		t.Errorf("size is %d: what never was durable is visible", e.Size())
	}
	if returns { // the 25 s of test 36: nothing changes
		time.Sleep(5 * time.Second)
		h.on.Store(false)
		close(h.wake)
		synctest.Wait()
		if e.Size() != 1 {
			t.Errorf("size is %d after the late return", e.Size())
		}
	}
	closed := time.Now()
	if err := e.Close(); err == nil {
		t.Error("close of a journal on a hung disk reports nothing")
	}
	if time.Since(closed) > time.Second {
		t.Errorf("close took %v", time.Since(closed))
	}
	told := l.snapshot()
	for _, s := range told[1:] {
		if s.outcome == acked {
			t.Error("an append was acknowledged")
		}
	}
	for _, cut := range []durable.Cut{{}, durable.KeepAll} {
		disk := mem.Crash(cut)
		check(t, inspect(disk, disk, told))
	}
	if !returns {
		h.on.Store(false)
		close(h.wake) // so that its goroutine ends
	}
}

// TestQueueIsBounded: behind a hung disk the queue takes 64 MiB, then callers
// wait, and can leave.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		e, h, _, _, _ := newHang(t)
		body := slices.Repeat([]byte("x"), 30<<20) // never read back, so anything will do
		send := func(ctx context.Context, i int) error {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{{Facts: engine.Facts{Tenant: "t", ID: fmt.Sprint(i)}, Body: body}}})
			return err
		}
		var wg sync.WaitGroup
		staying, leaving := make([]error, 3), make([]error, 3)
		stay, release := context.WithCancel(ctx)
		defer release()
		leave, cancel := context.WithCancel(ctx)
		for i := range staying { // one is in flight, two fill the queue
			wg.Go(func() { staying[i] = send(stay, i) })
			synctest.Wait()
		}
		for i := range leaving { // these wait for room
			wg.Go(func() { leaving[i] = send(leave, 100+i) })
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		h.on.Store(false)
		close(h.wake)
		wg.Wait()
		check(t, errors.Join(staying...))
		for i, err := range leaving {
			if !errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrUnknown) {
				t.Errorf("caller %d that waited for room and left: got %v, want only context.Canceled", i, err)
			}
		}
		if e.Size() != 4 {
			t.Errorf("%d entries, want those of the callers that stayed", e.Size())
		}
		check(t, e.Close())
	})
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// TestBufferSpill writes events to files while the server is away, and delivers them in
// order, also those of an earlier process.
func TestBufferSpill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := &standIn{}, t.TempDir()
		o := client.BufferOptions{Policy: client.Spill, Dir: dir, Events: 3, BatchEvents: 3}
		b := newBuffer(t, s, o)
		put(t, b, "1", "2", "3")
		synctest.Wait()
		s.away.Store(true)
		put(t, b, "4", "5", "6") // taken, and spilled after the first try
		synctest.Wait()
		for i := range 10 {
			put(t, b, fmt.Sprint("a", i))
		}
		if st := b.Stats(); st.Queued != 0 || st.SpilledBytes == 0 || !st.Down {
			t.Errorf("stats are %+v", st)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check(t, b.Close(short)) // kept

		b = newBuffer(t, s, o)
		put(t, b, "b1")
		s.away.Store(false)
		check(t, b.Flush(t.Context()))
		put(t, b, "b2")
		check(t, b.Close(t.Context()))
		got := strings.Join(s.batches.all(), ",")
		if want := "1,2,3,4,5,6,a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,b1,b2"; got != want {
			t.Errorf("delivered %s, want %s", got, want)
		}
		if names, err := filepath.Glob(filepath.Join(dir, "*.spill*")); err != nil || len(names) > 0 {
			t.Errorf("files are left: %v", names)
		}
	})
}

// TestBufferSpillFull waits when the files are full, too.
func TestBufferSpillFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		s.away.Store(true)
		b := newBuffer(t, s, client.BufferOptions{Policy: client.Spill, Dir: t.TempDir(), SpillBytes: 1000, BatchEvents: 1})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		for ; n < 100; n++ {
			if err := b.Append(short, annals.Event{ID: fmt.Sprint(n), Type: "a"}); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("append without room: %v", err)
				}
				break
			}
			synctest.Wait()
		}
		if n == 100 || n < 3 {
			t.Errorf("%d events were taken", n)
		}
		s.away.Store(false)
		check(t, b.Close(t.Context()))
		if got := b.Stats().Delivered; got != uint64(n) {
			t.Errorf("%d of %d delivered", got, n)
		}
	})
}

// TestBufferSpillEnds comes back to memory while producers go on: the files come to their
// end.
func TestBufferSpillEnds(t *testing.T) {
	s, dir := &standIn{}, t.TempDir()
	s.away.Store(true)
	failed := make(chan struct{}, 1)
	b := newBuffer(t, s, client.BufferOptions{Policy: client.Spill, Dir: dir, Age: time.Millisecond, OnError: func(error) {
		select {
		case failed <- struct{}{}:
		default:
		}
	}})
	put(t, b, "first")
	<-failed
	put(t, b, "second")
	s.away.Store(false)
	n := 2
	for ; b.Stats().SpilledBytes > 0 || b.Stats().Down; n++ {
		check(t, b.Append(t.Context(), annals.Event{Type: "a"}))
	}
	check(t, b.Close(t.Context()))
	if got := b.Stats().Delivered; got != uint64(n) {
		t.Errorf("%d of %d delivered", got, n)
	}
}

// TestBufferCloseAmong closes buffers while producers go on: what was taken is delivered.
func TestBufferCloseAmong(t *testing.T) {
	for round := range 50 {
		s, o := &standIn{}, client.BufferOptions{Events: 3}
		if round%2 == 1 {
			o.Policy, o.Dir = client.Spill, t.TempDir()
			s.away.Store(round%4 == 1)
		}
		b := newBuffer(t, s, o)
		var taken atomic.Int64
		var producers sync.WaitGroup
		for range 4 {
			producers.Go(func() {
				for b.Append(t.Context(), annals.Event{Type: "a"}) == nil {
					if taken.Add(1) == 20 {
						s.away.Store(false)
						producers.Go(func() {
							if err := b.Close(t.Context()); err != nil {
								t.Error(err)
							}
						})
					}
				}
			})
		}
		producers.Wait()
		if got := b.Stats(); got.Delivered != uint64(taken.Load()) || got.Accepted != got.Delivered {
			t.Fatalf("round %d: %d were taken, stats are %+v", round, taken.Load(), got)
		}
	}
}

// TestBufferClientClosed ends what waits when the client is closed first.
func TestBufferClientClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		s.away.Store(true)
		c := newTripped(t, client.Options{}, s.RoundTrip)
		b, err := client.NewBuffer(c, &client.BufferOptions{Events: 1, BatchEvents: 1})
		check(t, err)
		put(t, b, "1")
		synctest.Wait()
		put(t, b, "2")
		var ways sync.WaitGroup
		ways.Go(func() {
			if err := b.Append(t.Context(), annals.Event{Type: "a"}); !errors.Is(err, annals.ErrClosed) {
				t.Errorf("append: %v", err)
			}
		})
		ways.Go(func() {
			if err := b.Flush(t.Context()); !errors.Is(err, annals.ErrClosed) {
				t.Errorf("flush: %v", err)
			}
		})
		synctest.Wait()
		check(t, c.Close())
		ways.Wait()
		if u, ok := errors.AsType[*client.UnsentError](b.Close(t.Context())); !ok || len(u.Events) != 2 {
			t.Errorf("close: %v", u)
		}
	})
}

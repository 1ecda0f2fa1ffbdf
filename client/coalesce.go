package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/annals-io/annals"
)

// Bounds of a request that several appends share. What does not fit goes into the next.
const (
	groupEvents = 1000
	groupBytes  = 4 << 20
)

// A coalescer puts single appends into shared requests, one after another: while one is
// under way, those that come wait for the next.
type coalescer struct {
	client *Client // never changes
	loops  sync.WaitGroup

	mu      sync.Mutex
	waiting []*waiter // guarded by mu
	running bool      // sendLoop is; guarded by mu
	stopped bool      // guarded by mu
	most    int       // events of a request, once a server has refused more; guarded by mu
}

// A waiter is one append that waits for its receipt.
type waiter struct {
	event *annals.Encoded // never changes
	text  []byte          // its JSON; never changes

	group *group // that has it; guarded by the coalescer's mu

	done    chan struct{} // closed once the fields below are set
	receipt annals.Receipt
	err     error
}

// A group is the appends of one request.
type group struct {
	cancel  context.CancelFunc // ends the request
	waiting atomic.Int64       // how many of its callers still wait
}

// append appends one event that has an id.
func (s *coalescer) append(ctx context.Context, e *annals.Encoded) (annals.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return annals.Receipt{}, ended(ctx)
	}
	w := &waiter{event: e, text: e.JSON(), done: make(chan struct{})}
	if !s.enter(w) {
		return annals.Receipt{}, annals.ErrClosed
	}
	select {
	case <-w.done:
		return w.receipt, w.err
	case <-ctx.Done():
		return s.leave(ctx, w)
	}
}

// enter queues a waiter, and starts the loop that sends it if none runs.
func (s *coalescer) enter(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.waiting = append(s.waiting, w)
	if !s.running {
		s.running = true
		s.loops.Go(s.sendLoop)
	}
	return true
}

// leave ends the wait of a caller whose context has ended.
func (s *coalescer) leave(ctx context.Context, w *waiter) (annals.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.done:
		return w.receipt, w.err
	default:
	}
	if w.group == nil {
		for i := range s.waiting {
			if s.waiting[i] == w {
				s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
				break
			}
		}
		return annals.Receipt{}, ended(ctx) // never sent
	}
	if w.group.waiting.Add(-1) == 0 {
		w.group.cancel()
	}
	return annals.Receipt{}, fmt.Errorf("%w: %w", annals.ErrUnknown, ended(ctx))
}

// stop refuses later appends.
func (s *coalescer) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
}

// sendLoop sends what waits, until nothing does.
func (s *coalescer) sendLoop() {
	answered := 0
	for {
		s.gather(answered)
		ctx, cancel := context.WithCancel(s.client.ctx)
		ws := s.take(cancel)
		if len(ws) == 0 {
			cancel()
			return
		}
		s.send(ctx, ws)
		cancel()
		answered = len(ws)
	}
}

// gather lets callers that were just answered bring what they have next, so that they
// share a request instead of forming two camps that wait for each other. It yields only
// as long as that makes the queue longer: nobody waits for a caller that is busy with
// something else, and a lone one not at all.
func (s *coalescer) gather(answered int) {
	if answered < 2 {
		return
	}
	for have, idle := s.len(), 0; idle < 2 && have < answered; {
		runtime.Gosched()
		now := s.len()
		if now > have {
			idle = 0
		} else {
			idle++
		}
		have = now
	}
}

// len returns how many appends wait.
func (s *coalescer) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// take returns what the next request holds, and notes the end of the loop if that is
// nothing.
func (s *coalescer) take(cancel context.CancelFunc) []*waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < len(s.waiting) && n < s.mostLocked() && (n == 0 || bytes+len(s.waiting[n].text) <= groupBytes) {
		bytes += len(s.waiting[n].text)
		n++
	}
	if n == 0 {
		s.running = false
		return nil
	}
	ws := make([]*waiter, n)
	copy(ws, s.waiting)
	clear(s.waiting[copy(s.waiting, s.waiting[n:]):])
	s.waiting = s.waiting[:len(s.waiting)-n]
	g := &group{cancel: cancel}
	g.waiting.Store(int64(n))
	for _, w := range ws {
		w.group = g
	}
	return ws
}

func (s *coalescer) mostLocked() int {
	if s.most == 0 {
		return groupEvents
	}
	return s.most
}

// send appends the events of waiters until each has its receipt or its error.
func (s *coalescer) send(ctx context.Context, ws []*waiter) {
	r := s.client.newRetrier()
	for len(ws) > 0 {
		results, err := s.client.appendEach(ctx, groupBody(ws), len(ws), func(i int) string { return ws[i].event.ID() })
		switch {
		case err == nil:
			ws, err = s.settle(ws, results, r)
		case isTooLarge(err) && len(ws) > 1:
			s.halve(len(ws))
			s.send(ctx, ws[:len(ws)/2])
			ws = ws[len(ws)/2:]
			continue
		}
		if len(ws) > 0 && !r.pause(ctx, err) {
			s.fail(ws, r.outcome(s.client.ctx, err))
			return
		}
	}
}

// groupBody returns the body of a request: an event a line.
func groupBody(ws []*waiter) []byte {
	size := 0
	for _, w := range ws {
		size += len(w.text) + 1
	}
	body := make([]byte, 0, size)
	for _, w := range ws {
		body = append(append(body, w.text...), '\n')
	}
	return body
}

// isTooLarge reports whether a request as a whole was too large.
func isTooLarge(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusRequestEntityTooLarge
}

// halve notes that a server refused a request of n events.
func (s *coalescer) halve(n int) {
	s.mu.Lock()
	s.most = max(1, n/2)
	s.mu.Unlock()
}

// settle gives waiters their results. It returns those that are worth another try, with
// the error of one of them.
func (s *coalescer) settle(ws []*waiter, results []itemResult, r *retrier) (left []*waiter, err error) {
	for i, w := range ws {
		switch e := results[i].err; {
		case e == nil:
			w.finish(results[i].receipt, nil)
		case isTransient(e):
			left, err = append(left, w), e
		default:
			w.finish(annals.Receipt{}, r.outcome(s.client.ctx, w.named(e)))
		}
	}
	return left, err
}

// fail gives waiters an error.
func (s *coalescer) fail(ws []*waiter, err error) {
	for _, w := range ws {
		w.finish(annals.Receipt{}, w.named(err))
	}
}

// named completes an error of this event alone.
func (w *waiter) named(err error) error {
	return named(err, nil, []annals.Encoded{*w.event})
}

// finish gives a waiter its result.
func (w *waiter) finish(receipt annals.Receipt, err error) {
	w.receipt, w.err = receipt, err
	close(w.done)
}

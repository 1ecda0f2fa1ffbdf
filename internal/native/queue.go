package native

import (
	"context"
	"sync"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
)

// maxQueueBytes bounds what waits for the commit loop. Callers beyond it wait
// for room.
const maxQueueBytes = 64 << 20

// maxGroupBytes bounds what one group takes from the queue, unless a single
// request is larger.
const maxGroupBytes = 8 << 20

// A queue holds the requests that wait for the commit loop.
type queue struct {
	wake chan struct{} // has room for one; a token means that there may be work

	mu      sync.Mutex
	waiting []*request    // guarded by mu
	bytes   int           // of waiting; guarded by mu
	room    chan struct{} // closed when bytes shrinks; nil if nobody waits; guarded by mu
	closed  error         // set once: why nothing more is taken; guarded by mu
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push adds a request, waiting for room if needed. The caller sees to it that
// someone takes it: it leads, or signals.
func (q *queue) push(ctx context.Context, r *request) error {
	q.mu.Lock()
	for q.closed == nil && len(q.waiting) > 0 && q.bytes+r.bytes > maxQueueBytes {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.mu.Lock()
	}
	if err := q.closed; err != nil {
		q.mu.Unlock()
		return err
	}
	q.waiting = append(q.waiting, r)
	q.bytes += r.bytes
	q.mu.Unlock()
	return nil
}

// signal has commitLoop look at the queue.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// len returns how many requests wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// take appends the requests of the next group to dst.
func (q *queue) take(dst []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].bytes <= maxGroupBytes) {
		bytes += q.waiting[n].bytes
		n++
	}
	dst = append(dst, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.bytes -= bytes
	if q.room != nil && n > 0 {
		close(q.room)
		q.room = nil
	}
	return dst
}

// close makes push fail with err, from now on and for those that wait for room.
// It reports whether this was the first close.
func (q *queue) close(err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return false
	}
	q.closed = err
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	q.signal()
	return true
}

// reason returns why the queue is closed, if it is.
func (q *queue) reason() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// A request is one append on its way through the commit loop.
type request struct {
	// Set by the caller before push, then owned by the commit loop until done.
	expect   []expectation
	recs     []prepared
	bytes    int // most that the new records can take in the log
	fresh    int // records that are not known to be duplicates
	reserved bool

	// tied is set if the group had records already when this was decided: what was
	// decided may rest on them, and they may yet fail. The commit loop's.
	tied bool

	// Set by the commit loop before it signals done.
	receipts []engine.Receipt
	err      error

	done chan struct{} // receives one token

	// What recs and receipts are of a single record, which most appends have.
	oneRec     [1]prepared
	oneReceipt [1]engine.Receipt
}

// An expectation is an engine.Expect and what is known of its entity.
type expectation struct {
	engine.Expect
	id index.Identity
	past
}

package server

import (
	"context"
	"sync"

	"github.com/annals-io/annals"
)

// A value is one value of a duplex stream, on its way to an answer.
type value struct {
	item         // of a single event
	addition     // what to append
	line     int // of the stream, where it begins
	bytes    int // of its text
	receipts []annals.Receipt
}

// Limits of what a stream may have in flight. Both are reached only by clients that do
// not wait for answers.
const (
	windowValues = 1000
	windowBytes  = 1 << 20 // and one value
)

// A window holds the values of a stream that were read and not yet appended. One
// goroutine puts, another takes all that there are.
type window struct {
	filled chan struct{} // has room for one: something was put
	room   chan struct{} // has room for one: something was taken

	mu     sync.Mutex
	values []*value // guarded by mu
	bytes  int      // guarded by mu
	ended  bool     // guarded by mu
}

func newWindow() *window {
	return &window{filled: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room and adds a value. It reports false if ctx ends first.
func (w *window) put(ctx context.Context, v *value) bool {
	for !w.add(v) {
		select {
		case <-w.room:
		case <-ctx.Done():
			return false
		}
	}
	signal(w.filled)
	return true
}

func (w *window) add(v *value) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.values) >= windowValues || w.bytes >= windowBytes {
		return false
	}
	w.values = append(w.values, v)
	w.bytes += v.bytes
	return true
}

// end says that nothing more is put.
func (w *window) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	signal(w.filled)
}

// take waits for values and takes all of them. None means that there are no more.
func (w *window) take() []*value {
	for {
		w.mu.Lock()
		values, ended := w.values, w.ended
		w.values, w.bytes = nil, 0
		w.mu.Unlock()
		if len(values) > 0 || ended {
			signal(w.room)
			return values
		}
		<-w.filled
	}
}

// signal leaves a note in a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

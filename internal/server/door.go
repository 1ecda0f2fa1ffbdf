package server

import (
	"context"
	"fmt"
	"sync"
)

// A door counts the requests that are inside, and closes for good.
type door struct {
	open context.Context // ends when the door closes; never changes
	shut context.CancelFunc

	mu     sync.Mutex
	closed bool          // guarded by mu
	inside int           // guarded by mu
	empty  chan struct{} // closed when the door is closed and nobody is inside
}

func (d *door) init() {
	d.open, d.shut = context.WithCancel(context.Background())
	d.empty = make(chan struct{})
}

// enter lets a request in. It reports false if the door is closed.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.inside++
	return true
}

// leave lets a request out.
func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.closed && d.inside == 0 {
		close(d.empty)
	}
}

// close closes the door and waits until nobody is inside.
func (d *door) close(ctx context.Context) error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		d.shut()
		if d.inside == 0 {
			close(d.empty)
		}
	}
	d.mu.Unlock()
	select {
	case <-d.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain server: %w", ctx.Err())
	}
}

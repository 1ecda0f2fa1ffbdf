package index

import (
	"context"
	"fmt"
	"time"

	"github.com/annals-io/annals/engine"
)

// changedLocked publishes the parts and tells whoever waits.
func (x *Index) changedLocked() {
	x.publish()
	waiting, holes := 0, false
	for _, p := range x.parts {
		switch p := p.(type) {
		case *tail:
			waiting++
		case hole:
			holes = holes || !p.unreadable
		}
	}
	x.waiting.Store(holes || waiting > 1)
	x.crowded.Store(holes || waiting > maxWaiting+1 || x.refused != nil) // one of them is the active one
	x.tellLocked()
	wake(x.work)
	wake(x.ripe)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tellLocked wakes those who wait.
func (x *Index) tellLocked() {
	close(x.freed)
	x.freed = make(chan struct{})
}

// Refuse makes Wait return err from now on. The first call counts.
func (x *Index) Refuse(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refused == nil {
		x.refused = err
		x.crowded.Store(true)
		x.tellLocked()
	}
}

// stuck is how long one step of maintaining may take before those who wait for it
// are told that it does not get on.
const stuck = 20 * time.Second

// Waiting reports whether there is something to write once it is durable.
func (x *Index) Waiting() bool { return x.waiting.Load() }

// Wait returns once the index has come near enough for entries to be added: it
// knows all ids, and not too many entries wait to be written. It ends with ctx, or
// when done or dead is closed, and with an error when the index cannot get on.
func (x *Index) Wait(ctx context.Context, done, dead <-chan struct{}) error {
	for x.crowded.Load() {
		x.mu.Lock()
		freed, paused, refused, busy := x.freed, x.paused, x.refused, x.busySince
		x.mu.Unlock()
		var late <-chan time.Time
		if !busy.IsZero() {
			late = time.After(stuck - time.Since(busy))
		}
		switch {
		case !x.crowded.Load():
			return nil
		case refused != nil:
			return refused
		case paused != nil:
			return fmt.Errorf("%w: the index cannot be written: %w", engine.ErrUnavailable, paused)
		case !busy.IsZero() && time.Since(busy) >= stuck:
			return fmt.Errorf("%w: the index does not get on: its disk does not answer", engine.ErrUnavailable)
		}
		select {
		case <-late:
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return engine.ErrClosed
		case <-dead:
			return fmt.Errorf("%w: the disk does not answer", engine.ErrUnavailable)
		}
	}
	return nil
}

// Poke makes the maintainer look again, if it may be waiting for entries to become
// durable.
func (x *Index) Poke() {
	if x.waiting.Load() {
		wake(x.work)
	}
}

// Work receives when there may be something for [Index.Maintain] to do.
func (x *Index) Work() <-chan struct{} { return x.work }

// Ripe receives when there may be something for [Index.Merge] to do.
func (x *Index) Ripe() <-chan struct{} { return x.ripe }

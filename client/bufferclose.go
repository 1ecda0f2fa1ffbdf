package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/annals-io/annals"
)

// Flush waits until everything that was taken before is delivered or rejected, what an
// earlier process has left included. Errors: that of ctx; [annals.ErrInvalid] if events
// were rejected since the last call that nobody else was told of.
func (b *Buffer) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushing++
	b.changed.Broadcast()
	target := b.accepted
	err := b.waitLocked(ctx, func() bool { return b.settled >= target && !b.hasOldLocked() || b.ctx.Err() != nil })
	b.flushing--
	if err != nil {
		return err
	}
	return errors.Join(b.rejectedLocked(), ended(b.ctx))
}

// hasOldLocked reports whether something of an earlier process is left that can be read.
func (b *Buffer) hasOldLocked() bool { return b.spill != nil && !b.unread && b.spill.hasOld() }

// An UnsentError reports events that are not delivered when a [Buffer] is closed, and are
// nowhere else. Some may be stored nevertheless; each has an id, so that it can be
// appended again.
type UnsentError struct {
	Events []annals.Encoded
	Err    error // why
}

func (e *UnsentError) Error() string {
	return fmt.Sprintf("%d events were not delivered: %v", len(e.Events), e.Err)
}

func (e *UnsentError) Unwrap() error { return e.Err }

// Close takes no more events and delivers what it has, in flight included, until ctx ends.
// What is left then goes to the files of spilled events, from which the next process
// delivers it; without them the error is an *[UnsentError] that has it. Other errors are
// those of [Buffer.Flush].
func (b *Buffer) Close(ctx context.Context) error {
	b.mu.Lock()
	closed := b.closing
	b.closing = true
	b.mu.Unlock()
	if closed {
		return nil
	}
	err := b.enter(ctx) // behind everybody who is inside
	if err == nil {
		<-b.door
		err = b.Flush(ctx)
	}
	b.cancel(errStopped)
	b.loops.Wait()
	b.door <- struct{}{} // nobody is inside, and whoever comes is refused
	<-b.door
	b.reportLast()
	if b.spill == nil {
		return errors.Join(b.unsent(err), err)
	}
	if left := b.keep(); left != nil {
		return errors.Join(left, err, b.spill.close())
	}
	if ctx.Err() != nil {
		err = nil // the events are kept
	}
	return errors.Join(err, b.spill.close())
}

// reportLast adds what was dropped and not journalled to what is left.
func (b *Buffer) reportLast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if own := b.reportLocked(); own != nil {
		b.queue = append(b.queue, own)
	}
}

// keep writes what is in memory to files. Nobody else is about any more.
func (b *Buffer) keep() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	texts := make([][]byte, 0, len(b.queue))
	for _, e := range b.queue {
		texts = append(texts, e.text)
	}
	if len(texts) == 0 {
		return nil
	}
	if err := b.spill.append(texts...); err != nil {
		return b.unsentLocked(err)
	}
	b.queue, b.bytes = nil, 0
	return nil
}

// unsent returns an error with what is left in memory, nil if nothing is.
func (b *Buffer) unsent(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unsentLocked(err)
}

func (b *Buffer) unsentLocked(err error) error {
	if len(b.queue) == 0 {
		return nil
	}
	u := &UnsentError{Err: err}
	for _, e := range b.queue {
		u.Events = append(u.Events, e.event)
	}
	return u
}

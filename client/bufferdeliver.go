package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/annals-io/annals"
)

// deliver sends a batch until all of it is settled. It reports false when the buffer is
// closed, or the batch is to go to files first; the batch then holds what is left.
func (b *Buffer) deliver(next *batch, most *sizes) bool {
	r := &retrier{pauses: newPauses()}
	if most.asked == 0 {
		b.agree(most)
	}
	for len(next.events) > 0 {
		part := next.events[:min(len(next.events), most.events)]
		left, err := b.try(part, most)
		next.events = append(left, next.events[len(part):]...)
		if b.noteTry(err); err != nil {
			b.letIn(next) // it may take long
		}
		switch {
		case err == nil:
			r.pauses.Reset()
			b.agree(most) // if it could not be asked before
		case next.from == nil && b.opts.Policy == Spill:
			return false
		case !sleep(b.ctx, r.wait(err)):
			return false
		}
	}
	if next.from != nil {
		b.passSpilled(next)
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled += uint64(next.taken)
	b.changed.Broadcast()
	return true
}

// wait returns how long to wait after an error.
func (r *retrier) wait(err error) time.Duration {
	wait := r.pauses.NextBackOff()
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, e.RetryAfter)
	}
	return wait
}

// noteTry notes whether the server takes what it is sent.
func (b *Buffer) noteTry(err error) {
	b.mu.Lock()
	b.down = err != nil
	b.changed.Broadcast()
	b.mu.Unlock()
	if err != nil && b.ctx.Err() == nil {
		b.logError("append buffered events", err)
		if b.opts.OnError != nil {
			b.opts.OnError(err)
		}
	}
}

// try makes one try to deliver events. It returns those that are left, and an error if a
// pause should come before they are sent again.
func (b *Buffer) try(events []*buffered, most *sizes) (left []*buffered, err error) {
	var body []byte
	for _, e := range events {
		body = append(append(body, e.text...), '\n')
	}
	results, err := b.client.appendEach(b.ctx, body, len(events), func(i int) string { return events[i].event.ID() })
	e, told := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return b.settle(events, results)
	case isTooLarge(err) && len(events) > 1:
		most.events = max(1, len(events)/2)
		return events, nil
	case told && isVerdict(e) && len(events) > 1:
		return b.tryEach(events, most)
	case told && isVerdict(e):
		b.reject(events[0], err)
		return nil, nil
	}
	return events, err
}

// tryEach makes one try to deliver each event alone, up to the first that is not settled.
func (b *Buffer) tryEach(events []*buffered, most *sizes) (left []*buffered, err error) {
	for i := range events {
		if left, err := b.try(events[i:i+1], most); len(left) > 0 {
			return events[i:], err
		}
	}
	return nil, nil
}

// settle takes the results of a request. It returns the events that are left.
func (b *Buffer) settle(events []*buffered, results []itemResult) (left []*buffered, err error) {
	done := uint64(0)
	for i, e := range events {
		switch failed := results[i].err; {
		case failed == nil:
			done++
		case !isPoison(failed):
			left, err = append(left, e), failed
		default:
			b.reject(e, named(failed, nil, []annals.Encoded{e.event}))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Delivered += done
	b.changed.Broadcast()
	return left, err
}

// isPoison reports whether an event would be refused whenever it is sent. A server with a
// fault may be mended.
func isPoison(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status/100 == 4 && !isTransient(err) && !errors.Is(err, ErrUnauthenticated)
}

// reject deals with an event that the server refuses for good.
func (b *Buffer) reject(e *buffered, err error) {
	b.logError("event rejected", err, "id", e.event.ID())
	told := b.opts.OnReject != nil
	if told {
		b.opts.OnReject(e.event, err)
	}
	if b.spill != nil {
		line, _ := json.Marshal(err.Error()) // a string has a JSON
		keepErr := b.spill.reject(b.opts.SpillBytes, slices.Concat([]byte(`{"error":`), line, []byte(`,"event":`), e.text, []byte("}\n")))
		if told = told || keepErr == nil; keepErr != nil {
			b.logError("rejected event is not kept", keepErr)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Rejected++
	if !told {
		b.untold++
	}
}

// rejectedLocked returns an error if events were rejected that nobody was told of.
func (b *Buffer) rejectedLocked() error {
	n := b.untold
	b.untold = 0
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w: the server refused %d events; OnReject or Dir would have them", annals.ErrInvalid, n)
}

// giveBack puts what is left of a batch from memory back to the front of it or, with the
// policy Spill, into files with all that is behind it. A batch from files is there anyway.
func (b *Buffer) giveBack(next *batch) {
	if next.from != nil {
		return
	}
	b.mu.Lock()
	b.settled += uint64(next.taken - next.left())
	for _, e := range next.events {
		b.bytes += len(e.text)
	}
	b.queue = append(next.events, b.queue...)
	b.changed.Broadcast()
	b.mu.Unlock()
	if b.opts.Policy == Spill && b.ctx.Err() == nil && !b.spillQueue() {
		sleep(b.ctx, longestPause) // neither the server nor the disk takes them
	}
}

// spillQueue moves what is in memory to files. It reports whether it could.
func (b *Buffer) spillQueue() bool {
	if b.enter(b.ctx) != nil {
		return false
	}
	defer func() { <-b.door }()
	b.mu.Lock()
	texts := make([][]byte, len(b.queue))
	for i, e := range b.queue {
		texts[i] = e.text
	}
	b.mu.Unlock()
	if len(texts) == 0 {
		return true
	}
	if err := b.spill.append(texts...); err != nil {
		b.logError("spill buffered events", err) // they stay in memory
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue, b.bytes = nil, 0
	b.changed.Broadcast()
	return true
}

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/annals-io/annals"
)

// A dropped counts events that were dropped.
type dropped struct {
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

func (d *dropped) add(now time.Time) {
	if d.Count == 0 {
		d.First = now
	}
	d.Count++
	d.Last = now
}

// A batch is what one request delivers.
type batch struct {
	events []*buffered // not settled yet
	taken  int         // how many events of callers were taken from memory
	from   *spilled    // where they come from, if that is files
	alone  bool        // producers are kept out meanwhile
}

// left returns how many events of callers are not settled.
func (n *batch) left() (count int) {
	for _, e := range n.events {
		if !e.own {
			count++
		}
	}
	return count
}

// sendLoop delivers events until the buffer is closed.
func (b *Buffer) sendLoop() {
	defer b.wake() // whoever waits for more
	most := b.sizes()
	for {
		next, ok := b.next(&most)
		if !ok {
			return
		}
		if !b.deliver(next, &most) {
			b.giveBack(next)
		}
		b.letIn(next)
	}
}

// letIn lets producers in again that a batch has kept out.
func (b *Buffer) letIn(next *batch) {
	if next.alone {
		next.alone = false
		<-b.door
	}
}

// sizes are the most that a batch may have.
type sizes struct {
	events, bytes int
	agreed        bool // with the server
}

func (b *Buffer) sizes() sizes { return sizes{events: b.opts.BatchEvents, bytes: b.opts.BatchBytes} }

// agree asks the server what it takes. If it cannot be asked, the next batch asks again.
func (b *Buffer) agree(s *sizes) {
	if s.agreed {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	var l Limits
	text, err := b.client.once(ctx, get(apiPath+"/limits", nil))
	if err != nil || json.Unmarshal(text, &l) != nil {
		return
	}
	l = l.withDefaults()
	s.events = min(s.events, l.AppendEvents)
	s.bytes = min(s.bytes, l.AppendBytes, int(min(l.BodyBytes, 1<<30)))
	s.agreed = true
}

// next waits for a batch. It reports false when the buffer is closed.
func (b *Buffer) next(most *sizes) (*batch, bool) {
	for {
		b.mu.Lock()
		ready := b.waitBatchLocked()
		next := new(batch)
		if ready && len(b.queue) > 0 {
			next.events = b.takeLocked(most)
			next.taken = next.left()
		}
		b.mu.Unlock()
		switch {
		case !ready:
			return nil, false
		case len(next.events) > 0:
			return next, true
		}
		if next, ok := b.nextSpilled(most); ok {
			return next, true
		}
	}
}

// waitBatchLocked waits until there is something to send. It reports false when the buffer
// is closed.
func (b *Buffer) waitBatchLocked() bool {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	defer context.AfterFunc(b.ctx, b.wake)()
	for {
		switch {
		case b.ctx.Err() != nil:
			return false
		case b.dueLocked():
			return true
		case timer == nil && len(b.queue) > 0:
			timer = time.AfterFunc(time.Until(b.queue[0].since.Add(b.opts.Age)), b.wake)
		}
		b.changed.Wait()
	}
}

// dueLocked reports whether something is to be sent now.
func (b *Buffer) dueLocked() bool {
	if len(b.queue) == 0 {
		return b.spill != nil && !b.unread && !b.spill.isEmpty()
	}
	return b.flushing > 0 || len(b.queue) >= b.opts.BatchEvents || b.bytes >= b.opts.BatchBytes ||
		len(b.queue) >= b.opts.Events || b.bytes >= b.opts.Bytes || time.Since(b.queue[0].since) >= b.opts.Age
}

// takeLocked takes a batch from memory, led by the report of what was dropped.
func (b *Buffer) takeLocked(most *sizes) []*buffered {
	var out []*buffered
	if own := b.reportLocked(); own != nil {
		out = append(out, own)
	}
	bytes := 0
	for len(b.queue) > 0 && (len(out) == 0 || len(out) < most.events && bytes+len(b.queue[0].text) <= most.bytes) {
		e := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.bytes -= len(e.text)
		bytes += len(e.text)
		out = append(out, e)
	}
	b.changed.Broadcast() // there is room
	return out
}

// reportLocked returns the event that says what was dropped, nil if nothing was.
func (b *Buffer) reportLocked() *buffered {
	if b.dropped.Count == 0 {
		return nil
	}
	d := b.dropped
	e, err := annals.Event{
		Type: TypeDropped, Tenant: b.opts.Tenant, Severity: annals.SeverityWarning, Data: d, Producer: annals.Producer{ID: b.producer},
		Message: fmt.Sprintf("%d events were dropped: the buffer was full", d.Count),
	}.Encode()
	if err == nil {
		e, err = e.Complete(context.Background(), d.Last)
	}
	if err != nil {
		b.logError("cannot report dropped events", err)
		return nil
	}
	b.dropped = dropped{}
	return &buffered{event: e, text: e.JSON(), own: true}
}

// nextSpilled reads a batch from files. It reports false if there was none.
func (b *Buffer) nextSpilled(most *sizes) (*batch, bool) {
	next := new(batch)
	if b.spill.left() <= int64(most.bytes) {
		// The last ones, if none follow them: then the files come to their end, and
		// memory will do again.
		if b.enter(b.ctx) != nil {
			return nil, false
		}
		next.alone = true
	}
	if b.readSpilled(next, most); len(next.events) > 0 {
		return next, true
	}
	b.letIn(next)
	return nil, false
}

// readSpilled fills a batch from files. It stays empty if there was nothing good.
func (b *Buffer) readSpilled(next *batch, most *sizes) {
	r, err := b.spill.read(most.events, most.bytes)
	if err != nil {
		b.fail("read spilled events", err)
		return
	}
	next.from = &r
	if r.damaged > 0 {
		b.logError("spilled events are damaged", errDamage, "count", r.damaged)
	}
	for _, text := range r.texts {
		e, err := annals.ParseEvent(text)
		if err != nil {
			b.reject(&buffered{text: text}, err)
			continue
		}
		next.events = append(next.events, &buffered{event: e, text: text})
	}
	if len(next.events) == 0 {
		b.passSpilled(next)
	}
}

// fail gives up reading files: they stay for the next process.
func (b *Buffer) fail(what string, err error) {
	b.logError(what, err)
	if b.opts.OnError != nil {
		b.opts.OnError(err)
	}
	b.mu.Lock()
	b.unread = true
	b.mu.Unlock()
}

// passSpilled notes that a batch from files is settled.
func (b *Buffer) passSpilled(done *batch) {
	if err := b.spill.delivered(*done.from); err != nil {
		b.logError("remove spilled events", err) // they are sent again by the next process, and are duplicates
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Damaged += uint64(done.from.damaged)
	if !done.from.old {
		b.settled += uint64(len(done.from.texts) + done.from.damaged)
	}
	b.changed.Broadcast()
}

// deliver sends a batch until all of it is settled. It reports false when the buffer is
// closed, or the batch is to go to files first; the batch then holds what is left.
func (b *Buffer) deliver(next *batch, most *sizes) bool {
	r := &retrier{pauses: newPauses()}
	for len(next.events) > 0 {
		b.agree(most)
		part := next.events[:min(len(next.events), most.events)]
		left, err := b.try(part, most)
		next.events = append(left, next.events[len(part):]...)
		if b.noteTry(err); err != nil {
			b.letIn(next) // it may take long
		}
		switch {
		case err == nil:
			r.pauses.Reset()
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
	results, err := b.client.appendEach(b.ctx, body, len(events))
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
		case isTransient(failed):
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

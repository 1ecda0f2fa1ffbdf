package client

import (
	"context"
	"encoding/json"
	"fmt"
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
	asked         int  // how often it was asked
}

func (b *Buffer) sizes() sizes { return sizes{events: b.opts.BatchEvents, bytes: b.opts.BatchBytes} }

// maxAsks is how often a server is asked what it takes. One that does not say refuses what
// is too large.
const maxAsks = 5

// agree asks the server what it takes.
func (b *Buffer) agree(s *sizes) {
	if s.agreed || s.asked == maxAsks {
		return
	}
	s.asked++
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
		return nil // the next batch has it
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

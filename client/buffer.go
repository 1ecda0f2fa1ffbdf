package client

import (
	"context"
	"sync"
	"time"

	"github.com/annals-io/annals"
)

// A Buffer appends events in the background. It takes an event and returns at once; what
// it has taken it delivers in order, in batches, once each, and keeps until the server has
// it, whatever the server answers meanwhile. Memory is bounded, and so are files.
//
// Events in memory are lost if the process dies. With the policy [Spill] that is no more
// than what a server that answers has not been sent yet.
//
// Its methods may be called concurrently.
type Buffer struct {
	client   *Client       // never changes
	opts     BufferOptions // never changes
	producer string        // never changes
	spill    *spill        // never changes; nil without a directory

	ctx    context.Context // of deliveries
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup

	// door lets in one producer at a time, so that events keep their order on the way
	// to memory or files. Whoever is inside waits for the disk only.
	door     chan struct{}
	sequence uint64 // of the newest event with a number; whoever is inside

	mu       sync.Mutex
	changed  sync.Cond   // of everything below, which mu guards
	queue    []*buffered // in memory, and not under way
	bytes    int         // of queue
	accepted uint64      // events taken
	settled  uint64      // of those: delivered or rejected, in their order
	down     bool        // the last try failed
	flushing int         // calls of Flush and Close that wait
	closing  bool
	unread   bool    // the spill cannot be read
	dropped  dropped // not yet journalled
	untold   uint64  // rejected events that nobody was told of
	stats    BufferStats
}

// A buffered event is one in memory.
type buffered struct {
	event annals.Encoded
	text  []byte
	since time.Time // when it was taken
	own   bool      // the buffer's own
}

// BufferStats count what a buffer has done.
type BufferStats struct {
	Queued       int    // events in memory, not under way
	SpilledBytes int64  // in files
	Accepted     uint64 // events taken
	Delivered    uint64 // of this process or an earlier one, duplicates included
	Rejected     uint64 // refused by the server for good
	Dropped      uint64
	Damaged      uint64 // lines of spill files that could not be read
	Down         bool   // the last try failed
}

// NewBuffer returns a buffer that appends with c, which must stay open as long. What an
// earlier process has left in the directory is delivered first. A nil opts means the
// defaults.
func NewBuffer(c *Client, opts *BufferOptions) (*Buffer, error) {
	b := &Buffer{client: c, opts: opts.withDefaults(), door: make(chan struct{}, 1)}
	if err := b.opts.validate(); err != nil {
		return nil, err
	}
	var err error
	if b.producer, err = b.opts.producer(); err != nil {
		return nil, err
	}
	if b.opts.Dir != "" {
		if b.spill, err = openSpill(b.opts.Dir); err != nil {
			return nil, err
		}
	}
	b.changed.L = &b.mu
	b.ctx, b.cancel = context.WithCancelCause(c.ctx)
	b.loops.Go(b.sendLoop)
	return b, nil
}

// Append takes an event, with the actor and tags of ctx. It gets an id, the time of the
// call and a number of the producer where it has none of its own. An event with an id that
// may be given to a buffer again, by the next process say, should have its own time and
// producer, too: otherwise it would differ.
//
// Errors mean that the event was not taken: [annals.ErrInvalid], [annals.ErrTooLarge],
// [ErrDropped], that of ctx, [annals.ErrClosed], and those of the disk with the policy
// Spill.
func (b *Buffer) Append(ctx context.Context, event annals.Event) error {
	now := time.Now()
	for {
		if err := b.enter(ctx); err != nil {
			return err
		}
		room, err := b.room(now)
		if err == nil && room != noRoom {
			err = b.take(ctx, event, now, room)
		}
		<-b.door
		if err != nil || room != noRoom {
			return err
		}
		if err := b.waitRoom(ctx); err != nil {
			return err
		}
	}
}

// enter passes the door.
func (b *Buffer) enter(ctx context.Context) error {
	select {
	case b.door <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// A place is where an event goes.
type place int

const (
	noRoom place = iota
	inMemory
	inFiles
)

// room says where the next event goes. With the policy Drop, one that has no room is
// dropped.
func (b *Buffer) room(now time.Time) (place, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing || b.ctx.Err() != nil {
		return noRoom, annals.ErrClosed
	}
	p := b.placeLocked()
	if p == noRoom && b.opts.Policy == Drop {
		b.sequence++ // so that the gap shows
		b.dropped.add(now)
		b.stats.Dropped++
		return noRoom, ErrDropped
	}
	return p, nil
}

// placeLocked says where the next event goes.
func (b *Buffer) placeLocked() place {
	full := len(b.queue) >= b.opts.Events || b.bytes >= b.opts.Bytes
	behind := b.spill != nil && !b.spill.isEmpty() // and newer than what is in memory
	switch {
	case !full && !behind && !(b.down && b.opts.Policy == Spill):
		return inMemory
	case b.spill == nil || b.opts.Policy != Spill && !behind:
		return noRoom
	case b.spill.size() >= b.opts.SpillBytes:
		return noRoom
	}
	return inFiles
}

// waitRoom waits until there may be room.
func (b *Buffer) waitRoom(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waitLocked(ctx, func() bool { return b.closing || b.ctx.Err() != nil || b.placeLocked() != noRoom })
}

// waitLocked waits until ready, or the end of ctx.
func (b *Buffer) waitLocked(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	defer context.AfterFunc(ctx, b.wake)()
	for !ready() {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		b.changed.Wait()
	}
	return nil
}

// wake lets everybody look again.
func (b *Buffer) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.Broadcast()
}

// take puts an event into its place.
func (b *Buffer) take(ctx context.Context, event annals.Event, now time.Time, where place) error {
	if event.Producer == (annals.Producer{}) {
		event.Producer = annals.Producer{ID: b.producer, Sequence: b.sequence + 1}
	}
	e, err := event.Encode()
	if err == nil {
		e, err = e.Complete(ctx, now)
	}
	if err != nil {
		return err
	}
	text := e.JSON()
	if where == inFiles {
		if err := b.spill.append(text); err != nil {
			return err
		}
	}
	if event.Producer.ID == b.producer {
		b.sequence++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if where == inMemory {
		b.queue = append(b.queue, &buffered{event: e, text: text, since: now})
		b.bytes += len(text)
	}
	b.accepted++
	b.changed.Broadcast()
	return nil
}

// Stats returns what the buffer has done so far.
func (b *Buffer) Stats() BufferStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Queued, s.Accepted, s.Down = len(b.queue), b.accepted, b.down
	if b.spill != nil {
		s.SpilledBytes = b.spill.size()
	}
	return s
}

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/annals-io/annals"
)

// StreamOptions bound what a [Stream] holds. The zero value is ready to use.
type StreamOptions struct {
	// Events and Bytes bound the events that were sent and whose answer was not
	// received yet. Zero means 1,000 events and 8 MiB; an event larger than that goes
	// alone.
	Events, Bytes int
}

// An Ack is what became of an event.
type Ack struct {
	Event   annals.Encoded // as it was sent, with its id
	Receipt annals.Receipt // if Err is nil
	Err     error          // those of [Client.Append]
}

// A Stream appends events one after another, each on its own, over one connection at a
// time, which is made again as needed: what has no answer then is sent again, and added
// once. Answers come in the order of [Stream.Send]; so do positions, but for events that
// had to be sent again.
//
// Its methods may be called concurrently. Somebody must call [Stream.Receive]: Send
// waits when too much was not received.
type Stream struct {
	client *Client       // never changes
	opts   StreamOptions // never changes

	ctx    context.Context // of the connections
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // of everything below, which mu guards
	pending []*streamed
	next    int // of pending: what the connection has not been given yet
	acks    []received
	held    int   // bytes of pending and acks
	closing bool  // no more is sent
	ended   bool  // no more is answered
	err     error // why, if not because all was
}

// A streamed event is one without an answer.
type streamed struct {
	event annals.Encoded
	text  []byte
	sent  bool // on this connection or on one before
}

// A received is an answer that waits for [Stream.Receive].
type received struct {
	ack   Ack
	bytes int
}

// Stream returns a stream of appends. It ends with ctx, with [Stream.Close], or when the
// server stays away for [Options.RetryFor]; events without an answer are then received
// with an error. A nil opts means the defaults.
func (c *Client) Stream(ctx context.Context, opts *StreamOptions) *Stream {
	s := &Stream{client: c}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Events = cmp.Or(max(0, s.opts.Events), 1000)
	s.opts.Bytes = cmp.Or(max(0, s.opts.Bytes), 8<<20)
	s.changed.L = &s.mu
	bound, done := c.bound(ctx)
	s.ctx, s.cancel = context.WithCancelCause(bound)
	s.loops.Go(func() { s.connectLoop(done) })
	return s
}

// Send gives an event to the stream, with the actor and tags of ctx and a new id if it has
// none. It waits while the stream holds too much. An error means that the event was not
// taken: [annals.ErrInvalid], [annals.ErrTooLarge], that of ctx, or why the stream has
// ended.
func (s *Stream) Send(ctx context.Context, event annals.Event) error {
	e, err := event.Encode()
	if err != nil {
		return err
	}
	return s.SendEncoded(ctx, e)
}

// SendEncoded is [Stream.Send] for an event in canonical form.
func (s *Stream) SendEncoded(ctx context.Context, event annals.Encoded) error {
	e, err := event.Complete(ctx, time.Time{})
	if err != nil {
		return err
	}
	item := &streamed{event: e, text: e.JSON()}
	s.mu.Lock()
	defer s.mu.Unlock()
	full := func() bool {
		n := len(s.pending) + len(s.acks)
		return n > 0 && (n >= s.opts.Events || s.held+len(item.text) > s.opts.Bytes)
	}
	if err := s.waitLocked(ctx, func() bool { return s.closing || s.ended || !full() }); err != nil {
		return err
	}
	if s.closing || s.ended {
		return s.endErrorLocked()
	}
	s.pending = append(s.pending, item)
	s.held += len(item.text)
	s.changed.Broadcast()
	return nil
}

// Receive returns the next answer. After [Stream.CloseSend] and the last answer the error
// is [io.EOF]; after the answers that there are, it says why the stream has ended.
func (s *Stream) Receive(ctx context.Context) (Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.waitLocked(ctx, func() bool { return len(s.acks) > 0 || s.ended }); err != nil {
		return Ack{}, err
	}
	if len(s.acks) == 0 {
		return Ack{}, cmp.Or(s.err, io.EOF)
	}
	r := s.acks[0]
	s.acks[0] = received{}
	s.acks = s.acks[1:]
	s.held -= r.bytes
	s.changed.Broadcast()
	return r.ack, nil
}

// waitLocked waits until ready, or the end of ctx.
func (s *Stream) waitLocked(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	defer context.AfterFunc(ctx, s.wake)()
	for !ready() {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		s.changed.Wait()
	}
	return nil
}

// wake lets everybody look again.
func (s *Stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// endErrorLocked says why nothing is taken any more.
func (s *Stream) endErrorLocked() error {
	if s.err != nil {
		return s.err
	}
	return annals.ErrClosed
}

// CloseSend says that no more is sent. Answers go on coming.
func (s *Stream) CloseSend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.changed.Broadcast()
}

// Close ends the stream at once, and waits for that. Events without an answer may be
// stored or not: they are received with [annals.ErrUnknown]. It always returns nil.
func (s *Stream) Close() error {
	s.CloseSend()
	s.cancel(annals.ErrClosed)
	s.loops.Wait()
	return nil
}

// end ends the stream. What is pending gets the error.
func (s *Stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing, s.ended, s.err = true, true, err
	for len(s.pending) > 0 {
		e := err
		if s.pending[0].sent && !errors.Is(err, annals.ErrUnknown) {
			e = fmt.Errorf("%w: %w", annals.ErrUnknown, err)
		}
		s.answerLocked(annals.Receipt{}, e)
	}
	s.changed.Broadcast()
}

// answerLocked gives the first pending event its answer.
func (s *Stream) answerLocked(receipt annals.Receipt, err error) {
	item := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	s.next = max(0, s.next-1)
	s.acks = append(s.acks, received{Ack{item.event, receipt, err}, len(item.text)})
}

package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// frameBytes is how much a subscriber gets at once. What a slow one holds is this much
// and no more: between two writes it holds nothing of the journal.
const frameBytes = 16 << 10

// A subscriber gets the entries that a query chooses as server-sent events.
type subscriber struct {
	x        *exchange
	ctx      context.Context
	follower *annals.Follower
	control  *http.ResponseController
	query    string // as others have it that want the same; "" if that cannot be told
	out      []byte
}

// getStream sends what a filter chooses from a position on, and then what comes.
func getStream(x *exchange) error {
	from, err := x.streamStart()
	if err != nil {
		return err
	}
	tenants, err := x.readable()
	if err != nil {
		return err
	}
	f, err := x.server.journal.Follower(from, annals.Query{Params: x.query, Tenants: tenants})
	if err != nil {
		return err
	}
	ctx, cancel := x.streamContext()
	defer cancel()
	s := &subscriber{x: x, ctx: ctx, follower: f, control: http.NewResponseController(x.w)}
	if s.query = channelKey(x.query, tenants); s.query != "" {
		x.server.frames.join(s.query)
		defer x.server.frames.leave(s.query)
	}
	clearDeadlines(s.control)
	h := x.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Accel-Buffering"] = []string{"no"} // for proxies that would wait for more
	x.head(http.StatusOK)
	if x.r.Method == http.MethodHead {
		return nil
	}
	return s.run()
}

// streamStart returns the position from which a stream starts: behind that of the header
// Last-Event-ID, with which a client comes back, or else the parameter from.
func (x *exchange) streamStart() (annals.Position, error) {
	from, err := x.take("from")
	if err != nil {
		return 0, err
	}
	if last := x.r.Header.Get("Last-Event-ID"); last != "" {
		n, err := strconv.ParseUint(last, 10, 64)
		if err != nil || n == math.MaxUint64 {
			return 0, problemf(codeInvalid, "the header Last-Event-ID is no position")
		}
		return annals.Position(n + 1), nil
	}
	if from == "" || from == "now" {
		return x.server.journal.Size(), nil
	}
	n, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		return 0, badParam("from", "is no position, and not now")
	}
	return annals.Position(n), nil
}

// run sends until the subscriber leaves or the server drains.
func (s *subscriber) run() error {
	if err := s.send([]byte(": stream of entries\n\n")); err != nil {
		return err
	}
	for {
		err := s.next()
		switch {
		case errors.Is(err, errLeft):
			return err
		case s.x.r.Context().Err() != nil, context.Cause(s.ctx) == errDraining:
			return nil // which a client takes for a reason to come back
		case context.Cause(s.ctx) == access.ErrUnauthenticated:
			return s.end(access.ErrUnauthenticated)
		case err != nil:
			return s.end(err)
		}
	}
}

// next sends the next frame, or waits for what it could have.
func (s *subscriber) next() error {
	f, err := s.frame()
	switch {
	case err != nil:
		return err
	case len(f.text) > 0:
		return s.send(f.text)
	case f.from < f.next:
		return nil // there was nothing for this subscriber
	}
	return s.wait()
}

// frame returns the frame that begins where the subscriber is, which others may have
// made, and goes behind it.
func (s *subscriber) frame() (*frame, error) {
	if s.query == "" {
		return s.collect(s.out[:0])
	}
	key := frameKey{s.query, s.follower.Position()}
	f, wanted := s.x.server.frames.find(key)
	if f != nil {
		s.follower.Seek(f.next)
		return f, nil
	}
	if !wanted {
		return s.collect(s.out[:0])
	}
	f, err := s.collect(nil)
	s.out = nil // it is shared
	if err == nil && f.from < f.next {
		s.x.server.frames.keep(key, f)
	}
	return f, err
}

// collect makes a frame in buf.
func (s *subscriber) collect(buf []byte) (*frame, error) {
	f := &frame{from: s.follower.Position()}
	if s.out = buf; cap(buf) > keptBytes {
		s.out = nil // it had a large entry
	}
	for e, err := range s.follower.Available(s.ctx) {
		if c, ok := errors.AsType[*annals.CorruptError](err); ok {
			s.damage(c)
			continue
		}
		if err != nil {
			return f, err
		}
		if s.out == nil {
			s.out = make([]byte, 0, frameBytes+frameBytes/8)
		}
		if s.entry(&e); len(s.out) >= frameBytes {
			break
		}
	}
	f.next, f.text = s.follower.Position(), s.out
	return f, nil
}

// entry adds an entry. Its text has no line break, since it is canonical JSON.
func (s *subscriber) entry(e *annals.Entry) {
	s.out = strconv.AppendUint(append(s.out, "id: "...), uint64(e.Position), 10)
	s.out = append(append(s.out, "\ndata: "...), e.JSON...)
	s.out = append(s.out, "\n\n"...)
}

// damage adds that entries cannot be read.
func (s *subscriber) damage(c *annals.CorruptError) {
	s.x.logFailure(corruptProblem(c), c)
	s.out = append(s.out, "event: damage\ndata: "...)
	s.out = append(appendGap(s.out, c), "\n\n"...)
}

// wait waits for an entry, or for the time of a sign of life.
func (s *subscriber) wait() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.x.server.opts.Heartbeat)
	defer cancel()
	err := s.follower.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) && s.ctx.Err() == nil {
		return s.send([]byte(": alive\n\n"))
	}
	return err
}

// send sends a piece of the stream.
func (s *subscriber) send(text []byte) error { return s.x.sendNow(s.control, text) }

// end tells why the stream cannot go on.
func (s *subscriber) end(err error) error {
	p := problemOf(err)
	s.x.logFailure(p, err)
	text := p.appendJSON([]byte("event: problem\ndata: "), s.x.r.URL.EscapedPath(), s.x.id)
	return s.send(append(text, "\n\n"...))
}

package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

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
	_ = s.control.SetReadDeadline(noDeadline)
	h := x.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Accel-Buffering"] = []string{"no"} // for proxies that would wait for more
	x.head(http.StatusOK)
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
	s.out = append(s.out, ": stream of entries\n\n"...)
	for {
		if err := s.send(); err != nil {
			return err
		}
		more, err := s.collect()
		if err == nil && !more {
			err = s.wait()
		}
		switch {
		case s.x.r.Context().Err() != nil, context.Cause(s.ctx) == errDraining:
			return nil // which a client takes for a reason to come back
		case context.Cause(s.ctx) == access.ErrUnauthenticated:
			return s.end(access.ErrUnauthenticated)
		case err != nil:
			return s.end(err)
		}
	}
}

// collect takes entries up to the size of a frame. It reports whether there may be more.
func (s *subscriber) collect() (more bool, err error) {
	for e, err := range s.follower.Available(s.ctx) {
		if c, ok := errors.AsType[*annals.CorruptError](err); ok {
			s.damage(c)
			continue
		}
		if err != nil {
			return false, err
		}
		s.entry(&e)
		if len(s.out) >= frameBytes {
			return true, nil
		}
	}
	return len(s.out) > 0, nil
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
		s.out = append(s.out, ": alive\n\n"...)
		return nil
	}
	return err
}

// send sends what was collected.
func (s *subscriber) send() error {
	if len(s.out) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(answerTimeout))
	_, err := s.x.w.Write(s.out)
	if s.out = s.out[:0]; cap(s.out) > 2*frameBytes {
		s.out = nil // it had a large entry
	}
	if err == nil {
		err = s.control.Flush()
	}
	return left(err)
}

// end tells why the stream cannot go on.
func (s *subscriber) end(err error) error {
	p := problemOf(err)
	s.x.logFailure(p, err)
	s.out = append(s.out, "event: problem\ndata: "...)
	s.out = p.appendJSON(s.out, s.x.r.URL.EscapedPath(), s.x.id)
	s.out = append(s.out, "\n\n"...)
	return s.send()
}

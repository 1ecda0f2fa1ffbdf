package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/annals-io/annals"
)

// connectLoop makes connections until everything is answered, or an error that another
// connection would not help. done releases the stream's context.
func (s *Stream) connectLoop(done context.CancelFunc) {
	defer done()
	defer s.cancel(nil)
	r := s.client.newRetrier()
	for {
		if !s.waitPending() {
			s.end(nil)
			return
		}
		if err := s.ctx.Err(); err != nil {
			s.end(ended(s.ctx))
			return
		}
		conn := &streamConn{stream: s}
		err := conn.run()
		if conn.answered {
			r = s.client.newRetrier()
		}
		if err != nil && !r.pause(s.ctx, err) {
			s.end(readError(s.ctx, err))
			return
		}
	}
}

// waitPending waits for something to send. It reports false if nothing will come.
func (s *Stream) waitPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = 0
	_ = s.waitLocked(s.ctx, func() bool { return len(s.pending) > 0 || s.closing }) // the loop looks at ctx
	return len(s.pending) > 0 || !s.closing
}

// A streamConn is one connection of a stream.
type streamConn struct {
	stream   *Stream
	answered bool // something has come

	// Of watch; guarded by the stream's mu.
	answers, seen uint64
	timer         *time.Timer
}

// watch ends the connection when what was sent has no answer for [Options.Timeout]: it
// looks that often.
func (c *streamConn) watch(cancel context.CancelCauseFunc) (stop func()) {
	s := c.stream
	limit := s.client.opts.Timeout
	if limit <= 0 {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := false // at the last look
	c.timer = time.AfterFunc(limit, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if waiting && s.next > 0 && c.answers == c.seen {
			cancel(errSlow)
			return
		}
		waiting, c.seen = s.next > 0, c.answers
		c.timer.Reset(limit)
	})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.timer.Stop()
	}
}

// run makes the connection, and returns when it ends: without an error if everything
// that was sent is answered.
func (c *streamConn) run() error {
	s := c.stream
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	body, w := io.Pipe()
	var sender sync.WaitGroup
	sender.Go(func() { s.sendLoop(ctx, w) })
	defer sender.Wait()
	defer cancel(nil)
	k := post(eventsPath+"/stream", nil, typeNDJSON, nil)
	k.accept = typeNDJSON
	answer, err := s.client.begin(ctx, cancel, k, body)
	if err != nil {
		body.CloseWithError(err)
		return err
	}
	defer body.CloseWithError(errStopped)
	defer answer.Body.Close()
	defer c.watch(cancel)()
	err = c.read(newLines(answer.Body))
	if _, ok := errors.AsType[*Error](err); ok || err == nil {
		return err
	}
	return transportError(ctx, k, err)
}

// maxWrite is how much is given to a connection at once.
const maxWrite = 64 << 10

// sendLoop gives the connection what is to be sent, until ctx ends, or nothing will come.
func (s *Stream) sendLoop(ctx context.Context, w *io.PipeWriter) {
	defer w.Close() // the body's end, if not an error before
	for {
		text := s.takeUnsent(ctx)
		if len(text) == 0 {
			return
		}
		if _, err := w.Write(text); err != nil {
			return // the connection has ended, as its reader knows
		}
	}
}

// takeUnsent waits for events that the connection has not been given, and returns some of
// them, one a line.
func (s *Stream) takeUnsent(ctx context.Context) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waitLocked(ctx, func() bool { return s.next < len(s.pending) || s.closing }) != nil {
		return nil
	}
	var text []byte
	for s.next < len(s.pending) && (len(text) == 0 || len(text)+len(s.pending[s.next].text) < maxWrite) {
		item := s.pending[s.next]
		item.sent = true
		text = append(append(text, item.text...), '\n')
		s.next++
	}
	return text
}

// read takes the answers of a connection until it ends. Its end is an error while
// answers are missing.
func (c *streamConn) read(in *lines) error {
	for {
		line, err := in.next()
		if err == io.EOF {
			return c.stream.atEnd()
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := c.take(line); err != nil {
			return err
		}
	}
}

// atEnd returns an error if answers are missing.
func (s *Stream) atEnd() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// take gives the first pending event its answer. A problem that may pass ends the
// connection instead, so that what is behind it keeps its place.
func (c *streamConn) take(line []byte) error {
	var a struct {
		annals.Receipt
		Code   string `json:"code"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return err
	}
	var failed error
	if a.Code != "" {
		failed = parseProblem(line, errorStatus(a.Status))
		if isTransient(failed) {
			return failed
		}
	}
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == 0 {
		return failed // about the stream itself, as nothing was sent
	}
	if failed == nil {
		if err := checkReceipt(&a.Receipt, s.pending[0].event.ID()); err != nil {
			return err
		}
	}
	if failed != nil {
		failed = named(failed, nil, []annals.Encoded{s.pending[0].event})
	}
	c.answered = true
	c.answers++
	s.answerLocked(a.Receipt, failed)
	s.changed.Broadcast()
	return nil
}

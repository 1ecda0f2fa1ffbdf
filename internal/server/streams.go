package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/annals-io/annals/internal/access"
)

// errDraining ends the context of streams when the server goes down.
var errDraining = errors.New("the server is going down")

// errLeft reports that nobody takes the answer.
var errLeft = errors.New("the client left")

// left makes an error of writing one that says so.
func left(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errLeft, err)
}

// admitStream takes one of the streams that may be open at once.
func (x *exchange) admitStream() error {
	if !x.server.streams.take(1) {
		return busy("too many streams are open")
	}
	x.streaming = true
	return nil
}

// streamContext returns the request's context, which ends with errDraining when the
// server drains, and with [access.ErrUnauthenticated] when the credential is revoked.
func (x *exchange) streamContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	drained := context.AfterFunc(x.server.door.open, func() { cancel(errDraining) })
	revoked := context.AfterFunc(x.grant.Ended(), func() { cancel(access.ErrUnauthenticated) })
	return ctx, func() {
		drained()
		revoked()
		cancel(context.Canceled)
	}
}

// grantContext returns the request's context, which ends when the credential is revoked:
// for answers that may take long.
func (x *exchange) grantContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(x.r.Context())
	revoked := context.AfterFunc(x.grant.Ended(), cancel)
	return ctx, func() {
		revoked()
		cancel()
	}
}

// isDraining reports whether a stream's context ended because the server goes down.
func isDraining(ctx context.Context) bool { return context.Cause(ctx) == errDraining }

// noDeadline is for the body of a request that has no end, or none that counts.
var noDeadline time.Time

// clearDeadlines lifts the times that the server sets for a whole request: over HTTP/2
// they end a stream that merely has nothing to say.
func clearDeadlines(c *http.ResponseController) {
	// A server without deadlines, as in tests, has none to lift.
	_ = c.SetReadDeadline(noDeadline)
	_ = c.SetWriteDeadline(noDeadline)
}

// sendNow sends a piece of a stream, within a time of its own.
func (x *exchange) sendNow(c *http.ResponseController, text []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(answerTimeout))
	_, err := x.w.Write(text)
	if err == nil {
		err = c.Flush()
	}
	_ = c.SetWriteDeadline(noDeadline)
	return left(err)
}

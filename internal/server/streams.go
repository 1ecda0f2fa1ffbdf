package server

import (
	"context"
	"errors"
)

// errDraining ends the context of streams when the server goes down.
var errDraining = errors.New("the server is going down")

// admitStream takes one of the streams that may be open at once.
func (x *exchange) admitStream() error {
	if !x.server.streams.take(1) {
		p := problemf(codeUnavailable, "too many streams are open: repeat the request")
		p.retryAfter = retryAfter
		return p
	}
	x.streaming = true
	return nil
}

// streamContext returns the request's context, which ends with errDraining when the
// server drains.
func (x *exchange) streamContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	stop := context.AfterFunc(x.server.door.open, func() { cancel(errDraining) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

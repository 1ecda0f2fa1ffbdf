package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/annals-io/annals"
	"github.com/cenkalti/backoff/v5"
)

// Pauses between tries: each is about twice the one before, and half of it is
// chance, so that clients do not come back all at once.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

func newPauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: firstPause, MaxInterval: longestPause, Multiplier: 2, RandomizationFactor: 0.5,
	}
}

// mayBeSent reports whether a request that ended in an error may have arrived.
func mayBeSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	_, stranger := errors.AsType[*tls.CertificateVerificationError](err)
	return !stranger && !(ok && op.Op == "dial")
}

// isTransient reports whether the same request may succeed later.
func isTransient(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return e.Retryable
	}
	if _, stranger := errors.AsType[*tls.CertificateVerificationError](err); stranger {
		return false
	}
	_, ok := errors.AsType[*connectionError](err)
	return ok && !errors.Is(err, errTooLong) && !errors.Is(err, errLongLine) && !errors.Is(err, errAnswer)
}

// isUncertain reports whether the events of an append that ended in an error may be
// stored.
func isUncertain(err error) bool {
	if e, ok := errors.AsType[*connectionError](err); ok {
		return e.sent
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return false
	case e.Code == "":
		return e.Status >= 500 // of something in between
	}
	return errors.Is(err, annals.ErrUnknown)
}

// isVerdict reports whether an error settles what became of the events, whatever
// earlier tries have come to: the server has looked at them and refused them.
func isVerdict(err error) bool {
	_, conflict := errors.AsType[*annals.ConflictError](err)
	return conflict || errors.Is(err, annals.ErrInvalid) || errors.Is(err, annals.ErrTooLarge)
}

// A retrier decides about the tries of one call.
type retrier struct {
	pauses    *backoff.ExponentialBackOff
	until     time.Time // zero: no second try
	uncertain bool      // an earlier try may have been stored

	log  *slog.Logger
	told bool // that there is more than one try
}

// newRetrier returns the retrier of a call that begins now.
func (c *Client) newRetrier() *retrier {
	r := &retrier{pauses: newPauses(), log: c.opts.Logger}
	if c.opts.RetryFor > 0 {
		r.until = time.Now().Add(c.opts.RetryFor)
	}
	return r
}

// pause waits before the next try. It reports false if there is to be none.
func (r *retrier) pause(ctx context.Context, err error) bool {
	r.uncertain = r.uncertain || isUncertain(err)
	if ctx.Err() != nil || !isTransient(err) {
		return false
	}
	wait := r.pauses.NextBackOff()
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, e.RetryAfter)
	}
	if time.Now().Add(wait).After(r.until) {
		return false
	}
	if !r.told {
		r.told = true
		r.log.Warn("request failed and is repeated", "error", err)
	}
	return sleep(ctx, wait)
}

// sleep waits, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome returns the error of an append after its last try.
func (r *retrier) outcome(ctx context.Context, err error) error {
	if cause := ended(ctx); cause != nil && !errors.Is(err, cause) && !isVerdict(err) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	if r.uncertain && !isVerdict(err) && !errors.Is(err, annals.ErrUnknown) {
		return fmt.Errorf("%w: %w", annals.ErrUnknown, err)
	}
	return err
}

// do makes a call until it is answered, and returns the whole answer. The error is
// that of the last try, or what ended ctx.
func (c *Client) do(ctx context.Context, k *call) ([]byte, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	r := c.newRetrier()
	for {
		text, err := c.once(ctx, k)
		if err == nil {
			return text, nil
		}
		if r.pause(ctx, err) {
			continue
		}
		if k.method == http.MethodPost {
			return nil, r.outcome(ctx, err)
		}
		return nil, readError(ctx, err)
	}
}

// readError returns the error of a call that changes nothing.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return err
}

package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/annals-io/annals"
)

// A Client speaks to one server. Its methods may be called concurrently.
type Client struct {
	base *url.URL     // never changes
	opts Options      // never changes
	http *http.Client // never changes

	// ctx ends when the client is closed, and with it every request.
	ctx   context.Context
	close context.CancelCauseFunc

	single coalescer // of single appends
}

// New returns a client of the server at an address such as
// https://annals.example.com or http://127.0.0.1:7300. It makes no request. A nil
// opts means the defaults.
func New(address string, opts *Options) (*Client, error) {
	base, err := parseBase(address)
	if err != nil {
		return nil, err
	}
	o := opts.withDefaults()
	if err := o.validate(base); err != nil {
		return nil, err
	}
	c := &Client{base: base, opts: o, http: new(http.Client)}
	if o.HTTP != nil {
		*c.http = *o.HTTP
	} else {
		c.http.Transport = transport()
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.ctx, c.close = context.WithCancelCause(context.Background())
	c.single.client = c
	return c, nil
}

// Close ends calls in progress and closes idle connections. The outcome of an append
// that it ends is unknown: wait for appends first. It always returns nil.
func (c *Client) Close() error {
	c.single.stop()
	c.close(annals.ErrClosed)
	c.single.loops.Wait()
	if c.opts.HTTP == nil {
		c.http.CloseIdleConnections()
	}
	return nil
}

// URL returns the address of the server.
func (c *Client) URL() string { return c.base.String() }

// ended says why a context has ended, nil if it has not: what this package ends one with,
// or else the context's error.
func ended(ctx context.Context) error {
	switch cause := context.Cause(ctx); cause {
	case annals.ErrClosed, errSlow, errStopped:
		return cause
	}
	return ctx.Err()
}

// bound returns a context that ends with ctx, or when the client is closed.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(annals.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/annals-io/annals"
)

// apiPath is where the routes of the journal begin.
const apiPath = "/api/v1/audit"

// Types of content.
const (
	typeJSON        = "application/json"
	typeNDJSON      = "application/x-ndjson"
	typeEventStream = "text/event-stream"
)

// maxAnswerBytes bounds an answer that is read as a whole: a page of the largest
// entries, or the receipts of the largest append.
const maxAnswerBytes = 96 << 20

// A call is one request that can be made again.
type call struct {
	method string
	path   string // below the base, escaped
	query  url.Values
	accept string

	body        []byte
	contentType string
}

// get returns a call that reads.
func get(path string, query url.Values) *call {
	return &call{method: http.MethodGet, path: path, query: query, accept: typeJSON}
}

// post returns a call that appends.
func post(path string, query url.Values, contentType string, body []byte) *call {
	return &call{method: http.MethodPost, path: path, query: query, accept: typeJSON, body: body, contentType: contentType}
}

// request makes the HTTP request of a call. A body other than that of the call
// takes its place.
func (c *Client) request(ctx context.Context, k *call, body io.Reader) (*http.Request, error) {
	target := c.base.String() + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	if body == nil && k.body != nil {
		body = bytes.NewReader(k.body)
	}
	r, err := http.NewRequestWithContext(ctx, k.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Accept", k.accept)
	r.Header.Set("User-Agent", c.opts.UserAgent)
	if k.contentType != "" {
		r.Header.Set("Content-Type", k.contentType)
		r.Header.Set("Accept-Encoding", "identity") // receipts are short, and soon wanted
	}
	token := c.opts.Token
	if c.opts.TokenSource != nil {
		if token, err = c.opts.TokenSource(ctx); err != nil {
			return nil, fmt.Errorf("get token: %w", err)
		}
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// open makes one try of a call and returns an answer that is no error. The caller
// closes its body.
func (c *Client) open(ctx context.Context, k *call, body io.Reader) (*http.Response, error) {
	r, err := c.request(ctx, k, body)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, transportError(ctx, k, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, readProblem(answer)
}

// once makes one try of a call and reads the whole answer.
func (c *Client) once(ctx context.Context, k *call) ([]byte, error) {
	if c.opts.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.opts.Timeout, errSlow)
		defer cancel()
	}
	answer, err := c.open(ctx, k, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := readAll(answer)
	if err != nil {
		return nil, transportError(ctx, k, err)
	}
	return text, nil
}

// begin makes one try of a call whose answer is read bit by bit. Time is bounded
// until the answer begins. The answer ends with ctx, so cancel is the caller's.
func (c *Client) begin(ctx context.Context, cancel context.CancelCauseFunc, k *call, body io.Reader) (*http.Response, error) {
	if c.opts.Timeout > 0 {
		limit := time.AfterFunc(c.opts.Timeout, func() { cancel(errSlow) })
		defer limit.Stop()
	}
	return c.open(ctx, k, body)
}

var (
	errSlow    = errors.New("the server does not answer in time")
	errTooLong = errors.New("the answer is longer than any that was asked for")
	errAnswer  = errors.New("the server's answer is not understood")
)

// readAll reads the body of an answer.
func readAll(answer *http.Response) ([]byte, error) {
	var text bytes.Buffer
	if n := answer.ContentLength; n > 0 && n <= maxAnswerBytes {
		text.Grow(int(n) + bytes.MinRead)
	}
	n, err := text.ReadFrom(io.LimitReader(answer.Body, maxAnswerBytes+1))
	if err == nil && n > maxAnswerBytes {
		err = errTooLong
	}
	return text.Bytes(), err
}

// A transportError says that a request got no answer, or not all of it.
func transportError(ctx context.Context, k *call, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text has the address again
	}
	if cause := ended(ctx); cause != nil {
		err = cause
	}
	return &connectionError{call: k.method + " " + k.path, sent: mayBeSent(err), err: err}
}

// A connectionError is a call without an answer.
type connectionError struct {
	call string
	sent bool // the server may have got it
	err  error
}

func (e *connectionError) Error() string { return e.call + ": " + e.err.Error() }

// Unwrap returns what it means for the caller, and the cause.
func (e *connectionError) Unwrap() []error { return []error{annals.ErrUnavailable, e.err} }

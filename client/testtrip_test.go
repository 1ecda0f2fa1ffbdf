package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// A tripper answers requests in place of a server.
type tripper func(r *http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return f(r)
}

// newTripped returns a client whose requests f answers.
func newTripped(t *testing.T, o client.Options, f tripper) *client.Client {
	t.Helper()
	o.HTTP = &http.Client{Transport: f}
	c, err := client.New("http://127.0.0.1:7300", &o)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// answer returns an answer; headers are names and values in turn.
func answer(status int, body string, headers ...string) *http.Response {
	a := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	for i := 0; i < len(headers); i += 2 {
		a.Header.Set(headers[i], headers[i+1])
	}
	return a
}

// problem returns an answer that is a problem document.
func problem(status int, code string, headers ...string) *http.Response {
	return answer(status, problemText(status, code, ""), append([]string{"Content-Type", "application/problem+json"}, headers...)...)
}

// problemText returns a problem document, with more members.
func problemText(status int, code, more string) string {
	retryable := status == 429 || status == 503
	return fmt.Sprintf(`{"type":"about:blank","title":"t","status":%d,"detail":"it is %s","code":%q,"request_id":"r","retryable":%t%s}`,
		status, code, code, retryable, more)
}

// receiptText returns the receipt of an event.
func receiptText(id string, p int) string {
	return fmt.Sprintf(`{"id":%q,"position":%d,"recorded_at":"2026-01-31T08:00:00.000000000Z","hash":"%064d","duplicate":false,"durable":true}`, id, p, p)
}

// ids returns the ids of the events that a request appends.
func ids(r *http.Request) []string { return idsAnd(r, func(annals.Encoded) {}) }

// idsAnd is ids, and shows each event.
func idsAnd(r *http.Request, see func(annals.Encoded)) []string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		body = append(append([]byte("["), bytes.ReplaceAll(bytes.TrimSpace(body), []byte("\n"), []byte(","))...), ']')
	}
	events, _, err := annals.ParseBatch(body)
	if err != nil {
		return nil
	}
	out := make([]string, len(events))
	for i := range events {
		out[i] = events[i].ID()
		see(events[i])
	}
	return out
}

// each answers a request of independent events with what item returns of each.
func each(ids []string, item func(id string) string) *http.Response {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = item(id)
	}
	return answer(http.StatusMultiStatus, `{"results":[`+strings.Join(items, ",")+`]}`)
}

// stored is the item of an event that was appended.
func stored(id string) string { return `{"status":201,"receipt":` + receiptText(id, 1) + `}` }

// refused is the item of an event with a problem.
func refused(status int, code string) string {
	return fmt.Sprintf(`{"status":%d,"problem":%s}`, status, problemText(status, code, ""))
}

// errDial is a connection that was never made, and errCut one that ended.
var (
	errDial = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	errCut  = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
)

// A log is what several goroutines note.
type log struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// all returns what was noted so far.
func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

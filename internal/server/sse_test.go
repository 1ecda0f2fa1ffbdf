package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
)

// A subscription reads a stream of events.
type subscription struct {
	t   *testing.T
	res *http.Response
	in  *bufio.Scanner
}

func subscribe(t *testing.T, url, query string, header ...string) *subscription {
	t.Helper()
	req, err := http.NewRequest("GET", url+"/api/v1/audit/events/stream"+query, nil)
	check(t, err)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	check(t, err)
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answer is %s", res.Status)
	}
	s := &subscription{t, res, bufio.NewScanner(res.Body)}
	s.in.Buffer(nil, 4<<20)
	return s
}

// frame reads the next frame as lines with a | between them, or the end as "".
func (s *subscription) frame() string {
	s.t.Helper()
	var lines []string
	for s.in.Scan() {
		if s.in.Text() == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, s.in.Text())
	}
	if len(lines) > 0 || s.in.Err() != nil {
		s.t.Fatalf("stream ends in %q, %v", lines, s.in.Err())
	}
	return ""
}

// entry reads the next entry and returns its position; comments are passed.
func (s *subscription) entry() string {
	s.t.Helper()
	frame := s.frame()
	for strings.HasPrefix(frame, ":") {
		frame = s.frame()
	}
	id, data, ok := strings.Cut(frame, "|data: ")
	position := strings.TrimPrefix(id, "id: ")
	if !ok || !strings.HasSuffix(data, `"position":`+position+"}") {
		s.t.Fatalf("frame is %q", frame)
	}
	return position
}

// fill appends n events of type "even" and "odd" in turn.
func (s *testServer) fill(t testing.TB, n int) {
	t.Helper()
	events := make([]annals.Event, n)
	for i := range events {
		events[i].Type = []string{"even", "odd"}[i%2]
	}
	_, err := s.journal.Append(context.Background(), events...)
	check(t, err)
}

func TestSubscribe(t *testing.T) {
	s := newTestServer(t, nil)
	s.fill(t, 2500)
	url := s.listen(t)
	all := subscribe(t, url, "?from=0")
	odd := subscribe(t, url, "?from=2000&type=odd")
	now := subscribe(t, url, "")
	back := subscribe(t, url, "?from=0", "Last-Event-ID: 2498")
	again := subscribe(t, url, "?from=0") // may get what the first one made
	if got := now.frame(); !strings.HasPrefix(got, ":") {
		t.Fatalf("stream begins with %q", got)
	}
	s.fill(t, 100)
	for i := range 2600 {
		if a, b := all.entry(), again.entry(); a != fmt.Sprint(i) || b != a {
			t.Fatalf("entry %d is at %s and %s", i, a, b)
		}
	}
	for i := 2001; i < 2600; i += 2 {
		if got := odd.entry(); got != fmt.Sprint(i) {
			t.Fatalf("odd entry %d is at %s", i, got)
		}
	}
	if a, b := now.entry(), back.entry(); a != "2500" || b != "2499" {
		t.Errorf("from now the first is at %s, after 2498 at %s", a, b)
	}
}

func TestSubscribeDrain(t *testing.T) {
	s := newTestServer(t, nil)
	s.fill(t, 1)
	sub := subscribe(t, s.listen(t), "?from=0")
	if got := sub.entry(); got != "0" {
		t.Fatalf("entry is at %s", got)
	}
	check(t, s.Drain(context.Background()))
	if got := sub.frame(); got != "" {
		t.Errorf("the stream goes on with %q", got)
	}
}

// TestSubscribeHeartbeat waits for signs of life.
func TestSubscribeHeartbeat(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Heartbeat = time.Millisecond })
	sub := subscribe(t, s.listen(t), "")
	for i, want := range []string{": stream of entries", ": alive", ": alive"} {
		if got := sub.frame(); got != want {
			t.Fatalf("frame %d is %q", i, got)
		}
	}
	s.fill(t, 1)
	if got := sub.entry(); got != "0" {
		t.Errorf("entry is at %s", got)
	}
}

func TestSubscribeRefuses(t *testing.T) {
	s := newTestServer(t, nil)
	for _, query := range []string{"?from=-1", "?from=x", "?limit=1", "?order=asc", "?cursor=x", "?total=true", "?nonsense=1", "?q=(", "?from=1&from=2"} {
		if status, text := s.call(t, "GET", "/api/v1/audit/events/stream"+query, ""); status != 400 {
			t.Errorf("%s: answer is %d %s", query, status, text)
		}
	}
	if status, text := s.call(t, "GET", "/api/v1/audit/events/stream", "", "Last-Event-ID: x"); status != 400 {
		t.Errorf("answer is %d %s", status, text)
	}
}

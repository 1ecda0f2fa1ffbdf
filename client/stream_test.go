package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// A brokenStream answers streams of appends to a journal, and breaks connections.
type brokenStream struct {
	journal *annals.Journal
	every   int64         // connections break after so many values; zero: never
	before  bool          // and the last value is not appended
	values  atomic.Int64  // that have come
	conns   atomic.Int64  // connections
	busy    atomic.Bool   // one value gets a problem that may pass
	hold    chan struct{} // answers wait for its end, unless nil
}

func (b *brokenStream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.conns.Add(1)
	rc := http.NewResponseController(w)
	if rc.EnableFullDuplex() != nil {
		return
	}
	d := annals.NewDecoder(r.Body, 0)
	for {
		text, err := d.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			return
		}
		if b.hold != nil {
			<-b.hold
		}
		n := b.values.Add(1)
		breaks := b.every > 0 && n%b.every == 0
		if breaks && b.before {
			cut(rc)
			return
		}
		line := b.answer(text)
		if breaks {
			cut(rc)
			return
		}
		fmt.Fprintln(w, line)
		if rc.Flush() != nil {
			return
		}
	}
}

// cut closes the connection of a request.
func cut(rc *http.ResponseController) {
	if conn, _, err := rc.Hijack(); err == nil {
		conn.Close()
	}
}

func (b *brokenStream) answer(text []byte) string {
	if b.busy.CompareAndSwap(true, false) {
		return problemText(503, "unavailable", "")
	}
	e, err := annals.ParseEvent(text)
	if err != nil {
		return problemText(400, "invalid", "")
	}
	receipts, err := b.journal.AppendEncoded(context.Background(), nil, e)
	if c, ok := errors.AsType[*annals.ConflictError](err); ok {
		return problemText(409, "conflict", fmt.Sprintf(`,"position":%d`, c.Position))
	}
	if err != nil {
		return problemText(503, "unavailable", "")
	}
	out, _ := receipts[0].MarshalJSON() // never fails
	return string(out)
}

// newStream returns a stream to a server that b is, of a new journal.
func newStream(t *testing.T, b *brokenStream, o *client.StreamOptions) *client.Stream {
	t.Helper()
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	b.journal = j
	web := httptest.NewServer(b)
	t.Cleanup(web.Close)
	c, err := client.New(web.URL, nil)
	check(t, err)
	s := c.Stream(t.Context(), o)
	t.Cleanup(func() {
		check(t, s.Close())
		check(t, c.Close())
	})
	return s
}

// TestStream sends events over connections that break, and receives every answer, once and
// in order.
func TestStream(t *testing.T) {
	tests := []struct {
		name string
		b    *brokenStream
		o    *client.StreamOptions
	}{
		{"sound", &brokenStream{}, nil},
		{"small window", &brokenStream{}, &client.StreamOptions{Events: 3}},
		{"window of bytes", &brokenStream{}, &client.StreamOptions{Bytes: 100}},
		{"breaks after an append", &brokenStream{every: 70}, nil},
		{"breaks before an append", &brokenStream{every: 70, before: true}, nil},
		{"breaks in a small window", &brokenStream{every: 70}, &client.StreamOptions{Events: 3}},
	}
	const n = 300
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStream(t, tt.b, tt.o)
			var sender sync.WaitGroup
			sender.Go(func() {
				for i := range n {
					if err := s.Send(t.Context(), annals.Event{ID: fmt.Sprint(i), Type: "a"}); err != nil {
						t.Error(err)
					}
				}
				s.CloseSend()
			})
			for i := range n {
				a, err := s.Receive(t.Context())
				check(t, err)
				if a.Err != nil || a.Receipt.ID != fmt.Sprint(i) || a.Event.ID() != a.Receipt.ID {
					t.Fatalf("answer %d is %v, %v", i, a.Receipt, a.Err)
				}
			}
			sender.Wait()
			if _, err := s.Receive(t.Context()); err != io.EOF {
				t.Errorf("the end is %v", err)
			}
			if size := tt.b.journal.Size(); size != n {
				t.Errorf("the journal has %d entries, want %d", size, n)
			}
			if tt.b.every > 0 && tt.b.conns.Load() < n/tt.b.every {
				t.Errorf("%d connections", tt.b.conns.Load())
			}
			if err := s.Send(t.Context(), annals.Event{Type: "a"}); !errors.Is(err, annals.ErrClosed) {
				t.Errorf("send after the end: %v", err)
			}
		})
	}
}

// TestStreamServer sends events to a server as it is.
func TestStreamServer(t *testing.T) {
	f := newFixture(t, "")
	s := f.Stream(t.Context(), nil)
	const n = 5000
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := range n {
			e := annals.Event{ID: fmt.Sprint(i), Type: "a"}
			if i == n/2 {
				e = annals.Event{ID: "0", Type: "other"}
			}
			if err := s.Send(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
		s.CloseSend()
	})
	for i := range n {
		a, err := s.Receive(t.Context())
		check(t, err)
		if i == n/2 {
			if text := conflictText(a.Err); text != `id "0" is taken by other content at position 0` {
				t.Errorf("conflict is %s", text)
			}
			continue
		}
		if a.Err != nil || a.Receipt.ID != fmt.Sprint(i) {
			t.Fatalf("answer %d is %v, %v", i, a.Receipt, a.Err)
		}
	}
	sender.Wait()
	if _, err := s.Receive(t.Context()); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
	check(t, s.Close())
	if size := f.journal.Size(); size != n-1 {
		t.Errorf("the journal has %d entries", size)
	}
}

// TestStreamProblems gives each event its own error, and sends again what may succeed.
func TestStreamProblems(t *testing.T) {
	b := &brokenStream{}
	s := newStream(t, b, nil)
	b.busy.Store(true)
	for _, e := range []annals.Event{{ID: "1", Type: "a"}, {ID: "2", Type: "a"}, {ID: "2", Type: "b"}} {
		check(t, s.Send(t.Context(), e))
	}
	if err := s.Send(t.Context(), annals.Event{}); !errors.Is(err, annals.ErrInvalid) {
		t.Errorf("invalid event: %v", err)
	}
	s.CloseSend()
	for i, want := range []string{"", "", `id "2" is taken by other content`} {
		a, err := s.Receive(t.Context())
		check(t, err)
		if want == "" && a.Err != nil || want != "" && (a.Err == nil || !strings.HasPrefix(conflictText(a.Err), want)) {
			t.Errorf("answer %d is %v, want %q", i, a.Err, want)
		}
	}
	if _, err := s.Receive(t.Context()); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
}

// TestStreamStalls gives up a connection that brings no answers.
func TestStreamStalls(t *testing.T) {
	b := &brokenStream{}
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	defer j.Close()
	b.journal = j
	var later atomic.Bool
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if later.Swap(true) {
			b.ServeHTTP(w, r)
			return
		}
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.EnableFullDuplex(), rc.Flush()); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body) // until the client has enough
	}))
	defer web.Close()
	s := newClient(t, web.URL, client.Options{Timeout: time.Second / 2}).Stream(t.Context(), nil)
	defer s.Close()
	check(t, s.Send(t.Context(), annals.Event{ID: "1", Type: "a"}))
	if a, err := s.Receive(t.Context()); err != nil || a.Err != nil {
		t.Errorf("answer is %v, %v", a.Err, err)
	}
}

// TestStreamClose ends a stream with events under way: their outcome is unknown, and those
// that were not sent have another error.
func TestStreamClose(t *testing.T) {
	b := &brokenStream{hold: make(chan struct{})}
	s := newStream(t, b, &client.StreamOptions{Events: 2})
	check(t, s.Send(t.Context(), annals.Event{ID: "1", Type: "a"}))
	check(t, s.Send(t.Context(), annals.Event{ID: "2", Type: "a"}))
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Send(short, annals.Event{Type: "a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send into a full window: %v", err)
	}
	if _, err := s.Receive(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive without an answer: %v", err)
	}
	check(t, s.Close())
	close(b.hold)
	for range 2 {
		a, err := s.Receive(t.Context())
		check(t, err)
		if !errors.Is(a.Err, annals.ErrClosed) {
			t.Errorf("answer is %v", a.Err)
		}
	}
	if _, err := s.Receive(t.Context()); !errors.Is(err, annals.ErrClosed) {
		t.Errorf("the end is %v", err)
	}
}

// TestStreamRefused ends with an error that no other connection would help.
func TestStreamRefused(t *testing.T) {
	c := newTripped(t, client.Options{}, func(*http.Request) (*http.Response, error) { return problem(403, "forbidden"), nil })
	s := c.Stream(t.Context(), nil)
	check(t, s.Send(t.Context(), annals.Event{ID: "1", Type: "a"}))
	a, err := s.Receive(t.Context())
	check(t, err)
	if !errors.Is(a.Err, client.ErrForbidden) || a.Event.ID() != "1" {
		t.Errorf("answer is %v", a.Err)
	}
	if _, err := s.Receive(t.Context()); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("the end is %v", err)
	}
	check(t, s.Close())
}

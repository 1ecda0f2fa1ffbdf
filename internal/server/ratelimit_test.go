package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
)

// post appends n events under a credential and returns the answer.
func (s *testServer) post(credential string, n int) *http.Response {
	body := strings.Repeat(`{"type":"x"}`+"\n", n)
	r := httptest.NewRequest("POST", "/api/v1/audit/events", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Authorization", "Bearer "+credential)
	return s.do(r)
}

// limited serves a new journal with rates and two credentials, on a clock of its own: the
// journal, whose goroutines wait for the disk, stays outside of it.
func limited(t *testing.T, rates server.Rates, test func(t *testing.T, s *testServer)) {
	t.Helper()
	auth := newTestAuth(t)
	synctest.Test(t, func(t *testing.T) {
		j, err := annals.Open(t.TempDir(), &annals.Options{CheckpointInterval: -1, ScrubInterval: -1})
		check(t, err)
		defer func() { check(t, j.Close()) }()
		test(t, serveJournal(t, j, func(o *server.Options) { o.Auth, o.Rates = auth, rates }))
	})
}

// TestRateOfRequests takes as many requests of a credential as it may send, and refuses
// more with what a client needs to know; others are not affected.
func TestRateOfRequests(t *testing.T) {
	limited(t, server.Rates{WriteRequests: 3}, func(t *testing.T, s *testServer) {
		for round := range 2 {
			for i := range 3 {
				res := s.post("append:acme", 1)
				if left := fmt.Sprintf(`"write-requests";r=%d;t=1`, 2-i); res.StatusCode != 201 || res.Header.Get("RateLimit") != left {
					t.Errorf("round %d: status %d, RateLimit %s, want 201, %s", round, res.StatusCode, res.Header.Get("RateLimit"), left)
				}
			}
			res := s.post("append:acme", 1)
			if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" || res.Header.Get("RateLimit-Policy") != `"write-requests";q=3;w=1` ||
				res.Header.Get("RateLimit") != `"write-requests";r=0;t=1` {
				t.Errorf("round %d: status %d, header %v", round, res.StatusCode, res.Header)
			}
			if res := s.post("append:beta", 1); res.StatusCode != 201 {
				t.Errorf("round %d: another credential: status %d", round, res.StatusCode)
			}
			time.Sleep(time.Second)
		}
		for range 10 { // reads are not counted
			r := httptest.NewRequest("GET", "/api/v1/audit/limits", nil)
			r.Header.Set("Authorization", "Bearer read:acme")
			res := s.do(r)
			text, err := io.ReadAll(res.Body)
			check(t, err)
			if res.StatusCode != 200 || res.Header.Get("RateLimit") != "" || !strings.Contains(string(text), `"write_requests_per_second":3,`) {
				t.Fatalf("a read: status %d, header %v, body %s", res.StatusCode, res.Header, text)
			}
		}
	})
}

// TestRateOfEvents counts the events of a request, and appends none of one that is refused.
func TestRateOfEvents(t *testing.T) {
	limited(t, server.Rates{WriteEvents: 1000}, func(t *testing.T, s *testServer) {
		if res := s.post("append:acme", annals.MaxBatchEvents); res.StatusCode != 201 || res.Header.Get("RateLimit-Policy") != `"write-events";q=10000;w=10;qu="events"` {
			t.Errorf("the largest append: status %d, header %v", res.StatusCode, res.Header)
		}
		size := s.journal.Size()
		if res := s.post("append:acme", 2500); res.StatusCode != 429 || res.Header.Get("Retry-After") != "3" {
			t.Errorf("the next one: status %d, header %v", res.StatusCode, res.Header)
		}
		if got := s.journal.Size(); got != size {
			t.Errorf("%d events of a refused request are stored", got-size)
		}
		time.Sleep(3 * time.Second)
		if res := s.post("append:acme", 2500); res.StatusCode != 201 {
			t.Errorf("when it says: status %d", res.StatusCode)
		}
	})
}

// TestConcurrentRequests has one request in progress and sends another.
func TestConcurrentRequests(t *testing.T) {
	limited(t, server.Rates{Concurrent: 1}, func(t *testing.T, s *testServer) {
		var inner int
		body := &duringRead{text: `{"type":"x"}`, do: func() { inner = s.post("append:acme", 1).StatusCode }}
		r := httptest.NewRequest("POST", "/api/v1/audit/events", body)
		r.Header.Set("Authorization", "Bearer append:acme")
		r.Header.Set("Content-Type", "application/json")
		if res := s.do(r); res.StatusCode != 201 || inner != 429 {
			t.Errorf("status %d, the other one %d, want 201 and 429", res.StatusCode, inner)
		}
		if res := s.post("append:acme", 1); res.StatusCode != 201 {
			t.Errorf("afterwards: status %d", res.StatusCode)
		}
	})
}

// A duringRead is a body that does something when it is read.
type duringRead struct {
	text string
	do   func()
}

func (d *duringRead) Read(p []byte) (int, error) {
	if d.do == nil {
		return 0, io.EOF
	}
	d.do()
	d.do = nil
	return copy(p, d.text), nil
}

// TestNoRates bounds nobody: without rates, and without authentication.
func TestNoRates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rates server.Rates
		auth  access.Authenticator
	}{
		{"no rates", server.Rates{}, newTestAuth(t)},
		{"no authentication", server.Rates{WriteRequests: 1, WriteEvents: 1, Concurrent: 1}, nil},
	} {
		s := newTestServer(t, func(o *server.Options) { o.Rates, o.Auth = tt.rates, tt.auth })
		for range 20 {
			if res := s.post("append:acme", 3); res.StatusCode != 201 || res.Header.Get("RateLimit-Policy") != "" {
				t.Fatalf("%s: status %d, header %v", tt.name, res.StatusCode, res.Header)
			}
		}
	}
}

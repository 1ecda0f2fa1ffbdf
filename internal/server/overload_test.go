package server_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals/internal/server"
)

// TestFault62Overload sends ten times what a credential may, from many connections at
// once: each request is answered by a receipt or told to come again, what has a receipt
// is in the journal, and nothing else is.
func TestFault62Overload(t *testing.T) {
	const clients, each = 40, 10
	s := newTestServer(t, func(o *server.Options) {
		o.Auth = newTestAuth(t)
		o.Rates = server.Rates{WriteRequests: clients * each / 10, Concurrent: 8}
	})
	before := s.journal.Size()
	var accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				switch status := s.post("append:acme", 3).StatusCode; status {
				case 201:
					accepted.Add(1)
				case 429, 503:
					refused.Add(1)
				default:
					t.Errorf("status %d", status)
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() == 0 || refused.Load() < clients*each/2 {
		t.Errorf("%d accepted, %d refused", accepted.Load(), refused.Load())
	}
	events := 0
	for e, err := range s.journal.Scan(t.Context(), before, s.journal.Size()) {
		check(t, err)
		if e.Tenant() == "acme" {
			events++
		}
	}
	if want := 3 * int(accepted.Load()); events != want {
		t.Errorf("the journal has %d events of %d that have a receipt", events, want)
	}
}

package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals"
)

// TestDrainUnderLoad drains a server that writers are busy with: each request is
// answered or refused, and what the journal has is what was answered.
func TestDrainUnderLoad(t *testing.T) {
	s := newTestServer(t, nil)
	var answered atomic.Int64
	var writers sync.WaitGroup
	busy := make(chan struct{}, 8)
	for w := range cap(busy) {
		writers.Go(func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf(`{"id":"%d-%d","type":"x"}`, w, i)
				res := s.do(httptest.NewRequest("POST", eventsPath, strings.NewReader(body)))
				switch res.StatusCode {
				case 201:
					if answered.Add(1); i == 10 {
						busy <- struct{}{}
					}
				case 503:
					return
				default:
					t.Errorf("status %d", res.StatusCode)
					return
				}
			}
		})
	}
	for range cap(busy) {
		<-busy
	}
	check(t, s.Drain(context.Background()))
	if size := int64(s.journal.Size()); size != answered.Load() {
		t.Errorf("after the drain the journal has %d entries, and %d were answered", size, answered.Load())
	}
	writers.Wait()
	if size := int64(s.journal.Size()); size != answered.Load() {
		t.Errorf("the journal has %d entries, and %d were answered", size, answered.Load())
	}
}

// TestDrainStreamUnderLoad drains while a stream is full of values: each is answered, in
// order, by a receipt or, from some value on, by a refusal, upon which the client stops.
func TestDrainStreamUnderLoad(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := newTestServer(t, nil)
		d := openStream(t, s.listen(t), http2)
		go sendForeverLoop(d.in)
		n := 0
		for range 500 {
			if a := d.answer(t); a.ID != fmt.Sprint(n) {
				t.Fatalf("answer %d is %+v", n, a)
			}
			n++
		}
		drained := make(chan error, 1)
		go drainLoop(s, drained)
		for d.out.Scan() {
			if strings.Contains(d.out.Text(), `"code":"unavailable"`) {
				check(t, d.in.Close())
			} else {
				n++
			}
		}
		check(t, <-drained)
		if d.out.Err() != nil || s.journal.Size() != annals.Position(n) {
			t.Errorf("http2 %t: %d receipts, then %v; the journal has %d entries", http2, n, d.out.Err(), s.journal.Size())
		}
	}
}

// sendForeverLoop sends events until nobody takes them.
func sendForeverLoop(w io.Writer) {
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(w, `{"id":"%d","type":"x"}`+"\n", i); err != nil {
			return
		}
	}
}

func drainLoop(s *testServer, drained chan<- error) { drained <- s.Drain(context.Background()) }

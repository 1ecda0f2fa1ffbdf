package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// A restarted is a server that is killed and started again, on another port each time; a
// client of it reaches whichever runs.
type restarted struct {
	t    *testing.T
	dir  string
	now  *served
	addr atomic.Pointer[string]
}

// start starts a server.
func (r *restarted) start() {
	r.t.Helper()
	r.now = startServe(r.t, r.dir, "--insecure-no-auth", "--rate-requests", "0", "--max-concurrent", "0")
	r.addr.Store(new(strings.TrimPrefix(r.now.URL, "http://")))
}

// kill ends the server, as a power cut of its process alone would.
func (r *restarted) kill() {
	r.t.Helper()
	check(r.t, r.now.cmd.Process.Kill())
	r.now.status()
}

// client returns a client of the server that runs.
func (r *restarted) client() *client.Client {
	r.t.Helper()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, *r.addr.Load())
	}
	c, err := client.New("http://localhost", &client.Options{
		HTTP: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16}}, RetryFor: 10 * time.Minute,
	})
	check(r.t, err)
	return c
}

// TestClientThroughKills delivers events in every way that a client has while the server is
// killed and started again ten times: none is lost, and none is there twice.
func TestClientThroughKills(t *testing.T) {
	n, kills := 20_000, 10
	if os.Getenv("ANNALS_LONG") == "1" {
		n = 1_000_000
	}
	r := &restarted{t: t, dir: filepath.Join(t.TempDir(), "journal")}
	r.start()
	c := r.client()
	d := &deliveries{t: t, client: c, step: int64(n / (kills + 1)), reached: make(chan struct{}, kills)}
	done := make(chan struct{})
	go d.allLoop(n, done)
	for range kills {
		d.waitStep(done)
		r.kill()
		r.start()
	}
	<-done
	check(t, c.Close())
	r.kill()
	if t.Failed() {
		return
	}
	checkDelivered(t, r.dir, n)
}

// deliveries are the ways of a client to deliver events, and how far they are.
type deliveries struct {
	t       *testing.T
	client  *client.Client
	step    int64         // between kills
	reached chan struct{} // of a step
	acked   atomic.Int64
}

// waitStep waits for the next step, or for the end.
func (d *deliveries) waitStep(done <-chan struct{}) {
	select {
	case <-d.reached:
	case <-done:
		select {
		case <-d.reached:
		default:
			d.t.Error("everything was delivered before the last kill")
		}
	}
}

// ack counts events that the client says are stored.
func (d *deliveries) ack(n int) {
	before := d.acked.Add(int64(n)) - int64(n)
	for i := before / d.step; i < (before+int64(n))/d.step; i++ {
		select {
		case d.reached <- struct{}{}:
		default: // enough
		}
	}
}

// event returns an event with an id of its own.
func (d *deliveries) event(kind string, i int) annals.Event {
	return annals.Event{ID: fmt.Sprintf("%s-%d", kind, i), Type: "kill.test", Entity: annals.Entity{Type: kind, ID: fmt.Sprint(i % 97)}}
}

// allLoop delivers n events, a quarter in each way, and closes done.
func (d *deliveries) allLoop(n int, done chan struct{}) {
	defer close(done)
	var ways sync.WaitGroup
	const callers = 16
	next := new(atomic.Int64)
	for range callers {
		ways.Go(func() { d.singleLoop(next, n/4) })
	}
	ways.Go(func() { d.batchLoop(n / 4) })
	ways.Go(func() { d.bufferLoop(n / 4) })
	ways.Go(func() { d.streamLoop(n - 3*(n/4)) })
	ways.Wait()
}

// singleLoop appends events one by one; several share the numbers.
func (d *deliveries) singleLoop(next *atomic.Int64, n int) {
	for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
		e := d.event("single", int(i))
		receipts, err := d.client.Append(d.t.Context(), e)
		if err != nil || receipts[0].ID != e.ID {
			d.t.Errorf("append %s: %v, %v", e.ID, receipts, err)
			return
		}
		d.ack(1)
	}
}

// batchLoop appends ten events at once, all or none.
func (d *deliveries) batchLoop(n int) {
	for i := 0; i < n; {
		var events []annals.Event
		for ; i < n && len(events) < 10; i++ {
			events = append(events, d.event("batch", i))
		}
		receipts, err := d.client.Append(d.t.Context(), events...)
		if err != nil || len(receipts) != len(events) {
			d.t.Errorf("append %d events: %v", len(events), err)
			return
		}
		for j := 1; j < len(receipts); j++ {
			if receipts[j].Position != receipts[0].Position+annals.Position(j) {
				d.t.Errorf("events of one append are at %v", receipts)
			}
		}
		d.ack(len(events))
	}
}

// bufferLoop delivers events through a buffer that spills.
func (d *deliveries) bufferLoop(n int) {
	b, err := client.NewBuffer(d.client, &client.BufferOptions{
		Policy: client.Spill, Dir: filepath.Join(d.t.TempDir(), "spill"), Events: 1000, BatchEvents: 200,
	})
	if err != nil {
		d.t.Error(err)
		return
	}
	for i := range n {
		if err := b.Append(d.t.Context(), d.event("buffer", i)); err != nil {
			d.t.Errorf("buffer event %d: %v", i, err)
			return
		}
		d.ack(1)
	}
	if err := b.Close(d.t.Context()); err != nil {
		d.t.Errorf("close buffer: %v", err)
	}
}

// streamLoop sends events over a stream, and receives their answers.
func (d *deliveries) streamLoop(n int) {
	s := d.client.Stream(d.t.Context(), nil)
	defer s.Close() // everything was received by then, or has failed
	var sender sync.WaitGroup
	sender.Go(func() { d.sendLoop(s, n) })
	for i := range n {
		a, err := s.Receive(d.t.Context())
		if err != nil || a.Err != nil || a.Receipt.ID != d.event("stream", i).ID {
			d.t.Errorf("stream event %d: %v, %v, %v", i, err, a.Err, a.Receipt)
			return
		}
		d.ack(1)
	}
	sender.Wait()
}

// sendLoop sends the events of a stream.
func (d *deliveries) sendLoop(s *client.Stream, n int) {
	for i := range n {
		if err := s.Send(d.t.Context(), d.event("stream", i)); err != nil {
			d.t.Errorf("send stream event %d: %v", i, err)
			return
		}
	}
	s.CloseSend()
}

// checkDelivered looks for every event, once.
func checkDelivered(t *testing.T, dir string, n int) {
	t.Helper()
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	check(t, err)
	seen := make(map[string]bool, n)
	for e, err := range j.SearchAll(t.Context(), annals.Query{Filter: "type:kill.test", Order: annals.Ascending}) {
		check(t, err)
		if seen[e.ID()] {
			t.Errorf("%s is there twice", e.ID())
		}
		seen[e.ID()] = true
	}
	for kind, count := range map[string]int{"single": n / 4, "batch": n / 4, "buffer": n / 4, "stream": n - 3*(n/4)} {
		for i := range count {
			if !seen[fmt.Sprintf("%s-%d", kind, i)] {
				t.Fatalf("%s-%d is lost", kind, i)
			}
		}
	}
	if len(seen) != n {
		t.Errorf("the journal has %d events, want %d", len(seen), n)
	}
	check(t, j.Close())
	v, err := annals.Verify(t.Context(), dir, nil)
	check(t, err)
	if !v.OK {
		t.Errorf("verification says %+v", v)
	}
}

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// A Service is a running server.
type Service struct {
	URL   string // http://HOST:PORT
	Token string // of a principal that may do everything; empty without authentication
	Stop  func() error
}

const eventsPath = "/api/v1/audit/events"

// httpRows are measured through a server, in a process of its own on the same
// processors. Its limit of requests a principal is off.
var httpRows = []measure{
	{"(a) single POST, 64 connections", posts(64, 1, "all")},
	{"(a) single appends through the Go client, 64 callers", clientAppends(64)},
	{"(a) single appends through the Go client, 256 callers", clientAppends(256)},
	{"(b) batches of 100, 8 clients", posts(8, 100, "all")},
	{"(b) the same, index_data none", posts(8, 100, "none")},
	{"(c) batches of 1,000, 4 clients", posts(4, 1000, "all")},
	{"(c) the same, index_data none", posts(4, 1000, "none")},
	{"export NDJSON", httpExport},
	{"search page, 8 clients: correlation", httpSearch(func(s *sample, i int) string { return "correlation_id=" + s.correlations[i] })},
	{"search page, 8 clients: actor and time", httpSearch(func(s *sample, i int) string {
		return "actor_id=" + s.actors[i] + "&until=" + url.QueryEscape(s.times[i].Add(time.Hour).Format(time.RFC3339))
	})},
	{"100 subscribers of server-sent events", subscribers},
}

// serve starts a server of a journal, for as long as do takes.
func (b *bench) serve(ctx context.Context, dir, indexData string, do func(*Service) (Row, error)) (Row, error) {
	s, err := b.Serve(ctx, dir, indexData)
	if err != nil {
		return Row{}, fmt.Errorf("start a server: %w", err)
	}
	row, err := do(s)
	return row, errors.Join(err, s.Stop())
}

// posts measures appends of size events by n clients.
func posts(n, size int, indexData string) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		dir, err := b.fresh("served")
		if err != nil {
			return Row{}, err
		}
		return b.serve(ctx, dir, indexData, func(s *Service) (Row, error) {
			return b.post(ctx, s, n, size)
		})
	}
}

// post has n clients post until the time is over.
func (b *bench) post(ctx context.Context, s *Service, n, size int) (Row, error) {
	var done, longest atomic.Int64
	latencies := make([][]time.Duration, n)
	began := time.Now()
	err := together(n, func(w int) error {
		conn, err := dial(ctx, s)
		if err != nil {
			return err
		}
		defer conn.close()
		g := newSupply(uint64(w+1), n, 0)
		var body []byte
		for time.Since(began) < b.Time {
			body = appendBody(body[:0], g, size)
			at := time.Now()
			status, answer, err := conn.post(eventsPath, contentTypes[size > 1], body)
			if err == nil && status != 201 {
				err = fmt.Errorf("status %d: %.200s", status, answer)
			}
			if err != nil {
				return err
			}
			took := time.Since(at)
			latencies[w] = append(latencies[w], took)
			for m := longest.Load(); int64(took) > m && !longest.CompareAndSwap(m, int64(took)); m = longest.Load() {
			}
			done.Add(int64(size))
		}
		return nil
	})
	p50, p99 := percentiles(latencies)
	return b.rated(float64(done.Load()), time.Since(began), fmt.Sprintf("p50 %v, p99 %v, longest %v",
		p50.Round(time.Microsecond), p99.Round(time.Microsecond), time.Duration(longest.Load()).Round(time.Millisecond))), err
}

// clientAppends measures single appends of n callers of one client, which shares
// requests among them.
func clientAppends(n int) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		dir, err := b.fresh("served")
		if err != nil {
			return Row{}, err
		}
		return b.serve(ctx, dir, "all", func(s *Service) (Row, error) {
			c, err := client.New(s.URL, &client.Options{Token: s.Token})
			if err != nil {
				return Row{}, err
			}
			defer c.Close() // its connections are all that is left
			var done atomic.Int64
			latencies := make([][]time.Duration, n)
			began := time.Now()
			err = together(n, func(w int) error {
				g := newSupply(uint64(w+1), n, 0)
				for time.Since(began) < b.Time {
					e, err := annals.ParseEvent(g.next())
					if err != nil {
						return err
					}
					at := time.Now()
					if _, err := c.AppendEncoded(ctx, nil, e); err != nil {
						return err
					}
					latencies[w] = append(latencies[w], time.Since(at))
					done.Add(1)
				}
				return nil
			})
			p50, p99 := percentiles(latencies)
			return b.rated(float64(done.Load()), time.Since(began), fmt.Sprintf("p50 %v, p99 %v", p50.Round(time.Microsecond), p99.Round(time.Microsecond))), err
		})
	}
}

// contentTypes are those of one event and of several.
var contentTypes = map[bool]string{false: "application/json", true: "application/x-ndjson"}

// appendBody appends the next events, a line each.
func appendBody(dst []byte, g *supply, events int) []byte {
	for range events {
		dst = append(append(dst, g.next()...), '\n')
	}
	return dst
}

// together runs n goroutines and waits for all.
func together(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// httpExport measures one export of everything.
func httpExport(ctx context.Context, b *bench) (Row, error) {
	return b.serveFilled(ctx, func(s *Service) (Row, error) {
		conn, err := dial(ctx, s)
		if err != nil {
			return Row{}, err
		}
		defer conn.close()
		began := time.Now()
		if err := conn.ask("/api/v1/audit/export?format=ndjson"); err != nil {
			return Row{}, err
		}
		status, length, err := conn.head()
		if err == nil && (status != 200 || length >= 0) {
			err = fmt.Errorf("status %d with %d bytes, want chunks", status, length)
		}
		lines, size := 0, 0
		if err == nil {
			err = conn.chunks(func(p []byte) error {
				lines += bytes.Count(p, []byte("\n"))
				size += len(p)
				return nil
			})
		}
		if err == nil && lines < b.Events {
			err = fmt.Errorf("%d lines of %d events", lines, b.Events)
		}
		row := b.rated(float64(lines), time.Since(began), fmt.Sprintf("%d MB", size/1e6))
		row.BesideDisk = 0
		return row, err
	})
}

// serveFilled serves the journal that the rows of reads use.
func (b *bench) serveFilled(ctx context.Context, do func(*Service) (Row, error)) (Row, error) {
	dir, err := b.filled(ctx)
	if err == nil {
		err = b.closeJournal()
	}
	if err != nil {
		return Row{}, err
	}
	return b.serve(ctx, dir, "all", do)
}

const searchClients = 8

// httpSearch measures pages of the newest 50.
func httpSearch(query func(s *sample, i int) string) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		_, s, err := b.samples(ctx)
		if err != nil {
			return Row{}, err
		}
		return b.serveFilled(ctx, func(service *Service) (Row, error) {
			const each = 1000
			latencies := make([][]time.Duration, searchClients)
			began := time.Now()
			err := together(searchClients, func(w int) error {
				conn, err := dial(ctx, service)
				if err != nil {
					return err
				}
				defer conn.close()
				for i := range each {
					at := time.Now()
					status, answer, err := conn.get(eventsPath + "?" + query(s, (w*each+i)%len(s.actors)))
					if err == nil && status != 200 {
						err = fmt.Errorf("status %d: %.200s", status, answer)
					}
					if err != nil {
						return err
					}
					latencies[w] = append(latencies[w], time.Since(at))
				}
				return nil
			})
			p50, p99 := percentiles(latencies)
			rate := searchClients * each / time.Since(began).Seconds()
			return Row{P50: p50, P99: p99, Detail: fmt.Sprintf("%.0f pages/s", rate)}, err
		})
	}
}

// Subscribers, and what they are sent in a second.
const (
	subscriberCount  = 100
	subscriberEvents = 20_000
)

// subscribers measures how long 100 followers are behind while 20,000 events a
// second are appended: each is sent all of them.
func subscribers(ctx context.Context, b *bench) (Row, error) {
	dir, err := b.fresh("served")
	if err != nil {
		return Row{}, err
	}
	return b.serve(ctx, dir, "none", func(s *Service) (Row, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var received atomic.Int64
		var wg sync.WaitGroup
		errs := make(chan error, subscriberCount)
		for range subscriberCount {
			conn, err := dial(ctx, s)
			if err == nil {
				err = conn.ask(eventsPath + "/stream?from=0&type=*")
			}
			if err == nil {
				_, _, err = conn.head()
			}
			if err != nil {
				return Row{}, err
			}
			wg.Go(func() { errs <- conn.chunks(countEvents(&received)) })
		}
		began := time.Now()
		sent, err := b.pace(ctx, s, began)
		appended := time.Since(began)
		want := int64(sent) * subscriberCount
		for err == nil && received.Load() < want && time.Since(began) < 10*appended {
			time.Sleep(time.Millisecond)
		}
		took := time.Since(began)
		if err == nil && received.Load() < want {
			err = fmt.Errorf("%d of %d events arrived in ten times the time", received.Load(), want)
		}
		cancel()
		wg.Wait()
		row := b.rated(float64(received.Load()), took, fmt.Sprintf("%d events/s appended, each sent to %d; all had them %v after the last receipt",
			int(float64(sent)/appended.Seconds()), subscriberCount, (took-appended).Round(time.Millisecond)))
		row.BesideDisk = 0
		return row, err
	})
}

// countEvents counts the events of a stream, whatever its pieces.
func countEvents(n *atomic.Int64) func([]byte) error {
	mark := []byte("\ndata:")
	var seam []byte // the end of one piece and the start of the next
	return func(p []byte) error {
		seam = append(seam, p[:min(len(p), len(mark)-1)]...)
		n.Add(int64(bytes.Count(seam, mark) + bytes.Count(p, mark)))
		end := seam // ends in p
		if len(p) >= len(mark) {
			end = p
		}
		seam = append(seam[:0], end[max(len(end)-len(mark)+1, 0):]...)
		return nil
	}
}

// pace posts batches of 100 at the rate for subscribers until the time is over, and
// returns how many events it sent.
func (b *bench) pace(ctx context.Context, s *Service, began time.Time) (sent int, err error) {
	conn, err := dial(ctx, s)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	g := newSupply(1, 1, 0)
	var body []byte
	for sent == 0 || time.Since(began) < b.Time {
		if ahead := time.Duration(sent)*time.Second/subscriberEvents - time.Since(began); ahead > 0 {
			time.Sleep(ahead)
		}
		body = appendBody(body[:0], g, 100)
		status, answer, err := conn.post(eventsPath, contentTypes[true], body)
		if err == nil && status != 201 {
			err = fmt.Errorf("status %d: %.200s", status, answer)
		}
		if err != nil {
			return sent, err
		}
		sent += 100
	}
	return sent, nil
}

// fresh makes an empty journal for a row.
func (b *bench) fresh(name string) (dir string, err error) {
	j, dir, err := b.open(name, "all")
	if err != nil {
		return "", err
	}
	return dir, j.Close()
}

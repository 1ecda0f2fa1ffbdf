package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals"
)

// benchServer serves a journal that syncs, on a port.
func benchServer(b *testing.B) (*testServer, string) {
	b.Helper()
	j, err := annals.Open(b.TempDir(), nil)
	check(b, err)
	s := serveJournal(b, j, nil)
	url := s.listen(b)
	b.Cleanup(func() { check(b, j.Close()) })
	return s, strings.TrimPrefix(url, "http://")
}

// benchEvent is an event of about 1 KB.
func benchEvent(n uint64) string {
	return fmt.Sprintf(`{"id":"e-%d","type":"order.placed","source":"shop","actor":{"type":"user","id":"u-%d"},"entity":{"type":"order","id":"o-%d"},`+
		`"correlation_id":"c-%d","outcome":"success","data":{"total":%d.5,"region":"eu","note":"%s"}}`, n, n%1000, n%10000, n/5, n%100, strings.Repeat("x", 600))
}

// A benchClient is a connection that waits for each answer.
type benchClient struct {
	conn net.Conn
	in   *bufio.Reader
	out  bytes.Buffer
}

func (c *benchClient) post(path, contentType, body string) error {
	c.out.Reset()
	fmt.Fprintf(&c.out, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, contentType, len(body), body)
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return err
	}
	r := textproto.NewReader(c.in)
	status, err := r.ReadLine()
	if err != nil {
		return err
	}
	h, err := r.ReadMIMEHeader()
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(h.Get("Content-Length"))
	answer := make([]byte, n)
	if _, err := io.ReadFull(c.in, answer); err != nil {
		return err
	}
	if !strings.Contains(status, "201") {
		return fmt.Errorf("%s %s", status, answer)
	}
	return nil
}

// benchPosts has clients that post until b is done.
func benchPosts(b *testing.B, clients, batch int) {
	_, address := benchServer(b)
	var next atomic.Uint64
	var done sync.WaitGroup
	work := make(chan int, b.N)
	for i := range b.N {
		work <- i
	}
	close(work)
	b.ResetTimer()
	for range clients {
		done.Go(func() { postLoop(b, address, batch, &next, work) })
	}
	done.Wait()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "events/s")
}

func postLoop(b *testing.B, address string, batch int, next *atomic.Uint64, work <-chan int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	c := &benchClient{conn: conn, in: bufio.NewReader(conn)}
	for range work {
		body := benchEvent(next.Add(1))
		if batch > 1 {
			events := []string{body}
			for len(events) < batch {
				events = append(events, benchEvent(next.Add(1)))
			}
			body = "[" + strings.Join(events, ",") + "]"
		}
		if err := c.post(eventsPath, "application/json", body); err != nil {
			b.Error(err)
			return
		}
	}
}

func BenchmarkPost64(b *testing.B)        { benchPosts(b, 64, 1) }
func BenchmarkPost8Batch100(b *testing.B) { benchPosts(b, 8, 100) }

// BenchmarkExport reads all entries, over and over.
func BenchmarkExport(b *testing.B) {
	s, address := benchServer(b)
	const n = 50_000
	for i := 0; i < n; i += 1000 {
		events := make([]annals.Encoded, 1000)
		for k := range events {
			var err error
			events[k], err = annals.ParseEvent([]byte(benchEvent(uint64(i + k))))
			check(b, err)
		}
		_, err := s.journal.AppendEncoded(context.Background(), nil, events...)
		check(b, err)
	}
	entries := 0
	for b.Loop() {
		conn, err := net.Dial("tcp", address)
		check(b, err)
		fmt.Fprintf(conn, "GET /api/v1/audit/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		read, err := io.Copy(io.Discard, conn)
		conn.Close()
		if err != nil || read < n*800 {
			b.Fatal(read, err)
		}
		entries += n
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkSubscribe has a hundred subscribers of what one writer appends.
func BenchmarkSubscribe(b *testing.B) {
	s, address := benchServer(b)
	const subscribers, batch = 100, 100
	var got atomic.Int64
	var reading sync.WaitGroup
	arrived := make(chan struct{}, 1)
	var want atomic.Int64
	want.Store(2 * subscribers) // lines of the beginning
	for range subscribers {
		conn, err := net.Dial("tcp", address)
		check(b, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /api/v1/audit/events/stream?from=0 HTTP/1.1\r\nHost: x\r\n\r\n")
		reading.Go(func() { countLoop(conn, &got, &want, arrived) })
	}
	n := uint64(0)
	events := make([]annals.Encoded, batch)
	for b.Loop() {
		for k := range events {
			n++
			var err error
			events[k], err = annals.ParseEvent([]byte(benchEvent(n)))
			check(b, err)
		}
		want.Add(3 * batch * subscribers)
		_, err := s.journal.AppendEncoded(context.Background(), nil, events...)
		check(b, err)
		for got.Load() < want.Load()-60*batch*subscribers { // subscribers are not far behind
			<-arrived
		}
	}
	for got.Load() < want.Load() {
		<-arrived
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n*subscribers)/b.Elapsed().Seconds(), "deliveries/s")
}

// countLoop counts lines, three an entry, until the connection ends.
func countLoop(conn net.Conn, got, want *atomic.Int64, arrived chan<- struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		got.Add(int64(bytes.Count(buf[:n], []byte{'\n'})))
		select {
		case arrived <- struct{}{}:
		default:
		}
	}
}

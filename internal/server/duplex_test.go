package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A duplex is a client of the stream.
type duplex struct {
	in  *io.PipeWriter
	res *http.Response
	out *bufio.Scanner
}

// openStream opens a duplex stream. The client of HTTP/2 speaks it without TLS.
func openStream(t *testing.T, url string, http2 bool, header ...string) *duplex {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", url+"/api/v1/audit/events/stream", r)
	check(t, err)
	req.Header.Set("Content-Type", "application/x-ndjson")
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := transport.RoundTrip(req)
	check(t, err)
	t.Cleanup(func() { w.Close(); res.Body.Close() })
	if res.StatusCode != 200 || http2 != (res.ProtoMajor == 2) {
		t.Fatalf("answer is %s over %s", res.Status, res.Proto)
	}
	return &duplex{w, res, bufio.NewScanner(res.Body)}
}

// answer reads a line.
func (d *duplex) answer(t *testing.T) (a struct {
	annals.Receipt
	Receipts []annals.Receipt
	Code     string
	Line     int
	Current  int `json:"current_sequence"`
}) {
	t.Helper()
	if !d.out.Scan() {
		t.Fatalf("stream ended: %v", d.out.Err())
	}
	check(t, json.Unmarshal(d.out.Bytes(), &a))
	return a
}

// TestStream sends a value only when the one before it is answered.
func TestStream(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			s := newTestServer(t, nil)
			d := openStream(t, s.listen(t), http2)
			for _, tt := range []struct{ send, want string }{
				{`{"id":"a","type":"x"}`, "a 0 [] "},
				{` {"id":"a",` + "\n" + `"type":"x"}`, "a 0 [] "},
				{`{"id":"a","type":"y"}`, " 0 [] conflict"},
				{`{"id":"b"}`, " 0 [] invalid"},
				{`{"id":"b","type":"x"]`, " 0 [] invalid"},
				{`[{"id":"b","type":"x"},{"id":"c","type":"x"}]`, " 0 [1 2] "},
				{`{"events":[{"id":"d","type":"x","entity":{"type":"o","id":"1"}}],"expect":[{"entity":{"type":"o","id":"1"},"sequence":1}]}`, " 0 [] conflict"},
				{`[]`, " 0 [] invalid"},
				{`7`, " 0 [] invalid"},
				{`{"type":"x","id":"` + strings.Repeat("x", 5<<20) + `"}`, " 0 [] too_large"},
				{`{"id":"d","type":"x"}`, "d 3 [] "},
			} {
				_, err := io.WriteString(d.in, tt.send+"\n")
				check(t, err)
				a := d.answer(t)
				positions := []annals.Position{}
				for _, r := range a.Receipts {
					positions = append(positions, r.Position)
				}
				if got := fmt.Sprint(a.ID, " ", a.Position, " ", positions, " ", a.Code); got != tt.want {
					t.Errorf("%.60s: got %s, want %s", tt.send, got, tt.want)
				}
			}
			check(t, d.in.Close())
			if d.out.Scan() || d.out.Err() != nil {
				t.Errorf("stream ends in %q, %v", d.out.Text(), d.out.Err())
			}
		})
	}
}

// TestStreamPipelined sends much more than is in flight, some of it bad, and reads
// answers beside it: they come in order, and so do positions.
func TestStreamPipelined(t *testing.T) {
	s := newTestServer(t, nil)
	d := openStream(t, s.listen(t), false)
	const n = 5000
	sent := make(chan error, 1)
	sendLoop := func() {
		w := bufio.NewWriter(d.in)
		for i := range n {
			text := fmt.Sprintf(`{"id":"%d","type":"x"}`, i)
			if i%97 == 50 {
				text = fmt.Sprintf(`{"id":"%d","type":"y"}`, i-1)
			}
			fmt.Fprintln(w, text)
		}
		err := w.Flush()
		if err == nil {
			err = d.in.Close()
		}
		sent <- err
	}
	go sendLoop()
	next := annals.Position(0)
	for i := range n {
		a := d.answer(t)
		if i%97 == 50 {
			if a.Code != "conflict" || a.Line != i+1 {
				t.Fatalf("answer %d is %+v", i, a)
			}
			continue
		}
		if a.ID != fmt.Sprint(i) || a.Position != next || !a.Durable {
			t.Fatalf("answer %d is %+v, want position %d", i, a, next)
		}
		next++
	}
	check(t, <-sent)
	if d.out.Scan() {
		t.Errorf("another answer: %s", d.out.Text())
	}
	if s.journal.Size() != next {
		t.Errorf("journal has %d entries, want %d", s.journal.Size(), next)
	}
}

// TestStreamDrain drains the server while a stream waits for its next value.
func TestStreamDrain(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := newTestServer(t, nil)
		d := openStream(t, s.listen(t), http2)
		_, err := io.WriteString(d.in, `{"id":"a","type":"x"}`+"\n")
		check(t, err)
		if a := d.answer(t); a.ID != "a" {
			t.Fatalf("answer is %+v", a)
		}
		check(t, s.Drain(context.Background()))
		if d.out.Scan() || d.out.Err() != nil {
			t.Errorf("http2 %t: stream ends in %q, %v", http2, d.out.Text(), d.out.Err())
		}
	}
}

// TestStreamGone has a client that leaves in the middle of a value.
func TestStreamGone(t *testing.T) {
	s := newTestServer(t, nil)
	d := openStream(t, s.listen(t), false)
	_, err := io.WriteString(d.in, `{"id":"a","type":"x"}`+"\n"+`{"id":"b",`)
	check(t, err)
	d.answer(t)
	check(t, d.in.CloseWithError(io.ErrClosedPipe))
	d.res.Body.Close()
	check(t, s.Drain(context.Background())) // which waits for the handler
	if s.journal.Size() != 1 {
		t.Errorf("journal has %d entries", s.journal.Size())
	}
}

func TestStreamRefuses(t *testing.T) {
	s := newTestServer(t, nil)
	for header, want := range map[string]int{
		"Content-Type: application/cloudevents+json": 415, "X-Event-Type: a": 415, "Content-Encoding: br": 415,
	} {
		if status, text := s.call(t, "POST", "/api/v1/audit/events/stream", "", header); status != want {
			t.Errorf("%s: answer is %d %s", header, status, text)
		}
	}
}

// TestStreamCompressed sends compressed values, each when the one before it is answered.
func TestStreamCompressed(t *testing.T) {
	s := newTestServer(t, nil)
	url := s.listen(t)
	for _, encoding := range []string{"gzip", "zstd"} {
		d := openStream(t, url, false, "Content-Encoding: "+encoding)
		z := compressor(t, encoding, d.in)
		for i := range 3 {
			id := fmt.Sprint(encoding, i)
			fmt.Fprintf(z, `{"id":%q,"type":"x"}`+"\n", id)
			check(t, z.Flush())
			if a := d.answer(t); a.ID != id {
				t.Errorf("%s: answer %d is %+v", encoding, i, a)
			}
		}
		check(t, z.Close())
		check(t, d.in.Close())
		if d.out.Scan() {
			t.Errorf("%s: another answer: %s", encoding, d.out.Text())
		}
	}
	d := openStream(t, url, false, "Content-Encoding: gzip")
	_, err := io.WriteString(d.in, "this is not gzip, and long enough for its header")
	check(t, err)
	if a := d.answer(t); a.Code != "invalid" {
		t.Errorf("answer is %+v", a)
	}
	if d.out.Scan() {
		t.Errorf("the stream goes on: %s", d.out.Text())
	}
}

// A flusher is what compresses a stream.
type flusher interface {
	io.WriteCloser
	Flush() error
}

func compressor(t *testing.T, encoding string, w io.Writer) flusher {
	t.Helper()
	if encoding == "gzip" {
		return gzip.NewWriter(w)
	}
	z, err := zstd.NewWriter(w)
	check(t, err)
	return z
}

// TestStreamUnread has a client that sends and reads nothing, until the connection is cut:
// the handler ends, however full everything is.
func TestStreamUnread(t *testing.T) {
	s := newTestServer(t, nil)
	var full sync.WaitGroup
	full.Add(1)
	w := &stalledWriter{make(http.Header), 1, &full, make(chan struct{})}
	r := httptest.NewRequest("POST", eventsPath+"/stream", &endless{text: `{"type":"x"}` + "\n"})
	r.Header.Set("Content-Type", "application/x-ndjson")
	var gone sync.WaitGroup
	gone.Go(func() { s.stallLoop(w, r) })
	full.Wait()
	close(w.cut)
	gone.Wait()
}

package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
)

// A stalledWriter is a connection whose client reads nothing: after some writes, of
// which every buffer on the way is full, a write does not return before it is cut.
type stalledWriter struct {
	header http.Header
	left   int
	full   *sync.WaitGroup
	cut    chan struct{}
}

func (w *stalledWriter) Header() http.Header { return w.header }
func (w *stalledWriter) WriteHeader(int)     {}
func (w *stalledWriter) Flush()              {}

func (w *stalledWriter) Write(p []byte) (int, error) {
	if w.left--; w.left > 0 {
		return len(p), nil
	}
	if w.left == 0 {
		w.full.Done()
	}
	<-w.cut
	return 0, errors.New("cut")
}

// stallLoop is the goroutine of a connection.
func (s *testServer) stallLoop(w *stalledWriter, r *http.Request) {
	defer func() { recover() }() // as net/http does with what breaks a connection
	s.Handler().ServeHTTP(w, r)
}

// heapBytes returns what is in use, stacks included.
func heapBytes() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestFault61StalledReaders has a thousand readers that read nothing: they take less
// than 64 MiB, buffers of connections included, and writers do not wait for them.
func TestFault61StalledReaders(t *testing.T) {
	const readers, most, connection = 1000, 64 << 20, 16 << 10
	s := newTestServer(t, nil)
	for range 5 {
		s.fill(t, 1000)
	}
	before := heapBytes()
	var full, gone sync.WaitGroup
	cut := make(chan struct{})
	for i := range readers {
		full.Add(1)
		query := "?from=0"
		if i%2 == 0 {
			query += "&q=-type:none" // which is not shared
		}
		w := &stalledWriter{make(http.Header), 5, &full, cut}
		r := httptest.NewRequest("GET", "/api/v1/audit/events/stream"+query, nil)
		gone.Go(func() { s.stallLoop(w, r) })
	}
	full.Wait()
	if grown := heapBytes() - before; grown+readers*connection > most {
		t.Errorf("%d stalled readers take %d bytes, and their connections %d", readers, grown, readers*connection)
	}
	s.fill(t, 1000) // is not held up
	close(cut)
	gone.Wait()
	check(t, s.Drain(context.Background()))
}

package server

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A writer sends an answer piece by piece, compressed if the client likes. Each write
// has a time of its own; one that takes longer ends the answer.
type writer struct {
	x       *exchange
	control *http.ResponseController
	z       compressor // nil without compression
	give    func()
	err     error
}

// A compressor is what compresses.
type compressor interface {
	io.WriteCloser
	Flush() error
}

var (
	gzipWriters = sync.Pool{New: newGzipWriter}
	zstdWriters = sync.Pool{New: newZstdWriter}
)

func newGzipWriter() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("annals: internal error: gzip encoder: " + err.Error())
	}
	return z
}

func newZstdWriter() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic("annals: internal error: zstd encoder: " + err.Error())
	}
	return z
}

// writer begins an answer of status 200.
func (x *exchange) writer(contentType string) *writer {
	w := &writer{x: x, control: http.NewResponseController(x.w), give: func() {}}
	x.noSniff()
	h := x.w.Header()
	h["Content-Type"] = []string{contentType}
	h.Add("Vary", "Accept-Encoding")
	encoding := x.encoding()
	if encoding != "" {
		h["Content-Encoding"] = []string{encoding}
	}
	switch encoding {
	case "gzip":
		z := gzipWriters.Get().(*gzip.Writer)
		z.Reset(rawWriter{w})
		w.z, w.give = z, func() { z.Reset(nil); gzipWriters.Put(z) }
	case "zstd":
		z := zstdWriters.Get().(*zstd.Encoder)
		z.Reset(rawWriter{w})
		w.z, w.give = z, func() { z.Reset(nil); zstdWriters.Put(z) }
	}
	x.head(http.StatusOK)
	return w
}

// Write sends p, sooner or later.
func (w *writer) Write(p []byte) (int, error) {
	if w.z == nil {
		return rawWriter{w}.Write(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.z.Write(p)
}

// Flush sends what was written.
func (w *writer) Flush() error {
	if w.z != nil && w.err == nil {
		w.keep(w.z.Flush())
	}
	if w.err == nil {
		w.keep(w.control.Flush())
	}
	return w.err
}

// Close ends the answer.
func (w *writer) Close() error {
	if w.z != nil {
		if w.err == nil {
			w.keep(w.z.Close())
		}
		w.give()
		w.z = nil
	}
	return w.err
}

// discard ends an answer that is not whole: nothing more is sent.
func (w *writer) discard() {
	if w.err == nil {
		w.err = io.ErrClosedPipe
	}
	w.Close()
}

// keep notes the first error.
func (w *writer) keep(err error) {
	if err != nil && w.err == nil {
		w.err = left(err)
	}
}

// A rawWriter sends bytes as they are.
type rawWriter struct{ *writer }

func (w rawWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	// A server without deadlines, as in tests, has no slow readers either.
	_ = w.control.SetWriteDeadline(time.Now().Add(answerTimeout))
	n, err := w.x.w.Write(p)
	_ = w.control.SetWriteDeadline(noDeadline)
	w.keep(err)
	return n, err
}

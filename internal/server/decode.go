package server

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory of decompressing. RFC 9659 has the same bound for
// zstd over HTTP.
const maxZstdWindow = 8 << 20

var (
	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstdReaders = sync.Pool{New: newZstdReader}
)

func newZstdReader() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		panic("annals: internal error: zstd decoder: " + err.Error())
	}
	return d
}

// decoded returns the body without its content encoding.
func (x *exchange) decoded(in io.Reader) (io.ReadCloser, error) {
	encoding := strings.ToLower(strings.TrimSpace(strings.Join(x.r.Header.Values("Content-Encoding"), ", ")))
	switch encoding {
	case "", "identity":
		return io.NopCloser(in), nil
	case "gzip", "x-gzip":
		return newDecoder(in, gzipReaders.Get().(*gzip.Reader), func(z *gzip.Reader) { gzipReaders.Put(z) })
	case "zstd":
		return newDecoder(in, zstdReaders.Get().(*zstd.Decoder), func(z *zstd.Decoder) {
			z.Reset(nil) // lets go of the body
			zstdReaders.Put(z)
		})
	}
	return nil, problemf(codeMediaType, fmt.Sprintf("content encoding %q is not supported: send zstd, gzip or none", clip(encoding, 60)))
}

// A resetter is what decompresses.
type resetter interface {
	io.Reader
	Reset(io.Reader) error
}

// A decoder decompresses a body.
type decoder[R resetter] struct {
	in     source
	out    R
	give   func(R)
	closed bool
}

func newDecoder[R resetter](in io.Reader, out R, give func(R)) (io.ReadCloser, error) {
	d := &decoder[R]{in: source{r: in}, out: out, give: give}
	if err := d.out.Reset(&d.in); err != nil {
		return nil, d.in.errorOf(err)
	}
	return d, nil
}

func (d *decoder[R]) Read(p []byte) (int, error) {
	n, err := d.out.Read(p)
	if err != nil && err != io.EOF {
		err = d.in.errorOf(err)
	}
	return n, err
}

func (d *decoder[R]) Close() error {
	if !d.closed {
		d.closed = true
		d.give(d.out)
	}
	return nil
}

// A source remembers its own error, to tell it from that of what decompresses it.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// errorOf returns what was wrong: with the source, or else with what it has.
func (s *source) errorOf(err error) error {
	if s.err != nil {
		return s.err
	}
	return problemf(codeInvalid, "the body does not decompress: "+clip(err.Error(), 100))
}

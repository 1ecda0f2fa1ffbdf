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
		return newDecoder(in, gzipReaders.Get().(*gzip.Reader), func(z *gzip.Reader) { gzipReaders.Put(z) }), nil
	case "zstd":
		return newDecoder(in, zstdReaders.Get().(*zstd.Decoder), func(z *zstd.Decoder) {
			z.Reset(nil) // ends what it does
			zstdReaders.Put(z)
		}), nil
	}
	return nil, problemf(codeMediaType, fmt.Sprintf("content encoding %q is not supported: send zstd, gzip or none", clip(encoding, 60)))
}

// A resetter is what decompresses.
type resetter interface {
	io.Reader
	Reset(io.Reader) error
}

// A decoder decompresses a body. It reads nothing before it is asked to: a client of a
// stream may wait for the answer's header first.
type decoder[R resetter] struct {
	in            source
	out           R
	give          func(R)
	begun, closed bool
}

func newDecoder[R resetter](in io.Reader, out R, give func(R)) io.ReadCloser {
	return &decoder[R]{in: source{r: in}, out: out, give: give}
}

func (d *decoder[R]) Read(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		if err := d.out.Reset(&d.in); err != nil {
			return 0, d.in.errorOf(err)
		}
	}
	n, err := d.out.Read(p)
	if err != nil && err != io.EOF {
		err = d.in.errorOf(err)
	}
	return n, err
}

func (d *decoder[R]) Close() error {
	if !d.closed {
		d.closed = true
		d.in.r = strings.NewReader("") // whoever uses out again does not keep the body
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

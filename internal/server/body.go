package server

import (
	"fmt"
	"io"
	"net/http"
	"slices"
)

// A body is a request's body in memory. Give it back when nothing refers to its bytes
// any more.
type body struct {
	*buffer
	memory *budget
	taken  int64
}

func (b *body) give() {
	b.memory.give(b.taken)
	b.buffer.give()
}

// body reads the request's body, decompressed. Memory is taken as bytes come, whatever
// the header promises.
func (x *exchange) body() (*body, error) {
	limit := x.server.opts.Limits.BodyBytes
	if x.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	in, err := x.decoded(http.MaxBytesReader(x.w, x.r.Body, limit))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b := &body{buffer: takeBuffer(), memory: &x.server.memory}
	if n := x.r.ContentLength; n > 0 && n <= maxPooled {
		b.b = slices.Grow(b.b, int(n)+1)
	}
	if err := b.fill(in, limit); err != nil {
		b.give()
		return nil, err
	}
	return b, nil
}

// fill reads all of in.
func (b *body) fill(in io.Reader, limit int64) error {
	for {
		if len(b.b) == cap(b.b) {
			if err := b.grow(); err != nil {
				return err
			}
		}
		n, err := in.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case int64(len(b.b)) > limit:
			return tooLarge(limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read body: %w", err)
		}
	}
}

// grow makes room for more.
func (b *body) grow() error {
	size := max(4<<10, 2*cap(b.b))
	if size > maxPooled {
		if !b.memory.take(int64(size) - b.taken) {
			return busy("too many large bodies are being read")
		}
		b.taken = int64(size)
	}
	b.b = append(make([]byte, 0, size), b.b...)
	return nil
}

package server

import "sync"

// maxPooled is the largest buffer that is kept for later.
const maxPooled = 256 << 10

// A buffer holds bytes on their way in or out.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 4<<10)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

// give returns a buffer. Nobody may use its bytes any more.
func (b *buffer) give() {
	if cap(b.b) > maxPooled {
		return
	}
	b.b = b.b[:0]
	buffers.Put(b)
}

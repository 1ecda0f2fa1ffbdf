package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// bufferBytes is the size of the read buffers and the first size of a window.
const bufferBytes = 64 << 10

var (
	gzipMagic = []byte{0x1f, 0x8b, 0x08} // the third byte is deflate, the only method
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	skipMagic = []byte{0x2a, 0x4d, 0x18} // of a zstd skippable frame, after 0x50..0x5f
)

// A counter counts the bytes that pass.
type counter struct {
	r io.Reader
	n atomic.Int64 // read by any goroutine
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// open returns the plain text of r, which may be gzip, zstd, or plain already.
func open(r io.Reader, maxWindow int) (io.Reader, error) {
	br := bufio.NewReaderSize(r, bufferBytes)
	head, _ := br.Peek(4) // an error comes back with the first Read
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, decodeError("gzip", err)
		}
		return &decoded{z, "gzip"}, nil
	case isZstd(head):
		// One decoder, run by the caller: no goroutines, so nothing to close.
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(maxWindow)))
		if err != nil {
			return nil, decodeError("zstd", err)
		}
		return &decoded{z, "zstd"}, nil
	}
	return br, nil
}

func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, zstdMagic) ||
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.HasSuffix(head, skipMagic)
}

// A decoded is a decompressed stream whose errors name the compression.
type decoded struct {
	r    io.Reader
	name string
}

func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = decodeError(d.name, err)
	}
	return n, err
}

func decodeError(name string, err error) error {
	// An end where a header should go on is io.EOF to the decoder, not to us.
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s stream is truncated: %w", name, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read %s stream: %w", name, err)
}

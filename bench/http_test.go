package bench

import (
	"bytes"
	"sync/atomic"
	"testing"
)

// TestCountEvents counts events wherever the pieces of a stream end.
func TestCountEvents(t *testing.T) {
	text := []byte(": hello\n\nid: 1\ndata: {\"a\":\"\\ndata:\"}\n\nid: 2\ndata: x\n\ndata: y\n\n")
	for size := 1; size <= len(text); size++ {
		var n atomic.Int64
		count := countEvents(&n)
		for piece := text; len(piece) > 0; piece = piece[min(size, len(piece)):] {
			if err := count(bytes.Clone(piece[:min(size, len(piece))])); err != nil {
				t.Fatal(err)
			}
		}
		if n.Load() != 3 {
			t.Errorf("in pieces of %d: %d events, want 3", size, n.Load())
		}
	}
}

package server

import (
	"sync/atomic"
	"time"
)

// Limits bound what requests may take.
type Limits struct {
	// BodyBytes bounds the body of one request, before and after it is decompressed.
	// Streams have no such bound: their values have. Zero means 64 MiB, which is twice
	// what the largest append has in canonical bytes.
	BodyBytes int64

	// BodyMemory bounds the bodies, and pages of answers, that are held at once. Those up to 256 KiB do not
	// count: the number of connections bounds them. Zero means 256 MiB.
	BodyMemory int64

	// Streams bounds the streams that are open at once. Zero means 2,000.
	Streams int

	// Exports bounds the exports that run at once, each of which holds some megabytes.
	// Zero means 16.
	Exports int
}

func (l Limits) withDefaults() Limits {
	if l.BodyBytes <= 0 {
		l.BodyBytes = 64 << 20
	}
	if l.BodyMemory <= 0 {
		l.BodyMemory = 256 << 20
	}
	if l.Streams <= 0 {
		l.Streams = 2000
	}
	if l.Exports <= 0 {
		l.Exports = 16
	}
	return l
}

// How long, and how large, parts of a request may be.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = time.Minute
	answerTimeout = time.Minute // for one write, where answers are streams
	idleTimeout   = 2 * time.Minute

	maxHeaderBytes  = 16<<10 - 4<<10 // net/http allows 4 KiB more
	maxHTTP2Streams = 250
)

// A budget is a number of things that requests share.
type budget struct {
	limit int64 // never changes
	used  atomic.Int64
}

// take reserves n. It reports false, and reserves nothing, if there are not as many.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

// give returns what was taken.
func (b *budget) give(n int64) { b.used.Add(-n) }

package server

import (
	"strconv"
	"testing"
	"time"
)

// TestBucketsAreBounded meets more credentials than are remembered: idle ones are
// forgotten, and without such the new ones share a bucket.
func TestBucketsAreBounded(t *testing.T) {
	l, now := newLimiter(Rates{WriteRequests: 1}), time.Unix(1_000_000, 0)
	for i := range maxBuckets {
		l.bucket(strconv.Itoa(i), now)
	}
	if a, b := l.bucket("a", now), l.bucket("b", now); a != b || len(l.buckets) != maxBuckets+1 {
		t.Errorf("with all in use: shared %t, %d buckets", a == b, len(l.buckets))
	}
	later := now.Add(2 * bucketIdle)
	kept := l.bucket("7", later)
	if a, b := l.bucket("a", later), l.bucket("b", later); a == b || len(l.buckets) != 3 || l.bucket("7", later) != kept {
		t.Errorf("with idle ones: shared %t, %d buckets", a == b, len(l.buckets))
	}
}

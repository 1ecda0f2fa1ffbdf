package native_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals/internal/native"
)

// TestInParts covers every record once, whatever their number, and returns the error
// of the first part that fails.
func TestInParts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	for _, n := range []int{0, 1, 31, 32, 63, 64, 65, 1000, 10_000} {
		seen := make([]atomic.Int32, n)
		check(t, native.InParts(n, func(from, to int) error {
			for i := from; i < to; i++ {
				seen[i].Add(1)
			}
			return nil
		}))
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Fatalf("of %d, number %d was done %d times", n, i, seen[i].Load())
			}
		}
	}
	first, second := errors.New("first"), errors.New("second")
	err := native.InParts(1000, func(from, to int) error {
		switch {
		case from == 0:
			return nil
		case to == 1000:
			return second
		}
		return first
	})
	if err != first {
		t.Errorf("got error %v, want that of the second of three parts", err)
	}
}

package native_test

import (
	"errors"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestOpenWaitsForLock opens a journal that someone else has open for some time: one
// that only reads it closes it soon.
func TestOpenWaitsForLock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		wait, held time.Duration
		opens      bool
		after      time.Duration
	}{
		{"free", 0, 0, true, 0},
		{"soon free", 0, 150 * time.Millisecond, true, 160 * time.Millisecond},
		{"just in time", 0, 1990 * time.Millisecond, true, 2 * time.Second},
		{"too late", 0, 2010 * time.Millisecond, false, 2 * time.Second},
		{"waits longer", time.Minute, 59*time.Second - 1, true, 59 * time.Second},
		{"waits an odd time", 30 * time.Millisecond, time.Hour, false, 30 * time.Millisecond},
		{"does not wait", -1, 10 * time.Millisecond, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := durable.NewMem()
				first := open(t, mem)
				appendOne(t, first, "a", "x")
				time.AfterFunc(tt.held, func() { check(t, first.Close()) })
				if tt.held == 0 {
					check(t, first.Close())
				}
				began := time.Now()
				o := testOptions(mem)
				o.LockWait = tt.wait
				e, err := native.Open(o)
				if took := time.Since(began); took != tt.after {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
				if tt.opens {
					check(t, err)
					check(t, e.Close())
				} else if !errors.Is(err, engine.ErrLocked) {
					t.Errorf("got %v, want %v", err, engine.ErrLocked)
				}
				check(t, first.Close())
			})
		})
	}
}

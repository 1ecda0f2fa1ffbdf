package annals_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals"
)

// TestAppendBuffers appends from many goroutines, alone and many at once, with conflicts in
// between: appends use each other's memory again, and what is stored must still be what
// each one sent and has a receipt for.
func TestAppendBuffers(t *testing.T) {
	const writers, rounds = 16, 30
	j, err := annals.Open(t.TempDir(), nil)
	check(t, err)
	defer j.Close()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				events := make([]annals.Event, []int{1, 1, 3, 150}[round%4]) // in parts, too
				for i := range events {
					text := strings.Repeat(fmt.Sprintf("%d.%d.%d ", w, round, i), 1+(w+round+i)%40)
					events[i] = annals.Event{ID: fmt.Sprintf("e-%d-%d-%d", w, round, i), Type: "a", Message: text}
				}
				receipts, err := j.Append(t.Context(), events...)
				if err != nil {
					t.Error(err)
					return
				}
				for i, r := range receipts {
					e, err := j.At(t.Context(), r.Position)
					if err != nil || e.Hash() != r.Hash || e.ID() != events[i].ID || !strings.Contains(string(e.JSON), events[i].Message) {
						t.Errorf("at position %d: %s, %v, want %s", r.Position, e.JSON, err, events[i].ID)
					}
				}
				events[0].Message = "other"
				if _, err := j.Append(t.Context(), events[0]); !isConflict(err) {
					t.Errorf("other content under an id: got error %v", err)
				}
			}
		})
	}
	wg.Wait()
}

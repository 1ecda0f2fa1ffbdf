package native_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestKindsWithoutIndex counts entries of more kinds than are held at a time, of
// which the index knows nothing: the counts come in parts, and add up.
func TestKindsWithoutIndex(t *testing.T) {
	t.Parallel()
	const n, kinds = 10_000, 6_000
	mem := durable.NewMem()
	o := testOptions(mem)
	o.SegmentBytes = 0
	o.Describe = func(f *engine.Facts, entry []byte) error {
		err := describe(f, entry)
		var i int
		_, serr := fmt.Sscanf(f.ID, "i%d", &i)
		f.Kind = fmt.Sprint(i % kinds)
		return errors.Join(err, serr)
	}
	e := openWith(t, o)
	for from := 0; from < n; from += 1000 {
		var b engine.Batch
		for i := range 1000 {
			b.Records = append(b.Records, record(fmt.Sprint("i", from+i), fmt.Sprint(i%5)))
		}
		_, err := e.Append(ctx, b)
		check(t, err)
	}
	check(t, e.Close())
	for _, name := range indexFiles(mem) {
		check(t, mem.Remove(name))
	}
	o.LimitTails(4)
	r, err := native.OpenReader(o)
	check(t, err)
	defer r.Close()
	if got := unindexed(t, r); got != n {
		t.Fatalf("%d entries have no index, want all", got)
	}
	rows, sum := 0, make(map[string]uint64)
	for k, err := range r.Kinds(ctx) {
		check(t, err)
		rows++
		sum[k.Kind] += k.Count
	}
	if rows <= kinds || len(sum) != kinds || sum["3999"] != 2 || sum["4000"] != 1 {
		t.Errorf("%d counts of %d kinds; %d of one that there are two of, %d of one that there is one of", rows, len(sum), sum["3999"], sum["4000"])
	}
	if got, err := r.Entities(ctx); err != nil || got != 5 {
		t.Errorf("%d entities, %v, want 5", got, err)
	}
	for _, want := range []int{1, 5000, rows} { // left early, within the first piece and behind it
		got := 0
		for _, err := range r.Kinds(ctx) {
			check(t, err)
			if got++; got == want {
				break
			}
		}
		if got != want {
			t.Errorf("%d counts, want %d", got, want)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Entities(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("entities for a context that has ended: %v", err)
	}
	for _, err := range r.Kinds(ended) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("kinds for a context that has ended: %v", err)
		}
	}
}

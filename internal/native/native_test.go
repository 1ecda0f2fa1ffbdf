package native_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

func TestSmoke(t *testing.T) {
	mem := durable.NewMem()
	opts := native.Options{FS: mem, Create: true, Describe: describe, SegmentBytes: 8 << 10}
	for round := range 3 {
		e, err := native.Open(opts)
		check(t, err)
		if e.Recovery() != nil {
			t.Fatal("recovered after clean close", e.Recovery())
		}
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 50 {
					r := record(fmt.Sprintf("%d-%d-%d", round, w, i), fmt.Sprint(w))
					got, err := e.Append(ctx, engine.Batch{Records: []engine.Record{r}})
					if err != nil {
						t.Error(err)
						return
					}
					if want := engine.Sequence(round*50 + i + 1); got[0].Sequence != want {
						t.Errorf("sequence %d, want %d", got[0].Sequence, want)
					}
					dup, err := e.Append(ctx, engine.Batch{Records: []engine.Record{r}})
					if err != nil || !dup[0].Duplicate || dup[0].Position != got[0].Position || dup[0].Hash != got[0].Hash {
						t.Error(round, w, i, dup, err)
					}
				}
			})
		}
		wg.Wait()
		n := 0
		for _, err := range e.Scan(ctx, 0, 1<<40) {
			check(t, err)
			n++
		}
		if n != (round+1)*400 {
			t.Fatal(n)
		}
		check(t, e.Close())
		rep, err := native.Verify(ctx, mem, native.Visitor{})
		check(t, err)
		if len(rep.Problems) != 0 || rep.TornTail != 0 || rep.Entries != engine.Position(n) || rep.Checkpoint.Size != uint64(n) {
			t.Fatalf("%+v", rep)
		}
	}
	e, err := native.Open(opts)
	check(t, err)
	_, err = e.Append(ctx, engine.Batch{Records: []engine.Record{record("x", "y")}})
	check(t, err)
	killed := mem.Crash(durable.KeepAll)
	opts.FS = killed
	e2, err := native.Open(opts)
	check(t, err)
	if e2.Recovery() == nil || len(e2.Damage()) > 0 || e2.Size() != 1201 {
		t.Fatalf("%+v %v %d", e2.Recovery(), e2.Damage(), e2.Size())
	}
	check(t, e2.Close())
	rep, err := native.Verify(ctx, killed, native.Visitor{})
	check(t, err)
	if len(rep.Problems) > 0 {
		t.Fatal(rep.Problems)
	}
	check(t, e.Close())
	var c *engine.ConflictError
	_ = errors.As(err, &c)
}

package native_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// The segment in waiting gives its space to what is to be stored now.
func TestSpareLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 20 << 20
		mem := durable.NewMem()
		mem.SetCapacity(room)
		o := testOptions(mem)
		o.SegmentBytes = 16 << 20
		e := openWith(t, o)
		time.Sleep(time.Minute) // an unhurried writer has its spare filled to the end
		stored := 0
		for i := 0; ; i++ {
			_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 60_000)}})
			if errors.Is(err, engine.ErrDiskFull) {
				break
			}
			check(t, err)
			if stored += 60_000; i == 3 {
				time.Sleep(time.Minute)
			}
		}
		if want := room - 3<<20; stored < want {
			t.Errorf("%d bytes stored on a disk of %d, want %d", stored, room, want)
		}
		check(t, e.Close())
	})
}

// What kept the spare from being made ahead is no reason when it is needed.
func TestSpareFailsAhead(t *testing.T) {
	var fail atomic.Bool
	e := open(t, durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpCreate && op.Name == "log/spare" && fail.CompareAndSwap(true, false) {
			return durable.Fault{Err: syscall.ENOSPC}
		}
		return durable.Fault{}
	}))
	appendOne(t, e, "first", "x")
	fail.Store(true)
	for i := range 40 {
		_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint(i), "x", 700)}})
		check(t, err)
	}
	if fail.Load() {
		t.Error("no spare was made")
	}
	check(t, e.Close())
}

package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// openSmallSpine opens a journal without timed checkpoints that lets only 40
// hashes wait for the tiles.
func openSmallSpine(t *testing.T, fsys durable.FS) *Engine {
	t.Helper()
	e, err := Open(Options{FS: fsys, Create: true, CheckpointInterval: -1, maxPending: 40, Describe: func(f *engine.Facts, entry []byte) error {
		*f = engine.Facts{Tenant: "t", ID: string(entry)}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// appendMany appends entries one by one, and lets the loops catch up each time.
func appendMany(t *testing.T, e *Engine, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint(i)
		b := engine.Batch{Records: []engine.Record{{Facts: engine.Facts{Tenant: "t", ID: id}, Body: []byte(`{"id":"` + id + `"`)}}}
		if _, err := e.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
}

// TestTilesWithoutCheckpoints: a journal that signs only on demand writes its
// tiles all the same, so that it can still sign after any number of entries.
func TestTilesWithoutCheckpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := durable.NewMem()
		e := openSmallSpine(t, mem)
		appendMany(t, e, 100)
		if n, err := tilesSize(mem); err != nil || n < 60 || e.newestCheckpoint() != nil {
			t.Errorf("%d of 100 hashes are in the tiles, checkpoint %v, %v", n, e.newestCheckpoint(), err)
		}
		if _, err := e.Checkpoint(context.Background()); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		rep, err := Verify(context.Background(), mem, Visitor{})
		if err != nil || len(rep.Problems) > 0 || rep.Checkpoint.Size != 100 {
			t.Errorf("verify: %+v, %v", rep, err)
		}
	})
}

// TestTilesPileUp: hashes that cannot be written wait, so that a passing error
// costs nothing, but only so many.
func TestTilesPileUp(t *testing.T) {
	t.Parallel()
	for entries, paused := range map[int]bool{30: false, 200: true} {
		t.Run(fmt.Sprint(entries, " entries"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				e := openSmallSpine(t, durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
					if broken.Load() && op.Kind == durable.OpWrite && strings.HasPrefix(op.Name, "tiles/") {
						return durable.Fault{Err: syscall.EIO}
					}
					return durable.Fault{}
				}))
				broken.Store(true)
				appendMany(t, e, entries)
				broken.Store(false)
				_, err := e.Checkpoint(context.Background())
				if (err != nil) != paused || err != nil && !errors.Is(err, syscall.EIO) {
					t.Errorf("checkpoint after the disk has healed: %v", err)
				}
				if n := len(e.keeper.waiting[0]) + len(e.spine.hashes); n != 0 { // checkpointLoop has answered
					t.Errorf("%d hashes still wait", n)
				}
			})
		})
	}
}

package native_test

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestIndexYieldsFiles: a process that has all the files open that it may, most of
// them segments that were read, still opens and makes files of the index.
func TestIndexYieldsFiles(t *testing.T) {
	t.Parallel()
	for _, full := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		t.Run(full.Error(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := durable.NewMem()
				var files *tracked
				var limit, refused atomic.Int64
				limit.Store(1 << 10)
				files = newTracked(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					opens := op.Kind == durable.OpCreate || op.Kind == durable.OpOpen || op.Kind == durable.OpSyncDir
					if !opens || !inIndex(op) || files.open.Load() < limit.Load() {
						return durable.Fault{}
					}
					refused.Add(1)
					return durable.Fault{Err: full}
				}), nil)
				o := testOptions(files)
				o.LimitTails(64)
				e := openWith(t, o)
				for i := range 600 {
					_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(fmt.Sprint("a", i), fmt.Sprint(i%3), 800)}})
					check(t, err)
				}
				_, err := readAll(e) // every segment
				check(t, err)
				synctest.Wait()
				limit.Store(files.open.Load())
				if n := limit.Load(); n < 50 {
					t.Fatalf("%d files are open: too few to mean anything", n)
				}
				for i := range 400 { // more than may wait in memory
					appendOne(t, e, fmt.Sprint("b", i), fmt.Sprint(i%3))
					synctest.Wait()
				}
				if n := unindexed(t, e); n != 0 || refused.Load() == 0 {
					t.Errorf("%d entries have no index; %d files were refused", n, refused.Load())
				}
				limit.Store(1 << 10)
				s, err := readAll(e)
				check(t, err)
				check(t, s.answers(e))
				check(t, e.Close())
			})
		})
	}
}

package native_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// An indexFault is what goes wrong with the files of an index.
type indexFault struct {
	name  string
	fault durable.Fault
	kinds []durable.OpKind
	least int // appends that are taken before it is too much
}

var indexFaults = []indexFault{
	{"no room", durable.Fault{Err: syscall.ENOSPC}, []durable.OpKind{durable.OpWrite, durable.OpCreate}, 8},
	{"no room after a while", durable.Fault{Err: syscall.ENOSPC, Short: 100}, []durable.OpKind{durable.OpWrite}, 8},
	{"no file handles", durable.Fault{Err: syscall.EMFILE}, []durable.OpKind{durable.OpCreate, durable.OpOpen}, 8},
	{"cannot be opened", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpOpen}, 8},
	{"cannot be written", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpWrite}, 8},
	{"cannot be synced", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpSync}, 8},
	{"synced but reported as failed", durable.Fault{Err: syscall.EIO, After: true}, []durable.OpKind{durable.OpSync}, 8},
	{"cannot be renamed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRename}, 8},
	{"directory cannot be synced", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpSyncDir}, 8},
	{"cannot be closed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpClose}, 8},
	{"read-only", durable.Fault{Err: syscall.EROFS}, []durable.OpKind{durable.OpCreate, durable.OpRename, durable.OpRemove}, 8},
	{"cannot be removed", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRemove}, 8},
	{"cannot be read", durable.Fault{Err: syscall.EIO}, []durable.OpKind{durable.OpRead}, 0}, // then no id can be looked up
}

// TestFault47 makes operations on the index's files fail, with test 33: the log
// goes on up to a bound, then appends are refused as unavailable; reads answer all
// the time; with the fault gone appends resume by themselves.
func TestFault47(t *testing.T) {
	t.Parallel()
	for _, f := range indexFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) { failIndex(t, &f) })
		})
	}
}

func failIndex(t *testing.T, f *indexFault) {
	mem := durable.NewMem()
	var b breaker
	files := newTracked(durable.NewFaulty(mem, b.hook), nil)
	e := openWith(t, scriptOptions(files))
	l := ledger{leave: true}
	for i := range 40 {
		check(t, l.send(e, one(fmt.Sprint("a", i), fmt.Sprint(i%3))))
	}
	synctest.Wait()
	b.always(f.fault, func(op durable.Op) bool { return inIndex(op) && slices.Contains(f.kinds, op.Kind) })
	accepted, refused := 0, 0
	for i := range 60 {
		err := l.send(e, one(fmt.Sprint("b", i), fmt.Sprint(i%3)))
		synctest.Wait()
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, engine.ErrUnavailable):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if accepted < f.least || accepted > 20 || refused == 0 || b.hits.Load() == 0 {
		t.Errorf("%d accepted, %d refused, %d operations failed", accepted, refused, b.hits.Load())
	}
	s, err := readAll(e)
	check(t, err)
	check(t, errors.Join(s.holds(l.snapshot()), s.answers(e)))
	b.disarm()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if n := unindexed(t, e); n != 0 {
		t.Errorf("%d entries have no index after a while", n)
	}
	for i := range 20 {
		check(t, l.send(e, one(fmt.Sprint("c", i), fmt.Sprint(i%3))))
		synctest.Wait()
	}
	s, err = readAll(e)
	check(t, err)
	check(t, errors.Join(s.holds(l.snapshot()), s.answers(e)))
	check(t, e.Close())
	if n := files.open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
	_, err = verifySound(mem, true)
	check(t, err)
	check(t, inspect(mem, mem, l.snapshot()))
}

// TestFault47FailsAtOpenAndClose: what goes wrong with the index's files keeps a
// journal neither from opening nor from closing.
func TestFault47FailsAtOpenAndClose(t *testing.T) {
	t.Parallel()
	sound := indexed(t, 90)
	for _, f := range indexFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				mem := sound.Crash(durable.KeepAll)
				if slices.Contains(f.kinds, durable.OpCreate) {
					indexSpoilers[0].spoil(t, mem)
				}
				files := newTracked(durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if inIndex(op) && slices.Contains(f.kinds, op.Kind) {
						return f.fault
					}
					return durable.Fault{}
				}), nil)
				e := openWith(t, scriptOptions(files))
				s, err := readAll(e)
				check(t, err)
				check(t, s.answers(e))
				if _, err := e.Append(ctx, one("x", "")); err != nil && !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("append: %v", err)
				}
				check(t, e.Close())
				if n := files.open.Load(); n != 0 {
					t.Errorf("%d files are still open", n)
				}
				_, err = verifySound(mem, true)
				check(t, err)
				check(t, inspect(mem, mem, nil))
			})
		})
	}
}

// TestFault47EveryOperationFails makes single operations on the index's files fail,
// in every way, of the nightly ones every. Callers meet no more of it than a refusal.
func TestFault47EveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			step := int64(5)
			if long {
				step = 1
			}
			for n := int64(*seedFlag) % step; ; n += step {
				mem := durable.NewMem()
				var what atomic.Value
				hook := f.failAt(n, &what)
				faulty := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
					if !inIndex(op) || op.Kind == durable.OpReadDir {
						return durable.Fault{}
					}
					return hook(op)
				})
				s := &script{fs: faulty, faulted: faulty.Failed}
				bubble(t, func(t *testing.T) { s.run() })
				unsure := slices.ContainsFunc(s.snapshot(), func(x sent) bool { return x.outcome == unknown })
				if err := errors.Join(s.err(), inspect(mem, mem, s.snapshot())); err != nil {
					t.Fatalf("%s, operation %d, %v: %v", f.name, n, what.Load(), err)
				}
				if unsure {
					t.Fatalf("%s, operation %d, %v: the log failed with the index", f.name, n, what.Load())
				}
				if !faulty.Failed() {
					if n < 10 {
						t.Fatalf("the script has only %d operations on the index that can fail so", n)
					}
					return
				}
			}
		})
	}
}

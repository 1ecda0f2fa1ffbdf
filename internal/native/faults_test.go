package native_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// A failure is a way in which one operation goes wrong.
type failure struct {
	name  string
	fault durable.Fault
	kinds func(durable.OpKind) bool
}

func mutating(k durable.OpKind) bool { return k.Mutates() }

var failures = []failure{
	{"not done", durable.Fault{Err: syscall.EIO}, mutating},
	{"done but reported as failed", durable.Fault{Err: syscall.EIO, After: true}, mutating},
	{"short write", durable.Fault{Err: syscall.EIO, Short: 100}, writes},
	{"no room", durable.Fault{Err: syscall.ENOSPC}, writes},
	{"no room after a while", durable.Fault{Err: syscall.ENOSPC, Short: 600}, writes},
	{"close", durable.Fault{Err: syscall.EIO}, func(k durable.OpKind) bool { return k == durable.OpClose }},
	{"read", durable.Fault{Err: syscall.EIO}, func(k durable.OpKind) bool { return k == durable.OpRead }},
	{"short read", durable.Fault{Err: syscall.EIO, Short: 50}, func(k durable.OpKind) bool { return k == durable.OpRead }},
}

func writes(k durable.OpKind) bool { return k == durable.OpWrite || k == durable.OpTruncate }

// failAt makes the operation number n of the failure's kinds fail, and keeps its
// text.
func (f *failure) failAt(n int64, what *atomic.Value) durable.Hook {
	var count atomic.Int64
	return func(op durable.Op) durable.Fault {
		if !f.kinds(op.Kind) || count.Add(1)-1 != n {
			return durable.Fault{}
		}
		what.Store(op.String())
		return f.fault
	}
}

// TestFault01EveryOperationFails makes every single operation of the script fail,
// in every way: FAULTS D1 tests 7, 10, 11, 12, 13, 26, 27 and 33 at the places
// where nobody thought of them.
func TestFault01EveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(0); ; n++ {
				done, err := failOnce(t, &f, n)
				if err != nil {
					t.Fatalf("%s, operation %d: %v", f.name, n, err)
				}
				if done {
					if n < 10 {
						t.Fatalf("the script has only %d operations that can fail so", n)
					}
					return
				}
			}
		})
	}
}

// failOnce plays the script with one failure. It reports whether there was none.
func failOnce(t *testing.T, f *failure, n int64) (bool, error) {
	mem := durable.NewMem()
	var what atomic.Value
	faulty := durable.NewFaulty(mem, f.failAt(n, &what))
	files := newTracked(faulty, nil)
	s := &script{fs: files, faulted: faulty.Failed}
	bubble(t, func(t *testing.T) { s.run() })
	err := s.err()
	if open := files.open.Load(); err == nil && open != 0 {
		err = fmt.Errorf("%d files are still open", open)
	}
	told := s.snapshot()
	cuts := []durable.Cut{{}, {Seed: *seedFlag + uint64(n), Keep: 50, Tear: n%2 == 0}}
	if n%2 == 0 || long {
		cuts = append(cuts, durable.KeepAll)
	}
	for _, cut := range cuts {
		after := mem.Crash(cut)
		if ierr := inspect(after, after, told); ierr != nil {
			err = errors.Join(err, fmt.Errorf("after %+v: %w", cut, ierr))
		}
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", what.Load(), err)
	}
	return !faulty.Failed(), err
}

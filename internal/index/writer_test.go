package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// largeModel makes a file of more than syncBytes, of long names mostly.
func largeModel(rng *rand.Rand) *runModel {
	m := smallModel(rng)
	m.kinds = nil
	for i := range 50 {
		kind := fmt.Sprintf("%02d%s", i, strings.Repeat("x", 60_000))
		m.kinds = append(m.kinds, engine.KindCount{Tenant: "t", Kind: kind, Count: 3})
	}
	return m
}

// writeOps returns the mutating operations of writing a run.
func writeOps(t *testing.T, write func(durable.FS) error) (ops []durable.Op) {
	t.Helper()
	fsys := durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		if op.Kind.Mutates() {
			ops = append(ops, op)
		}
		return durable.Fault{}
	})
	check(t, write(fsys))
	return ops
}

// TestWriteOrder has the file synced before it gets its name, and that name last;
// no sync is of more than it may.
func TestWriteOrder(t *testing.T) {
	m := largeModel(newRand(t))
	ops := writeOps(t, func(fsys durable.FS) error { return writeRun(fsys, "run", m.meta, m.input()) })
	unsynced, syncs := 0, 0
	for _, op := range ops[:len(ops)-2] {
		switch op.Kind {
		case durable.OpWrite:
			if unsynced += op.Len; unsynced > syncBytes {
				t.Errorf("%d bytes are not synced", unsynced)
			}
		case durable.OpSync:
			unsynced, syncs = 0, syncs+1
		}
	}
	last := fmt.Sprint(ops[len(ops)-3:])
	if want := "[sync run.tmp rename run.tmp run syncdir .]"; last != want || unsynced != 0 || syncs < 2 {
		t.Errorf("%d syncs, %d bytes without; at last %s, want %s", syncs, unsynced, last, want)
	}
}

// TestFault45WriteFails lets each operation of writing a run fail, and cuts the
// power then: the file is there whole or not at all, and the next attempt works.
func TestFault45WriteFails(t *testing.T) {
	rng := newRand(t)
	m := largeModel(rng)
	write := func(fsys durable.FS) error { return writeRun(fsys, "run", m.meta, m.input()) }
	ops := writeOps(t, write)
	for n := range int64(len(ops)) {
		mem := durable.NewMem()
		fsys := durable.NewFaulty(mem, durable.FailNth(n, syscall.ENOSPC))
		err := write(fsys)
		if ops[n].Kind == durable.OpRemove { // of a file that an earlier attempt left
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%v fails: %v", ops[n], err)
			}
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v fails: %v", ops[n], err)
		}
		if ops[n].Kind == durable.OpWrite {
			err := write(durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
				if op.Kind == durable.OpWrite && op.Off == ops[n].Off {
					return durable.Fault{Short: 100}
				}
				return durable.Fault{}
			}))
			if !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("%v is short: %v", ops[n], err)
			}
		}
		names := mem.Names()
		if slices.Contains(names, "run"+durable.TempSuffix) {
			t.Errorf("%v fails and leaves %v", ops[n], names)
		}
		for _, after := range []*durable.Mem{mem, mem.Crash(durable.Cut{}), mem.Crash(durable.Cut{Seed: uint64(n), Keep: 50})} {
			if slices.Contains(after.Names(), "run") {
				check(t, open(t, after, "run").check(context.Background()))
			}
		}
		check(t, write(mem))
		check(t, open(t, mem, "run").check(context.Background()))
	}
}

// TestFault39PowerCut cuts the power before each operation of writing a run that
// replaces another, and then writes it again.
func TestFault39PowerCut(t *testing.T) {
	rng := newRand(t)
	m := smallModel(rng)
	for n := int64(0); ; n++ {
		mem := durable.NewMem()
		var after *durable.Mem
		count := int64(0)
		check(t, writeRun(mem, "run", m.meta, m.input()))
		check(t, mem.SyncDir("."))
		fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind.Mutates() {
				if count++; count-1 == n {
					after = mem.Crash(durable.Cut{Seed: rng.Uint64(), Keep: rng.IntN(101), Tear: true})
				}
			}
			return durable.Fault{}
		})
		check(t, writeRun(fsys, "run", m.meta, m.input()))
		if after == nil {
			return
		}
		m.verify(t, rng, open(t, after, "run"), 0)
		check(t, writeRun(after, "run", m.meta, m.input()))
		m.verify(t, rng, open(t, after, "run"), 0)
	}
}

// TestWriteRefuses has inputs that break their promises: an error, and no file.
func TestWriteRefuses(t *testing.T) {
	rng := newRand(t)
	lists := func(m *runModel, c class, all ...[]uint32) input {
		in := m.input()
		seq := func(yield func(uint64, []uint32) bool) {
			for i, list := range all {
				if !yield(uint64(i)<<40, list) {
					return
				}
			}
		}
		if c == identities {
			in.identities = seq
		} else {
			in.terms = seq
		}
		return in
	}
	kinds := func(m *runModel, all ...engine.KindCount) input {
		m.kinds = all
		return m.input()
	}
	one := engine.KindCount{Kind: "a", Count: 1}
	tests := map[string]func(m *runModel) input{
		"positions behind the end":  func(m *runModel) input { return lists(m, terms, []uint32{150}) },
		"positions twice":           func(m *runModel) input { return lists(m, terms, []uint32{7, 7}) },
		"positions not in order":    func(m *runModel) input { return lists(m, identities, []uint32{7, 6}) },
		"no positions":              func(m *runModel) input { return lists(m, terms, nil) },
		"kinds twice":               func(m *runModel) input { return kinds(m, one, one) },
		"kinds without a count":     func(m *runModel) input { return kinds(m, engine.KindCount{}) },
		"kinds of too many entries": func(m *runModel) input { return kinds(m, engine.KindCount{Count: 151}) },
		"kinds that overflow": func(m *runModel) input {
			return kinds(m, one, engine.KindCount{Kind: "b", Count: math.MaxUint64})
		},
		"kinds that are too long": func(m *runModel) input {
			return kinds(m, engine.KindCount{Kind: string(make([]byte, maxNameBytes+1)), Count: 1})
		},
		"kinds with an error": func(m *runModel) input {
			in := m.input()
			in.kinds = func(yield func(engine.KindCount, error) bool) { yield(one, errors.New("no kinds")) }
			return in
		},
		"terms not in order": func(m *runModel) input {
			in := m.input()
			in.terms = func(yield func(uint64, []uint32) bool) { _ = yield(1<<30, []uint32{1}) && yield(0, []uint32{1}) }
			return in
		},
		"too many terms of one bucket": func(m *runModel) input {
			in := m.input()
			in.termBound = 1
			in.terms = func(yield func(uint64, []uint32) bool) {
				for key := uint64(0); key < 1<<20 && yield(key<<16, []uint32{1}); key++ {
				}
			}
			return in
		},
		"too many lists of one bucket": func(m *runModel) input {
			in := m.input()
			in.termBound = 1
			list := stretchOf(0, 100)
			in.terms = func(yield func(uint64, []uint32) bool) {
				for key := uint64(0); key < 1<<20 && yield(key<<16, list); key++ {
				}
			}
			return in
		},
		"no entries":        func(m *runModel) input { m.meta.next = m.meta.first; return m.input() },
		"too many entries":  func(m *runModel) input { m.meta.next = m.meta.first + maxRunEntries + 1; return m.input() },
		"a policy too long": func(m *runModel) input { m.meta.policy = string(make([]byte, maxPolicyBytes+1)); return m.input() },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			m := smallModel(rng)
			fsys := durable.NewMem()
			in := edit(m)
			if err := writeRun(fsys, "run", m.meta, in); err == nil {
				t.Error("was written")
			}
			if names := fsys.Names(); len(names) > 1 {
				t.Errorf("left over: %v", names)
			}
		})
	}
}

// TestLargestBucket fills a bucket nearly to its limits.
func TestLargestBucket(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 200)
	m.meta.policy = string(make([]byte, maxPolicyBytes))
	for key := range uint64(9000) {
		m.lists[terms][key] = exactly(100)(rng, 200)
	}
	fsys := durable.NewMem()
	in := m.input()
	in.termBound = 1
	check(t, writeRun(fsys, "run", m.meta, in))
	r := open(t, fsys, "run")
	check(t, r.check(context.Background()))
	for _, key := range []uint64{0, 4500, 8999} {
		cur, err := r.find(terms, key<<16, 0, false)
		check(t, err)
		verifyWalk(t, rng, cur, m.lists[terms][key], 200, false)
	}
}

package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestRunLengths writes runs of lengths around the sizes of blocks and compares
// what they say with the model.
func TestRunLengths(t *testing.T) {
	for _, n := range []int{1, 2, 127, 128, 129, 255, 1000, 8321} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := newRand(t)
			m := newRunModel(engine.Position(rng.Uint64N(1<<40)), n)
			m.fill(rng, n)
			m.verify(t, rng, m.write(t, durable.NewMem(), "run"), 0)
		})
	}
}

// TestRunLong has more entries than 16 bits count, and terms of all shapes.
func TestRunLong(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(5, 1<<16+77)
	for _, s := range listShapes {
		m.add(rng, terms, s.list(rng, len(m.times)))
	}
	m.add(rng, identities, []uint32{65_535, 65_536, 65_537})
	m.verify(t, rng, m.write(t, durable.NewMem(), "run"), 0)
}

// TestRunWithout has runs that lack something.
func TestRunWithout(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 3)
	m.meta.policy = ""
	r := m.write(t, durable.NewMem(), "run")
	m.verify(t, rng, r, 0)
	if ok, err := r.mayHave(rng.Uint64()); ok || err != nil {
		t.Errorf("the empty filter says %v, %v", ok, err)
	}
	if _, err := r.place(3); err == nil {
		t.Error("there is a place behind the last entry")
	}
}

// TestRunKeys has keys at the ends of buckets and of the dictionary.
func TestRunKeys(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 64*mergeMost*3/2)
	for i := range uint64(64) {
		for _, key := range []uint64{i << 42, i<<42 + 1, i<<42 - 1} {
			m.lists[terms][key%(1<<48)] = []uint32{uint32(i)}
			m.lists[identities][key%(1<<48)] = []uint32{uint32(i), 999}
		}
	}
	for _, bound := range []int{1, 129, 64 * mergeMost * 3} { // one bucket, two, as many as there may be
		fsys := durable.NewMem()
		in := m.input()
		in.identityBound, in.termBound = bound, bound
		check(t, writeRun(fsys, "run", m.meta, in))
		m.verify(t, rng, open(t, fsys, "run"), 0)
	}
}

// smallModel has something of everything that a file can have, in few bytes.
func smallModel(rng *rand.Rand) *runModel {
	m := newRunModel(1000, 150)
	for i := range 3 {
		m.add(rng, identities, []uint32{uint32(i)})
		m.times[i] += rng.Int64N(1e9)
	}
	m.add(rng, terms, stretchOf(0, 150))
	m.add(rng, terms, exactly(140)(rng, 150))
	m.add(rng, terms, exactly(12)(rng, 150))
	m.add(rng, terms, []uint32{149})
	m.kinds = []engine.KindCount{{Tenant: "", Kind: "a", Count: 100}, {Tenant: "t", Kind: "", Count: 50}}
	m.entities = 2
	return m
}

// TestFault45FlippedByte flips a bit in every byte of a file in turn. Checking it
// finds that, and until then it never gives a wrong answer but for places.
func TestFault45FlippedByte(t *testing.T) {
	rng := newRand(t)
	m := smallModel(rng)
	fsys := durable.NewMem()
	m.write(t, fsys, "run")
	sound := fsys.Bytes("run")
	for at := range sound {
		b := bytes.Clone(sound)
		b[at] ^= 1 << rng.IntN(8)
		fsys.SetBytes("run", b)
		if err := m.tryAll(fsys); err == nil {
			t.Errorf("flip in byte %d of %d was not found", at, len(b))
		} else if !errors.Is(err, errDamaged) && !errors.Is(err, errForeign) {
			t.Errorf("flip in byte %d of %d: %v", at, len(b), err)
		}
	}
}

// tryAll opens a file that may be damaged, asks for everything, checks it, and
// returns the first error. A wrong answer panics.
func (m *runModel) tryAll(fsys durable.FS) error {
	r, err := openRun(fsys, "run", testOwner)
	if err != nil {
		return err
	}
	defer r.release()
	var errs []error
	for c := range m.lists {
		for key, want := range m.lists[c] {
			if class(c) == identities {
				ok, err := r.mayHave(key << 16)
				if errs = append(errs, err); err == nil && !ok {
					panic("the filter lacks an identity")
				}
			}
			for _, descending := range []bool{false, true} {
				cur, err := r.find(class(c), key<<16, 0, descending)
				errs = append(errs, err)
				if err == nil {
					errs = append(errs, walkAll(cur, want, descending))
				}
			}
		}
	}
	tm, err := r.times()
	errs = append(errs, err)
	for i := 0; i < len(m.times); i += 7 { // of each block, some
		at := m.times[i]
		if err == nil {
			ok, err := tm.may(uint32(i), span{at, at})
			if errs = append(errs, err); err == nil && !ok {
				panic("an entry has another time")
			}
		}
		_, err := r.place(uint32(i)) // a hint, which may be wrong
		errs = append(errs, err)
		x, err := r.row(uint32(i))
		if errs = append(errs, err); err == nil && x != m.rows[i] {
			panic("an entry has another row")
		}
	}
	_, err = r.addKinds(func(engine.KindCount) bool { return true })
	err = errors.Join(append(errs, err)...)
	if checked := r.check(context.Background()); err == nil || checked == nil {
		return checked // which finds what others find
	}
	return err
}

func walkAll(cur cursor, want []uint32, descending bool) error {
	if cur == nil {
		panic("a term is not there")
	}
	p := uint32(0)
	if descending {
		p = 1<<32 - 1
	}
	for i := range want {
		if descending {
			i = len(want) - 1 - i
		}
		got, ok, err := cur.seek(p)
		if err != nil {
			return err
		}
		if !ok || got != want[i] {
			panic("a term has other positions")
		}
		p = got + 1
		if descending {
			p = got - 1
		}
	}
	return nil
}

// TestFault45Truncated cuts a file at every length.
func TestFault45Truncated(t *testing.T) {
	fsys := durable.NewMem()
	m := smallModel(newRand(t))
	m.write(t, fsys, "run")
	sound := fsys.Bytes("run")
	for size := range sound {
		fsys.SetBytes("run", sound[:size])
		if r, err := openRun(fsys, "run", testOwner); err == nil {
			r.release()
			t.Errorf("opened %d of %d bytes", size, len(sound))
		} else if !errors.Is(err, errDamaged) && !errors.Is(err, errForeign) {
			t.Errorf("%d of %d bytes: %v", size, len(sound), err)
		}
	}
	fsys.SetBytes("run", append(bytes.Clone(sound), 0))
	if _, err := openRun(fsys, "run", testOwner); !errors.Is(err, errDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestOpenOthers opens files that are not this index's.
func TestOpenOthers(t *testing.T) {
	fsys := durable.NewMem()
	m := smallModel(newRand(t))
	m.write(t, fsys, "run")
	sound := fsys.Bytes("run")
	sum := func(b []byte) []byte { return appendSum(b[:headerBytes-sumBytes], 0) }
	tests := []struct {
		name  string
		owner owner
		edit  func(b []byte)
		want  error
	}{
		{"journal", owner{key: testOwner.key}, func([]byte) {}, errForeign},
		{"key", owner{journal: testJournal, key: NewHasher([16]byte{}).KeyID()}, func([]byte) {}, errForeign},
		{"magic", testOwner, func(b []byte) { b[1] = 'B' }, errForeign},
		{"newer", testOwner, func(b []byte) { b[8]++; sum(b) }, engine.ErrNewerFormat},
		{"newer by a flip", testOwner, func(b []byte) { b[8]++ }, errDamaged},
		{"version 0", testOwner, func(b []byte) { b[8] = 0; sum(b) }, errDamaged},
		{"header size", testOwner, func(b []byte) { b[12]++; sum(b) }, errDamaged},
		{"reserved", testOwner, func(b []byte) { b[60] = 1; sum(b) }, errDamaged},
		{"no entries", testOwner, func(b []byte) { copy(b[48:56], b[40:48]); sum(b) }, errDamaged},
		{"too many entries", testOwner, func(b []byte) { b[53] = 1; sum(b) }, errDamaged},
		{"fewer entries", testOwner, func(b []byte) { copy(b[48:56], b[40:48]); b[48]++; sum(b) }, errDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(sound)
			tt.edit(b)
			fsys.SetBytes("run", b)
			if _, err := openRun(fsys, "run", tt.owner); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestReadErrorPasses lets every read fail once: the next one works, and nothing
// is remembered.
func TestReadErrorPasses(t *testing.T) {
	rng := newRand(t)
	m := smallModel(rng)
	mem := durable.NewMem()
	m.write(t, mem, "run")
	for n := int64(0); ; n++ {
		reads := int64(0)
		fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
			if op.Kind != durable.OpRead {
				return durable.Fault{}
			}
			if reads++; reads-1 == n {
				return durable.Fault{Err: durable.ErrInjected}
			}
			return durable.Fault{}
		})
		err := m.tryAll(fsys)
		if !fsys.Failed() {
			check(t, err)
			break
		}
		if r, err := openRun(fsys, "run", testOwner); err == nil {
			m.verify(t, rng, r, 0)
			r.release()
		} else {
			t.Fatal(err)
		}
	}
	failed := false
	fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpRead && failed {
			return durable.Fault{Err: durable.ErrInjected}
		}
		return durable.Fault{}
	})
	r := open(t, fsys, "run")
	failed = true
	if _, err := r.mayHave(1); !errors.Is(err, durable.ErrInjected) {
		t.Errorf("reading fails and the filter says %v", err)
	}
	failed = false
	m.verify(t, rng, r, 0)
}

// TestDamageStays has damage remembered, where a part is read as a whole.
func TestDamageStays(t *testing.T) {
	m := smallModel(newRand(t))
	fsys := durable.NewMem()
	r := m.write(t, fsys, "run")
	sound := fsys.Bytes("run")
	b := bytes.Clone(sound)
	b[r.foot.sections[filterBits].off] ^= 1
	fsys.SetBytes("run", b)
	r = open(t, fsys, "run")
	for range 2 {
		if _, err := r.mayHave(1); !errors.Is(err, errDamaged) {
			t.Errorf("got %v of a damaged filter", err)
		}
		fsys.SetBytes("run", sound)
	}
}

// TestRunReferences closes the file with the last reference.
func TestRunReferences(t *testing.T) {
	m := smallModel(newRand(t))
	mem := durable.NewMem()
	check(t, writeRun(mem, "run", m.meta, m.input()))
	closed := 0
	fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpClose {
			closed++
		}
		return durable.Fault{}
	})
	r, err := openRun(fsys, "run", testOwner)
	check(t, err)
	r.acquire()
	r.release()
	if _, err := r.place(0); err != nil || closed != 0 {
		t.Fatalf("with a reference left: %v, closed %d times", err, closed)
	}
	r.release()
	if closed != 1 {
		t.Fatalf("without references: closed %d times", closed)
	}
	for _, wrong := range []func(){r.release, r.acquire} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a run without references was used")
				}
			}()
			wrong()
		}()
	}
}

// TestRunConcurrent has many ask a run at once, from the first use on.
func TestRunConcurrent(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 2000)
	m.fill(rng, 500)
	r := m.write(t, durable.NewMem(), "run")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for c := range m.lists {
				for key, want := range m.lists[c] {
					cur, err := r.find(class(c), key<<16, 0, true)
					if err == nil {
						err = walkAll(cur, want, true)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}
			if tm, err := r.times(); err != nil {
				t.Error(err)
			} else if ok, err := tm.may(1999, span{m.times[1999], math.MaxInt64}); !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	wg.Wait()
}

// TestReadsOfFind counts what a lookup reads: one bucket, and of a long list what
// is asked for.
func TestReadsOfFind(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 100_000)
	id := m.add(rng, identities, []uint32{77})
	all := m.add(rng, terms, scattered(rng, 100_000, 0.5))
	mem := durable.NewMem()
	check(t, writeRun(mem, "run", m.meta, m.input()))
	reads, size := 0, 0
	fsys := durable.NewFaulty(mem, func(op durable.Op) durable.Fault {
		if op.Kind == durable.OpRead {
			reads, size = reads+1, size+op.Len
		}
		return durable.Fault{}
	})
	r := open(t, fsys, "run")
	count := func(do func()) (int, int) {
		do() // the first time reads what is kept
		reads, size = 0, 0
		do()
		return reads, size
	}
	find := func(c class, hash uint64, descending bool, p uint32) func() {
		return func() {
			cur, err := r.find(c, hash, 0, descending)
			check(t, err)
			if _, ok, err := cur.seek(p); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	}
	for _, tt := range []struct {
		name         string
		do           func()
		reads, bytes int
	}{
		{"id", find(identities, id, false, 0), 1, 100},
		{"first", find(terms, all, false, 0), 3, 3000},
		{"last", find(terms, all, true, 99_999), 3, 3000},
		{"middle", find(terms, all, true, 50_000), 4, 4000},
	} {
		if reads, bytes := count(tt.do); reads > tt.reads || bytes > tt.bytes {
			t.Errorf("%s: %d reads of %d bytes, want %d and %d at most", tt.name, reads, bytes, tt.reads, tt.bytes)
		}
	}
}

// TestWindow reads through a window what is there without one.
func TestWindow(t *testing.T) {
	rng := newRand(t)
	b := make([]byte, 3*windowBytes)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	w := &window{r: bytes.NewReader(b), size: int64(len(b))}
	for range 2000 {
		off, size := rng.IntN(len(b)), 1+rng.IntN(1000)
		if rng.IntN(50) == 0 {
			size = rng.IntN(2 * windowBytes)
		}
		p := make([]byte, size)
		n, err := w.ReadAt(p, int64(off))
		want := b[off:min(len(b), off+size)]
		if !bytes.Equal(p[:n], want) || (err == nil) != (len(want) == size) || err != nil && err != io.EOF {
			t.Fatalf("%d bytes at %d: %d, %v", size, off, n, err)
		}
	}
}

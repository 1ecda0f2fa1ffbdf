package index

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

var (
	update   = flag.Bool("update", false, "rewrite golden files")
	seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes one of the clock")
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newRand returns a source of chance and prints its seed.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var (
	testJournal = [16]byte([]byte("annals-test-log!"))
	testHasher  = NewHasher([16]byte([]byte("0123456789abcdef")))
	testOwner   = owner{journal: testJournal, key: testHasher.KeyID()}
)

// A runModel is what a run should hold, in plain maps.
type runModel struct {
	meta     meta
	lists    [2]map[uint64][]uint32 // by class and key
	times    []int64
	rows     []row
	kinds    []engine.KindCount
	entities uint64
	noise    uint64 // of the hashes' low bits
}

func newRunModel(first engine.Position, n int) *runModel {
	m := &runModel{
		meta:  meta{owner: testOwner, policy: "all", first: first, next: first + engine.Position(n)},
		lists: [2]map[uint64][]uint32{{}, {}}, times: make([]int64, n), rows: make([]row, n), noise: 1,
	}
	for i := range n {
		m.times[i] = int64(i) * 1e9
		m.rows[i].place = uint32(i) * 100
	}
	return m
}

// A listShape makes the positions of a term of a run of n entries.
type listShape struct {
	name string
	list func(rng *rand.Rand, n int) []uint32
}

var listShapes = []listShape{
	{"one", func(rng *rand.Rand, n int) []uint32 { return []uint32{uint32(rng.IntN(n))} }},
	{"first", func(*rand.Rand, int) []uint32 { return []uint32{0} }},
	{"last", func(_ *rand.Rand, n int) []uint32 { return []uint32{uint32(n - 1)} }},
	{"all", func(_ *rand.Rand, n int) []uint32 { return stretchOf(0, n) }},
	{"all but one", func(rng *rand.Rand, n int) []uint32 {
		all := stretchOf(0, n)
		if at := rng.IntN(n); n > 1 {
			all = slices.Delete(all, at, at+1)
		}
		return all
	}},
	{"stretch", func(rng *rand.Rand, n int) []uint32 {
		from := rng.IntN(n)
		return stretchOf(from, from+1+rng.IntN(n-from))
	}},
	{"dense", func(rng *rand.Rand, n int) []uint32 { return scattered(rng, n, 0.7) }},
	{"sparse", func(rng *rand.Rand, n int) []uint32 { return scattered(rng, n, 0.02) }},
	{"stretches", func(rng *rand.Rand, n int) (all []uint32) {
		for at := rng.IntN(100); at < n; {
			to := min(n, at+1+rng.IntN(300))
			all = append(all, stretchOf(at, to)...)
			at = to + 1 + rng.IntN(3000)
		}
		if len(all) == 0 {
			all = []uint32{uint32(n - 1)}
		}
		return all
	}},
	{"2", exactly(2)}, {"127", exactly(127)}, {"128", exactly(128)}, {"129", exactly(129)},
	{"256", exactly(256)}, {"8192", exactly(8192)}, {"8193", exactly(8193)},
	{"8320 in a row", func(_ *rand.Rand, n int) []uint32 { return stretchOf(max(0, n-8320), n) }},
}

func stretchOf(from, to int) (all []uint32) {
	for p := from; p < to; p++ {
		all = append(all, uint32(p))
	}
	return all
}

// scattered returns about a part of the positions, at least one.
func scattered(rng *rand.Rand, n int, part float64) (all []uint32) {
	for p := range n {
		if rng.Float64() < part {
			all = append(all, uint32(p))
		}
	}
	if len(all) == 0 {
		all = append(all, uint32(rng.IntN(n)))
	}
	return all
}

// exactly returns so many positions, or all.
func exactly(count int) func(*rand.Rand, int) []uint32 {
	return func(rng *rand.Rand, n int) []uint32 {
		if count*4 > n {
			all := make([]uint32, min(count, n))
			for i, p := range rng.Perm(n)[:len(all)] {
				all[i] = uint32(p)
			}
			slices.Sort(all)
			return all
		}
		some := make(map[uint32]bool)
		for len(some) < count {
			some[uint32(rng.IntN(n))] = true
		}
		return slices.Sorted(maps.Keys(some))
	}
}

// add adds a term under a random hash and returns that.
func (m *runModel) add(rng *rand.Rand, c class, positions []uint32) uint64 {
	hash := rng.Uint64()
	m.lists[c][keyOf(hash)] = positions
	return hash
}

// fill adds an id for each entry, entities, terms of every shape and others, and
// kinds. Times mostly ascend.
func (m *runModel) fill(rng *rand.Rand, others int) {
	n := len(m.times)
	for i := range n {
		m.add(rng, identities, []uint32{uint32(i)})
		m.times[i] = 1_700_000_000e9 + int64(i)*1e6 + rng.Int64N(1e9)
		m.rows[i] = row{rng.Uint32(), rng.Uint32(), rng.Uint32()}
	}
	m.entities = uint64(n / 7)
	entities := make([][]uint32, m.entities)
	for i := range n {
		if k := rng.IntN(10 + len(entities)); k < len(entities) { // some have none
			k = rng.IntN(k + 1)
			entities[k] = append(entities[k], uint32(i))
		}
	}
	for _, positions := range entities {
		if len(positions) > 0 {
			m.add(rng, identities, positions)
		}
	}
	for _, s := range listShapes {
		m.add(rng, terms, s.list(rng, n))
	}
	for range others {
		m.add(rng, terms, exactly(1+rng.IntN(5))(rng, n))
	}
	left := uint64(n)
	for i := 0; left > 0 && i < 20; i++ {
		count := 1 + rng.Uint64N(left)
		m.kinds = append(m.kinds, engine.KindCount{Tenant: fmt.Sprint("tenant-", i%3), Kind: fmt.Sprint("kind-", i), Count: count})
		left -= count
	}
	slices.SortFunc(m.kinds, compareKinds)
}

// sequence yields a class's terms. With noise, some come in two parts whose hashes
// differ in the bits that files leave out.
func (m *runModel) sequence(c class) iter.Seq2[uint64, []uint32] {
	return func(yield func(uint64, []uint32) bool) {
		for _, key := range slices.Sorted(maps.Keys(m.lists[c])) {
			list := slices.Clone(m.lists[c][key])
			var odd, even []uint32
			for i, p := range list {
				if i%2 == 0 {
					even = append(even, p)
				} else {
					odd = append(odd, p)
				}
			}
			if key%3 != 0 || len(odd) == 0 {
				even, odd = list, nil
			}
			if !yield(key<<16|m.noise, even) {
				return
			}
			if odd != nil && !yield(key<<16|m.noise+1, odd) {
				return
			}
			clear(even) // nobody may keep them
			clear(odd)
		}
	}
}

func (m *runModel) input() input {
	return input{
		identities: m.sequence(identities), terms: m.sequence(terms),
		identityBound: len(m.lists[identities]), termBound: len(m.lists[terms]),
		time: func(i uint32) int64 { return m.times[i] },
		row:  func(i uint32) row { return m.rows[i] },
		kinds: func(yield func(engine.KindCount, error) bool) {
			for _, k := range m.kinds {
				if !yield(k, nil) {
					return
				}
			}
		},
		entities: m.entities,
	}
}

// write writes the model as a run and opens it.
func (m *runModel) write(t testing.TB, fsys durable.FS, name string) *run {
	t.Helper()
	check(t, writeRun(fsys, name, m.meta, m.input()))
	return open(t, fsys, name)
}

// open opens a run, which is closed at the end of the test.
func open(t testing.TB, fsys durable.FS, name string) *run {
	t.Helper()
	r, err := openRun(fsys, name, testOwner)
	check(t, err)
	t.Cleanup(r.release)
	return r
}

// split returns models of neighbouring parts, which end before the given entries
// and the last.
func (m *runModel) split(ends ...int) (parts []*runModel) {
	from := 0
	kinds := slices.Clone(m.kinds)
	for i, to := range append(ends, len(m.times)) {
		p := newRunModel(m.meta.first+engine.Position(from), to-from)
		p.noise, p.meta.policy = uint64(i), m.meta.policy
		for c := range m.lists {
			for key, list := range m.lists[c] {
				low, _ := slices.BinarySearch(list, uint32(from))
				high, _ := slices.BinarySearch(list, uint32(to))
				for _, pos := range list[low:high] {
					p.lists[c][key] = append(p.lists[c][key], pos-uint32(from))
				}
			}
		}
		p.times, p.rows = m.times[from:to], m.rows[from:to]
		left := uint64(to - from)
		for j := range kinds { // any way to share them out will do
			if n := min(left, kinds[j].Count); n > 0 {
				k := kinds[j]
				k.Count = n
				p.kinds = append(p.kinds, k)
				kinds[j].Count, left = kinds[j].Count-n, left-n
			}
		}
		p.entities = m.entities * uint64(to-from) / uint64(len(m.times))
		parts = append(parts, p)
		from = to
	}
	rest := m.entities
	for _, p := range parts {
		rest -= p.entities
	}
	for _, p := range parts { // what rounding has left over
		n := min(rest, uint64(len(p.times))-p.entities)
		p.entities, rest = p.entities+n, rest-n
	}
	return parts
}

// verify compares everything that a run says with the model. Times of
// merged runs are less exact, by two bits a merge at most for such times as these.
func (m *runModel) verify(t *testing.T, rng *rand.Rand, r *run, merges int) {
	t.Helper()
	check(t, r.check(context.Background()))
	if diff := cmp.Diff(m.meta, r.meta, cmp.AllowUnexported(meta{}, owner{})); diff != "" {
		t.Fatalf("meta (-want +got):\n%s", diff)
	}
	for c := range m.lists {
		m.verifyLists(t, rng, r, class(c))
	}
	m.verifyTimes(t, rng, r, merges)
	for i := 0; i < len(m.rows); i += m.step() {
		want := m.rows[i]
		if got, err := r.place(uint32(i)); err != nil || got != want.place {
			t.Fatalf("place of %d is %d, %v, want %d", i, got, err, want.place)
		}
		if got, err := r.row(uint32(i)); err != nil || got != want {
			t.Fatalf("row of %d is %v, %v, want %v", i, got, err, want)
		}
	}
	var kinds []engine.KindCount
	_, err := r.addKinds(func(k engine.KindCount) bool { kinds = append(kinds, k); return true })
	check(t, err)
	if diff := cmp.Diff(m.kinds, kinds); diff != "" || r.foot.entities != m.entities {
		t.Fatalf("%d entities, want %d; kinds (-want +got):\n%s", r.foot.entities, m.entities, diff)
	}
}

// step is the distance of the entries whose columns are compared.
func (m *runModel) step() int { return 1 + len(m.times)/5000 }

func (m *runModel) verifyLists(t *testing.T, rng *rand.Rand, r *run, c class) {
	t.Helper()
	if got, want := r.foot.distinct[c], uint64(len(m.lists[c])); got != want {
		t.Fatalf("run has %d terms of class %d, want %d", got, c, want)
	}
	for key, want := range m.lists[c] {
		hash := key<<16 | rng.Uint64N(1<<16)
		for _, descending := range []bool{false, true} {
			cur, err := r.find(c, hash, 0, descending)
			check(t, err)
			if cur == nil {
				t.Fatalf("term %x of class %d is not there", key, c)
			}
			if got := cur.atMost(); got < len(want) || got > len(want) {
				t.Fatalf("term %x has at most %d positions, want %d", key, got, len(want))
			}
			verifyWalk(t, rng, cur, want, uint32(len(m.times)), descending)
		}
		if c == identities {
			if ok, err := r.mayHave(hash); err != nil || !ok {
				t.Fatalf("filter says %v, %v of identity %x", ok, err, key)
			}
		}
	}
	for range 100 {
		hash := rng.Uint64()
		cur, err := r.find(c, hash, 0, false)
		if _, there := m.lists[c][keyOf(hash)]; err != nil || (cur != nil) != there {
			t.Fatalf("find of a random hash: %v, %v", cur, err)
		}
	}
}

// verifyWalk walks a cursor over some of want: all of it, or in random steps.
func verifyWalk(t *testing.T, rng *rand.Rand, cur cursor, want []uint32, n uint32, descending bool) {
	t.Helper()
	step := 1
	if rng.IntN(2) == 0 {
		step = 1 + rng.IntN(int(n)/2+1)
	}
	if descending {
		for p, more := int64(n)-1+rng.Int64N(3), true; more && p >= 0; p -= int64(rng.IntN(step)) + 1 {
			at, exact := slices.BinarySearch(want, uint32(p))
			if !exact {
				at--
			}
			p = verifySeek(t, cur, uint32(p), want, at)
			more = at >= 0
		}
		return
	}
	for p, more := int64(0), true; more && p < int64(n); p += int64(rng.IntN(step)) + 1 {
		at, _ := slices.BinarySearch(want, uint32(p))
		p = verifySeek(t, cur, uint32(p), want, at)
		more = at < len(want)
	}
}

// verifySeek seeks p, twice, which should give want[at], and returns that.
func verifySeek(t *testing.T, cur cursor, p uint32, want []uint32, at int) int64 {
	t.Helper()
	for range 2 {
		got, ok, err := cur.seek(p)
		check(t, err)
		if there := at >= 0 && at < len(want); ok != there || ok && got != want[at] {
			t.Fatalf("seek %d gives %d, %v; want element %d of %d", p, got, ok, at, len(want))
		}
		if ok {
			p = got
		}
	}
	return int64(p)
}

func (m *runModel) verifyTimes(t *testing.T, rng *rand.Rand, r *run, merges int) {
	t.Helper()
	tm, err := r.times()
	check(t, err)
	rt := tm.(*runTimer)
	most := uint64(0) // of the spans of blocks
	for i := range blocksOf(uint64(len(m.times))) {
		zone := rt.zones.at(uint32(i))
		most = max(most, uint64(zone.last-zone.since))
	}
	for i := 0; i < len(m.times); i += m.step() {
		at := m.times[i]
		got, err := rt.at(uint32(i))
		check(t, err)
		if got.since > at || got.last < at {
			t.Fatalf("time of %d is in %v, want %d", i, got, at)
		}
		if width := uint64(got.last - got.since); width > most>>(15-2*merges) {
			t.Fatalf("time of %d is only known within %d of %d", i, width, most)
		}
		near := span{min(at, max(at, math.MinInt64+10)-rng.Int64N(10)), max(at, min(at, math.MaxInt64-10)+rng.Int64N(10))}
		for _, s := range []span{near, {at, at}, {math.MinInt64, at}, {at, math.MaxInt64}} {
			if ok, err := tm.may(uint32(i), s); err != nil || !ok {
				t.Fatalf("time of %d, %d, is not in %v: %v", i, at, s, err)
			}
			if to, ok := tm.skip(uint32(i), s, i%2 == 0); !ok || to != uint32(i) {
				t.Fatalf("skip of %d leads to %d, %v", i, to, ok)
			}
		}
	}
	m.verifySkip(t, rng, tm)
}

// verifySkip skips to random times: nothing that is wanted may be left out.
func (m *runModel) verifySkip(t *testing.T, rng *rand.Rand, tm timer) {
	t.Helper()
	for range 20 {
		a, b := m.times[rng.IntN(len(m.times))], m.times[rng.IntN(len(m.times))]
		s := span{min(a, b), min(a, b)}
		from := rng.IntN(len(m.times))
		next := slices.Index(m.times[from:], s.since)
		to, ok := tm.skip(uint32(from), s, false)
		if next >= 0 && (!ok || int(to) > from+next) || ok && int(to) < from {
			t.Fatalf("skip from %d leads to %d, %v; %d would be right", from, to, ok, from+next)
		}
		down := -1
		for i := from; i >= 0 && down < 0; i-- {
			if m.times[i] == s.since {
				down = i
			}
		}
		to, ok = tm.skip(uint32(from), s, true)
		if down >= 0 && (!ok || int(to) < down) || ok && int(to) > from {
			t.Fatalf("skip down from %d leads to %d, %v; %d would be right", from, to, ok, down)
		}
	}
}

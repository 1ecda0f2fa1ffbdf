package index

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// addSeeds adds seeds, of which there must be some.
func addSeeds(f *testing.F, seeds [][]byte) {
	if len(seeds) == 0 {
		f.Fatal("there are no seeds")
	}
	for _, b := range seeds {
		f.Add(b)
	}
}

// seedRuns are sound files and damaged ones.
func seedRuns(f *testing.F) (seeds [][]byte) {
	rng := rand.New(rand.NewPCG(1, 1)) // the same in every process
	models := []*runModel{smallModel(rng), goldenModels["tiny"](), goldenModels["long"]()}
	for _, m := range models {
		fsys := durable.NewMem()
		m.write(f, fsys, "run")
		b := fsys.Bytes("run")
		seeds = append(seeds, b, b[:len(b)/2], b[:headerBytes])
		for range 10 {
			flipped := bytes.Clone(b)
			flipped[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			seeds = append(seeds, flipped)
		}
	}
	return seeds
}

// FuzzRun takes any bytes for a run (fault 52): whatever they are, asking it for
// all kinds of things neither panics nor goes on for long, takes no memory out of
// proportion, and gives only positions that the run has, in order.
func FuzzRun(f *testing.F) {
	addSeeds(f, seedRuns(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		fuzzRun(t, b)
		fuzzRun(t, resum(b))
	})
}

// resum makes right the checksums of what a file seems to consist of, so that
// fuzzing gets behind them.
func resum(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < headerBytes+footerFixedBytes+trailerBytes {
		return b
	}
	copy(b, appendSum(bytes.Clone(b[:headerBytes-sumBytes]), 0))
	m, err := parseHeader(b)
	if err != nil {
		return b
	}
	size, _, err := parseTrailer(b[len(b)-trailerBytes:])
	end := int64(len(b)) - trailerBytes - size
	if err != nil || end < headerBytes {
		return b
	}
	raw := b[end : end+size]
	sum := updateChecksum(checksum(raw), b[len(b)-trailerBytes:][:4])
	foot, err := parseFooter(raw, sum, end, m.entries())
	if err != nil {
		return b
	}
	for c := range foot.bits {
		resumBuckets(b, class(c), &foot, m.entries())
	}
	resumBlocks(b, foot.sections[timeColumn], timeBlockBytes)
	resumBlocks(b, foot.sections[entryColumn], rowBlockBytes)
	for i := range foot.sections {
		if e := &foot.sections[i]; section(i).summed() {
			e.sum = checksum(b[e.off : e.off+e.len])
		}
	}
	raw = foot.append(nil)
	return append(append(b[:end:end], raw...), appendTrailer(nil, raw)...)
}

func resumBlocks(b []byte, e extent, size int64) {
	for at := e.off; at < e.off+e.len; at += size {
		appendSum(b[at:at+size-sumBytes], 0)
	}
}

// resumBuckets makes right the checksums of buckets and of the lists in front.
func resumBuckets(b []byte, c class, foot *footer, n uint64) {
	s, e, d := newShape(foot.bits[c], n), foot.sections[c.lists()], foot.sections[c.directory()]
	for i := range uint64(1) << s.bits {
		p, err := s.placeAt(b[d.off:d.off+d.len], i, e)
		if err != nil || p.len == 0 {
			continue
		}
		raw := b[p.off : p.off+p.len]
		appendSum(raw[:len(raw)-sumBytes], 0)
		bucket, err := parseBucket(s, raw, e.off, p.off)
		if err != nil {
			continue
		}
		for j := range bucket.count {
			if f, _, err := bucket.find(j); err == nil && f.count > maxShort {
				table := b[f.long.skip:f.long.end()]
				for len(table) > 0 {
					group := table[:min(len(table), groupBytes)]
					appendSum(group[:len(group)-sumBytes], 0)
					table = table[len(group):]
				}
			}
		}
	}
}

func fuzzRun(t *testing.T, b []byte) {
	fsys := durable.NewMem()
	fsys.SetBytes("run", b)
	var before, after runtime.MemStats
	for range 3 { // others of the process allocate too, now and then
		runtime.ReadMemStats(&before)
		size := fuzzAsk(t, fsys)
		runtime.ReadMemStats(&after)
		if after.TotalAlloc-before.TotalAlloc <= uint64(1<<20+100*(len(b)+size)) {
			return
		}
	}
	t.Errorf("%d bytes take %d bytes of memory", len(b), after.TotalAlloc-before.TotalAlloc)
}

// fuzzAsk asks a run that may be anything. It returns about how much it was given.
func fuzzAsk(t *testing.T, fsys durable.FS) (size int) {
	r, err := openRun(fsys, "run", testOwner)
	if err != nil {
		if !errors.Is(err, errDamaged) && !errors.Is(err, errForeign) && !errors.Is(err, engine.ErrNewerFormat) {
			t.Error(err)
		}
		return 0
	}
	defer r.release()
	if err := r.check(context.Background()); err != nil && !errors.Is(err, errDamaged) {
		t.Error(err)
	}
	r.mayHave(1 << 40)
	for _, c := range []class{identities, terms} {
		for _, key := range keysOf(r, c) {
			for _, descending := range []bool{false, true} {
				size += fuzzWalk(t, r, c, key, descending)
			}
		}
	}
	if tm, err := r.times(); err == nil {
		for i := range uint32(min(r.meta.entries(), 1000)) {
			tm.may(i, span{int64(i), int64(i) * 1e9})
			tm.skip(i, span{int64(i), int64(i) * 1e9}, i%2 == 0)
			r.place(i)
			r.row(i)
		}
	}
	r.addKinds(func(engine.KindCount) bool { return true })
	size += int(min(r.meta.entries(), 1000)) * 20
	return size
}

// keysOf returns the first keys of a dictionary, as far as it can be read.
func keysOf(r *run, c class) (keys []uint64) {
	d, err := r.newDictReader(c)
	for err == nil && len(keys) < 20 {
		if err = d.step(); err == nil && d.key == noKey {
			break
		}
		keys = append(keys, d.key)
	}
	return keys
}

// fuzzWalk walks what a run finds under a key, and returns its bytes.
func fuzzWalk(t *testing.T, r *run, c class, key uint64, descending bool) int {
	cur, err := r.find(c, key<<16, 0, descending)
	if err != nil || cur == nil {
		return 4096
	}
	n := int64(r.meta.entries())
	p, steps := int64(0), int64(0)
	if descending {
		p = n - 1
	}
	for ; p >= 0 && p < n && steps < 2000; steps++ {
		got, ok, err := cur.seek(uint32(p))
		if err != nil || !ok {
			break
		}
		at := int64(got)
		if at >= n || descending && at > p || !descending && at < p {
			t.Fatalf("seek %d gives %d of %d", p, at, n)
		}
		if p = at + 1; descending {
			p = at - 1
		}
	}
	return 8192 + int(steps)*8
}

// FuzzBucket reads any bytes as a bucket.
func FuzzBucket(f *testing.F) {
	m := smallModel(rand.New(rand.NewPCG(1, 1)))
	fsys := durable.NewMem()
	r := m.write(f, fsys, "run")
	b := fsys.Bytes("run")
	var seeds [][]byte
	for _, c := range []class{identities, terms} {
		d := r.foot.sections[c.directory()]
		s := newShape(0, 150)
		p, err := s.placeAt(b[d.off:], 0, r.foot.sections[c.lists()])
		check(f, err)
		seeds = append(seeds, b[p.off:p.off+p.len])
	}
	addSeeds(f, seeds)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < sumBytes || len(raw) > 1<<16 {
			return
		}
		raw = appendSum(bytes.Clone(raw[:len(raw)-sumBytes]), 0)
		for _, k := range []uint{0, 7, maxBits} {
			b, err := parseBucket(newShape(k, 150), raw, headerBytes, 5000)
			if err != nil {
				continue
			}
			for i := range b.count {
				fuzzEntry(t, &b, i)
			}
		}
	})
}

func fuzzEntry(t *testing.T, b *bucket, i int) {
	if _, ok := b.search(b.restAt(i)); !ok && slices.IsSortedFunc(stretchOf(0, b.count), func(x, y uint32) int {
		return int(int64(b.restAt(int(x))) - int64(b.restAt(int(y))))
	}) {
		t.Errorf("entry %d is not found", i)
	}
	f, _, err := b.find(i)
	if err != nil {
		return
	}
	if f.count > maxShort {
		if f.long.data < headerBytes || f.long.skip < f.long.data || f.long.end() > 5000 {
			t.Errorf("list is at %+v", f.long)
		}
		return
	}
	all, err := f.positions(b.n)
	if err == nil && (len(all) != f.count || !slices.IsSorted(all) || uint64(all[len(all)-1]) >= b.n) {
		t.Errorf("positions are %v", all)
	}
}

// FuzzList reads any bytes as the data and skip table of a long list.
func FuzzList(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1)) // the same in every process
	var seeds [][]byte
	for _, list := range [][]uint32{stretchOf(0, 1000), exactly(600)(rng, 10_000), exactly(8300)(rng, 10_000)} {
		seeds = append(seeds, encodeList(f, list))
	}
	addSeeds(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		for _, count := range []int{129, 600, 1000, 8300} {
			l := longList{count: count}
			if l.skip = int64(len(b)) - l.tableBytes(); l.skip < 0 {
				continue
			}
			b := bytes.Clone(b)
			for table := b[l.skip:]; len(table) > 0; {
				group := table[:min(len(table), groupBytes)]
				appendSum(group[:len(group)-sumBytes], 0)
				table = table[len(group):]
			}
			fuzzList(t, b, l)
		}
	})
}

// encodeList returns the data and skip table of a list.
func encodeList(f *testing.F, list []uint32) []byte {
	fsys := durable.NewMem()
	file, err := fsys.Create("list")
	check(f, err)
	w := listWriter{out: &output{file: file, buf: make([]byte, 0, outputBytes)}, n: 10_000}
	check(f, w.add(list, 0))
	w.finish()
	check(f, w.out.close())
	return fsys.Bytes("list")
}

func fuzzList(t *testing.T, b []byte, l longList) {
	const n = 10_000
	r := newBlockReader(bytes.NewReader(b), n)
	r.reset(l)
	var all []uint32
	whole := r.each(func(block []uint32) error { all = append(all, block...); return nil })
	if whole == nil && (len(all) != l.count || !slices.IsSorted(all) || all[len(all)-1] >= n) {
		t.Fatalf("positions are %v", all)
	}
	for _, descending := range []bool{false, true} {
		f := found{count: l.count, long: l}
		cur, err := f.cursor(bytes.NewReader(b), n, descending)
		check(t, err)
		for p := range uint32(20) {
			if p *= 500; descending {
				p = n - 1 - p
			}
			got, ok, err := cur.seek(p)
			if err != nil {
				break
			}
			if whole != nil {
				continue
			}
			at, exact := slices.BinarySearch(all, p)
			if descending && !exact {
				at--
			}
			if there := at >= 0 && at < len(all); ok != there || ok && got != all[at] {
				t.Fatalf("seek %d gives %d, %v", p, got, ok)
			}
		}
	}
}

// FuzzKinds reads any bytes as a kind table.
func FuzzKinds(f *testing.F) {
	var sound []byte
	for _, k := range smallModel(rand.New(rand.NewPCG(1, 1))).kinds {
		sound = appendKind(sound, k)
	}
	addSeeds(f, [][]byte{sound, sound[:3], {0xff, 0xff, 0xff, 0x7f, 'a'}, nil})
	f.Fuzz(func(t *testing.T, b []byte) {
		for rows := range uint64(4) {
			e := extent{len: int64(len(b)), sum: checksum(b)}
			var again []byte
			sum := uint64(0)
			for k, err := range newKindReader(bytes.NewReader(b), e, rows, 200).all() {
				if err != nil {
					if !errors.Is(err, errDamaged) {
						t.Error(err)
					}
					return
				}
				again = appendKind(again, k)
				sum += k.Count
			}
			if sum > 200 || len(again) > len(b) {
				t.Errorf("%x was read as %x", b, again)
			}
		}
	})
}

// FuzzEnds reads any bytes as header and as footer.
func FuzzEnds(f *testing.F) {
	m := smallModel(rand.New(rand.NewPCG(1, 1)))
	fsys := durable.NewMem()
	r := m.write(f, fsys, "run")
	addSeeds(f, [][]byte{m.meta.appendHeader(nil), r.foot.append(nil)})
	end := r.foot.sections[zoneTable].off + r.foot.sections[zoneTable].len
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerBytes {
			head := appendSum(bytes.Clone(b[:headerBytes-sumBytes]), 0)
			if m, err := parseHeader(head); err == nil && !bytes.Equal(m.appendHeader(nil), head) {
				t.Errorf("header %x is not what was read", head)
			}
		}
		sum := updateChecksum(checksum(b), []byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), 0})
		if foot, err := parseFooter(b, sum, end, 150); err == nil && !bytes.Equal(foot.append(nil), b) {
			t.Errorf("footer %x is not what was read", b)
		}
	})
}

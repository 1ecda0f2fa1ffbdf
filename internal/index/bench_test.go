package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A benchRun is the input of a run of n entries with an id, an entity that some
// share, and a number of terms: the first few are common, most of the others rare.
type benchRun struct {
	in       input
	ids      []uint64
	postings int
}

func newBenchRun(n, termsOfEach int) *benchRun {
	rng := rand.New(rand.NewPCG(1, 1))
	b := &benchRun{ids: make([]uint64, n)}
	lists := [2]map[uint64][]uint32{{}, {}}
	add := func(c class, hash uint64, p int) {
		lists[c][hash] = append(lists[c][hash], uint32(p))
		b.postings++
	}
	common := make([]uint64, 1000)
	for i := range common {
		common[i] = rng.Uint64()
	}
	for p := range n {
		b.ids[p] = rng.Uint64()
		add(identities, b.ids[p], p)
		add(identities, common[rng.IntN(1000)]^uint64(p/10_000)<<40, p)
		for i := range termsOfEach {
			switch {
			case i < 8: // one of 4, 16, and so on
				add(terms, common[i*100+rng.IntN(4+i*12)], p)
			default: // mostly new
				add(terms, rng.Uint64(), p)
			}
		}
	}
	b.in = input{
		identities: sequenceOf(lists[identities]), terms: sequenceOf(lists[terms]),
		identityBound: len(lists[identities]), termBound: len(lists[terms]),
		time: func(i uint32) int64 { return 1_700_000_000e9 + int64(i)*37_000 },
		row:  func(i uint32) row { return row{place: i * 1000, sequence: i, check: i} },
		kinds: func(yield func(engine.KindCount, error) bool) {
			yield(engine.KindCount{Tenant: "default", Kind: "order.paid", Count: uint64(n)}, nil)
		},
	}
	return b
}

// sequenceOf yields terms as a tail does: they lie in memory in their order.
func sequenceOf(lists map[uint64][]uint32) func(func(uint64, []uint32) bool) {
	hashes := make([]uint64, 0, len(lists))
	for hash := range lists {
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	var all []uint32
	ends := make([]int, len(hashes))
	for i, hash := range hashes {
		all = append(all, lists[hash]...)
		ends[i] = len(all)
	}
	return func(yield func(uint64, []uint32) bool) {
		from := 0
		for i, to := range ends {
			if !yield(hashes[i], all[from:to]) {
				return
			}
			from = to
		}
	}
}

func benchMeta(first engine.Position, n int) meta {
	return meta{owner: testOwner, first: first, next: first + engine.Position(n)}
}

// diskFS returns a file system in a folder of its own.
func diskFS(b *testing.B) durable.FS {
	fsys, err := durable.OpenOS(b.TempDir())
	check(b, err)
	b.Cleanup(func() { fsys.Close() })
	return fsys
}

func BenchmarkWriteRun(b *testing.B) {
	const n = 64 << 10
	for _, termsOfEach := range []int{8, 25} {
		b.Run(fmt.Sprint(termsOfEach), func(b *testing.B) {
			in := newBenchRun(n, termsOfEach)
			fsys := diskFS(b)
			for b.Loop() {
				check(b, writeRun(fsys, "run", benchMeta(0, n), in.in))
			}
			r := open(b, fsys, "run")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(in.postings), "ns/posting")
			b.ReportMetric(float64(r.size())/float64(in.postings), "bytes/posting")
			b.ReportMetric(float64(r.size())/n, "bytes/entry")
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	const n = 1 << 20
	in := newBenchRun(n, 0)
	fsys := diskFS(b)
	check(b, writeRun(fsys, "run", benchMeta(0, n), in.in))
	r := open(b, fsys, "run")
	rng := rand.New(rand.NewPCG(2, 2))
	b.Run("present", func(b *testing.B) {
		for b.Loop() {
			hash := in.ids[rng.IntN(n)]
			if ok, err := r.mayHave(hash); !ok || err != nil {
				b.Fatal(ok, err)
			}
			c, err := r.find(identities, hash, 0, true)
			if err != nil || c == nil {
				b.Fatal(c, err)
			}
			if _, ok, err := c.seek(n); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("absent", func(b *testing.B) {
		wrong := 0
		for b.Loop() {
			if ok, _ := r.mayHave(rng.Uint64()); ok {
				wrong++
			}
		}
		b.ReportMetric(100*float64(wrong)/float64(b.N), "%wrong")
	})
	b.Run("row", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.row(rng.Uint32N(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWalk walks all of a term that every second entry has.
func BenchmarkWalk(b *testing.B) {
	const n = 1 << 20
	rng := rand.New(rand.NewPCG(1, 1))
	m := newRunModel(0, n)
	hash := m.add(rng, terms, scattered(rng, n, 0.5))
	r := m.write(b, diskFS(b), "run")
	b.Run("all", func(b *testing.B) {
		positions := 0
		for b.Loop() {
			c, err := r.find(terms, hash, 0, false)
			check(b, err)
			p, ok := uint32(0), true
			for ; ok && err == nil; p++ {
				p, ok, err = c.seek(p)
				positions++
			}
			check(b, err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(positions), "ns/position")
	})
	b.Run("newest", func(b *testing.B) {
		for b.Loop() {
			c, err := r.find(terms, hash, 0, true)
			check(b, err)
			_, _, err = c.seek(n - 1)
			check(b, err)
		}
	})
	b.Run("jump", func(b *testing.B) {
		seeks := 0
		for b.Loop() {
			c, err := r.find(terms, hash, 0, false)
			check(b, err)
			for p := uint32(0); p < n; p += 20_000 {
				if _, _, err := c.seek(p); err != nil {
					b.Fatal(err)
				}
				seeks++
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(seeks), "ns/seek")
	})
}

func BenchmarkMerge(b *testing.B) {
	const n, parts = 64 << 10, 8
	in := newBenchRun(n, 25)
	fsys := diskFS(b)
	var runs []*run
	lists := uint64(0)
	for i := range parts {
		name := fmt.Sprint("part-", i)
		check(b, writeRun(fsys, name, benchMeta(engine.Position(i*n), n), in.in))
		r := open(b, fsys, name)
		lists += r.foot.distinct[identities] + r.foot.distinct[terms]
		runs = append(runs, r)
	}
	for b.Loop() {
		check(b, mergeRuns(context.Background(), fsys, "merged", benchMeta(0, parts*n), runs))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(lists), "ns/list")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(parts*in.postings), "ns/posting")
}

func BenchmarkCheck(b *testing.B) {
	const n = 64 << 10
	in := newBenchRun(n, 25)
	fsys := diskFS(b)
	check(b, writeRun(fsys, "run", benchMeta(0, n), in.in))
	r := open(b, fsys, "run")
	for b.Loop() {
		check(b, r.check(context.Background()))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(in.postings), "ns/posting")
}

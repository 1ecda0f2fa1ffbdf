package index

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// benchItem returns an item of an entry with 25 terms, of which the first are
// common and the last are its own.
func benchItem(h *Hasher, i int) Item {
	f := engine.Facts{
		Tenant: "default", ID: fmt.Sprint("order-", i), Kind: "order.paid", Time: modelEpoch.Add(time.Duration(i) * time.Millisecond),
		Entity: engine.Entity{Type: "order", ID: fmt.Sprint(i / 3)},
	}
	for k := range 25 {
		value := i // the entry's own
		if k < 20 {
			value = i % (2 + k*k*8)
		}
		f.Terms = append(f.Terms, engine.Term{Field: fmt.Sprint("field-", k), Value: fmt.Sprint(value)})
	}
	return h.Item(&f)
}

func benchItems(h *Hasher, n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = benchItem(h, i)
	}
	return items
}

func BenchmarkTailAdd(b *testing.B) {
	items := benchItems(testHasher, 1<<15)
	t := newTail(0, TailEntries, 0, nil)
	for i := 0; b.Loop(); i++ {
		if t.full() {
			t = newTail(0, TailEntries, t.terms.len(), nil)
		}
		t.add(&items[i%len(items)], 1, 64)
	}
}

// benchIndex returns an index of runs and a tail on files, with n entries.
func benchIndex(b *testing.B, n int) *Index {
	b.Helper()
	x, err := Open(Options{
		FS: diskFS(b), Journal: testJournal, Key: [16]byte([]byte("0123456789abcdef")),
		Covers: func(string, string) bool { return true }, Logger: slog.New(slog.DiscardHandler),
	})
	check(b, err)
	b.Cleanup(x.Abandon)
	x.Cover(0)
	x.Start(0)
	for i := range n {
		x.Add(new(benchItem(x.hasher, i)), 1, 64)
		if i%TailEntries == 0 {
			maintainAll(b, x)
		}
	}
	maintainAll(b, x)
	return x
}

func maintainAll(b *testing.B, x *Index) {
	b.Helper()
	for did := true; did; {
		var err error
		did, err = x.Maintain(context.Background(), x.Next(), nil)
		check(b, err)
		merged, err := x.Merge(context.Background())
		check(b, err)
		did = did || merged
	}
}

// BenchmarkFind looks identities up in 700,000 entries.
func BenchmarkFind(b *testing.B) {
	const n = 700_000
	x := benchIndex(b, n)
	v := x.Acquire()
	defer v.Release()
	find := func(b *testing.B, id func(i int) int, want int) {
		for i := 0; b.Loop(); i++ {
			found := 0
			identity := x.hasher.ID("default", fmt.Sprint("order-", id(i)))
			v.Last(identity, 0, n, func(Candidate) bool {
				found++
				return false
			})
			if found < want {
				b.Fatalf("%d entries found", found)
			}
		}
	}
	b.Run("in a run", func(b *testing.B) { find(b, func(i int) int { return i * 7919 % (n / 2) }, 1) })
	b.Run("in the tail", func(b *testing.B) { find(b, func(i int) int { return n - 1 - i%1000 }, 1) })
	b.Run("absent", func(b *testing.B) { find(b, func(i int) int { return n + i }, 0) })
}

// BenchmarkSearch finds the newest 50 of a common term, of two, and of one within a
// time.
func BenchmarkSearch(b *testing.B) {
	const n = 700_000
	x := benchIndex(b, n)
	v := x.Acquire()
	defer v.Release()
	has := func(k, value int) engine.Filter {
		return engine.Has{Field: fmt.Sprint("field-", k), Value: fmt.Sprint(value)}
	}
	for _, tt := range []struct {
		name  string
		query engine.Query
	}{
		{"common", engine.Query{Filter: has(0, 1)}},
		{"rare", engine.Query{Filter: has(19, 7)}},
		{"two", engine.Query{Filter: engine.All{has(0, 1), has(3, 1)}}},
		{"either", engine.Query{Filter: engine.Any{has(3, 1), has(4, 7)}}},
		{"a time ago", engine.Query{Filter: has(1, 1), Until: modelEpoch.Add(n / 3 * time.Millisecond)}},
	} {
		q := tt.query
		q.Tenants, q.Descending = []string{"default"}, true
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				found := 0
				for _, err := range v.Search(context.Background(), &q, n) {
					check(b, err)
					if found++; found == 50 {
						break
					}
				}
				if found < 50 {
					b.Fatalf("%d entries found", found)
				}
			}
		})
	}
}

// BenchmarkTailRun writes a full tail as a run.
func BenchmarkTailRun(b *testing.B) {
	items := benchItems(testHasher, 1<<15)
	t := newTail(0, TailEntries, 0, nil)
	for i := 0; !t.full(); i++ {
		t.add(&items[i%len(items)], 1, 64)
	}
	m := meta{owner: testOwner, policy: "all", next: t.next()}
	fsys := durable.NewMem()
	for b.Loop() {
		check(b, writeRun(fsys, "run", m, t.input()))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(t.next()), "ns/entry")
}

package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// A tierModel is an index of runs without files, whose merges are done on paper.
type tierModel struct {
	x      *Index
	next   engine.Position
	sizes  []int // of each run that was added, its entries
	writes []int // and how many times they were written
	of     map[*run][]int
	most   int // runs at any time
}

func newTierModel() *tierModel { return &tierModel{x: new(Index), of: make(map[*run][]int)} }

func paperRun(first, next engine.Position, policy string) *run {
	r := &run{meta: meta{first: first, next: next, policy: policy}}
	r.refs.Store(1)
	return r
}

// add adds a run of n entries and merges what there is to merge.
func (m *tierModel) add(t *testing.T, n int, policy string) {
	t.Helper()
	r := paperRun(m.next, m.next+engine.Position(n), policy)
	m.next = r.meta.next
	m.of[r] = []int{len(m.writes)}
	m.sizes, m.writes = append(m.sizes, n), append(m.writes, 1)
	m.x.parts = append(m.x.parts, r)
	for {
		runs := m.x.mergeable()
		if runs == nil {
			break
		}
		from := slices.Index(m.x.parts, part(runs[0]))
		merged := paperRun(runs[0].meta.first, runs[len(runs)-1].meta.next, runs[0].meta.policy)
		for i, r := range runs {
			if m.x.parts[from+i] != part(r) || r.meta.policy != merged.meta.policy {
				t.Fatalf("runs to merge are no neighbours of one policy: %v", runs)
			}
			for _, k := range m.of[r] {
				m.writes[k]++
				m.of[merged] = append(m.of[merged], k)
			}
			delete(m.of, r)
		}
		m.x.parts = slices.Replace(m.x.parts, from, from+len(runs), part(merged))
	}
	m.most = max(m.most, len(m.x.parts))
}

// written returns how many times an entry was written, on the average.
func (m *tierModel) written() float64 {
	all, total := 0, 0
	for k, n := range m.sizes {
		all, total = all+n, total+n*m.writes[k]
	}
	return float64(total) / float64(all)
}

// clone returns a model that goes on from here.
func (m *tierModel) clone() *tierModel {
	c := newTierModel()
	c.next, c.x.parts = m.next, slices.Clone(m.x.parts)
	return c
}

// TestTiers: however many runs come, and of whatever sizes, about eight of each
// size class remain, and never many in all. No entry is written more often than there
// are classes, or hardly more where the sizes are none that an index would have.
func TestTiers(t *testing.T) {
	rng := newRand(t)
	for _, tt := range []struct {
		name      string
		runs      int
		size      func(i int) int
		most      int     // runs
		written   float64 // times that an entry is written, on the average
		policies  int     // stretches of one policy
		wantAtEnd int
	}{
		{"full tails", 8 * 8 * 8 * 8, func(int) int { return 64 << 10 }, 7*4 + 1, 5, 1, 1},
		{"full tails, one less", 8*8*8*8 - 1, func(int) int { return 64 << 10 }, 7*4 + 1, 4, 1, 7 * 4},
		{"tails of an entry", 8*8*8*8 + 1, func(int) int { return 1 }, 7*4 + 1, 5, 1, 2},
		{"mixed", 20_000, func(int) int { return 4<<10 + rng.IntN(60<<10) }, 48, 6.5, 1, 0},
		{"mostly small", 20_000, func(i int) int {
			if i%8 == 7 {
				return 64 << 10
			}
			return 4 << 10
		}, 45, 6, 1, 0},
		{"sessions", 5_000, func(i int) int { // some full tails, then what is left at close
			if i%5 == 4 {
				return 4<<10 + rng.IntN(60<<10)
			}
			return 64 << 10
		}, 48, 6.5, 1, 0},
		{"of every size", 5_000, func(int) int { return 1 << rng.IntN(17) }, manyRuns, 6.5, 1, 0}, // no index is written so, nor as the next ones
		{"up and up again", 5_000, func(i int) int { return 1 << (i % 17) }, manyRuns, 6.5, 1, 0},
		{"down and down again", 5_000, func(i int) int { return 1 << (16 - i%17) }, manyRuns, 6.5, 1, 0},
		{"seven of each up", 5_000, func(i int) int { return 1 << (3 * (i / 7 % 6)) }, manyRuns, 6.5, 1, 0},
		{"seven of each down", 5_000, func(i int) int { return 1 << (3 * (5 - i/7%6)) }, manyRuns, 6.5, 1, 0},
		{"large and small", 5_000, func(i int) int { return []int{1, 64 << 10}[i%2] }, 40, 6.5, 1, 0},
		{"growing", 200, func(i int) int { return 1 + i*i }, 20, 4, 1, 0},
		{"shrinking", 200, func(i int) int { return 1 + (200-i)*(200-i) }, 30, 4, 1, 0},
		{"policies", 20_000, func(int) int { return 64 << 10 }, 3 * 8 * 4, 6, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newTierModel()
			for i := range tt.runs {
				m.add(t, tt.size(i), fmt.Sprint("policy", i*tt.policies/tt.runs))
			}
			t.Logf("%d runs of %d entries became %d, %d at most, written %d times at most, %.2f on the average", tt.runs, m.next, len(m.x.parts), m.most, slices.Max(m.writes), m.written())
			if m.most > tt.most || tt.wantAtEnd > 0 && len(m.x.parts) != tt.wantAtEnd {
				t.Errorf("%d runs at the end, want %d; %d at most, want %d", len(m.x.parts), tt.wantAtEnd, m.most, tt.most)
			}
			if most := slices.Max(m.writes); tt.most < manyRuns && most > 1+sizeClass(m.next) {
				t.Errorf("an entry was written %d times in an index of class %d", most, sizeClass(m.next))
			}
			if n := m.written(); n > tt.written {
				t.Errorf("an entry was written %.2f times on the average, want %.2f at most", n, tt.written)
			}
			at := engine.Position(0)
			for _, p := range m.x.parts {
				first, next := p.bounds()
				if first != at {
					t.Fatalf("run begins at %d, want %d", first, at)
				}
				at = next
			}
		})
	}
}

// TestTiersAdversary has somebody choose each size so that the most runs remain.
func TestTiersAdversary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) // which of those that are as good
	m := newTierModel()
	for range 300 {
		size, most := 0, -1
		for _, k := range rng.Perm(17) {
			c := m.clone()
			c.add(t, 1<<k, "")
			if n := len(c.x.parts); n > most {
				size, most = 1<<k, n
			}
		}
		m.add(t, size, "")
	}
	t.Logf("%d entries became %d runs, %d at most, written %.2f times on the average", m.next, len(m.x.parts), m.most, m.written())
	if m.most != manyRuns || m.written() > 7.5 {
		t.Errorf("%d runs at most, written %.2f times on the average", m.most, m.written())
	}
}

// TestTooMany: what is merged when there are too many runs costs the least for each
// run less.
func TestTooMany(t *testing.T) {
	sized := func(sizes ...engine.Position) (all []part) {
		at := engine.Position(0)
		for _, n := range sizes {
			all = append(all, paperRun(at, at+n, ""))
			at += n
		}
		return all
	}
	same := func(n int, size engine.Position) []part { return sized(slices.Repeat([]engine.Position{size}, n)...) }
	large := func(n int, more ...engine.Position) []engine.Position {
		return append(slices.Repeat([]engine.Position{1000}, n), more...)
	}
	two := same(manyRuns, 100)
	two = append(two, paperRun(100*manyRuns, 100*manyRuns+100, "other"))
	for _, tt := range []struct {
		name     string
		parts    []part
		from, to engine.Position // of what is merged
	}{
		{"none", nil, 0, 0},
		{"a hole", []part{hole{next: 10}}, 0, 0},
		{"as many as may be", same(manyRuns, 100), 0, 0},
		{"one more", same(manyRuns+1, 100), 0, 100 * mergeMost},
		{"of two policies", two, 0, 0},
		{"a hole between", slices.Insert(same(manyRuns+1, 100), 20, part(hole{first: 2000, next: 2000})), 0, 0},
		{"a hole before and a tail behind", append(append([]part{hole{}}, same(manyRuns+1, 100)...), &tail{first: 5700}), 0, 100 * mergeMost},
		{"two small ones", sized(large(manyRuns-1, 10, 20)...), 1000 * (manyRuns - 1), 1000*(manyRuns-1) + 30},
		{"a small one next to a larger one", sized(large(manyRuns-1, 400, 10)...), 1000 * (manyRuns - 1), 1000*(manyRuns-1) + 410},
		{"too large to be merged", same(manyRuns+1, maxRunEntries/mergeAt+1), 0, 0},
		{"as large as may be", same(manyRuns+1, maxRunEntries/mergeAt), 0, maxRunEntries},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var from, to engine.Position
			if got := tooMany(tt.parts); len(got) > 0 {
				from, to = got[0].meta.first, got[len(got)-1].meta.next
			}
			if from != tt.from || to != tt.to {
				t.Errorf("entries from %d to %d are merged, want from %d to %d", from, to, tt.from, tt.to)
			}
		})
	}
}

// TestTiersApart: what lies between runs keeps them apart, and a run is never
// larger than a run can be.
func TestTiersApart(t *testing.T) {
	runs := func(n int, size engine.Position) (all []part) {
		for i := range engine.Position(n) {
			all = append(all, paperRun(i*size, (i+1)*size, ""))
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		parts []part
		want  int // runs to merge
	}{
		{"none", nil, 0},
		{"seven", runs(7, 100), 0},
		{"eight", runs(8, 100), 8},
		{"many", runs(100, 100), mergeMost},
		{"a hole between", slices.Insert(runs(8, 100), 4, part(hole{first: 400, next: 400})), 0},
		{"a hole before", slices.Insert(runs(8, 100), 0, part(hole{})), 8},
		{"a tail behind", append(runs(8, 100), &tail{first: 800}), 8},
		{"as large as may be", runs(8, maxRunEntries/8), 8},
		{"too large", runs(8, maxRunEntries/8+1), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := &Index{parts: tt.parts}
			if got := x.mergeable(); len(got) != tt.want {
				t.Errorf("%d runs are to be merged, want %d", len(got), tt.want)
			}
		})
	}
}

// TestMergeKeepsAnswers merges runs of two policies in files, many at a time.
func TestMergeKeepsAnswers(t *testing.T) {
	rng := newRand(t)
	l := newTestLog(rng)
	for range 16 * 50 {
		l.extend()
	}
	o := testOptions(durable.NewMem())
	for i, policy := range []string{whole, parts, whole} {
		o.Policy = policy
		x := l.open(t, o, engine.Position(i*16*20))
		l.add(x, min(l.size(), engine.Position((i+1)*16*20)))
		size := x.Next()
		for did := true; did; {
			did = finish(t, l, x, size)
			check(t, l.check(x, size, true))
		}
		check(t, x.Close())
	}
	x := l.open(t, o, l.size())
	defer x.Abandon()
	check(t, l.check(x, l.size(), true))
	got := make(map[string]int)
	for _, p := range x.parts {
		if r, ok := p.(*run); ok {
			got[fmt.Sprintf("%s %d", r.policy(), r.meta.entries())]++
		}
	}
	want := map[string]int{"whole 128": 3, "whole 16": 6, "part 128": 2, "part 16": 4}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// finish maintains and merges once, and reports whether there was anything to do.
func finish(t testing.TB, l *testLog, x *Index, size engine.Position) bool {
	t.Helper()
	did, err := x.Maintain(context.Background(), size, l.filler(x))
	check(t, err)
	merged, err := x.Merge(context.Background())
	check(t, err)
	return did || merged
}

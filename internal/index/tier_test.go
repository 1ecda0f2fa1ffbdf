package index

import (
	"context"
	"fmt"
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
	writes []int // of each run that was added, how many times its entries were written
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
	m.writes = append(m.writes, 1)
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

// TestTiers: however many runs come, and of whatever sizes, about eight of each
// size class remain, and no entry is written more often than there are classes.
func TestTiers(t *testing.T) {
	rng := newRand(t)
	for _, tt := range []struct {
		name      string
		runs      int
		size      func(i int) int
		most      int // runs
		policies  int // stretches of one policy
		wantAtEnd int
	}{
		{"full tails", 8 * 8 * 8 * 8, func(int) int { return 64 << 10 }, 7*4 + 1, 1, 1},
		{"full tails, one less", 8*8*8*8 - 1, func(int) int { return 64 << 10 }, 7*4 + 1, 1, 7 * 4},
		{"tails of an entry", 8*8*8*8 + 1, func(int) int { return 1 }, 7*4 + 1, 1, 2},
		{"mixed", 20_000, func(int) int { return 4<<10 + rng.IntN(60<<10) }, 8 * 8, 1, 0},
		{"mostly small", 20_000, func(i int) int {
			if i%8 == 7 {
				return 64 << 10
			}
			return 4 << 10
		}, 8 * 8, 1, 0},
		{"of every size", 20_000, func(int) int { return 1 << rng.IntN(17) }, 500, 1, 0}, // no index is written so
		{"growing", 200, func(i int) int { return 1 + i*i }, 8 * 8, 1, 0},
		{"shrinking", 200, func(i int) int { return 1 + (200-i)*(200-i) }, 8 * 8, 1, 0},
		{"policies", 20_000, func(int) int { return 64 << 10 }, 3 * 8 * 4, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newTierModel()
			for i := range tt.runs {
				m.add(t, tt.size(i), fmt.Sprint("policy", i*tt.policies/tt.runs))
			}
			t.Logf("%d runs of %d entries became %d, %d at most, written %d times at most", tt.runs, m.next, len(m.x.parts), m.most, slices.Max(m.writes))
			if m.most > tt.most || tt.wantAtEnd > 0 && len(m.x.parts) != tt.wantAtEnd {
				t.Errorf("%d runs at the end, want %d; %d at most, want %d", len(m.x.parts), tt.wantAtEnd, m.most, tt.most)
			}
			if most := slices.Max(m.writes); most > 1+sizeClass(m.next) {
				t.Errorf("an entry was written %d times in an index of class %d", most, sizeClass(m.next))
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

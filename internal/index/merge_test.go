package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// writeAll writes models as runs.
func writeAll(t testing.TB, fsys durable.FS, parts []*runModel) (runs []*run) {
	t.Helper()
	for i, p := range parts {
		runs = append(runs, p.write(t, fsys, fmt.Sprint("part-", i)))
	}
	return runs
}

// cuts returns where to cut n entries into parts, at random.
func cuts(rng *rand.Rand, n, parts int) (ends []int) {
	for _, p := range rng.Perm(n - 1)[:parts-1] {
		ends = append(ends, p+1)
	}
	slices.Sort(ends)
	return ends
}

// TestMerge merges runs into one that says the same as one that was written at
// once.
func TestMerge(t *testing.T) {
	ctx := context.Background()
	for _, parts := range []int{1, 2, 7, 16} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			rng := newRand(t)
			m := newRunModel(1<<33, 2000+rng.IntN(1000))
			m.fill(rng, 500)
			fsys := durable.NewMem()
			once := m.write(t, fsys, "once")
			runs := writeAll(t, fsys, m.split(cuts(rng, len(m.times), parts)...))
			check(t, mergeRuns(ctx, fsys, "merged", m.meta, runs))
			merged := open(t, fsys, "merged")
			m.verify(t, rng, merged, 1)
			for _, c := range []class{identities, terms} {
				if merged.foot.distinct[c] != once.foot.distinct[c] {
					t.Errorf("merged run has %d terms, want %d", merged.foot.distinct[c], once.foot.distinct[c])
				}
			}
		})
	}
}

// TestMergeBytes merges runs whose lengths are of whole blocks and whose terms all
// differ: that gives the very bytes of a run that was written at once.
func TestMergeBytes(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 6*128+5)
	for i := range m.times {
		m.add(rng, identities, []uint32{uint32(i)})
		m.add(rng, terms, []uint32{uint32(i)})
		m.times[i] = rng.Int64()
	}
	m.kinds = []engine.KindCount{{Tenant: "a", Kind: "b", Count: 7}}
	fsys := durable.NewMem()
	m.write(t, fsys, "once")
	runs := writeAll(t, fsys, m.split(128, 4*128))
	check(t, mergeRuns(context.Background(), fsys, "merged", m.meta, runs))
	if !bytes.Equal(fsys.Bytes("merged"), fsys.Bytes("once")) {
		t.Error("merged run differs from that written at once")
	}
}

// TestMergeAgain merges what was merged, several times over, at places that are
// not of whole blocks: the times lose little each time.
func TestMergeAgain(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 2000)
	m.fill(rng, 100)
	fsys := durable.NewMem()
	runs := writeAll(t, fsys, m.split(cuts(rng, 2000, 16)...))
	for level := 1; len(runs) > 1; level++ {
		var next []*run
		for i := 0; i < len(runs); i += 2 {
			meta := m.meta
			meta.first, meta.next = runs[i].meta.first, runs[i+1].meta.next
			name := fmt.Sprintf("level-%d-%d", level, i)
			check(t, mergeRuns(context.Background(), fsys, name, meta, runs[i:i+2]))
			next = append(next, open(t, fsys, name))
		}
		runs = next
	}
	m.verify(t, rng, runs[0], 4)
}

// TestMergeLongLists merges terms whose lists are long in all, in some and in none
// of the runs.
func TestMergeLongLists(t *testing.T) {
	rng := newRand(t)
	m := newRunModel(0, 40_000)
	for _, s := range listShapes {
		m.add(rng, terms, s.list(rng, len(m.times)))
	}
	m.add(rng, terms, slices.Concat(stretchOf(0, 8192), stretchOf(20_000, 20_128), []uint32{39_999}))
	fsys := durable.NewMem()
	runs := writeAll(t, fsys, m.split(8192, 20_000, 20_100))
	check(t, mergeRuns(context.Background(), fsys, "merged", m.meta, runs))
	m.verify(t, rng, open(t, fsys, "merged"), 1)
}

// TestMergeRefuses has runs that do not belong together.
func TestMergeRefuses(t *testing.T) {
	rng := newRand(t)
	m := smallModel(rng)
	other := smallModel(rng)
	other.meta.policy = "other"
	fsys := durable.NewMem()
	parts := writeAll(t, fsys, m.split(50, 100))
	foreign := writeAll(t, fsys, other.split(50, 100))
	short := m.meta
	short.next--
	for _, tt := range []struct {
		name string
		meta meta
		runs []*run
	}{
		{"none", m.meta, nil},
		{"gap", m.meta, []*run{parts[0], parts[2]}},
		{"order", m.meta, []*run{parts[1], parts[0], parts[2]}},
		{"policy", m.meta, []*run{parts[0], foreign[1], parts[2]}},
		{"end", m.meta, parts[:2]},
		{"meta", short, parts},
	} {
		if err := mergeRuns(context.Background(), fsys, "merged", tt.meta, tt.runs); err == nil {
			t.Errorf("%s: merged", tt.name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := mergeRuns(ctx, fsys, "merged", m.meta, parts); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	for _, name := range []string{"merged", "merged" + durable.TempSuffix} {
		if slices.Contains(fsys.Names(), name) {
			t.Errorf("%s is left over", name)
		}
	}
}

// TestFault45MergeDamaged flips bytes of a run that is merged. What does not need
// the byte may go well; otherwise the error names the run.
func TestFault45MergeDamaged(t *testing.T) {
	rng := newRand(t)
	m := smallModel(rng)
	fsys := durable.NewMem()
	parts := m.split(120)
	writeAll(t, fsys, parts)
	sound := fsys.Bytes("part-0")
	refused := 0
	for at := headerBytes; at < len(sound); at += 3 {
		b := bytes.Clone(sound)
		b[at] ^= 1 << rng.IntN(8)
		fsys.SetBytes("part-0", b)
		bad, err := openRun(fsys, "part-0", testOwner)
		if err != nil {
			continue
		}
		good := open(t, fsys, "part-1")
		err = mergeRuns(context.Background(), fsys, "merged", m.meta, []*run{bad, good})
		if named, ok := errors.AsType[*runError](err); err != nil && (!ok || named.run != bad || !errors.Is(err, errDamaged)) {
			t.Errorf("flip in byte %d: %v", at, err)
		}
		if err == nil {
			m.verify(t, rng, open(t, fsys, "merged"), 1)
		} else {
			refused++
		}
		bad.release()
	}
	if refused == 0 {
		t.Error("no flip was noticed")
	}
}

// TestMergeKinds adds up the counts of the same kind.
func TestMergeKinds(t *testing.T) {
	fsys := durable.NewMem()
	var parts []*runModel
	for i, kinds := range [][]engine.KindCount{
		{{Tenant: "a", Kind: "x", Count: 1}, {Tenant: "b", Kind: "x", Count: 2}},
		nil,
		{{Tenant: "a", Kind: "x", Count: 3}, {Tenant: "a", Kind: "y", Count: 4}},
	} {
		m := newRunModel(engine.Position(i*10), 10)
		m.kinds, m.entities = kinds, uint64(i)
		parts = append(parts, m)
	}
	runs := writeAll(t, fsys, parts)
	all := newRunModel(0, 30).meta
	check(t, mergeRuns(context.Background(), fsys, "merged", all, runs))
	var got []engine.KindCount
	r := open(t, fsys, "merged")
	_, err := r.addKinds(func(k engine.KindCount) bool { got = append(got, k); return true })
	check(t, err)
	want := []engine.KindCount{
		{Tenant: "a", Kind: "x", Count: 4}, {Tenant: "a", Kind: "y", Count: 4}, {Tenant: "b", Kind: "x", Count: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" || r.foot.entities != 3 {
		t.Errorf("%d entities; kinds (-want +got):\n%s", r.foot.entities, diff)
	}
}

package index

import (
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// TestLastInRun asks a run for the last sequences of entities, two of which share
// the key that files keep, and one of which is past what a row holds.
func TestLastInRun(t *testing.T) {
	one := Identity{hash: 7 << 32, check: 1 << 40}
	other := Identity{hash: one.hash, check: 2 << 40}
	large := Identity{hash: 9 << 32, check: 3 << 40}
	tail := newTail(100, 10, 10, func(string) bool { return true })
	for i, e := range []struct {
		entity   Identity
		sequence engine.Sequence
	}{{one, 1}, {other, 1}, {one, 2}, {large, 1 << 32}, {other, 2}, {Identity{}, 0}} {
		id := Identity{hash: uint64(i+1) << 48, check: uint64(i+1) << 33}
		tail.add(&Item{ID: id, Entity: e.entity, kind: "k"}, e.sequence, uint32(i)*64)
	}
	fsys := durable.NewMem()
	m := meta{owner: testOwner, first: 100, next: tail.next(), policy: "all"}
	check(t, writeRun(fsys, "run", m, tail.input()))
	r := open(t, fsys, "run")
	v := &View{parts: []stretch{{r, 100, 106}}}
	for name, c := range map[string]struct {
		id   Identity
		from engine.Position
		want []Candidate
	}{
		"its own last":         {other, 0, []Candidate{{Span: Span{104, 105}, Sure: true, Sequence: 2}}},
		"behind another's":     {one, 0, []Candidate{{Span: Span{104, 105}, Sequence: 2}, {Span: Span{102, 103}, Sure: true, Sequence: 2}}},
		"only another's":       {one, 103, []Candidate{{Span: Span{104, 105}, Sequence: 2}}},
		"a large sequence":     {large, 0, []Candidate{{Span: Span{103, 104}}}},
		"an id":                {Identity{hash: 6 << 48, check: 6 << 33}, 0, []Candidate{{Span: Span{105, 106}}}},
		"an absent identity":   {Identity{hash: 11 << 32}, 0, nil},
		"an unreadable column": {large, 0, []Candidate{{Span: Span{100, 106}, Unknown: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := v
			if name == "an unreadable column" {
				b := fsys.Bytes("run")
				b[r.foot.sections[entryColumn].off] ^= 1
				fsys.SetBytes("damaged", b)
				v = &View{index: new(Index), parts: []stretch{{open(t, fsys, "damaged"), 100, 106}}}
			}
			var got []Candidate
			v.Last(c.id, c.from, 106, func(x Candidate) bool {
				got = append(got, x)
				return !x.Sure
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}

package index

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"

	"github.com/annals-io/annals/engine"
)

// input returns what a run of the tail is made of. The tail must not grow any
// more.
func (t *tail) input() input {
	n := t.count.Load()
	var kinds []engine.KindCount
	t.addKinds(0, n, func(k engine.KindCount) { kinds = append(kinds, k) })
	slices.SortFunc(kinds, compareKinds)
	entities := uint64(0)
	for i := range n {
		if t.facts.at(i).sequence == 1 {
			entities++
		}
	}
	ids, rest := t.sorted(isIdentity), t.sorted(0)
	return input{
		identities:    lists(ids),
		terms:         lists(rest),
		identityBound: len(ids),
		termBound:     distinct(rest),
		time:          func(i uint32) int64 { return t.facts.at(i).time },
		address:       func(i uint32) uint32 { return t.facts.at(i).place },
		entities:      entities,
		kinds: func(yield func(engine.KindCount, error) bool) {
			for _, k := range kinds {
				if !yield(k, nil) {
					return
				}
			}
		},
	}
}

// A pair is a posting on its way to a run.
type pair struct {
	hash uint64
	pos  uint32
}

// sorted returns the postings of a class, by hash and position. Hashes are
// uniform, so they are first dealt into small heaps by their top bits.
func (t *tail) sorted(class uint32) []pair {
	shift := 64 - max(1, bits.Len(uint(t.postings.len()))-6)
	ends := make([]int, 1<<(64-shift)+1)
	t.each(class, func(p *posting) { ends[p.hash>>shift+1]++ })
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	all := make([]pair, ends[len(ends)-1])
	t.each(class, func(p *posting) {
		heap := &ends[p.hash>>shift]
		all[*heap] = pair{p.hash, p.pos &^ isIdentity}
		*heap++
	})
	from := 0
	for _, to := range ends[:len(ends)-1] { // each heap's start has moved to its end
		slices.SortFunc(all[from:to], func(a, b pair) int {
			if c := cmp.Compare(a.hash, b.hash); c != 0 {
				return c
			}
			return cmp.Compare(a.pos, b.pos)
		})
		from = to
	}
	return all
}

// each calls f with the postings of a class, in the order in which they were
// added.
func (t *tail) each(class uint32, f func(*posting)) {
	left := t.postings.len()
	for _, chunk := range t.postings.all() {
		for i := range min(left, chunkLen) {
			if p := &chunk[i]; p.pos&isIdentity == class {
				f(p)
			}
		}
		left -= min(left, chunkLen)
	}
}

// distinct returns how many hashes sorted pairs have.
func distinct(all []pair) (n int) {
	for i := range all {
		if i == 0 || all[i].hash != all[i-1].hash {
			n++
		}
	}
	return n
}

// lists yields the positions of each hash of sorted pairs.
func lists(all []pair) iter.Seq2[uint64, []uint32] {
	return func(yield func(uint64, []uint32) bool) {
		var list []uint32
		for i := 0; i < len(all); {
			hash := all[i].hash
			list = list[:0]
			for ; i < len(all) && all[i].hash == hash; i++ {
				if n := len(list); n == 0 || list[n-1] != all[i].pos {
					list = append(list, all[i].pos)
				}
			}
			if !yield(hash, list) {
				return
			}
		}
	}
}

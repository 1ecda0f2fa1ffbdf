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
	t.addKinds(0, n, func(k engine.KindCount) bool { kinds = append(kinds, k); return true })
	slices.SortFunc(kinds, compareKinds)
	entities := uint64(0)
	for i := range n {
		if t.facts.at(i).sequence == 1 {
			entities++
		}
	}
	g := t.gather()
	ids, rest := t.sorted(identities), t.sorted(terms)
	return input{
		identities:    g.lists(ids),
		terms:         g.lists(rest),
		identityBound: len(ids),
		termBound:     len(rest),
		time:          func(i uint32) int64 { return t.facts.at(i).time },
		row:           func(i uint32) row { return t.facts.at(i).row() },
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

// sorted returns the numbers of the terms of a class by their hashes. These are
// uniform, so the terms are first dealt into small heaps by their top bits.
func (t *tail) sorted(c class) []uint32 {
	shift := 64 - max(1, bits.Len(uint(t.terms.len()))-6)
	ends := make([]int, 1<<(64-shift)+1)
	for _, x := range t.each(c) {
		ends[x.hash>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	all := make([]hashed, ends[len(ends)-1])
	for number, x := range t.each(c) {
		heap := &ends[x.hash>>shift]
		all[*heap] = hashed{x.hash, number}
		*heap++
	}
	from := 0
	numbers := make([]uint32, len(all))
	for _, to := range ends[:len(ends)-1] { // each heap's start has moved to its end
		slices.SortFunc(all[from:to], func(a, b hashed) int { return cmp.Compare(a.hash, b.hash) })
		for i := from; i < to; i++ {
			numbers[i] = all[i].number
		}
		from = to
	}
	return numbers
}

// A hashed is a term on its way into the order of hashes.
type hashed struct {
	hash   uint64
	number uint32
}

// each yields the terms of a class by their numbers.
func (t *tail) each(c class) iter.Seq2[uint32, *tailTerm] {
	return func(yield func(uint32, *tailTerm) bool) {
		number, n := uint32(0), uint32(t.terms.len())
		for _, chunk := range t.terms.all() {
			for i := 0; i < chunkLen && number < n; i++ {
				if x := &chunk[i]; x.class == c && !yield(number, x) {
					return
				}
				number++
			}
		}
	}
}

// A gathered has the positions of every term of a tail, one term after the other.
type gathered struct {
	tail      *tail
	positions []uint32
	ends      []uint32 // of each term's positions, by its number
}

// gather goes through the postings in the order in which they were added, which
// is many times faster than following each term's.
func (t *tail) gather() *gathered {
	n := t.terms.len()
	g := &gathered{tail: t, ends: make([]uint32, n)}
	total := uint32(0)
	for i := range g.ends {
		g.ends[i] = total // its start, for now
		total += t.terms.at(uint32(i)).count.Load()
	}
	g.positions = make([]uint32, total)
	left := t.postings.len()
	for _, chunk := range t.postings.all() {
		for i := range min(left, chunkLen) {
			p := &chunk[i]
			g.put(p.term, p.pos)
		}
		left -= min(left, chunkLen)
	}
	for i := range uint32(n) {
		g.put(i, t.terms.at(i).newest.Load())
	}
	return g
}

func (g *gathered) put(term, pos uint32) {
	g.positions[g.ends[term]] = pos
	g.ends[term]++
}

// lists yields the hash and the positions of terms.
func (g *gathered) lists(numbers []uint32) iter.Seq2[uint64, []uint32] {
	return func(yield func(uint64, []uint32) bool) {
		for _, number := range numbers {
			x := g.tail.terms.at(number)
			list := g.positions[g.ends[number]-x.count.Load() : g.ends[number]]
			if !yield(x.hash, slices.Compact(list)) { // a term may be repeated
				return
			}
		}
	}
}

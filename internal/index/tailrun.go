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
	ids, rest := t.sorted(identities), t.sorted(terms)
	positions := t.gather(ids, rest)
	split := 0 // of the positions, between the classes
	for i := range ids {
		split += int(ids[i].count)
	}
	return input{
		identities:    lists(ids, positions[:split]),
		terms:         lists(rest, positions[split:]),
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

// sorted returns the terms of a class by their hashes. These are uniform, so the
// terms are first dealt into small heaps by their top bits.
func (t *tail) sorted(c class) []hashed {
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
		all[*heap] = hashed{x.hash, number, x.count.Load()}
		*heap++
	}
	from := 0
	for _, to := range ends[:len(ends)-1] { // each heap's start has moved to its end
		slices.SortFunc(all[from:to], func(a, b hashed) int { return cmp.Compare(a.hash, b.hash) })
		from = to
	}
	return all
}

// A hashed is a term on its way into the order of hashes.
type hashed struct {
	hash   uint64
	number uint32
	count  uint32 // of its positions
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

// gather returns the positions of terms, one after the other, in the order in which
// they are given. It goes through the postings in the order in which they were added,
// which is many times faster than following each term's, and leaves to whoever reads
// the positions nothing but to go ahead: a run is written in the order of hashes, in
// which terms and postings lie all over the memory.
func (t *tail) gather(classes ...[]hashed) []uint32 {
	ends := make([]uint32, t.terms.len()) // of each term's positions so far, by its number
	total := uint32(0)
	for _, terms := range classes {
		for i := range terms {
			ends[terms[i].number] = total
			total += terms[i].count
		}
	}
	positions := make([]uint32, total)
	put := func(term, pos uint32) {
		positions[ends[term]] = pos
		ends[term]++
	}
	left := t.postings.len()
	for _, chunk := range t.postings.all() {
		for i := range min(left, chunkLen) {
			put(chunk[i].term, chunk[i].pos)
		}
		left -= min(left, chunkLen)
	}
	number, n := uint32(0), uint32(t.terms.len())
	for _, chunk := range t.terms.all() {
		for i := 0; i < chunkLen && number < n; i++ {
			put(number, chunk[i].newest.Load())
			number++
		}
	}
	return positions
}

// lists yields the hash and the positions of terms, which follow each other in
// positions.
func lists(terms []hashed, positions []uint32) iter.Seq2[uint64, []uint32] {
	return func(yield func(uint64, []uint32) bool) {
		from := 0
		for i := range terms {
			x := &terms[i]
			list := positions[from : from+int(x.count)]
			from += int(x.count)
			if len(list) > 1 {
				list = slices.Compact(list) // a term may be repeated
			}
			if !yield(x.hash, list) {
				return
			}
		}
	}
}

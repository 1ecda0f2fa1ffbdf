package merkle

import (
	"fmt"
	"math/bits"
	"slices"
)

// InclusionProof returns the proof that entry index is in the tree of the first
// size entries: PATH of RFC 6962, section 2.1.1, the leaf's sibling first.
//
// Errors: ErrOutOfRange, those of levels.
func InclusionProof(levels Levels, index, size uint64) ([]Hash, error) {
	if index >= size || size > MaxSize {
		return nil, fmt.Errorf("prove entry %d at size %d: %w", index, size, ErrOutOfRange)
	}
	p := path{reader: newReader(levels, size), hi: size}
	for p.hi-p.lo > 1 {
		if err := p.descend(index); err != nil {
			return nil, err
		}
	}
	return p.upward(), nil
}

// ConsistencyProof returns the proof that the tree of the first to entries
// continues the tree of the first from entries: PROOF of RFC 6962, section
// 2.1.2. It is empty when the sizes are equal. Nothing can be proven about the
// empty tree, so from must not be 0.
//
// Errors: ErrOutOfRange, those of levels.
func ConsistencyProof(levels Levels, from, to uint64) ([]Hash, error) {
	if from == 0 || from > to || to > MaxSize {
		return nil, fmt.Errorf("prove size %d from size %d: %w", to, from, ErrOutOfRange)
	}
	p := path{reader: newReader(levels, to), hi: to}
	for p.hi != from {
		if err := p.descend(from - 1); err != nil {
			return nil, err
		}
	}
	if p.lo != 0 { // else the verifier has this hash: it is the root at from
		if err := p.add(p.lo, p.hi); err != nil {
			return nil, err
		}
	}
	return p.upward(), nil
}

// A path is a way from the root down to the subtree of leaves lo to hi. It
// collects the hashes of the subtrees that it leaves aside.
type path struct {
	reader *reader
	lo, hi uint64
	aside  []Hash
}

// descend steps down to the child that has the given leaf.
func (p *path) descend(leaf uint64) error {
	// RFC 6962 splits n leaves at the largest power of two smaller than n.
	mid := p.lo + 1<<(bits.Len64(p.hi-p.lo-1)-1)
	if leaf < mid {
		hi := p.hi
		p.hi = mid
		return p.add(mid, hi)
	}
	lo := p.lo
	p.lo = mid
	return p.add(lo, mid)
}

func (p *path) add(lo, hi uint64) error {
	h, err := p.reader.rangeHash(lo, hi)
	if err != nil {
		return err
	}
	p.aside = append(p.aside, h)
	return nil
}

// upward returns the collected hashes in the order of a proof.
func (p *path) upward() []Hash {
	slices.Reverse(p.aside)
	return p.aside
}

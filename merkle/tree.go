package merkle

import (
	"fmt"
	"math/bits"
)

// MaxSize is the largest tree. Up to it no consistency proof is longer than the
// 63 hashes that a C2SP witness accepts, and no index computation overflows.
const MaxSize = 1 << 62

// maxHeight is the height of the tree of [MaxSize] leaves.
const maxHeight = 62

// A Tree is the right edge of an append-only Merkle tree: its size and the roots
// of the full subtrees that it is made of, at most 63. The zero Tree is empty
// and ready to use.
//
// A Tree is a value: an assignment copies it whole, and the copy is a snapshot
// that later appends do not change. One Tree may be read concurrently, but not
// while it is appended to. Compare trees by Size and Root, not with ==.
type Tree struct {
	size uint64

	// peaks[h] is the root of a full subtree of 2^h leaves if bit h of size is
	// set, and means nothing otherwise. Higher ones stand further left.
	peaks [maxHeight + 1]Hash
}

// NewTree returns the tree of the first size entries, rebuilt from what was
// stored. It reads at most one tile a level. It cannot know whether the stored
// hashes are the true ones: compare the root with a checkpoint.
//
// Errors: ErrOutOfRange, those of levels.
func NewTree(levels Levels, size uint64) (*Tree, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("size %d: %w", size, ErrOutOfRange)
	}
	t := &Tree{size: size}
	r := newReader(levels, size)
	for rest := size; rest != 0; rest &= rest - 1 {
		h := bits.TrailingZeros64(rest)
		peak, err := r.node(h, size>>h-1)
		if err != nil {
			return nil, err
		}
		t.peaks[h] = peak
	}
	return t, nil
}

// Append adds a leaf hash (not an entry hash: see [LeafHash]).
//
// It calls emit, unless that is nil, for each subtree of 256, 256², … leaves
// that the leaf completes, lowest first: h is hash number index of tile level
// level, as [Levels] will be asked for it. Level 0, the entry hashes, is the
// caller's own. Emit must not use the tree.
//
// Append takes about 1 µs and allocates nothing. It panics at [MaxSize].
func (t *Tree) Append(leaf Hash, emit func(level int, index uint64, h Hash)) {
	if t.size >= MaxSize {
		panic("merkle: internal error: append to a full tree")
	}
	h, height := leaf, 0
	for t.size>>height&1 == 1 {
		h = NodeHash(t.peaks[height], h)
		height++
		if height%tileHeight == 0 && emit != nil {
			emit(height/tileHeight, t.size>>height, h)
		}
	}
	t.peaks[height] = h
	t.size++
}

// Size returns the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the Merkle tree hash of the leaves so far.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return EmptyRoot()
	}
	rest := t.size
	root := t.peaks[bits.TrailingZeros64(rest)]
	for rest &= rest - 1; rest != 0; rest &= rest - 1 {
		root = NodeHash(t.peaks[bits.TrailingZeros64(rest)], root)
	}
	return root
}

// Clone returns a copy that shares nothing with t.
func (t *Tree) Clone() *Tree {
	c := *t
	return &c
}

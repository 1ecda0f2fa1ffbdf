package merkle

import (
	"fmt"
	"math/bits"
)

// tileHeight is the height of the subtree that a full tile describes.
const tileHeight = 8

// Levels is what the owner of a tree has stored: one array of hashes for each
// tile level. Hash i of level 0 is the entry hash (not the leaf hash) of entry
// i. Hash i of level k, from 1 up, is the root of the full subtree over entries
// i·256^k to (i+1)·256^k, as [Tree.Append] emitted it.
type Levels interface {
	// ReadHashes fills dst with the hashes of a level that start at index, or
	// fails. It is asked only for what a tree of the given size has stored, for
	// at most [TileWidth] hashes at once, and never across a multiple of
	// TileWidth. It must not keep dst.
	ReadHashes(level int, index uint64, dst []Hash) error
}

// RootAt returns the root of the tree of the first size entries.
//
// Errors: ErrOutOfRange, those of levels.
func RootAt(levels Levels, size uint64) (Hash, error) {
	t, err := NewTree(levels, size)
	if err != nil {
		return Hash{}, err
	}
	return t.Root(), nil
}

// A reader computes nodes of the tree of one size. It keeps the last tile that
// it read, because the nodes along a path come from few tiles.
type reader struct {
	levels Levels
	size   uint64

	// The tile at hand; no hashes before the first read.
	level  int
	tile   uint64
	hashes []Hash // part of buf
	buf    [TileWidth]Hash

	scratch [TileWidth / 2]Hash // where node folds
}

func newReader(levels Levels, size uint64) *reader {
	return &reader{levels: levels, size: size}
}

// node returns the root of full subtree number index among those of 2^height
// leaves. The tree must have it.
func (r *reader) node(height int, index uint64) (Hash, error) {
	level, below := height/tileHeight, height%tileHeight
	first := index << below // in the level's array
	if err := r.load(level, first/TileWidth); err != nil {
		return Hash{}, err
	}
	nodes := r.scratch[:1<<below]
	copy(nodes, r.hashes[first%TileWidth:])
	if level == 0 {
		for i := range nodes {
			nodes[i] = LeafHash(nodes[i][:])
		}
	}
	for n := len(nodes) / 2; n > 0; n /= 2 {
		for i := range n {
			nodes[i] = NodeHash(nodes[2*i], nodes[2*i+1])
		}
	}
	return nodes[0], nil
}

// load makes a tile the one at hand, as wide as the tree has it.
func (r *reader) load(level int, tile uint64) error {
	if len(r.hashes) > 0 && r.level == level && r.tile == tile {
		return nil
	}
	first := tile * TileWidth
	width := min(TileWidth, r.size>>(level*tileHeight)-first)
	r.hashes = nil
	if err := r.levels.ReadHashes(level, first, r.buf[:width]); err != nil {
		return fmt.Errorf("read tile level %d from hash %d: %w", level, first, err)
	}
	r.level, r.tile, r.hashes = level, tile, r.buf[:width]
	return nil
}

// rangeHash returns the Merkle tree hash of leaves lo to hi, exclusive: MTH of
// RFC 6962, section 2.1. The range must be one that splitting the tree at
// powers of two produces, so that its full subtrees are nodes of the tree.
func (r *reader) rangeHash(lo, hi uint64) (Hash, error) {
	var sum Hash
	for rest := hi - lo; rest != 0; rest &= rest - 1 {
		h := bits.TrailingZeros64(rest)
		peak, err := r.node(h, (lo+rest)>>h-1)
		switch {
		case err != nil:
			return Hash{}, err
		case rest == hi-lo:
			sum = peak
		default:
			sum = NodeHash(peak, sum)
		}
	}
	return sum, nil
}

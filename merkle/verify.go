package merkle

import (
	"fmt"
	"math/bits"
)

// maxProofHashes bounds the length of any proof: that from size 2^62-1 to 2^62.
const maxProofHashes = maxHeight + 1

// VerifyInclusion checks that a leaf hash (see [LeafHash]) is leaf number index
// of the tree that has size leaves and the given root. It allocates nothing
// unless it fails.
//
// Errors: ErrInvalidProof, which is also the answer to impossible sizes.
func VerifyInclusion(leaf Hash, index, size uint64, proof []Hash, root Hash) error {
	if index >= size || size > MaxSize {
		return invalid("no leaf %d at size %d", index, size)
	}
	if len(proof) > maxProofHashes {
		return invalid("%d hashes", len(proof))
	}
	c := climb{node: index, last: size - 1}
	sum := leaf
	for _, sibling := range proof {
		onLeft, ok := c.next()
		if !ok {
			return invalid("%d hashes are too many", len(proof))
		}
		if onLeft {
			sum = NodeHash(sibling, sum)
		} else {
			sum = NodeHash(sum, sibling)
		}
	}
	if !c.atRoot() {
		return invalid("%d hashes are too few", len(proof))
	}
	if sum != root {
		return invalid("root is %v, want %v", sum, root)
	}
	return nil
}

// VerifyConsistency checks that the tree of size to and root toRoot continues
// the tree of size from and root fromRoot. Equal sizes need equal roots and no
// proof. Size 0 is refused: every tree continues the empty one, so a caller that
// meets it has nothing to verify. It allocates nothing unless it fails.
//
// Errors: ErrInvalidProof, which is also the answer to impossible sizes.
func VerifyConsistency(from, to uint64, proof []Hash, fromRoot, toRoot Hash) error {
	switch {
	case from == 0 || from > to || to > MaxSize:
		return invalid("nothing to prove from size %d to %d", from, to)
	case len(proof) > maxProofHashes:
		return invalid("%d hashes", len(proof))
	case from == to && len(proof) > 0:
		return invalid("equal sizes need no hashes, got %d", len(proof))
	case from == to && fromRoot != toRoot:
		return invalid("two roots at size %d: %v and %v", from, fromRoot, toRoot)
	case from == to:
		return nil
	}
	return verifyGrowth(from, to, proof, fromRoot, toRoot)
}

// verifyGrowth is [VerifyConsistency] for 0 < from < to. It climbs from the
// largest full subtree that ends the old tree, and computes both roots on the
// way: the old one from what stands left, the new one from everything.
func verifyGrowth(from, to uint64, proof []Hash, fromRoot, toRoot Hash) error {
	height := bits.TrailingZeros64(from)
	oldSum := fromRoot
	if from != 1<<height { // else that subtree is the old tree itself
		if len(proof) == 0 {
			return invalid("no hashes")
		}
		oldSum, proof = proof[0], proof[1:]
	}
	newSum := oldSum
	c := climb{node: (from - 1) >> height, last: (to - 1) >> height}
	for _, sibling := range proof {
		onLeft, ok := c.next()
		if !ok {
			return invalid("hashes left over at the root")
		}
		if onLeft {
			oldSum, newSum = NodeHash(sibling, oldSum), NodeHash(sibling, newSum)
		} else {
			newSum = NodeHash(newSum, sibling)
		}
	}
	if !c.atRoot() {
		return invalid("too few hashes")
	}
	if oldSum != fromRoot {
		return invalid("root at size %d is %v, want %v", from, oldSum, fromRoot)
	}
	if newSum != toRoot {
		return invalid("root at size %d is %v, want %v", to, newSum, toRoot)
	}
	return nil
}

// A climb goes from a node to the root, one sibling at a time. Node and last are
// the number of the node in its row and that of the row's last one.
type climb struct {
	node, last uint64
}

// next steps up to the first node that was made of two, and says whether the
// sibling on the way there stands on the left. It reports !ok at the root.
func (c *climb) next() (onLeft, ok bool) {
	if c.last == 0 {
		return false, false
	}
	if c.node&1 == 1 || c.node == c.last {
		onLeft = true
		// A last node of even number has no sibling in its row: it stands for
		// its parents, up to the first that is a right child.
		alone := bits.TrailingZeros64(c.node)
		c.node >>= alone
		c.last >>= alone
	}
	c.node >>= 1
	c.last >>= 1
	return onLeft, true
}

func (c *climb) atRoot() bool { return c.last == 0 }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidProof, fmt.Sprintf(format, args...))
}

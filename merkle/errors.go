package merkle

import "errors"

// Errors that callers test for with [errors.Is].
var (
	// ErrInvalidProof reports a proof that does not show what it should.
	ErrInvalidProof = errors.New("merkle: proof does not verify")

	// ErrOutOfRange reports a size above [MaxSize], or something asked of a tree
	// that is too small to have it.
	ErrOutOfRange = errors.New("merkle: not in the tree")
)

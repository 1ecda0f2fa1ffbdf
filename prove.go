package annals

import (
	"context"
	"fmt"

	"github.com/annals-io/annals/merkle"
)

// A Proof shows that an entry is in the journal that a signed checkpoint describes.
// [merkle.Open] checks the checkpoint's signature, [merkle.VerifyInclusion] the rest:
// the leaf is the hash, as 32 bytes.
type Proof struct {
	Position   Position
	Hash       Hash          // SHA-256 of the entry's bytes
	Size       uint64        // of the tree: the checkpoint's
	Path       []merkle.Hash // the leaf's sibling first
	Checkpoint []byte        // a C2SP note
}

// Prove returns the proof of the entry at a position, under the newest checkpoint, which
// is made if there is none of it. Errors: [ErrNotFound], [ErrClosed], *[CorruptError].
func (j *Journal) Prove(ctx context.Context, p Position) (Proof, error) {
	e, err := j.At(ctx, p)
	if err != nil {
		return Proof{}, err
	}
	note, size, err := j.engine.Published()
	if err != nil || size <= uint64(p) {
		if _, err := j.engine.Checkpoint(ctx); err != nil {
			return Proof{}, err
		}
		if note, size, err = j.engine.Published(); err != nil {
			return Proof{}, err
		}
	}
	if size <= uint64(p) { // opened for reading
		return Proof{}, fmt.Errorf("prove entry %d: no checkpoint covers it yet: %w", p, ErrNotFound)
	}
	path, err := merkle.InclusionProof(j.engine, uint64(p), size)
	if err != nil {
		return Proof{}, fmt.Errorf("prove entry %d: %w", p, err)
	}
	return Proof{Position: p, Hash: e.Hash(), Size: size, Path: path, Checkpoint: note}, nil
}

// PublishedCheckpoint returns the newest checkpoint that was made, and makes one only if
// there is none: what a log publishes. Errors: [ErrNotFound], [ErrClosed].
func (j *Journal) PublishedCheckpoint(ctx context.Context) ([]byte, error) {
	if note, _, err := j.engine.Published(); err == nil {
		return note, nil
	}
	return j.engine.Checkpoint(ctx)
}

// Tile returns a tile of hashes, or a bundle of entry hashes, of the tree that
// [Journal.PublishedCheckpoint] describes, in the form of C2SP tlog-tiles. What that tree
// does not have is [ErrNotFound].
func (j *Journal) Tile(t merkle.Tile) ([]byte, error) {
	_, size, err := j.engine.Published()
	if err != nil {
		return nil, err
	}
	if !t.In(size) {
		return nil, fmt.Errorf("%s: %w", t.Path(), ErrNotFound)
	}
	return merkle.ReadTile(j.engine, size, t)
}

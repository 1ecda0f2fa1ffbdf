package native

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// maxPending bounds the entry hashes that wait to be written to the tiles. The
// checkpoint loop takes them every second; if its disk fails for so long that
// they pile up, checkpoints stop until the journal is opened again. A quarter of
// them is written without waiting for the next checkpoint.
const maxPending = 4 << 20

// A spine is the tree on its way from the commit loop to the disk.
type spine struct {
	limit int // of hashes; never changes

	mu       sync.Mutex
	hashes   []merkle.Hash // entry hashes that are not yet in the tiles; guarded by mu
	complete []completed   // full subtrees likewise; guarded by mu
	base     uint64        // entries before hashes; guarded by mu
	tree     merkle.Tree   // at the durable size; guarded by mu
	over     bool          // too much piled up; guarded by mu
}

// add takes a group up.
func (s *spine) add(hashes []merkle.Hash, complete []completed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over = s.over || len(s.hashes)+len(hashes) > s.limit; s.over {
		s.hashes, s.complete = nil, nil
		return
	}
	s.hashes = append(s.hashes, hashes...)
	s.complete = append(s.complete, complete...)
}

// advance sets the tree that checkpoints may sign. It reports whether so much
// waits that it should be written now.
func (s *spine) advance(t *merkle.Tree) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = *t
	return len(s.hashes) > s.limit/4
}

// drop lets go of what waits, for good: nobody will write it.
func (s *spine) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.hashes, s.complete = true, nil, nil
}

// take appends what the durable tree has gained to the arrays that wait to be
// written, one for each tile level.
func (s *spine) take(levels *[maxLevel + 1][]merkle.Hash) (merkle.Tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return merkle.Tree{}, errors.New("the tree fell too far behind")
	}
	size := s.tree.Size()
	n := size - s.base
	levels[0] = append(levels[0], s.hashes[:n]...)
	s.hashes = append(s.hashes[:0], s.hashes[n:]...)
	// A subtree is complete with its last entry, so those of level k that the
	// durable tree has are the first size>>8k of them.
	rest := s.complete[:0]
	have := s.base
	var taken [maxLevel + 1]uint64
	for _, c := range s.complete {
		if below(have, c.level)+taken[c.level] < below(size, c.level) {
			taken[c.level]++
			levels[c.level] = append(levels[c.level], c.hash)
		} else {
			rest = append(rest, c)
		}
	}
	s.complete, s.base = rest, size
	return s.tree, nil
}

// A checkpointer writes the tree and signs checkpoints. checkpointLoop runs it.
type checkpointer struct {
	fs     durable.FS
	tiles  *tiles
	spine  *spine
	signer note.Signer
	origin string

	// waiting holds the hashes of each tile level that are still to be written, at
	// most what the spine may hold and once more; owned by checkpointLoop.
	waiting [maxLevel + 1][]merkle.Hash

	mu     sync.Mutex
	newest *signed // guarded by mu
	failed error   // the tree is paused until the next opening; guarded by mu
}

// latest returns the newest checkpoint, and why there will be no newer one.
func (k *checkpointer) latest() (*signed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newest, k.failed
}

// make writes the tree up to what is durable and signs it. What could not be
// written is tried again the next time, but a failed sync of the tiles pauses
// them for good: what it lost cannot be known.
func (k *checkpointer) make() (*signed, error) {
	newest, err := k.latest()
	if err != nil {
		return newest, err
	}
	next, err := k.write(newest)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		return newest, err
	}
	k.newest = next
	return next, nil
}

func (k *checkpointer) write(newest *signed) (*signed, error) {
	tree, err := k.spill()
	if err != nil {
		return nil, err
	}
	if err := k.tiles.sync(); err != nil {
		return nil, k.pause(err)
	}
	if newest != nil && newest.Size == tree.Size() {
		return newest, nil // only the tiles, if they had to be rebuilt
	}
	c := merkle.Checkpoint{Origin: k.origin, Size: tree.Size(), Root: tree.Root()}
	b, err := merkle.Sign(c, k.signer)
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(k.fs, checkpointName, b); err != nil {
		return nil, fmt.Errorf("write checkpoint: %w", err)
	}
	return &signed{c, b}, nil
}

// writeTiles writes what waits to the tiles.
func (k *checkpointer) writeTiles() error {
	for level := range k.waiting {
		if err := k.tiles.append(level, k.waiting[level]); err != nil {
			return err
		}
		k.waiting[level] = k.waiting[level][:0]
	}
	return nil
}

// spill writes what the durable tree has gained, and returns that tree. What
// could not be written waits; when that is too much, checkpoints pause.
func (k *checkpointer) spill() (merkle.Tree, error) {
	tree, err := k.spine.take(&k.waiting)
	if err != nil {
		return tree, k.pause(err)
	}
	err = k.writeTiles()
	if err != nil && len(k.waiting[0]) > k.spine.limit {
		err = k.pause(err)
	}
	return tree, err
}

// pause stops checkpoints until the journal is opened again.
func (k *checkpointer) pause(err error) error {
	k.waiting = [maxLevel + 1][]merkle.Hash{}
	k.spine.drop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = fmt.Errorf("checkpoints are paused: %w", err)
	return k.failed
}

// dirty tells the checkpoint loop that there is something new. It wakes the loop
// once for each checkpoint: waking it at every commit would cost a lone writer a
// tenth of its rate.
func (e *Engine) dirty() {
	if !e.told.Swap(true) {
		e.changed <- struct{}{}
	}
}

// checkpointLoop signs a checkpoint at most an interval after a commit, and on
// demand. It ends when done is closed.
func (e *Engine) checkpointLoop(k *checkpointer) {
	var due <-chan time.Time
	for {
		select {
		case <-e.changed:
			if due == nil && e.opts.CheckpointInterval > 0 {
				due = time.After(e.opts.CheckpointInterval)
			}
		case <-due:
			due = nil
			e.told.Store(false)
			if _, err := k.make(); err != nil {
				e.opts.Logger.Error("checkpoint", "error", err)
				if _, paused := k.latest(); paused == nil {
					e.dirty() // tried again
				}
			}
		case <-e.crowded:
			if _, paused := k.latest(); paused != nil {
				continue
			}
			if _, err := k.spill(); err != nil {
				e.opts.Logger.Error("write tiles", "error", err)
			}
		case answer := <-e.wanted:
			c, err := k.make()
			answer <- checkpointAnswer{c, err}
		case <-e.stopping:
			return
		}
	}
}

type checkpointAnswer struct {
	checkpoint *signed
	err        error
}

// Checkpoint implements [engine.Engine]. A reader returns the newest one that
// the writer made.
func (e *Engine) Checkpoint(ctx context.Context) ([]byte, error) {
	if e.isClosed() {
		return nil, engine.ErrClosed
	}
	if e.log == nil || len(e.damage) > 0 {
		return e.storedCheckpoint()
	}
	answer := make(chan checkpointAnswer, 1)
	select {
	case e.wanted <- answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.done:
		return nil, engine.ErrClosed
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		return a.checkpoint.note, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.done:
		return nil, engine.ErrClosed
	}
}

func (e *Engine) storedCheckpoint() ([]byte, error) {
	c, err := e.readCheckpoint()
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("checkpoint: %w", engine.ErrNotFound)
	}
	return c.note, nil
}

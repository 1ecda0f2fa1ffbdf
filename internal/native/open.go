package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
)

// lockPoll is how often a lock that is held is tried.
const lockPoll = 20 * time.Millisecond

// Open opens a journal for writing, recovering it after an unclean end. It waits up to
// Options.LockWait for a process that has it open: one that reads it has it for as
// long as opening takes, a verifier for a moment.
//
// A journal that is damaged in what was acknowledged opens too, for reading:
// Damage says what is wrong, and appends are refused with it.
//
// Errors: ErrNoJournal, engine.ErrLocked, engine.ErrNewerFormat, a
// *engine.CorruptError where not even reading is possible.
func Open(opts Options) (*Engine, error) {
	e := newEngine(opts)
	lock, err := takeLock(e.fs, e.opts.Create, e.opts.LockWait)
	if err != nil {
		return nil, err
	}
	e.lock = lock
	if err := e.openWriter(); err != nil {
		if e.index != nil {
			e.index.Abandon()
		}
		return nil, errors.Join(err, e.tiles.close(), lock.Close())
	}
	return e, nil
}

func newEngine(opts Options) *Engine {
	e := &Engine{
		opts:       opts.withDefaults(),
		fs:         opts.FS,
		tiles:      &tiles{fs: opts.FS},
		groupsDue:  make(chan struct{}, 1),
		integrated: make(chan struct{}, 1),
		ended:      make(chan struct{}),
		dead:       make(chan struct{}),
		changed:    make(chan struct{}, 1),
		crowded:    make(chan struct{}, 1),
		wanted:     make(chan chan checkpointAnswer),
		stopping:   make(chan struct{}),
		done:       make(chan struct{}),
	}
	e.working, e.stop = context.WithCancel(context.Background())
	e.spine.limit = e.opts.maxPending
	return e
}

// takeLock takes the writer's lock, for which it waits. Without create it makes no
// file where there is no journal.
func takeLock(fsys durable.FS, create bool, wait time.Duration) (io.Closer, error) {
	if !create {
		if _, ok, err := readIdentity(fsys); err != nil {
			return nil, err
		} else if !ok {
			return nil, ErrNoJournal
		}
	}
	for ; ; wait -= lockPoll {
		lock, err := fsys.Lock(lockName)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, durable.ErrLocked) {
			return nil, fmt.Errorf("take lock: %w", err)
		}
		if wait <= 0 {
			return nil, engine.ErrLocked
		}
		time.Sleep(min(wait, lockPoll))
	}
}

func (e *Engine) openWriter() error {
	id, ok, err := readIdentity(e.fs)
	if err != nil {
		return err
	}
	if !ok {
		if id, err = create(e.fs, e.opts.Origin, e.opts.Now()); err != nil {
			return err
		}
	}
	e.identity = id
	if e.opts.Origin != "" && e.opts.Origin != id.Origin {
		return fmt.Errorf("journal's origin is %q and cannot become %q", id.Origin, e.opts.Origin)
	}
	if err := e.loadSecret(); err != nil {
		return err
	}
	signer, err := readSigner(e.fs)
	if err = e.sortOut(err); err != nil {
		return err
	}
	if err := e.openIndex(false); err != nil {
		return err
	}
	c, opts, err := e.gather()
	if err != nil {
		return err
	}
	if len(e.damage) > 0 {
		return e.openDamaged(opts, false)
	}
	tree, looked, err := e.inspect(c, opts)
	if err != nil {
		return err
	}
	if len(e.damage) > 0 {
		return e.openDamaged(opts, false)
	}
	if err := e.keepSecret(); err != nil {
		return err
	}
	e.before = opts.Evidence.State
	e.tiles.writable = true
	if e.log, e.recovery, e.damage, err = wal.Open(e.fs, opts); err != nil {
		return err
	}
	if len(e.damage) > 0 {
		e.log.Close()
		e.log.CloseReads()
		e.log = nil
		return e.openDamaged(opts, false)
	}
	w := newCommitter(e)
	if err := w.openFull(); err != nil {
		e.log.CloseReads()
		_, cerr := e.log.Close()
		return errors.Join(err, cerr)
	}
	e.keeper = &checkpointer{fs: e.fs, tiles: e.tiles, spine: &e.spine, signer: signer, origin: id.Origin, newest: c}
	e.published.Store(&published{view: e.log.View(), next: make(chan struct{})})
	e.durable.Store(uint64(e.log.Durable()))
	if err := w.rebuild(tree, looked); err != nil {
		e.log.CloseReads()
		_, cerr := e.log.Close()
		return errors.Join(err, cerr)
	}
	if len(e.damage) > 0 { // an entry contradicts the log
		_, err := e.log.Close()
		e.log.CloseReads()
		e.log = nil
		return errors.Join(err, e.openDamaged(opts, false))
	}
	e.queue, e.committer = newQueue(), w
	e.loops.Go(w.commitLoop)
	e.loops.Go(w.integrateLoop)
	e.loops.Go(func() { e.checkpointLoop(e.keeper) })
	e.loops.Go(e.indexLoop)
	e.loops.Go(e.mergeLoop)
	if e.opts.ScrubInterval > 0 {
		e.loops.Go(e.scrubLoop)
	}
	if e.Size() > 0 && (c == nil || c.Size < uint64(e.Size())) {
		e.dirty()
	}
	return nil
}

// openFull completes a recovery that found no room with the help of the reserve.
// If that does not suffice the journal opens for reading what is proven, and the
// rest comes with the first append that finds room.
func (w *committer) openFull() error {
	if !w.log.Unfinished() {
		return nil
	}
	if err := w.paused.release(w.fs); err != nil {
		return err
	}
	err := w.log.FinishRecovery()
	if errors.Is(err, engine.ErrDiskFull) {
		w.paused.begin(w, err)
		return nil
	}
	return err
}

// gather reads what vouches for the log. What of it is damaged goes to e.damage.
func (e *Engine) gather() (*signed, wal.Options, error) {
	journal, err := e.identity.id()
	opts := wal.Options{Journal: journal, SegmentBytes: e.opts.SegmentBytes, Salvage: e.opts.Salvage, State: e.state}
	if err != nil {
		return nil, opts, err
	}
	c, err := e.readCheckpoint()
	if err = e.sortOut(err); err != nil {
		return nil, opts, err
	}
	size, err := tilesSize(e.fs)
	if err != nil {
		return nil, opts, err
	}
	if c != nil && size < c.Size {
		size = 0 // the tiles were deleted or cut: they are rebuilt
	}
	opts.Evidence, err = evidence(e.fs, c, size)
	if end := e.index.End(); end > opts.Evidence.Entries {
		opts.Evidence.Entries, opts.Evidence.By = end, index.Dir
	}
	return c, opts, e.sortOut(err)
}

// state is the log's [wal.Options] State: what is damaged vouches for nothing.
func (e *Engine) state() *wal.State {
	s, err := readState(e.fs)
	if err != nil {
		return nil
	}
	return s
}

// readCheckpoint reads the checkpoint and verifies it with the journal's key.
func (e *Engine) readCheckpoint() (*signed, error) {
	v, err := readVerifier(e.fs)
	if err != nil {
		return nil, err
	}
	return readCheckpoint(e.fs, e.identity, v)
}

// sortOut keeps damage and passes other errors on.
func (e *Engine) sortOut(err error) error {
	var c *engine.CorruptError
	if errors.As(err, &c) {
		if len(e.damage) < maxProblems {
			e.damage = append(e.damage, c)
		}
		return nil
	}
	return err
}

// openDamaged makes the engine a reader of a damaged log.
func (e *Engine) openDamaged(opts wal.Options, live bool) error {
	r, err := wal.OpenReader(e.fs, opts, live)
	if err != nil {
		return err
	}
	e.reader = r
	e.damage = appendNew(e.damage, r.Damage())
	e.tiles.writable = false
	e.published.Store(&published{view: r.View(), next: make(chan struct{})})
	e.durable.Store(uint64(r.View().Size()))
	e.index.Abandon() // a writer that turns reader had it open to write
	if err := e.openIndex(true); err != nil {
		return err
	}
	if err := e.catchUp(r.View()); err != nil {
		return err
	}
	e.damage = appendNew(nil, e.damage)
	return nil
}

// appendNew adds the damage that is not known yet.
func appendNew(known, more []*engine.CorruptError) []*engine.CorruptError {
	for _, d := range more {
		found := false
		for _, k := range known {
			found = found || k.Error() == d.Error()
		}
		if !found {
			known = append(known, d)
		}
	}
	return known
}

// rebuild makes the tree anew, from the one that the tiles are known to hold, and
// has the index cover the log. If looked is set it does already, but for what a
// recovery has brought, and the places of what it has moved.
func (w *committer) rebuild(tree merkle.Tree, looked bool) error {
	v := w.published.Load().view
	var err error
	if looked {
		err = w.feed(context.Background(), v, w.index.Next(), v.Size(), w.index.Add)
	} else {
		err = w.catchUp(v)
	}
	if err = w.sortOut(err); err != nil || len(w.damage) > 0 {
		return err
	}
	spillEvery := uint64(w.spine.limit / 16)
	w.tree = tree
	w.tiles.startAt(tree.Size())
	w.spine.base = tree.Size()
	for raw, err := range v.Scan(context.Background(), engine.Position(tree.Size()), w.Size()) {
		if err != nil {
			return w.sortOut(err)
		}
		e := engine.Entry{Bytes: raw.Bytes}
		w.hashes = append(w.hashes[:0], merkle.Hash(e.Hash()))
		w.complete = w.complete[:0]
		w.tree.Append(merkle.LeafHash(w.hashes[0][:]), func(level int, _ uint64, h merkle.Hash) {
			w.complete = append(w.complete, completed{level, h})
		})
		w.spine.add(w.hashes, w.complete)
		w.last = lastOf(w.last, raw.Bytes)
		if w.tree.Size()%spillEvery == 0 {
			w.spillRebuilt()
		}
	}
	w.spine.advance(&w.tree)
	return w.lookAtEnd(v)
}

// lookAtEnd reads the newest segment's entries for what depends on them: the time
// of the last one, and where those are that a recovery has moved.
func (w *committer) lookAtEnd(v *wal.View) error {
	if w.recovery != nil {
		for raw, err := range v.Scan(context.Background(), v.Newest(), v.Size()) {
			if err != nil {
				return w.sortOut(err)
			}
			w.index.Moved(raw.Position, raw.Place)
		}
	}
	if w.Size() > 0 && w.last.IsZero() {
		if entry, err := v.Read(nil, w.Size()-1); err == nil {
			w.last = lastOf(w.last, entry)
		}
	}
	return nil
}

// spillRebuilt writes what a rebuild has added to the tree so far. If that fails
// the journal is sound all the same, and goes without checkpoints.
func (w *committer) spillRebuilt() {
	w.spine.advance(&w.tree)
	if _, paused := w.keeper.latest(); paused != nil || len(w.damage) > 0 {
		return
	}
	if _, err := w.keeper.spill(); err != nil {
		w.opts.Logger.Error("write tiles", "error", w.keeper.pause(err))
	}
}

// lastOf returns an entry's recorded_at, or t if it has none.
func lastOf(t time.Time, entry []byte) time.Time {
	if a, err := engine.ParseAssigned(entry); err == nil {
		return a.RecordedAt
	}
	return t
}

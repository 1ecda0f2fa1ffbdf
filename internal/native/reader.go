package native

import (
	"errors"
	"io/fs"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
)

// pollInterval is how often a reader looks for new entries.
const pollInterval = 20 * time.Millisecond

// OpenReader opens a journal for reading only, beside the process that writes it
// or where nothing may be changed. It takes no lock and writes nothing. Entries
// show once they are known to be durable, at most 50 ms and a sync late.
//
// Errors: ErrNoJournal, engine.ErrNewerFormat, a *engine.CorruptError where not
// even reading is possible.
func OpenReader(opts Options) (*Engine, error) {
	e := newEngine(opts)
	id, ok, err := readIdentity(e.fs)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrNoJournal
	}
	e.identity = id
	if err := e.loadSecret(); err != nil {
		return nil, err
	}
	live := isLive(e.fs)
	if err := e.openIndex(true); err != nil {
		return nil, err
	}
	_, wopts, err := e.gather()
	if err == nil {
		err = e.openDamaged(wopts, live)
	}
	if err != nil {
		e.index.Abandon()
		return nil, errors.Join(err, e.tiles.close())
	}
	e.loops.Go(e.pollLoop)
	return e, nil
}

// isLive reports whether a writer holds the lock. It creates nothing.
func isLive(fsys durable.FS) bool {
	if _, err := fsys.Stat(lockName); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	lock, err := fsys.Lock(lockName)
	if err == nil {
		lock.Close()
	}
	return errors.Is(err, durable.ErrLocked)
}

// pollLoop publishes what the writer makes durable. It ends when stopping is
// closed.
func (e *Engine) pollLoop() {
	t := time.NewTicker(pollInterval)
	defer t.Stop()
	for {
		select {
		case <-e.stopping:
			return
		case <-t.C:
		}
		old := e.published.Load()
		v, err := e.reader.Refresh()
		if err != nil {
			e.opts.Logger.Error("look for new entries", "error", err)
			continue
		}
		if v.Size() <= old.view.Size() { // smaller: a recovery whose marker is yet to come
			e.refreshIndex()
			continue
		}
		p := &published{view: v, next: make(chan struct{})}
		if err := e.take(old.view.Size(), v); err != nil {
			e.opts.Logger.Error("read new entries", "error", err)
			continue
		}
		e.durable.Store(uint64(v.Size()))
		e.published.Store(p)
		close(old.next)
	}
}

// take adds the new entries of a view to the index. Where one cannot be read the
// index has a hole, and whoever comes to that is told.
func (e *Engine) take(from engine.Position, v *wal.View) error {
	_, err := e.addAround(v, from)
	if err == nil {
		e.refreshIndex()
	}
	return err
}

// refreshIndex takes up what the writer has made of the index. If that fails, what
// the reader has does.
func (e *Engine) refreshIndex() {
	if err := e.index.Refresh(); err != nil {
		e.opts.Logger.Error("look for new index files", "error", err)
	}
}

package native

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
)

// maxCatchUp is how many full tails of entries without an index an opening reads
// itself. More are indexed afterwards, while appends wait.
const maxCatchUp = 3

// openIndex opens the index.
func (e *Engine) openIndex(readOnly bool) error {
	journal, err := e.identity.id()
	if err != nil {
		return err
	}
	secret := e.Secret("index")
	o := index.Options{
		FS: yielding{e.fs, e}, Journal: journal, Key: [16]byte(secret[:16]), Policy: e.opts.Policy, Covers: e.opts.Covers,
		TailEntries: e.opts.tailEntries, ReadOnly: readOnly, Logger: e.opts.Logger,
	}
	if e.index, err = index.Open(o); err != nil {
		return err
	}
	e.hasher = e.index.Hasher()
	return nil
}

// catchUp covers the log of a view with the index. A few entries that it lacks
// are added now; damage among them is kept with what else is known.
func (e *Engine) catchUp(v *wal.View) error {
	e.index.Cover(v.Size())
	from, to := e.index.Rest()
	if from == to || to-from > maxCatchUp*engine.Position(e.opts.tailEntries) {
		e.index.Start(v.Size())
		return nil
	}
	e.index.Start(from)
	damage, err := e.addAround(v, from)
	for _, c := range damage {
		e.sortOut(c) // which keeps it
	}
	return err
}

// maxAround is how many places that cannot be read one addAround goes around: at each
// it reads some entries again.
const maxAround = 64

// addAround adds the entries of a view from from on to the index, around those that
// cannot be read, which it returns. If those are too many the last of them has all
// that is left. For those who only read: what cannot be read may hide an id.
func (e *Engine) addAround(v *wal.View, from engine.Position) (damage []*engine.CorruptError, err error) {
	for {
		err := e.feed(context.Background(), v, max(from, e.index.Next()), v.Size(), e.index.Add)
		c, ok := errors.AsType[*engine.CorruptError](err)
		if !ok {
			return damage, err
		}
		damage = append(damage, c)
		if len(damage) == maxAround {
			e.index.Pass(v.Size())
			return damage, nil
		}
		e.index.Pass(min(max(c.Next, e.index.Next()+1), v.Size()))
	}
}

// feedStep is how many entries one worker of feed takes at a time.
const feedStep = 1 << 10

// A described is what the index takes of one entry.
type described struct {
	item     index.Item
	sequence engine.Sequence
	place    uint32
}

// feed reads entries of a view and hands them on in order, described by all
// processors. Damage is returned after what lies before it was handed on.
func (e *Engine) feed(ctx context.Context, v *wal.View, from, to engine.Position, add func(*index.Item, engine.Sequence, uint32)) error {
	workers := runtime.GOMAXPROCS(0)
	parts := make([][]described, workers)
	errs := make([]error, workers)
	for from < to {
		var wg sync.WaitGroup
		for i := range parts {
			first := min(to, from+engine.Position(i)*feedStep)
			last := min(to, first+feedStep)
			wg.Go(func() { parts[i], errs[i] = e.describeLoop(ctx, v, first, last, parts[i][:0]) })
		}
		wg.Wait()
		for i := range parts {
			for k := range parts[i] {
				d := &parts[i][k]
				add(&d.item, d.sequence, d.place)
			}
			if errs[i] != nil {
				return errs[i]
			}
		}
		from = min(to, from+engine.Position(workers)*feedStep)
	}
	return nil
}

// describeLoop describes the entries of one step of feed.
func (e *Engine) describeLoop(ctx context.Context, v *wal.View, from, to engine.Position, dst []described) ([]described, error) {
	f := engine.Facts{Terms: make([]engine.Term, 0, 64)}
	for raw, err := range v.Scan(ctx, from, to) {
		if err != nil {
			return dst, err
		}
		a, err := engine.ParseAssigned(raw.Bytes)
		if err == nil && a.Position != raw.Position {
			err = errors.New("entry is another position's")
		}
		if err = errors.Join(err, e.opts.Describe(&f, raw.Bytes)); err != nil {
			return dst, &engine.CorruptError{Path: wal.Dir, Offset: -1, First: raw.Position, Next: raw.Position + 1, Err: err}
		}
		dst = append(dst, described{e.hasher.Item(&f), a.Sequence, raw.Place})
	}
	return dst, nil
}

// indexAgain is when maintaining the index is tried again after an error.
const indexAgain = time.Second

// mergeAgain is the longest time until a merge is tried again after an error: it may
// have taken all the room that there was, and nobody waits for it.
const mergeAgain = 10 * time.Minute

// indexLoop writes what the index was given and fills what it lacks. It ends when
// stopping is closed.
func (e *Engine) indexLoop() {
	e.keepDoing(e.index.Work(), indexAgain, func(ctx context.Context) (bool, error) {
		return e.index.Maintain(ctx, engine.Position(e.durable.Load()), e.fill)
	})
}

// mergeLoop merges what of the index has become many. It ends when stopping is
// closed.
func (e *Engine) mergeLoop() {
	e.keepDoing(e.index.Ripe(), mergeAgain, func(ctx context.Context) (bool, error) {
		if e.diskFull.Load() { // what room there is, is the log's
			return false, nil
		}
		return e.index.Merge(ctx)
	})
}

// keepDoing calls do until it has nothing to do, and again when it is woken; after
// an error not before a while has passed, twice as long each time, up to most. It
// ends when stopping is closed.
func (e *Engine) keepDoing(wake <-chan struct{}, most time.Duration, do func(context.Context) (bool, error)) {
	pause := indexAgain
	for {
		did, err := do(e.working)
		woken, again := wake, (<-chan time.Time)(nil)
		switch {
		case err == nil:
			pause = indexAgain
		case e.working.Err() == nil:
			e.opts.Logger.Error("index", "error", err)
			woken, again = nil, time.After(pause)
			pause = min(2*pause, most)
		}
		if did && err == nil && e.working.Err() == nil {
			continue
		}
		select {
		case <-woken:
		case <-again:
		case <-e.stopping:
			return
		}
	}
}

// fill is the index's [index.Filler].
func (e *Engine) fill(ctx context.Context, from, to engine.Position, add func(*index.Item, engine.Sequence, uint32)) error {
	return e.feed(ctx, e.published.Load().view, from, to, add)
}

// closeIndex closes the index. What it was given since its last run is written if
// the log is sound up to there, so that the next opening has little to read; if
// that fails it has more.
func (e *Engine) closeIndex() {
	if e.log == nil || e.failed.Load() || len(e.damage) > 0 || e.durable.Load() < uint64(e.index.Next()) {
		e.index.Abandon()
		return
	}
	if err := e.index.Close(); err != nil {
		e.opts.Logger.Error("write index at close", "error", err)
	}
}

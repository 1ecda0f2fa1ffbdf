package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/annals-io/annals/engine"
)

// A Filler reads the entries from from to to, all durable, and adds them in
// order. An entry that it cannot read ends it with a *engine.CorruptError.
type Filler func(ctx context.Context, from, to engine.Position, add func(it *Item, sequence engine.Sequence, place uint32)) error

// Maintain does the next thing that appends may wait for, one run at a time: it
// writes a tail whose entries are all durable, or fills a part of a hole. It
// reports whether it did anything; if so it should be called again. After an error
// it should be called again later. One goroutine maintains, and another may merge.
func (x *Index) Maintain(ctx context.Context, durable engine.Position, fill Filler) (did bool, err error) {
	if t := x.oldestClosed(durable); t != nil {
		x.begin()
		return true, x.pause(x.writeTail(t))
	}
	if h, ok := x.firstHole(durable); ok {
		x.begin()
		return true, x.pause(x.fillHole(ctx, h, fill))
	}
	return false, x.pause(nil)
}

// Merge merges neighbouring runs into one if there are enough. It reports whether
// there were; if so it should be called again. It takes seconds for millions of entries, and
// nobody waits for it. One goroutine merges.
func (x *Index) Merge(ctx context.Context) (did bool, err error) {
	runs := x.mergeable()
	if runs == nil {
		return false, nil
	}
	return true, x.merge(ctx, runs)
}

// pause remembers why maintaining does not get on, so that appends do not wait
// for it.
func (x *Index) pause(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busySince = time.Time{}
	if x.paused = err; err != nil {
		x.tellLocked()
	}
	return err
}

// begin notes that a step begins.
func (x *Index) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busySince = time.Now()
	x.tellLocked() // so that those who wait look at the time
}

// oldestClosed returns the first tail that nothing is added to any more and that
// is durable, if there is one.
func (x *Index) oldestClosed(durable engine.Position) *tail {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.parts[:max(0, len(x.parts)-1)] {
		if t, ok := p.(*tail); ok {
			if t.next() > durable {
				return nil
			}
			return t
		}
	}
	return nil
}

// firstHole returns the first hole that can be filled.
func (x *Index) firstHole(durable engine.Position) (hole, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.parts {
		if h, ok := p.(hole); ok && !h.unreadable && h.next <= durable {
			return h, true
		}
	}
	return hole{}, false
}

// writeTail writes a tail as a run and puts that in its place.
func (x *Index) writeTail(t *tail) error {
	r, err := x.writeRun(t)
	if err != nil {
		return err
	}
	first, next := t.bounds()
	if _, ok := x.replace(first, next, r, t); !ok {
		r.release()
	}
	return nil
}

// writeRun writes a tail as a run and opens it.
func (x *Index) writeRun(t *tail) (*run, error) {
	first, next := t.bounds()
	name := runName(first, next)
	err := writeRun(x.opts.FS, name, x.meta(first, next), t.input())
	if errors.Is(err, fs.ErrNotExist) { // someone has removed the directory
		x.makeDir()
		err = writeRun(x.opts.FS, name, x.meta(first, next), t.input())
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return x.open(name)
}

func (x *Index) meta(first, next engine.Position) meta {
	return meta{owner: x.owner(), policy: x.opts.Policy, first: first, next: next}
}

// open opens a run. One that has another's name is damaged.
func (x *Index) open(name string) (*run, error) {
	r, err := openRun(x.opts.FS, name, x.owner())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if runName(r.bounds()) != name {
		r.release()
		return nil, r.fail(damage("name is another run's"))
	}
	r.coversField = x.coverage(r.policy())
	return r, nil
}

func (x *Index) coverage(policy string) func(string) bool {
	return func(field string) bool { return x.opts.Covers(policy, field) }
}

// fillHole makes a run of the first entries of a hole.
func (x *Index) fillHole(ctx context.Context, h hole, fill Filler) error {
	if h.file != "" {
		x.remove(h.file) // or the next opening would take it
	}
	to := min(h.next, h.first+engine.Position(x.opts.TailEntries))
	t := x.newTail(h.first, int(to-h.first)*8)
	err := fill(ctx, h.first, to, func(it *Item, sequence engine.Sequence, place uint32) {
		if !t.full() {
			t.add(it, sequence, place)
		}
	})
	var damage *engine.CorruptError
	if errors.As(err, &damage) {
		return x.passDamage(h, t, damage)
	}
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	return x.narrow(h, t)
}

// narrow writes the tail that begins a hole and leaves the rest of the hole.
func (x *Index) narrow(h hole, t *tail) error {
	r, err := x.writeRun(t)
	if err != nil {
		return err
	}
	if !x.splitHole(h, r) { // it was merged meanwhile
		r.release()
		x.remove(r.name)
	}
	return nil
}

// passDamage writes what lies before damage, and leaves the damage a hole for
// good: whoever searches reads it, and is told. Nothing is added any more, since
// the damage may hide an id or an entity's last sequence.
func (x *Index) passDamage(h hole, t *tail, damage *engine.CorruptError) error {
	if first, next := t.bounds(); next > first {
		return x.narrow(h, t)
	}
	bad := hole{first: h.first, next: min(max(damage.Next, h.first+1), h.next), unreadable: true}
	x.log().Error("entries cannot be read and have no index", "first", uint64(bad.first), "next", uint64(bad.next), "error", damage)
	x.splitHole(h, bad)
	x.Refuse(damage)
	return nil
}

// splitHole puts a part in the place of the beginning of a hole.
func (x *Index) splitHole(h hole, by part) bool {
	_, next := by.bounds()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, p := range x.parts {
		if p != part(h) || x.stopped {
			continue
		}
		parts := append([]part{}, x.parts[:i]...)
		parts = append(parts, by)
		if next < h.next {
			parts = append(parts, hole{first: next, next: h.next})
		}
		x.parts = append(parts, x.parts[i+1:]...)
		x.changedLocked()
		return true
	}
	return false
}

// merge makes one run of several and removes them.
func (x *Index) merge(ctx context.Context, runs []*run) error {
	defer func() {
		for _, r := range runs {
			r.release()
		}
	}()
	first, _ := runs[0].bounds()
	_, next := runs[len(runs)-1].bounds()
	name := runName(first, next)
	m := x.meta(first, next)
	m.policy = runs[0].policy()
	if err := mergeRuns(ctx, x.opts.FS, name, m, runs); err != nil {
		if bad, ok := errors.AsType[*runError](err); ok {
			x.condemn(bad.run, err)
		}
		return fmt.Errorf("merge into %s: %w", name, err)
	}
	r, err := x.open(name)
	if err != nil {
		return err
	}
	gone, ok := x.replace(first, next, r, nil)
	if !ok {
		r.release()
		return nil
	}
	for _, old := range runs {
		x.remove(old.name)
	}
	for _, p := range gone { // one that was damaged may have been made anew, in other files
		if old, ok := p.(*run); ok {
			x.remove(old.name)
		}
	}
	return nil
}

// leastClosePart is the part of a full tail that a tail has at least that Close
// writes. Fewer entries are read when the journal is opened again.
const leastClosePart = 16

// Close writes the tails, so that the next opening has little to read, and closes
// the runs. All entries must be durable. Nobody adds or maintains any more.
func (x *Index) Close() error {
	var errs []error
	x.mu.Lock()
	tails := tailsOf(x.parts)
	x.mu.Unlock()
	for _, t := range tails {
		if int(t.next()-t.first) >= max(1, x.opts.TailEntries/leastClosePart) && !x.opts.ReadOnly {
			errs = append(errs, x.writeTail(t))
		}
	}
	x.Abandon()
	return errors.Join(errs...)
}

// Abandon closes the runs and writes nothing. What is left of the index is a hole,
// for those that come late. Calls after the first do nothing.
func (x *Index) Abandon() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopped {
		return
	}
	x.stopped = true
	for _, r := range x.listed {
		r.release()
	}
	old := x.parts
	x.listed, x.parts = nil, []part{hole{next: endless}}
	x.publish()
	for _, p := range old {
		if r, ok := p.(*run); ok {
			r.release()
		}
	}
}

func tailsOf(parts []part) (tails []*tail) {
	for _, p := range parts {
		if t, ok := p.(*tail); ok {
			tails = append(tails, t)
		}
	}
	return tails
}

package native

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
)

// markAfter is how long the log is idle before a marker vouches for its last
// group.
const markAfter = 50 * time.Millisecond

// markAgain is when a marker that found no room is tried again.
const markAgain = time.Second

// A committer writes. Whoever holds turn owns it: commitLoop, or a caller that
// commits its own request because nobody else is at it (see lead).
type committer struct {
	*Engine
	watch *watch
	timer *time.Timer // for the marker, or the next sync of interval durability

	turn    sync.Mutex // guards all that follows, the log and the writing side of the tree and the index
	tree    merkle.Tree
	last    time.Time // recorded_at of the newest entry
	carry   []*request
	company int       // callers answered by the group before
	idleAt  time.Time // when the last group was answered
	due     time.Time // when written entries must be synced; zero = nothing waits
	paused  pause

	// Of the group in the making, emptied after it.
	group    []*request
	at       time.Time
	started  bool
	fresh    map[index.Identity]*prepared // new ids
	seqs     map[index.Identity]engine.Sequence
	placed   []described
	hashes   []merkle.Hash
	complete []completed
	suffix   []byte
}

// A completed is the root of a full subtree, for the tile level it belongs to.
type completed struct {
	level int
	hash  merkle.Hash
}

func newCommitter(e *Engine) *committer {
	c := &committer{Engine: e, watch: newWatch(e), timer: time.NewTimer(time.Hour)}
	c.fresh, c.seqs = make(map[index.Identity]*prepared), make(map[index.Identity]engine.Sequence)
	return c
}

// commitLoop commits what waits. It ends when the queue is closed and empty.
func (c *committer) commitLoop() {
	defer close(c.ended)
	defer close(c.groupsDue)
	defer c.timer.Stop()
	for {
		c.turn.Lock()
		for c.round() {
		}
		if c.finished() {
			c.drain()
			c.turn.Unlock()
			return
		}
		c.turn.Unlock()
		select {
		case <-c.queue.wake:
		case <-c.timer.C:
			c.idle()
		}
	}
}

// finished reports whether no request will come any more. Closing comes first:
// what was pushed before is seen afterwards.
func (c *committer) finished() bool {
	return c.queue.reason() != nil && c.queue.len() == 0
}

// lead commits on the caller's goroutine what waits, unless someone is at it
// already. It saves a caller that is alone two changes of goroutine, which on a
// small machine cost a fifth of the sync; it then waits in the sync itself, so it
// is for callers that would not leave before the answer anyway. It reports
// whether commitLoop need not look at the queue.
func (c *committer) lead() bool {
	if !c.turn.TryLock() {
		return false
	}
	defer c.turn.Unlock()
	if c.company > 1 {
		return false // others are about to come: let them share a sync
	}
	c.round()
	return c.queue.len() == 0 && len(c.carry) == 0
}

// round commits one group of what waits. It reports whether there was any.
func (c *committer) round() bool {
	c.group = append(c.group[:0], c.carry...)
	c.carry = c.carry[:0]
	if len(c.group) == 0 {
		c.gather()
		c.group = c.queue.take(c.group)
	}
	if len(c.group) > 0 {
		c.commit()
		return true
	}
	return false
}

// gather lets the callers that were just answered bring what they have next, so
// that they share a sync instead of forming two camps that wait for each other.
// It yields only as long as that makes the queue longer: nobody waits for a
// caller that is busy with something else, and a lone writer not at all.
func (c *committer) gather() {
	if c.company < 2 {
		return
	}
	for have, idle := c.queue.len(), 0; idle < 2 && have < c.company; {
		runtime.Gosched()
		now := c.queue.len()
		if now > have {
			idle = 0
		} else {
			idle++
		}
		have = now
	}
}

// drain syncs what waits for a sync.
func (c *committer) drain() {
	c.watch.start(time.Now())
	defer c.watch.stop()
	if !c.due.IsZero() && !c.failed.Load() {
		c.syncDue()
	}
}

// idle runs when nothing came for a while.
func (c *committer) idle() {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.queue.reason() != nil {
		return
	}
	c.watch.start(time.Now())
	defer c.watch.stop()
	if !c.due.IsZero() {
		c.syncDue()
		c.timer.Reset(markAfter)
		return
	}
	if rest := markAfter - time.Since(c.idleAt); rest > 0 { // a caller has led meanwhile
		c.timer.Reset(rest)
		return
	}
	switch err := c.mark(); {
	case errors.Is(err, engine.ErrDiskFull):
		c.timer.Reset(markAgain)
	case err != nil:
		c.fail(fmt.Errorf("write marker: %w", err))
	}
}

// mark has a marker written and synced.
func (c *committer) mark() error {
	if err := c.inTime(c.log.WriteMark()); err != nil || !c.log.Unsynced() {
		return err
	}
	return c.sync(false)
}

// commit makes one group of the waiting requests, writes and syncs it, and
// answers. All that it asks of the disk is watched as one.
func (c *committer) commit() {
	c.watch.start(time.Now())
	defer c.watch.stop()
	held := c.finishRecovery()
	c.begin()
	for i, r := range c.group {
		if c.queue.reason() != nil && c.failed.Load() {
			r.err = c.queue.reason()
			continue
		}
		if held != nil {
			r.err = held
			continue
		}
		r.tied = c.started
		if !c.place(r) {
			for _, r := range c.group[i:] {
				r.forget(c.Size())
			}
			c.carry = append(c.carry, c.group[i:]...)
			c.group = c.group[:i]
			break
		}
	}
	if c.started {
		if err := c.write(); err != nil {
			c.reject(err)
		}
	}
	c.company = len(c.group)
	for _, r := range c.group {
		if errors.Is(r.err, engine.ErrDiskFull) {
			c.paused.refused++
		}
		r.done <- struct{}{}
	}
	if c.due.IsZero() {
		c.idleAt = time.Now()
		c.timer.Reset(markAfter)
	}
}

// finishRecovery completes a recovery that found no room when the journal was
// opened, and takes up the entries that it brings.
func (c *committer) finishRecovery() error {
	if !c.log.Unfinished() || c.failed.Load() {
		return nil
	}
	if err := c.paused.ready(c, false); err != nil {
		return err
	}
	err := c.inTime(c.log.FinishRecovery())
	switch {
	case errors.Is(err, engine.ErrDiskFull):
		c.paused.begin(c, err)
		return err
	case errors.Is(err, engine.ErrUnavailable):
		return err
	case err == nil:
		err = c.takeUp(c.log.View())
	}
	if err != nil {
		c.fail(fmt.Errorf("finish recovery: %w", err))
	}
	return c.queue.reason()
}

// takeUp adds the entries that a view has more to the tree and the index, and
// publishes it.
func (c *committer) takeUp(v *wal.View) error {
	c.begin()
	var err error
	if c.placed, err = c.describeLoop(context.Background(), v, c.Size(), v.Size(), c.placed); err != nil {
		return err
	}
	for raw, err := range v.Scan(context.Background(), c.Size(), v.Size()) {
		if err != nil {
			return err
		}
		e := engine.Entry{Bytes: raw.Bytes}
		c.hashes = append(c.hashes, merkle.Hash(e.Hash()))
		c.last = lastOf(c.last, raw.Bytes)
	}
	c.integrate()
	c.durable.Store(uint64(v.Size()))
	c.publish(v)
	return nil
}

// write writes the group, syncs it unless durability waits for an interval, and
// publishes it.
func (c *committer) write() error {
	if err := c.inTime(c.log.Write()); err != nil {
		if errors.Is(err, engine.ErrDiskFull) {
			c.paused.begin(c, err)
			return err
		}
		c.fail(err)
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	}
	c.groups.Add(1)
	now := c.opts.SyncInterval == 0 || c.log.MustSync() || c.index.Waiting() || !c.due.IsZero() && !time.Now().Before(c.due)
	if !now {
		c.integrate()
		if c.due.IsZero() {
			c.due = time.Now().Add(c.opts.SyncInterval) // not the journal's clock, which may jump
			c.timer.Reset(c.opts.SyncInterval)
		}
	} else if err := c.sync(true); err != nil {
		c.fail(err)
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	}
	c.last = c.at
	c.publish(c.log.Publish())
	c.paused.end(c)
	return nil
}

// reject gives an error to every request of the group that waits for its write,
// and to those whose answer may rest on records that were not written.
func (c *committer) reject(err error) {
	for _, r := range c.group {
		if r.err == nil || r.tied {
			r.receipts, r.err = nil, err
		}
	}
}

// integrate adds the group to the tree and the index. Neither is visible before
// the group is published.
func (c *committer) integrate() {
	emit := func(level int, _ uint64, h merkle.Hash) {
		c.complete = append(c.complete, completed{level, h})
	}
	for i := range c.hashes {
		c.tree.Append(merkle.LeafHash(c.hashes[i][:]), emit)
	}
	c.spine.add(c.hashes, c.complete)
	for i := range c.placed {
		d := &c.placed[i]
		c.index.Add(&d.item, d.sequence, d.place)
	}
}

// syncDue syncs what interval durability has answered already.
func (c *committer) syncDue() {
	if err := c.sync(false); err != nil {
		c.fail(err)
		return
	}
	c.advance()
	c.dirty()
	c.index.Poke()
}

// advance lets checkpoints cover the tree.
func (c *committer) advance() {
	if c.spine.advance(&c.tree) {
		select {
		case c.crowded <- struct{}{}:
		default:
		}
	}
}

// fail poisons the engine: nothing more is written until it is opened again.
func (c *committer) fail(err error) {
	c.failed.Store(true)
	c.index.Refuse(fmt.Errorf("%w: %w", engine.ErrFailed, err))
	c.opts.Logger.Error("log failed; open the journal again to recover", "error", err)
	c.queue.close(fmt.Errorf("%w: %w", engine.ErrFailed, err))
}

// publish makes a view the newest and wakes whoever waits for one. Checkpoints
// may cover what is both published and durable.
func (c *committer) publish(v *wal.View) {
	old := c.published.Swap(&published{view: v, next: make(chan struct{})})
	close(old.next)
	c.index.Poke()
	if c.tree.Size() == c.durable.Load() {
		c.advance()
	}
	c.dirty()
}

// waitNext waits for a newer publication than p.
func (e *Engine) waitNext(ctx context.Context, p *published) error {
	select {
	case <-p.next:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.done:
		return engine.ErrClosed
	}
}

package native

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
)

// smallGroup is the number of records up to which a group is added to the tree
// and the index after its sync: that takes less time than waking a goroutine to
// do it meanwhile.
const smallGroup = 8

// sync syncs the log and adds the group in hand to the tree and the
// index if that is still to be done.
func (c *committer) sync(integrate bool) error {
	c.due = time.Time{}
	meanwhile := integrate && len(c.placed) > smallGroup
	if meanwhile {
		c.groupsDue <- struct{}{}
	}
	began := time.Now()
	err := c.inTime(c.log.Sync())
	took := time.Since(began)
	if meanwhile {
		<-c.integrated
	}
	if err != nil {
		return err
	}
	if integrate && !meanwhile {
		c.integrate()
	}
	c.slowest.Store(max(c.slowest.Load(), int64(took)))
	c.syncTime.Add(int64(took))
	c.syncCount.Add(1)
	c.durable.Store(uint64(c.log.Durable()))
	return nil
}

// integrateLoop integrates groups while commitLoop syncs them. The group, the
// tree and the index are its own between the request and the answer. It ends
// when groupsDue is closed.
func (c *committer) integrateLoop() {
	for range c.groupsDue {
		c.integrate()
		c.integrated <- struct{}{}
	}
}

// Times after which a turn of the committer that waits for the disk is reported,
// is taken as a reason to refuse appends, and is given up.
const (
	slowSync  = time.Second
	stallSync = 5 * time.Second
	hungSync  = 20 * time.Second
)

var errHung = errors.New("the disk does not answer")

// inTime returns what the disk answered, or errHung if that came after the watch
// had given it up.
func (e *Engine) inTime(err error) error {
	if e.hung.Load() {
		return errHung
	}
	return err
}

// A watch looks after a turn of the committer: its writes, rotations and syncs,
// any of which may not return. Whoever holds the turn waits in it and cannot.
type watch struct {
	engine *Engine
	timer  *time.Timer // calls tick; armed during a turn

	mu    sync.Mutex
	began time.Time // zero = no turn; guarded by mu
	stage int       // how many of the times above have passed; guarded by mu
}

func newWatch(e *Engine) *watch {
	w := &watch{engine: e}
	w.timer = time.AfterFunc(time.Hour, w.tick)
	w.timer.Stop()
	return w
}

// start begins to watch a turn. After one that was given up nothing more is
// watched.
func (w *watch) start(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.engine.hung.Load() {
		return
	}
	w.began, w.stage = now, 0
	w.timer.Reset(slowSync)
}

// stop ends the watch.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.began = time.Time{}
	if w.stage == 2 {
		w.engine.stalled.Store(false)
	}
}

// tick runs when the next of the times above has passed.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	stages := []time.Duration{slowSync, stallSync, hungSync}
	if w.began.IsZero() || w.stage == len(stages) || time.Since(w.began) < stages[w.stage] {
		return // a tick of an earlier turn that came late
	}
	e := w.engine
	switch w.stage++; w.stage {
	case 1:
		e.opts.Logger.Warn("the disk of the log is slow", "seconds", slowSync.Seconds())
	case 2:
		e.opts.Logger.Error("the disk of the log does not answer; appends are refused", "seconds", stallSync.Seconds())
		e.stalled.Store(true)
	case 3:
		e.opts.Logger.Error("the disk of the log is given up; open the journal again to recover", "seconds", hungSync.Seconds())
		e.hung.Store(true)
		e.failed.Store(true)
		e.queue.close(fmt.Errorf("%w: %w", engine.ErrFailed, errHung))
		close(e.dead)
		return
	}
	w.timer.Reset(time.Until(w.began.Add(stages[w.stage])))
}

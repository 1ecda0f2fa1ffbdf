package native

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
)

// smallGroup is the number of records up to which a group is added to the tree
// and the lookup after its sync: that takes less time than waking a goroutine to
// do it meanwhile.
const smallGroup = 8

// sync syncs the log, watched, and adds the group in hand to the tree and the
// lookup if that is still to be done.
func (c *committer) sync(integrate bool) error {
	c.due = time.Time{}
	meanwhile := integrate && len(c.placed) > smallGroup
	if meanwhile {
		c.groupsDue <- struct{}{}
	}
	began := time.Now()
	c.watch.start(began)
	err := c.log.Sync()
	if !c.watch.stop() {
		err = errHung
	}
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
	c.syncCount.Add(1)
	c.durable.Store(uint64(c.log.Durable()))
	return nil
}

// integrateLoop integrates groups while commitLoop syncs them. The group, the
// tree and the lookup are its own between the request and the answer. It ends
// when groupsDue is closed.
func (c *committer) integrateLoop() {
	for range c.groupsDue {
		c.integrate()
		c.integrated <- struct{}{}
	}
}

// Times after which a sync that did not return is reported, is taken as a reason
// to refuse appends, and is given up.
const (
	slowSync  = time.Second
	stallSync = 5 * time.Second
	hungSync  = 20 * time.Second
)

var errHung = errors.New("sync did not return; the disk does not answer")

// A watch looks after a sync that does not return: commitLoop waits in it and
// cannot.
type watch struct {
	engine *Engine
	timer  *time.Timer // calls tick; armed while a sync runs

	mu    sync.Mutex
	began time.Time // zero = no sync runs; guarded by mu
	stage int       // how many of the times above have passed; guarded by mu
}

func newWatch(e *Engine) *watch {
	w := &watch{engine: e}
	w.timer = time.AfterFunc(time.Hour, w.tick)
	w.timer.Stop()
	return w
}

// start begins to watch a sync.
func (w *watch) start(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.stage = now, 0
	w.timer.Reset(slowSync)
}

// stop ends the watch. It reports false if the sync was given up meanwhile.
func (w *watch) stop() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.began = time.Time{}
	if w.stage == 2 {
		w.engine.stalled.Store(false)
	}
	return w.stage < 3
}

// tick runs when the next of the times above has passed.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	stages := []time.Duration{slowSync, stallSync, hungSync}
	if w.began.IsZero() || w.stage == len(stages) || time.Since(w.began) < stages[w.stage] {
		return // a tick of an earlier sync that came late
	}
	e := w.engine
	switch w.stage++; w.stage {
	case 1:
		e.opts.Logger.Warn("sync of the log is slow", "seconds", slowSync.Seconds())
	case 2:
		e.opts.Logger.Error("sync of the log does not return; appends are refused", "seconds", stallSync.Seconds())
		e.stalled.Store(true)
	case 3:
		e.opts.Logger.Error("sync of the log is given up; open the journal again to recover", "seconds", hungSync.Seconds())
		e.hung.Store(true)
		e.failed.Store(true)
		e.queue.close(fmt.Errorf("%w: %w", engine.ErrFailed, errHung))
		close(e.dead)
		return
	}
	w.timer.Reset(time.Until(w.began.Add(stages[w.stage])))
}

package native

import (
	"errors"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/wal"
)

var errStopped = errors.New("stopped")

// scrubLoop reads the whole log again and again in search of rot, no faster than
// it may, and notes each finding once. It ends when stopping is closed.
func (e *Engine) scrubLoop() {
	known := make(map[string]bool)
	t := time.NewTimer(e.opts.ScrubInterval)
	defer t.Stop()
	for {
		select {
		case <-e.stopping:
			return
		case <-t.C:
		}
		if err := e.scrub(known); errors.Is(err, errStopped) {
			return
		} else if err != nil {
			e.opts.Logger.Error("scrub", "error", err)
		}
		t.Reset(e.opts.ScrubInterval)
	}
}

// scrub reads the log once.
func (e *Engine) scrub(known map[string]bool) error {
	journal, err := e.identity.id()
	if err != nil {
		return err
	}
	began, read := time.Now(), int64(0)
	opts := wal.Options{Journal: journal, Evidence: wal.Evidence{Entries: engine.Position(e.durable.Load()), By: "this process"}}
	_, err = wal.Check(e.fs, opts, true, wal.Visitor{
		Entry: func(_ engine.Position, b []byte) error {
			read += int64(len(b))
			allowed := time.Duration(float64(read) / float64(e.opts.ScrubBytesPerSecond) * float64(time.Second))
			return e.pauseUntil(began.Add(allowed))
		},
		Problem: func(c *engine.CorruptError) {
			if known[c.Error()] {
				return
			}
			known[c.Error()] = true
			e.opts.Logger.Error("scrub found damage", "error", c)
			e.notify(Notice{Kind: Damaged, At: e.opts.Now(), Err: c})
		},
	})
	return err
}

// pauseUntil waits until t, unless the engine stops.
func (e *Engine) pauseUntil(t time.Time) error {
	wait := time.Until(t)
	if wait < 10*time.Millisecond {
		select {
		case <-e.stopping:
			return errStopped
		default:
			return nil
		}
	}
	select {
	case <-e.stopping:
		return errStopped
	case <-time.After(wait):
		return nil
	}
}

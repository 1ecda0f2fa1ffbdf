package native

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// reserveBytes is kept back so that a journal on a full disk can note that it
// paused, sign a checkpoint and close.
const reserveBytes = 256 << 10

// retryFull is how often a full disk is tried again.
const retryFull = 100 * time.Millisecond

// A pause is the time between the first append that found no room and the first
// that did again. The reserve decides: while it cannot be made, the disk is full.
type pause struct {
	reserved bool      // the reserve is on disk
	since    time.Time // zero = not paused
	tried    time.Time // when room was last looked for
	refused  uint64    // appends turned away
	why      error
}

// ready reports whether an append may be tried. Reserved ones always may: they
// use the reserve up.
func (p *pause) ready(c *committer, reserved bool) error {
	if reserved && !p.since.IsZero() {
		return p.release(c.fs)
	}
	if p.reserved || reserved {
		return nil
	}
	if !p.since.IsZero() && time.Since(p.tried) < retryFull {
		return p.why
	}
	p.tried = time.Now() // not the journal's clock, which may stand still
	if err := makeReserve(c.fs); err != nil {
		if isFull(err) {
			err = fmt.Errorf("%w: %w", engine.ErrDiskFull, err)
			p.begin(c, err)
			return err
		}
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	p.reserved = true
	return nil
}

// begin notes that an append found no room. While that is so the reserve is not
// kept, so that the next appends do not try in vain more often than they should.
func (p *pause) begin(c *committer, why error) {
	p.tried = time.Now()
	if !p.since.IsZero() {
		p.release(c.fs) // as below
		return
	}
	p.since, p.refused, p.why = c.opts.Now(), 0, why
	p.release(c.fs) // for the note of the pause; its loss is found by the next ready
	c.diskFull.Store(true)
	c.notify(Notice{Kind: Paused, At: p.since, Err: why})
}

// end notes that an append found room.
func (p *pause) end(c *committer) {
	if p.since.IsZero() || !p.reserved {
		return
	}
	c.diskFull.Store(false)
	c.notify(Notice{Kind: Resumed, At: c.opts.Now(), Since: p.since, Refused: p.refused})
	*p = pause{reserved: true}
}

// release gives the reserve's space back.
func (p *pause) release(fsys durable.FS) error {
	p.reserved = false
	if err := fsys.Remove(reserveName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release reserve: %w", err)
	}
	return nil
}

// makeReserve takes the reserve's space, if it is not taken already.
func makeReserve(fsys durable.FS) error {
	if info, err := fsys.Stat(reserveName); err == nil && info.Size == reserveBytes {
		return nil
	}
	f, err := fsys.Create(reserveName)
	if errors.Is(err, fs.ErrExist) {
		f, err = fsys.OpenWrite(reserveName)
	}
	if err != nil {
		return fmt.Errorf("make reserve: %w", err)
	}
	if _, err = f.WriteAt(make([]byte, reserveBytes), 0); err != nil {
		f.Truncate(0) // half a reserve is none
	}
	if err = errors.Join(err, f.Close()); err != nil {
		fsys.Remove(reserveName) // what stays is taken for none by its size
		return fmt.Errorf("make reserve: %w", err)
	}
	return nil
}

// isFull tells a lack of room from a broken disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT)
}

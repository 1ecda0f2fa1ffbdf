package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A Visitor is told what [Check] finds, in the log's order. It may leave out any
// of its functions. An error of Entry stops the check and is returned.
type Visitor struct {
	Entry    func(p engine.Position, bytes []byte) error
	Problem  func(*engine.CorruptError)
	Progress func(bytes int64) // so far, of Summary.Bytes
}

// A Summary is what Check saw.
type Summary struct {
	Segments int
	Entries  engine.Position // visible: unreadable ones included
	Bytes    int64
	TornTail int64  // bytes behind the last sound record, which nothing proves to be more than an unfinished write
	Unproven uint64 // sound entries that nothing vouches for yet
	State    State  // the log's end as it was read
}

// Check reads the whole log and checks every byte of it: headers, chain, record
// hashes, entry checksums, padding. It changes nothing and takes no lock. With
// live set a writer is at work, and the check ends at what was durable when it
// began.
func Check(fsys durable.FS, opts Options, live bool, v Visitor) (Summary, error) {
	a, err := analyze(fsys, opts.Journal, opts.Evidence, live)
	if err != nil {
		return Summary{}, err
	}
	c := checker{fs: fsys, opts: opts, visitor: v, analysis: a, reported: make(map[string]bool)}
	return c.run(live)
}

type checker struct {
	fs       durable.FS
	opts     Options
	visitor  Visitor
	analysis *analysis
	done     int64 // bytes checked
	reported map[string]bool
}

func (c *checker) run(live bool) (Summary, error) {
	a := c.analysis
	sum := Summary{Segments: len(a.segments), Entries: a.visible}
	c.report()
	if len(a.segments) == 0 {
		return sum, nil
	}
	sum.State = State{Ordinal: a.header.ordinal, End: a.proven.off, Chain: a.proven.chain, Entries: a.proven.next}
	if !live && len(a.damage) == 0 {
		sum.TornTail = a.tornEnd - a.good.off
		sum.Unproven = uint64(a.good.next - a.proven.next)
	}
	for i := range a.segments[:len(a.segments)-1] {
		err := c.sealed(i)
		if c.report(); err != nil {
			return sum, err
		}
	}
	err := c.newest()
	c.report()
	sum.Bytes = c.done
	return sum, err
}

// report passes on the damage that was not reported before: analyze and the
// full check look at the last two segments both.
func (c *checker) report() {
	for _, d := range c.analysis.damage {
		key := d.Error()
		if c.reported[key] {
			continue
		}
		c.reported[key] = true
		if c.visitor.Problem != nil {
			c.visitor.Problem(d)
		}
	}
}

// sealed checks the segment i, which has a successor.
func (c *checker) sealed(i int) error {
	a := c.analysis
	s, succ := a.segments[i], a.segments[i+1]
	if s.lost != "" {
		return c.alone(s, succ.first)
	}
	f, err := c.fs.Open(s.path())
	if err != nil {
		return fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	next, err := c.nextHeader(succ)
	if err != nil {
		return err
	}
	if next == nil {
		return c.alone(s, succ.first)
	}
	h, ok, err := a.readHeader(f, s, succ.first, c.opts.Journal)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	_, err = a.checkSealed(f, s, h, *next, c.each)
	c.progress(next.prevEnd)
	return err
}

// nextHeader reads the header of a segment's successor; nil if it is damaged,
// which is reported when that segment's turn comes.
func (c *checker) nextHeader(s *segment) (*header, error) {
	f, err := c.fs.Open(s.path())
	if err != nil {
		return nil, fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	var a analysis
	h, ok, err := a.readHeader(f, s, s.first, c.opts.Journal)
	if err != nil || !ok {
		return nil, err
	}
	return &h, nil
}

// each passes a record's entries on.
func (c *checker) each(r *record) error {
	if c.visitor.Entry == nil {
		return nil
	}
	p := r.first
	for e := range r.each() {
		if err := c.visitor.Entry(p, e.bytes); err != nil {
			return err
		}
		p++
	}
	return nil
}

// alone checks a segment whose successor is missing or unreadable: all that can
// be said is what its own records say.
func (c *checker) alone(s *segment, next engine.Position) error {
	f, err := c.fs.Open(s.path())
	if err != nil {
		return fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("read size of %s: %w", s.name, err)
	}
	a := c.analysis
	if _, ok, err := a.readHeader(f, s, next, c.opts.Journal); err != nil || !ok {
		return err
	}
	w := newWalker(f, headerBytes, size, s.first, true)
	for w.next < next {
		r, err := w.step()
		if errors.Is(err, io.EOF) || errors.Is(err, errNoRecord) {
			a.corrupt(s.path(), w.off, w.next, next, errors.New("the entries that follow are missing"))
			break
		}
		if isDamage(err) {
			a.corrupt(s.path(), w.off, w.next, next, err)
			break
		}
		if err != nil {
			return fmt.Errorf("read segment %s: %w", s.name, err)
		}
		if err := c.each(&r); err != nil {
			return err
		}
	}
	c.progress(size)
	return nil
}

// newest passes on the entries of the newest segment's proven part, which
// analyze has checked, and checks what lies behind damage in it.
func (c *checker) newest() error {
	a := c.analysis
	s := a.newest()
	f, err := c.fs.Open(s.path())
	if err != nil {
		return fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	w := newWalker(f, headerBytes, a.proven.off, s.first, true)
	for w.off < w.end {
		r, err := w.step()
		if err != nil {
			return fmt.Errorf("read segment %s: %w", s.name, err)
		}
		if err := c.each(&r); err != nil {
			return err
		}
	}
	c.progress(a.proven.off)
	if a.proof <= a.good.off || a.behind.off == 0 {
		return nil
	}
	return c.behind(f, s)
}

// behind goes on in the newest segment where analyze stopped: at the first sound
// record behind the first damage to the last one.
func (c *checker) behind(f durable.File, s *segment) error {
	a := c.analysis
	w := newWalker(f, a.behind.off, min(max(a.proof, a.seen.off), a.size), a.behind.next, true)
	for w.off < w.end {
		r, err := w.step()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !isDamage(err) && !errors.Is(err, errNoRecord) {
			return fmt.Errorf("read segment %s: %w", s.name, err)
		}
		if err != nil {
			from, off, why := w.next, w.off, err
			var ok bool
			if r, ok, err = w.resync(w.off + alignBytes); err != nil {
				return fmt.Errorf("read segment %s: %w", s.name, err)
			}
			if !ok || r.first < from {
				a.corrupt(s.path(), off, from, a.visible, why)
				return nil
			}
			a.corrupt(s.path(), off, from, r.first, why)
			w.off, w.next = r.end(), r.nextPos()
		}
		if err := c.each(&r); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) progress(n int64) {
	if c.done += n; c.visitor.Progress != nil {
		c.visitor.Progress(c.done)
	}
}

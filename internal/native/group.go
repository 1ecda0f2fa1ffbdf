package native

import (
	"context"
	"errors"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/merkle"
)

// begin empties the group.
func (c *committer) begin() {
	c.at = c.opts.Now().UTC().Round(0)
	if c.at.Before(c.last) {
		c.at = c.last
	}
	c.started = false
	clear(c.fresh)
	clear(c.seqs)
	c.placed, c.hashes, c.complete = c.placed[:0], c.hashes[:0], c.complete[:0]
}

// place decides a request: an answer, an error, or records of the group. It
// reports false if the request must wait for the next group.
func (c *committer) place(r *request) bool {
	fresh, bytes, err := c.decide(r)
	if err != nil {
		r.err = err
		return true
	}
	if fresh == 0 {
		r.receipts = r.duplicates()
		return true
	}
	if err := c.room(r, fresh, bytes); err != nil {
		if errors.Is(err, errNextGroup) {
			return false
		}
		r.err = err
		return true
	}
	c.assign(r)
	return true
}

// decide finds out which records are new, and checks the expectations if any is.
func (c *committer) decide(r *request) (fresh int, bytes int64, err error) {
	p := c.picture()
	defer p.release()
	for i := range r.recs {
		rec := &r.recs[i]
		if rec.known || rec.twin >= 0 {
			continue
		}
		if known, err := c.catchUpRecord(&p, rec); err != nil {
			return 0, 0, err
		} else if known {
			continue
		}
		if other := c.fresh[rec.item.ID]; other != nil {
			x := &other.receipt
			stored := engine.Finish(nil, other.Body, x.RecordedAt, x.Sequence, x.Position)
			if err := rec.duplicateOf(stored, x.Position, x.Durable); err != nil {
				return 0, 0, err
			}
			continue
		}
		fresh++
		bytes += int64(len(rec.Body) + engine.MaxAssignedBytes)
	}
	if fresh == 0 {
		r.resolveTwins()
		return 0, 0, nil
	}
	for i := range r.expect {
		x := &r.expect[i]
		if err := p.update(context.Background(), &x.past, x.id, x.Tenant, x.Entity); err != nil {
			return 0, 0, unavailable(err)
		}
		if current := c.sequence(x.id, &x.past); current != x.Sequence {
			return 0, 0, &engine.ConflictError{Tenant: x.Tenant, Entity: x.Entity, Expected: x.Sequence, Current: current}
		}
	}
	return fresh, bytes, nil
}

// forget takes back what was found out about records from the group in the
// making, which may yet fail.
func (r *request) forget(published engine.Position) {
	for i := range r.recs {
		if r.recs[i].receipt.Position >= published {
			r.recs[i].known = false
		}
	}
}

// resolveTwins gives records that repeat an earlier one of the batch its receipt.
func (r *request) resolveTwins() {
	for i := range r.recs {
		if t := r.recs[i].twin; t >= 0 {
			r.recs[i].receipt = r.recs[t].receipt
			r.recs[i].receipt.Duplicate = true
		}
	}
}

// catchUpRecord brings what is known of a record up to what was published since
// its caller looked. It reports whether the record is there now.
func (c *committer) catchUpRecord(p *picture, rec *prepared) (known bool, err error) {
	if rec.seen == p.log.Size() {
		return false, nil
	}
	at, found, err := p.findID(context.Background(), rec, rec.seen)
	if err == nil && found {
		return true, c.resolve(rec, p.log, at)
	}
	if err == nil {
		err = p.update(context.Background(), &rec.past, rec.item.Entity, rec.Tenant, rec.Entity)
	}
	return false, unavailable(err)
}

// sequence returns an entity's last sequence, this group included.
func (c *committer) sequence(id index.Identity, x *past) engine.Sequence {
	if s, ok := c.seqs[id]; ok {
		return s
	}
	return x.sequence
}

// errNextGroup says that a request does not fit this group's segment.
var errNextGroup = errors.New("wait for the next group")

// room makes sure that a record of n entries has a place in the log.
func (c *committer) room(r *request, n int, bytes int64) error {
	if c.started {
		if !c.log.Fits(n, bytes) {
			return errNextGroup
		}
		return nil
	}
	if err := c.paused.ready(c, r.reserved); err != nil {
		return err
	}
	err := c.inTime(c.log.Start(n, bytes))
	switch {
	case err == nil:
		c.started = true
		return nil
	case errors.Is(err, engine.ErrDiskFull):
		c.paused.begin(c, err)
		return err
	case errors.Is(err, engine.ErrUnavailable):
		return err
	}
	c.fail(err)
	return c.queue.reason()
}

// assign gives the new records of a request their places and adds them to the
// group as one log record.
func (c *committer) assign(r *request) {
	c.log.Begin()
	for i := range r.recs {
		rec := &r.recs[i]
		if rec.known || rec.twin >= 0 {
			continue
		}
		x := &rec.receipt
		*x = engine.Receipt{Position: c.log.Next(), RecordedAt: c.at, Durable: c.opts.SyncInterval == 0}
		if rec.Entity != (engine.Entity{}) {
			x.Sequence = c.sequence(rec.item.Entity, &rec.past) + 1
			c.seqs[rec.item.Entity] = x.Sequence
		}
		c.suffix = engine.Finish(c.suffix[:0], nil, x.RecordedAt, x.Sequence, x.Position)
		rec.sha.Write(c.suffix)
		rec.sha.Sum(x.Hash[:0])
		hashes.Put(rec.sha)
		rec.sha = nil
		place := c.log.Add(rec.Body, c.suffix, rec.sum, &x.Hash)
		c.fresh[rec.item.ID] = rec
		c.placed = append(c.placed, described{rec.item, x.Sequence, place})
		c.hashes = append(c.hashes, merkle.Hash(x.Hash))
	}
	c.log.End()
	r.resolveTwins()
	r.receipts = r.duplicates()
}

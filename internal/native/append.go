package native

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
)

// A prepared is a record with all that its caller's goroutine can work out.
type prepared struct {
	*engine.Record
	item index.Item
	sum  uint32    // wal.Checksum of the body
	sha  hash.Hash // SHA-256 that has taken the body
	twin int       // an earlier record of the batch with the same id; -1 = none
	past           // of the entity

	// Set once the record is known to be a duplicate.
	known   bool
	receipt engine.Receipt
}

// A past is what a caller has found out about an entity: its last sequence among
// the first seen entries. The id of a new record is not among them either.
type past struct {
	seen     engine.Position
	sequence engine.Sequence
}

var hashes = sync.Pool{New: func() any { return sha256.New() }}

// Append implements [engine.Engine].
func (e *Engine) Append(ctx context.Context, b engine.Batch) ([]engine.Receipt, error) {
	if err := e.refusal(); err != nil {
		return nil, err
	}
	r, err := e.prepareIndexed(ctx, b)
	if err != nil {
		return nil, err
	}
	if r.fresh == 0 {
		r.resolveTwins()
		return r.duplicates(), nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.queue.push(ctx, r); err != nil {
		return nil, err
	}
	// Whoever leads waits in the sync: not those that may leave, nor the journal's
	// own records, which nobody waits for.
	if ctx.Done() != nil || b.Reserved || !e.committer.lead() {
		e.queue.signal()
	}
	select {
	case <-r.done:
		return r.receipts, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", engine.ErrUnknown, ctx.Err())
	case <-e.dead:
		return nil, fmt.Errorf("%w: %w", engine.ErrUnknown, errHung)
	}
}

// prepareIndexed prepares an append once the index knows all ids. The journal's own
// records need not wait for that: they have new ids and no entity.
func (e *Engine) prepareIndexed(ctx context.Context, b engine.Batch) (*request, error) {
	for try := 1; ; try++ {
		if !b.Reserved {
			if err := e.index.Wait(ctx, e.done, e.dead); err != nil {
				return nil, err
			}
		}
		r, err := e.prepare(ctx, b)
		switch {
		case !errors.Is(err, errUnindexed):
			return r, err
		case try == maxTries:
			return nil, fmt.Errorf("%w: the index cannot be read", engine.ErrUnavailable)
		}
	}
}

// maxNameBytes bounds a record's tenant and kind, as the index does.
const maxNameBytes = 64 << 10

// maxTries bounds how often an append looks again because a part of the index could
// not be read: it is made again then, unless the disk's error may pass.
const maxTries = 100

// refusal reports why no append can be taken.
func (e *Engine) refusal() error {
	switch {
	case e.isClosed():
		return engine.ErrClosed
	case len(e.damage) > 0:
		return e.damage[0]
	case e.log == nil:
		return engine.ErrReadOnly
	}
	if err := e.queue.reason(); err != nil {
		return err
	}
	if e.stalled.Load() {
		return fmt.Errorf("%w: the disk does not answer", engine.ErrUnavailable)
	}
	return nil
}

// prepare does the caller's part of an append.
func (e *Engine) prepare(ctx context.Context, b engine.Batch) (*request, error) {
	if len(b.Records) > engine.MaxBatchRecords {
		return nil, fmt.Errorf("%w: %d records, at most %d", engine.ErrTooLarge, len(b.Records), engine.MaxBatchRecords)
	}
	r := &request{reserved: b.Reserved, done: make(chan struct{}, 1)}
	if r.recs = r.oneRec[:]; len(b.Records) != 1 {
		r.recs = make([]prepared, len(b.Records))
	}
	for i := range b.Records {
		rec := &b.Records[i]
		r.bytes += len(rec.Body) + engine.MaxAssignedBytes
		if len(rec.Tenant) > maxNameBytes || len(rec.Kind) > maxNameBytes {
			return nil, fmt.Errorf("%w: tenant or kind of record %d has more than %d bytes", engine.ErrTooLarge, i, maxNameBytes)
		}
	}
	if r.bytes > engine.MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", engine.ErrTooLarge, r.bytes, engine.MaxBatchBytes)
	}
	r.hashAll(e.hasher, b.Records)
	if err := r.findTwins(); err != nil {
		return nil, err
	}
	p := e.picture()
	defer p.release()
	if p.unindexed = refuseUnindexed; b.Reserved {
		p.unindexed = skipUnindexed
	}
	if err := p.prepareAll(ctx, r.recs); err != nil {
		return nil, e.closedOr(unavailable(err))
	}
	for i := range r.recs {
		if r.recs[i].twin < 0 && !r.recs[i].known {
			r.fresh++
		}
	}
	return r, p.expect(ctx, r, b.Expect)
}

// hashAll is hash of all records.
func (r *request) hashAll(h *index.Hasher, records []engine.Record) {
	if len(records) == 1 { // without what it takes to do it in parts
		r.hash(h, records, 0, 1)
		return
	}
	_ = InParts(len(records), func(from, to int) error { // never fails
		r.hash(h, records, from, to)
		return nil
	})
}

// hash works out what the index takes of a part of the records. They share memory.
func (r *request) hash(h *index.Hasher, records []engine.Record, from, to int) {
	terms := 0
	for i := from; i < to; i++ {
		terms += len(records[i].Terms) + 1
	}
	hashed := make([]uint64, 0, terms)
	for i := from; i < to; i++ {
		r.recs[i] = prepared{Record: &records[i], twin: -1}
		r.recs[i].item, hashed = h.AppendItem(hashed, &records[i].Facts)
	}
}

// prepareAll is prepareRecords of all records.
func (p *picture) prepareAll(ctx context.Context, recs []prepared) error {
	if len(recs) == 1 {
		return p.prepareRecords(ctx, recs)
	}
	shared := *p // which is only read
	return InParts(len(recs), func(from, to int) error { return shared.prepareRecords(ctx, recs[from:to]) })
}

// prepareRecords prepares records, but for those that repeat an earlier one's id: they
// go the way of that.
func (p *picture) prepareRecords(ctx context.Context, recs []prepared) error {
	for i := range recs {
		if recs[i].twin >= 0 {
			continue
		}
		if err := p.prepareRecord(ctx, &recs[i]); err != nil {
			return err
		}
	}
	return nil
}

// findTwins finds records of the batch that repeat an earlier one's id.
func (r *request) findTwins() error {
	if len(r.recs) < 2 {
		return nil
	}
	seen := make(map[index.Identity]int, len(r.recs))
	for i := range r.recs {
		first, ok := seen[r.recs[i].item.ID]
		if !ok {
			seen[r.recs[i].item.ID] = i
			continue
		}
		var zero engine.Assigned
		if !r.recs[i].Same(engine.Finish(nil, r.recs[first].Body, zero.RecordedAt, 0, 0)) {
			return fmt.Errorf("id %q: %w", r.recs[i].ID, engine.ErrSameID)
		}
		r.recs[i].twin = first
	}
	return nil
}

// prepareRecord resolves a record that is already published, and hashes one that
// seems to be new.
func (p *picture) prepareRecord(ctx context.Context, rec *prepared) error {
	at, found, err := p.findID(ctx, rec, 0)
	if err != nil {
		return err
	}
	if found {
		return p.resolve(rec, p.log, at)
	}
	rec.sum = wal.Checksum(rec.Body)
	rec.sha = hashes.Get().(hash.Hash)
	rec.sha.Reset()
	rec.sha.Write(rec.Body)
	return p.update(ctx, &rec.past, rec.item.Entity, rec.Tenant, rec.Entity)
}

// findID looks a record's id up among the entries from from on.
func (p *picture) findID(ctx context.Context, rec *prepared, from engine.Position) (engine.Position, bool, error) {
	at, _, found, err := p.last(ctx, rec.item.ID, subject{tenant: rec.Tenant, id: rec.ID}, from, p.log.Size())
	return at, found, err
}

// update brings a past up to the picture.
func (p *picture) update(ctx context.Context, x *past, id index.Identity, tenant string, entity engine.Entity) error {
	from := x.seen
	x.seen = p.log.Size()
	if entity == (engine.Entity{}) || from == x.seen {
		return nil
	}
	_, seq, found, err := p.last(ctx, id, subject{tenant: tenant, entity: entity}, from, x.seen)
	if found {
		x.sequence = seq
	}
	return err
}

// expect looks up what a batch expects.
func (p *picture) expect(ctx context.Context, r *request, expect []engine.Expect) error {
	for _, x := range expect {
		n := expectation{Expect: x, id: p.hasher.Entity(x.Tenant, x.Entity)}
		if err := p.update(ctx, &n.past, n.id, x.Tenant, x.Entity); err != nil {
			return p.closedOr(unavailable(err))
		}
		r.expect = append(r.expect, n)
	}
	return nil
}

// resolve compares a record with the stored entry that has its id: a duplicate
// gets that entry's receipt, other content is a conflict.
func (e *Engine) resolve(rec *prepared, v *wal.View, p engine.Position) error {
	stored, err := v.Read(nil, p)
	if err != nil && e.isClosed() {
		return engine.ErrClosed
	}
	if err != nil && !isCorrupt(err) {
		err = fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	if err != nil {
		return err
	}
	return rec.duplicateOf(stored, p, p < engine.Position(e.durable.Load()))
}

// duplicateOf makes a record a duplicate of a finished entry.
func (rec *prepared) duplicateOf(stored []byte, p engine.Position, durable bool) error {
	if !rec.Same(stored) {
		return &engine.ConflictError{Tenant: rec.Tenant, ID: rec.ID, Position: p}
	}
	a, err := engine.ParseAssigned(stored)
	if err != nil {
		return &engine.CorruptError{Path: wal.Dir, Offset: -1, First: p, Next: p + 1, Err: err}
	}
	rec.known = true
	rec.receipt = engine.Receipt{
		Position: p, Sequence: a.Sequence, RecordedAt: a.RecordedAt, Hash: sha256.Sum256(stored),
		Duplicate: true, Durable: durable,
	}
	return nil
}

// duplicates answers a request that has nothing new.
func (r *request) duplicates() []engine.Receipt {
	receipts := r.oneReceipt[:]
	if len(r.recs) != 1 {
		receipts = make([]engine.Receipt, len(r.recs))
	}
	for i := range r.recs {
		receipts[i] = r.recs[i].receipt
	}
	return receipts
}

// isCorrupt tells damage from an error of the disk.
func isCorrupt(err error) bool {
	var c *engine.CorruptError
	return errors.As(err, &c)
}

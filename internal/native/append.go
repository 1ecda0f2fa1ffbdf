package native

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/wal"
)

// A prepared is a record with all that its caller's goroutine can work out.
type prepared struct {
	*engine.Record
	id, entity key
	sum        uint32    // wal.Checksum of the body
	sha        hash.Hash // SHA-256 that has taken the body
	twin       int       // an earlier record of the batch with the same id; -1 = none

	// Set once the record is known to be a duplicate.
	known   bool
	receipt engine.Receipt
}

var hashes = sync.Pool{New: func() any { return sha256.New() }}

// Append implements [engine.Engine].
func (e *Engine) Append(ctx context.Context, b engine.Batch) ([]engine.Receipt, error) {
	if err := e.refusal(); err != nil {
		return nil, err
	}
	r, err := e.prepare(b)
	if err != nil {
		return nil, err
	}
	if r.fresh == 0 {
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
func (e *Engine) prepare(b engine.Batch) (*request, error) {
	if len(b.Records) > engine.MaxBatchRecords {
		return nil, fmt.Errorf("%w: %d records, at most %d", engine.ErrTooLarge, len(b.Records), engine.MaxBatchRecords)
	}
	r := &request{reserved: b.Reserved, recs: make([]prepared, len(b.Records)), done: make(chan struct{}, 1)}
	for i := range b.Records {
		rec := &b.Records[i]
		r.recs[i] = prepared{Record: rec, id: e.lookup.idKey(rec.Tenant, rec.ID), twin: -1}
		r.bytes += len(rec.Body) + engine.MaxAssignedBytes
	}
	if r.bytes > engine.MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", engine.ErrTooLarge, r.bytes, engine.MaxBatchBytes)
	}
	if err := r.findTwins(); err != nil {
		return nil, err
	}
	for i := range r.recs {
		if err := e.prepareRecord(&r.recs[i]); err != nil {
			return nil, err
		}
		if !r.recs[i].known {
			r.fresh++
		}
	}
	for _, x := range b.Expect {
		r.expect = append(r.expect, expectation{x, e.lookup.entityKey(x.Tenant, x.Entity)})
	}
	return r, nil
}

// findTwins finds records of the batch that repeat an earlier one's id.
func (r *request) findTwins() error {
	if len(r.recs) < 2 {
		return nil
	}
	seen := make(map[key]int, len(r.recs))
	for i := range r.recs {
		first, ok := seen[r.recs[i].id]
		if !ok {
			seen[r.recs[i].id] = i
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
func (e *Engine) prepareRecord(rec *prepared) error {
	pub := e.published.Load()
	if p, ok := e.lookup.position(rec.id); ok && p < pub.view.Size() {
		return e.resolve(rec, pub.view, p)
	}
	rec.sum = wal.Checksum(rec.Body)
	rec.sha = hashes.Get().(hash.Hash)
	rec.sha.Reset()
	rec.sha.Write(rec.Body)
	if rec.Entity != (engine.Entity{}) {
		rec.entity = e.lookup.entityKey(rec.Tenant, rec.Entity)
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
	receipts := make([]engine.Receipt, len(r.recs))
	for i := range r.recs {
		receipts[i] = r.recs[i].receipt
	}
	return receipts
}

// Read implements [engine.Engine].
func (e *Engine) Read(_ context.Context, p engine.Position) (engine.Entry, error) {
	if e.isClosed() {
		return engine.Entry{}, engine.ErrClosed
	}
	b, err := e.published.Load().view.Read(nil, p)
	if err != nil {
		if e.isClosed() {
			err = engine.ErrClosed
		}
		return engine.Entry{}, err
	}
	return engine.Entry{Position: p, Bytes: b}, nil
}

// Find implements [engine.Engine].
func (e *Engine) Find(_ context.Context, tenant, id string) (engine.Position, error) {
	if e.isClosed() {
		return 0, engine.ErrClosed
	}
	size := e.published.Load().view.Size()
	p, ok := e.lookup.position(e.lookup.idKey(tenant, id))
	if !ok || p >= size {
		return 0, engine.ErrNotFound
	}
	return p, nil
}

// LastSequence implements [engine.Engine].
func (e *Engine) LastSequence(_ context.Context, tenant string, entity engine.Entity) (engine.Sequence, error) {
	if e.isClosed() {
		return 0, engine.ErrClosed
	}
	return e.lookup.sequence(e.lookup.entityKey(tenant, entity)), nil
}

// isCorrupt tells damage from an error of the disk.
func isCorrupt(err error) bool {
	var c *engine.CorruptError
	return errors.As(err, &c)
}

package annals

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/uuid"
)

// A Receipt is the answer to an append, one for each event. Keep it: together
// with a checkpoint it proves what the journal promised.
type Receipt struct {
	ID         string    `json:"id"`
	Position   Position  `json:"position"`
	Sequence   Sequence  `json:"sequence,omitzero"` // without an entity there is none
	RecordedAt time.Time `json:"recorded_at"`
	Hash       Hash      `json:"hash"` // SHA-256 of the entry's bytes
	Duplicate  bool      `json:"duplicate"`
	Durable    bool      `json:"durable"`
}

// MarshalJSON implements [encoding/json.Marshaler], in the form of entries:
// recorded_at has nine digits, and strings are escaped minimally.
func (r Receipt) MarshalJSON() ([]byte, error) {
	return r.AppendJSON(nil), nil
}

// AppendJSON appends the receipt's JSON to dst.
func (r *Receipt) AppendJSON(dst []byte) []byte {
	dst = appendQuoted(append(dst, `{"id":`...), r.ID)
	dst = strconv.AppendUint(append(dst, `,"position":`...), uint64(r.Position), 10)
	if r.Sequence != 0 {
		dst = strconv.AppendUint(append(dst, `,"sequence":`...), uint64(r.Sequence), 10)
	}
	dst = appendTime(append(dst, `,"recorded_at":`...), r.RecordedAt)
	dst = hex.AppendEncode(append(dst, `,"hash":"`...), r.Hash[:])
	dst = strconv.AppendBool(append(dst, `","duplicate":`...), r.Duplicate)
	dst = strconv.AppendBool(append(dst, `,"durable":`...), r.Durable)
	return append(dst, '}')
}

// Append adds events in order, all or none, and returns one receipt each.
//
// When Append returns without error the events are on stable storage, unless
// [Options.SyncInterval] says otherwise, and visible to every read that begins
// afterwards. Events without an id get a new one, events without a time that of
// the call. The context's actor, tags and principal apply (see [WithActor],
// [WithTags] and [WithPrincipal]).
//
// An event whose id is there already with the same content is not added again:
// its receipt is the first one, marked Duplicate. Other content is a
// *[ConflictError].
//
// If ctx ends first the events may or may not be stored. Repeat the call with the
// same ids. A call whose ctx can never end may wait in the disk's own sync, for as
// long as that takes; any other gives up a disk that does not answer for 20
// seconds.
//
// Errors: [ErrInvalid], [ErrTooLarge], *[ConflictError], [ErrUnknown],
// [ErrFailed], [ErrDiskFull], [ErrUnavailable], [ErrReadOnly], [ErrClosed],
// *[CorruptError] (the journal is damaged).
func (j *Journal) Append(ctx context.Context, events ...Event) ([]Receipt, error) {
	return j.AppendExpect(ctx, nil, events...)
}

// AppendExpect is [Journal.Append] on condition that every expectation holds;
// else nothing is added and the error is a *[ConflictError] with the current
// sequence. If all events are duplicates the expectations are ignored.
func (j *Journal) AppendExpect(ctx context.Context, expect []Expect, events ...Event) ([]Receipt, error) {
	encoded := make([]Encoded, len(events))
	for i := range events {
		var err error
		if encoded[i], err = events[i].Encode(); err != nil {
			return nil, inEvent(i, len(events), err)
		}
	}
	return j.AppendEncoded(ctx, expect, encoded...)
}

// AppendEncoded is [Journal.AppendExpect] for events in canonical form.
func (j *Journal) AppendEncoded(ctx context.Context, expect []Expect, events ...Encoded) ([]Receipt, error) {
	actor, tags := contextActor(ctx), contextTags(ctx)
	if actor != nil || len(tags) > 0 {
		merged := make([]Encoded, len(events))
		for i := range events {
			var err error
			if merged[i], err = events[i].withContext(actor, tags); err != nil {
				return nil, inEvent(i, len(events), err)
			}
		}
		events = merged
	}
	conditions, err := expectations(expect, j.principal(ctx).tenant)
	if err != nil {
		return nil, err
	}
	return j.append(ctx, engine.Batch{Expect: conditions}, events)
}

// inEvent says which event of several an error is about.
func inEvent(i, n int, err error) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("event %d: %w", i, err)
}

// expectations returns what an engine is to expect; tenant owns entities whose owner
// is not named.
func expectations(expect []Expect, tenant string) ([]engine.Expect, error) {
	if len(expect) == 0 {
		return nil, nil
	}
	out := make([]engine.Expect, len(expect))
	for i, x := range expect {
		if x.Entity.Type == "" || x.Entity.ID == "" {
			return nil, fmt.Errorf("%w: expectation %d names no entity", ErrInvalid, i)
		}
		out[i] = engine.Expect{Tenant: x.Tenant, Entity: engine.Entity{Type: x.Entity.Type, ID: x.Entity.ID}, Sequence: x.Sequence}
		if x.Tenant == "" {
			out[i].Tenant = tenant
		}
		if out[i].Tenant == "" {
			return nil, fmt.Errorf("%w: expectation %d names no tenant", ErrInvalid, i)
		}
	}
	return out, nil
}

// append finishes events, appends them and makes their receipts.
func (j *Journal) append(ctx context.Context, b engine.Batch, events []Encoded) ([]Receipt, error) {
	if len(events) == 0 {
		return nil, fmt.Errorf("%w: there are no events to append", ErrInvalid)
	}
	if len(events) > MaxBatchEvents {
		return nil, fmt.Errorf("%w: %d events, at most %d", ErrTooLarge, len(events), MaxBatchEvents)
	}
	r, err := j.records(ctx, events)
	if err != nil {
		return nil, err
	}
	b.Records = r.all
	got, err := j.engine.Append(ctx, b)
	if err != nil {
		return nil, appendError(err) // the engine may still read the batch
	}
	r.release()
	receipts := make([]Receipt, len(got))
	for i, r := range got {
		receipts[i] = Receipt{
			ID: b.Records[i].ID, Position: r.Position, Sequence: r.Sequence,
			RecordedAt: r.RecordedAt, Hash: r.Hash, Duplicate: r.Duplicate, Durable: r.Durable,
		}
	}
	return receipts, nil
}

// A recordMaker makes the records of events. Those of a part share the memory of
// their bodies and terms.
type recordMaker struct {
	journal  *Journal
	finisher finisher // never changes while records are made
	events   []Encoded
	all      []engine.Record

	mu      sync.Mutex
	buffers []*recordBuffer // guarded by mu

	// What the slices above are of a single event, which most appends have.
	oneEvent  [1]Encoded
	oneRecord [1]engine.Record
	oneBuffer [1]*recordBuffer
}

// records makes the records of the events of an append.
func (j *Journal) records(ctx context.Context, events []Encoded) (*recordMaker, error) {
	r := &recordMaker{journal: j, finisher: j.principal(ctx).finisher}
	r.finisher.maxBytes = j.opts.MaxEventBytes
	if err := r.finisher.at(j.opts.Now()); err != nil {
		return nil, err
	}
	// The events are copied: if ctx ends the call, the engine may read on.
	r.events, r.all, r.buffers = append(r.oneEvent[:0], events...), r.oneRecord[:], r.oneBuffer[:0]
	if len(events) == 1 {
		return r, r.part(0, 1)
	}
	r.all = make([]engine.Record, len(events))
	return r, native.InParts(len(events), r.part)
}

// part makes the records of a part of the events.
func (r *recordMaker) part(from, to int) error {
	buffer, most := r.buffer(), 0
	for i := from; i < to; i++ {
		most += r.finisher.mostBytes(&r.events[i])
	}
	bodies := slices.Grow(buffer.bodies, most) // not make: it need not be cleared
	defer func() { buffer.bodies = bodies }()
	for i := from; i < to; i++ {
		e, start := &r.events[i], len(bodies)
		id, err := newID(e)
		if err == nil {
			bodies, err = r.finisher.finish(bodies, e, id)
		}
		if err == nil {
			r.all[i], err = r.record(e, bodies[start:len(bodies):len(bodies)], buffer)
		}
		if err != nil {
			return inEvent(i, len(r.events), err)
		}
	}
	return nil
}

// buffer returns the buffer of a part.
func (r *recordMaker) buffer() *recordBuffer {
	b := takeBuffer()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buffers = append(r.buffers, b)
	return b
}

// release takes the buffers back once nobody reads the records any more.
func (r *recordMaker) release() {
	for _, b := range r.buffers {
		b.give()
	}
}

// record makes the record of an event and its body.
func (r *recordMaker) record(e *Encoded, body []byte, buffer *recordBuffer) (engine.Record, error) {
	x := engine.Record{Body: body, Same: func(stored []byte) bool { return sameContent(e, stored) }}
	x.Terms = buffer.rest()
	if err := r.journal.facts.describe(&x.Facts, x.Body); err != nil {
		return x, fmt.Errorf("read terms of event: %w", err)
	}
	buffer.took(x.Terms)
	return x, nil
}

// newID returns an id for an event without one, "" for another.
func newID(e *Encoded) (string, error) {
	if e.has(memberID) {
		return "", nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make event id: %w", err)
	}
	return id.String(), nil
}

// appendError gives an engine's error the name it has here.
func appendError(err error) error {
	switch {
	case errors.Is(err, engine.ErrSameID):
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	case errors.Is(err, engine.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

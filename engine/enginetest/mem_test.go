package enginetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// A memStore is what a memEngine keeps when it is closed.
type memStore struct {
	fault     string // what it does wrong; empty means nothing
	now       func() time.Time
	describe  engine.Describe
	secret    [32]byte
	entries   [][]byte
	facts     []engine.Facts // of the entries
	ids       map[key]engine.Position
	sequences map[key]engine.Sequence
	last      time.Time
	signer    note.Signer
}

// newMemStore returns a storage whose engines have a fault.
func newMemStore(fault string) func(testing.TB, Config) Open {
	return func(t testing.TB, c Config) Open {
		skey, _, err := merkle.GenerateKey(nil, "example.com/mem")
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		st := &memStore{fault: fault, now: c.Now, describe: c.Describe, ids: make(map[key]engine.Position), sequences: make(map[key]engine.Sequence), signer: signer}
		rand.Read(st.secret[:])
		return func() (engine.Engine, error) { return st.open(), nil }
	}
}

func (st *memStore) open() *memEngine {
	switch st.fault {
	case "forgets ids when reopened":
		clear(st.ids)
	case "forgets sequences when reopened":
		clear(st.sequences)
	case "forgets the clock when reopened":
		st.last = time.Time{}
	case "loses the newest entry when reopened":
		st.entries = st.entries[:max(0, len(st.entries)-1)]
	case "makes a new secret when reopened":
		rand.Read(st.secret[:])
	}
	st.rebuild()
	return &memEngine{memStore: st, done: make(chan struct{}), grown: make(chan struct{})}
}

// A memEngine is the plainest engine there is, and wrong in one chosen way.
type memEngine struct {
	appending sync.Mutex // taken before mu
	mu        sync.Mutex
	*memStore
	grown  chan struct{} // closed at the next append
	done   chan struct{} // closed by Close
	closed bool
}

// has reports whether the engine has a fault.
func (e *memEngine) has(fault string) bool { return e.fault == fault }

func (e *memEngine) idKey(r *engine.Record) key {
	if e.has("shares ids between tenants") {
		return key{ID: r.ID}
	}
	return key{Tenant: r.Tenant, ID: r.ID}
}

func (e *memEngine) entityKey(tenant string, entity engine.Entity) key {
	if e.has("shares entities between tenants") {
		tenant = ""
	}
	if e.has("joins type and id") {
		entity = engine.Entity{ID: entity.Type + entity.ID}
	}
	return key{Tenant: tenant, Entity: entity}
}

func (e *memEngine) Append(ctx context.Context, b engine.Batch) ([]engine.Receipt, error) {
	e.appending.Lock()
	defer e.appending.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && !e.has("appends when closed") {
		return nil, engine.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.checkLimits(b); err != nil {
		return nil, err
	}
	fresh, err := e.sortOut(b)
	if err != nil {
		return nil, err
	}
	if e.has("checks no expectation while others append") {
		e.mu.Unlock()
		e.appending.Unlock()
		time.Sleep(time.Millisecond) // of a bubble: everybody else goes on
		e.appending.Lock()
		e.mu.Lock()
	} else if fresh > 0 || e.has("checks expectations of duplicates") {
		if err := e.checkExpectations(b.Expect); err != nil {
			return nil, err
		}
	}
	receipts := e.storeAll(b)
	if fresh > 0 && !e.has("wakes no follower") {
		close(e.grown)
		e.grown = make(chan struct{})
	}
	return receipts, nil
}

func (e *memEngine) checkLimits(b engine.Batch) error {
	size := 0
	for i := range b.Records {
		size += len(b.Records[i].Body) + engine.MaxAssignedBytes
	}
	if len(b.Records) > engine.MaxBatchRecords && !e.has("takes too many records") ||
		size > engine.MaxBatchBytes && !e.has("takes too many bytes") ||
		len(b.Records) == engine.MaxBatchRecords && e.has("takes a record too few") ||
		size == engine.MaxBatchBytes && e.has("takes a byte too few") {
		return engine.ErrTooLarge
	}
	return nil
}

// sortOut finds duplicates and conflicts.
func (e *memEngine) sortOut(b engine.Batch) (fresh int, err error) {
	first := make(map[key]*engine.Record)
	for i := range b.Records {
		r := &b.Records[i]
		k := e.idKey(r)
		if twin := first[k]; twin != nil && !e.has("stores twins") {
			stored := engine.Finish(nil, twin.Body, time.Time{}, 0, 0)
			if e.has("compares bodies") {
				stored = twin.Body
			}
			if !r.Same(stored) && !e.has("takes different twins for the same") {
				return 0, engine.ErrSameID
			}
			continue
		}
		first[k] = r
		p, ok := e.ids[k]
		if !ok {
			fresh++
		} else if !r.Same(e.entries[p]) && !e.has("takes other content for the same") {
			if e.has("tells no position") {
				p = 0
			}
			return 0, &engine.ConflictError{Tenant: r.Tenant, ID: r.ID, Position: p}
		}
		if e.has("stores what precedes a bad record") && !ok {
			e.store(engine.Batch{Records: b.Records[i : i+1]})
		}
	}
	return fresh, nil
}

func (e *memEngine) checkExpectations(expect []engine.Expect) error {
	for _, x := range expect {
		current := e.sequences[e.entityKey(x.Tenant, x.Entity)]
		if current == x.Sequence ||
			e.has("ignores expectations") ||
			e.has("takes zero for any") && x.Sequence == 0 ||
			e.has("takes more for enough") && current > x.Sequence {
			if e.has("checks the first expectation") {
				return nil
			}
			continue
		}
		if e.has("tells no current sequence") {
			current = 0
		}
		return &engine.ConflictError{Tenant: x.Tenant, Entity: x.Entity, Expected: x.Sequence, Current: current}
	}
	return nil
}

// store adds what is new and answers.
func (e *memEngine) store(b engine.Batch) []engine.Receipt {
	at := e.now().UTC().Round(0)
	if at.Before(e.last) && !e.has("follows the clock back") {
		at = e.last
	}
	e.last = at
	receipts := make([]engine.Receipt, 0, len(b.Records))
	for i := range b.Records {
		r := &b.Records[i]
		k := e.idKey(r)
		if p, ok := e.ids[k]; ok && !(e.has("stores twins") && int(p) >= len(e.entries)-i) && !e.has("stores duplicates") {
			receipts = append(receipts, e.duplicate(p))
			continue
		}
		if e.has("has a time for each record") {
			at = at.Add(time.Duration(i))
			e.last = at
		}
		e.ids[k] = engine.Position(len(e.entries))
		receipts = append(receipts, e.place(r, at))
	}
	if e.has("answers in another order") {
		slices.Reverse(receipts)
	}
	return receipts
}

func (e *memEngine) place(r *engine.Record, at time.Time) engine.Receipt {
	x := engine.Receipt{Position: engine.Position(len(e.entries)), RecordedAt: at, Durable: !e.has("answers before it is durable")}
	if r.Entity != (engine.Entity{}) || e.has("counts what has no entity") {
		k := e.entityKey(r.Tenant, r.Entity)
		x.Sequence = e.sequences[k] + 1
		if e.has("counts from zero") {
			x.Sequence--
		}
		e.sequences[k]++
	}
	if e.has("skips a position") && x.Position == 3 {
		x.Position++
	}
	entry := engine.Finish(nil, r.Body, x.RecordedAt, x.Sequence, x.Position)
	if e.has("keeps the caller's memory") {
		entry = engine.Finish(r.Body, nil, x.RecordedAt, x.Sequence, x.Position)
	}
	if e.has("rewrites bodies") {
		entry = bytes.ReplaceAll(entry, []byte(`\/`), []byte(`/`))
	}
	x.Hash = sha256.Sum256(entry)
	if e.has("hashes the body") {
		x.Hash = sha256.Sum256(r.Body)
	}
	e.entries = append(e.entries, entry)
	e.keepFacts(r)
	return x
}

func (e *memEngine) duplicate(p engine.Position) engine.Receipt {
	a, err := engine.ParseAssigned(e.entries[p])
	if err != nil {
		panic(err)
	}
	x := engine.Receipt{Position: p, Sequence: a.Sequence, RecordedAt: a.RecordedAt, Hash: sha256.Sum256(e.entries[p]), Duplicate: true, Durable: true}
	if e.has("does not mark duplicates") {
		x.Duplicate = false
	}
	if e.has("dates duplicates anew") {
		x.RecordedAt = e.now().Add(1)
	}
	return x
}

func (e *memEngine) Read(_ context.Context, p engine.Position) (engine.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed && !e.has("reads when closed"):
		return engine.Entry{}, engine.ErrClosed
	case p >= engine.Position(len(e.entries)) && e.has("reads beyond the end"):
		return engine.Entry{Position: p}, nil
	case p >= engine.Position(len(e.entries)):
		return engine.Entry{}, engine.ErrNotFound
	case e.has("gives its own memory away"):
		return engine.Entry{Position: p, Bytes: e.entries[p]}, nil
	}
	return engine.Entry{Position: p, Bytes: bytes.Clone(e.entries[p])}, nil
}

func (e *memEngine) Scan(ctx context.Context, from, to engine.Position) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		if !e.has("scans what comes later") {
			to = min(to, e.Size())
		}
		if e.has("scans to inclusively") {
			to++
		}
		if err := e.err(ctx); err != nil {
			yield(engine.Entry{}, err)
			return
		}
		e.scan(ctx, from, to, yield)
	}
}

// err returns why nothing can be read.
func (e *memEngine) err(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && !e.has("scans when closed") {
		return engine.ErrClosed
	}
	if e.has("ignores contexts") {
		return nil
	}
	return ctx.Err()
}

// scan yields entries and reports whether to go on.
func (e *memEngine) scan(ctx context.Context, from, to engine.Position, yield func(engine.Entry, error) bool) bool {
	for p := from; p < min(to, e.Size()); p++ {
		err := e.err(ctx)
		var x engine.Entry
		if err == nil {
			x, err = e.Read(ctx, p)
		}
		if !yield(x, err) || err != nil {
			return false
		}
	}
	return true
}

func (e *memEngine) Follow(ctx context.Context, from engine.Position) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for {
			e.mu.Lock()
			grown, size := e.grown, engine.Position(len(e.entries))
			e.mu.Unlock()
			if !e.scan(ctx, from, size, yield) {
				return
			}
			from = max(from, size)
			if e.has("follows from where it is") {
				from = max(from, e.Size())
			}
			if e.has("follows an entry twice") && from > 0 {
				from--
			}
			if e.has("follows from the end at most") {
				from = min(from, size)
			}
			if err := e.await(ctx, grown); err != nil {
				if !e.has("ends follow without a word") {
					yield(engine.Entry{}, err)
				}
				return
			}
			if e.has("follows from where it is") {
				from = max(from, e.Size()-1)
			}
		}
	}
}

// await waits until the engine grows.
func (e *memEngine) await(ctx context.Context, grown chan struct{}) error {
	done := e.done
	if e.has("follows past its close") {
		done = nil
	}
	select {
	case <-grown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-done:
		return engine.ErrClosed
	}
}

func (e *memEngine) Find(_ context.Context, tenant, id string) (engine.Position, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && !e.has("finds when closed") {
		return 0, engine.ErrClosed
	}
	p, ok := e.ids[e.idKey(&engine.Record{Facts: engine.Facts{Tenant: tenant, ID: id}})]
	if ok && e.has("finds the newest 1,000") && int(p) < len(e.entries)-1000 {
		ok = false
	}
	if !ok && !e.has("finds what is not there") {
		return 0, engine.ErrNotFound
	}
	return p, nil
}

func (e *memEngine) LastSequence(_ context.Context, tenant string, entity engine.Entity) (engine.Sequence, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, engine.ErrClosed
	}
	n := e.sequences[e.entityKey(tenant, entity)]
	if e.has("knows 1,000 entities") && len(e.sequences) > 1000 && len(entity.ID)%4 == 0 {
		return 0, nil
	}
	if e.has("counts ahead") && n > 0 {
		n++
	}
	return n, nil
}

func (e *memEngine) Size() engine.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return engine.Position(len(e.entries))
}

func (e *memEngine) Checkpoint(context.Context) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engine.ErrClosed
	}
	var t merkle.Tree
	for i, entry := range e.entries {
		if e.has("signs an entry less") && i == len(e.entries)-1 {
			break
		}
		h := sha256.Sum256(entry)
		if e.has("signs entries, not hashes") {
			t.Append(merkle.LeafHash(entry), nil)
			continue
		}
		t.Append(merkle.LeafHash(h[:]), nil)
	}
	c := merkle.Checkpoint{Origin: "example.com/mem", Size: t.Size(), Root: t.Root()}
	if e.has("signs nothing") {
		return c.Marshal()
	}
	return merkle.Sign(c, e.signer)
}

func (e *memEngine) Stats() engine.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return engine.Stats{Entries: uint64(len(e.entries))}
}

func (e *memEngine) Damage() []*engine.CorruptError {
	if e.has("cries damage") {
		return []*engine.CorruptError{{Path: "memory", Err: errors.New("nothing")}}
	}
	return nil
}

func (e *memEngine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && e.has("closes once") {
		return engine.ErrClosed
	}
	if !e.closed {
		e.closed = true
		close(e.done)
	}
	return nil
}

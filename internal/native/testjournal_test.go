package native_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

var (
	seedFlag = flag.Uint64("seed", 1, "seed of the random tests")

	// long asks for the nightly number of seeds.
	long = os.Getenv("ANNALS_LONG") == "1"

	ctx = context.Background()
)

func describe(f *engine.Facts, entry []byte) error {
	var e struct {
		ID, Tenant string
		Entity     struct{ Type, ID string }
	}
	err := json.Unmarshal(entry, &e)
	*f = facts(f.Terms[:0], e.Tenant, e.ID, engine.Entity(e.Entity))
	return err
}

// facts returns the facts of a record: it is of the kind of the first character of
// its id, and has the last one as a term.
func facts(terms []engine.Term, tenant, id string, entity engine.Entity) engine.Facts {
	f := engine.Facts{Tenant: tenant, ID: id, Entity: entity, Terms: terms}
	if id != "" {
		f.Kind = id[:1]
		f.Terms = append(f.Terms, engine.Term{Field: "end", Value: id[len(id)-1:]})
	}
	return f
}

// paddedRecord returns a record whose body is about pad bytes longer than it
// needs to be.
func paddedRecord(id, entity string, pad int) engine.Record {
	body := fmt.Sprintf(`{"id":%q,"tenant":"t"`, id)
	var r engine.Record
	if entity != "" {
		body += fmt.Sprintf(`,"entity":{"type":"e","id":%q}`, entity)
		r.Entity = engine.Entity{Type: "e", ID: entity}
	}
	r.Facts = facts(nil, "t", id, r.Entity)
	if pad > 0 {
		body += fmt.Sprintf(`,"data":%q`, strings.Repeat("x", pad))
	}
	r.Body = []byte(body)
	r.Same = func(stored []byte) bool {
		a, err := engine.ParseAssigned(stored)
		return err == nil && string(stored[:a.BodyBytes]) == body
	}
	return r
}

func record(id, entity string) engine.Record { return paddedRecord(id, entity, 0) }

func one(id, entity string) engine.Batch {
	return engine.Batch{Records: []engine.Record{record(id, entity)}}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// smallSegment makes every script rotate a few times.
const smallSegment = 12 << 10

// testOptions are those of most tests: small segments, checkpoints on demand.
func testOptions(fsys durable.FS) native.Options {
	return native.Options{FS: fsys, Create: true, Describe: describe, SegmentBytes: smallSegment, CheckpointInterval: -1}
}

// scriptOptions have the index write a file every few entries too, so that every
// script writes and merges some.
func scriptOptions(fsys durable.FS) native.Options {
	o := testOptions(fsys)
	o.LimitTails(4)
	return o
}

func open(t testing.TB, fsys durable.FS) *native.Engine {
	t.Helper()
	return openWith(t, testOptions(fsys))
}

// openWith opens a journal that is closed when the test ends, at the latest.
func openWith(t testing.TB, o native.Options) *native.Engine {
	t.Helper()
	e, err := native.Open(o)
	check(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func appendOne(t testing.TB, e *native.Engine, id, entity string) engine.Receipt {
	t.Helper()
	got, err := e.Append(ctx, one(id, entity))
	check(t, err)
	return got[0]
}

// bubble runs f with fake time, in which waiting is free.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// idle waits until the log has been idle for long enough to be marked.
func idle() {
	time.Sleep(60 * time.Millisecond)
	synctest.Wait()
}

// An outcome is what the caller of an append was told.
type outcome int

const (
	notSent outcome = iota
	acked           // stored, durable
	unknown         // stored whole or not at all
	refused         // not stored
)

// A sent is one batch of a script and what became of it.
type sent struct {
	batch    engine.Batch
	outcome  outcome
	receipts []engine.Receipt
}

// A ledger is what a script sent and was told, in order. It appends on behalf of
// callers that may leave before the answer and of callers that may not, in turn:
// the latter may commit on their own goroutine.
type ledger struct {
	leave bool // all callers may leave: none commits, so that a test can hold a sync up

	mu   sync.Mutex
	sent []sent // guarded by mu
}

// snapshot returns the state at this moment.
func (l *ledger) snapshot() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent)
}

// send appends a batch and notes the outcome.
func (l *ledger) send(e *native.Engine, b engine.Batch) error {
	l.mu.Lock()
	l.sent = append(l.sent, sent{batch: b, outcome: unknown})
	at := len(l.sent) - 1
	l.mu.Unlock()
	caller := ctx
	if at%2 == 0 || l.leave {
		var cancel context.CancelFunc
		caller, cancel = context.WithCancel(ctx)
		defer cancel()
	}
	receipts, err := e.Append(caller, b)
	o := acked
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrUnknown):
		o = unknown
	default:
		o = refused
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[at].outcome, l.sent[at].receipts = o, receipts
	return err
}

// stored is what a journal holds.
type stored struct {
	entries []engine.Assigned
	hashes  []engine.Hash
	byID    map[string]int
}

// readAll reads a journal and checks what must hold for any: dense positions,
// dense sequences, unique ids, times that never decrease.
func readAll(e *native.Engine) (*stored, error) {
	s := &stored{byID: make(map[string]int)}
	seqs := make(map[engine.Entity]engine.Sequence)
	for entry, err := range e.Scan(ctx, 0, e.Size()) {
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		a, err := engine.ParseAssigned(entry.Bytes)
		if err != nil {
			return nil, err
		}
		var k engine.Facts
		if err := describe(&k, entry.Bytes); err != nil {
			return nil, err
		}
		n := len(s.entries)
		if entry.Position != engine.Position(n) || a.Position != entry.Position {
			return nil, fmt.Errorf("entry %d has positions %d and %d", n, entry.Position, a.Position)
		}
		if _, ok := s.byID[k.ID]; ok {
			return nil, fmt.Errorf("id %s is stored twice", k.ID)
		}
		if n > 0 && a.RecordedAt.Before(s.entries[n-1].RecordedAt) {
			return nil, fmt.Errorf("recorded_at decreases at %d", n)
		}
		if k.Entity != (engine.Entity{}) {
			if seqs[k.Entity]++; a.Sequence != seqs[k.Entity] {
				return nil, fmt.Errorf("entity %v has sequence %d after %d", k.Entity, a.Sequence, seqs[k.Entity]-1)
			}
		}
		s.byID[k.ID] = n
		s.entries = append(s.entries, a)
		s.hashes = append(s.hashes, entry.Hash())
	}
	if n := e.Size(); n != engine.Position(len(s.entries)) {
		return nil, fmt.Errorf("size is %d, scan yields %d", n, len(s.entries))
	}
	return s, nil
}

// owns returns the ids that a batch was the first to send, in order.
func owns(all []sent, i int) []string {
	var ids []string
	for _, r := range all[i].batch.Records {
		first := func(s sent) bool {
			return slices.ContainsFunc(s.batch.Records, func(x engine.Record) bool { return x.ID == r.ID })
		}
		if slices.IndexFunc(all, first) == i && !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// mayHold reports whether any batch with an id was not refused.
func mayHold(all []sent, id string) bool {
	return slices.ContainsFunc(all, func(s sent) bool {
		return s.outcome != refused && slices.ContainsFunc(s.batch.Records, func(r engine.Record) bool { return r.ID == id })
	})
}

// holds checks what a journal holds against what its callers were told.
func (s *stored) holds(all []sent) error {
	for i, x := range all {
		ids := owns(all, i)
		have := 0
		for _, id := range ids {
			if p, ok := s.byID[id]; ok {
				if first := s.byID[ids[0]]; p != first+have {
					return fmt.Errorf("batch %d: id %s is at position %d, not behind the one before", i, id, p)
				}
				have++
			}
		}
		switch {
		case have != 0 && have != len(ids):
			return fmt.Errorf("batch %d is stored in part: %d of %d", i, have, len(ids))
		case have == 0 && len(ids) > 0 && x.outcome == acked:
			return fmt.Errorf("batch %d was acknowledged and is lost", i)
		case have != 0 && !mayHold(all, ids[0]):
			return fmt.Errorf("batch %d was refused and is stored", i)
		}
		if x.outcome != acked {
			continue
		}
		for j, r := range x.receipts {
			p, ok := s.byID[x.batch.Records[j].ID]
			if !ok || engine.Position(p) != r.Position || s.hashes[p] != r.Hash ||
				s.entries[p].Sequence != r.Sequence || !s.entries[p].RecordedAt.Equal(r.RecordedAt) {
				return fmt.Errorf("batch %d: record %d is not the one of its receipt %+v", i, j, r)
			}
		}
	}
	return nil
}

// retry sends every batch again: each id must end up stored once, and what was
// there before keeps its receipt.
func retry(e *native.Engine, before *stored, all []sent) error {
	for i, x := range all {
		got, err := e.Append(ctx, x.batch)
		if err != nil {
			return fmt.Errorf("retry of batch %d: %w", i, err)
		}
		for j, r := range got {
			p, was := before.byID[x.batch.Records[j].ID]
			if was && (!r.Duplicate || r.Position != engine.Position(p) || r.Hash != before.hashes[p]) {
				return fmt.Errorf("retry of batch %d: record %d is stored at %d, receipt says %+v", i, j, p, r)
			}
			if !r.Durable {
				return fmt.Errorf("retry of batch %d: receipt of record %d is not durable", i, j)
			}
		}
	}
	return nil
}

// verifySound runs Verify, which must find nothing. A clean journal may not even
// have a torn tail.
func verifySound(fsys durable.FS, clean bool) (*native.Report, error) {
	rep, err := native.Verify(ctx, fsys, native.Visitor{})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if len(rep.Problems) > 0 {
		return nil, fmt.Errorf("verify: %w", rep.Problems[0])
	}
	if clean && (rep.TornTail != 0 || rep.Unproven != 0) {
		return nil, fmt.Errorf("verify: clean log has a tail: %d torn bytes, %d unproven entries", rep.TornTail, rep.Unproven)
	}
	if clean && rep.Entries > 0 && (rep.Checkpoint == nil || rep.Checkpoint.Size != uint64(rep.Entries)) {
		return nil, fmt.Errorf("verify: checkpoint %+v for %d entries", rep.Checkpoint, rep.Entries)
	}
	return rep, nil
}

// inspect is the invariant of every crash: whatever a disk holds, the journal on
// it opens by itself, has what was acknowledged, nothing in part, takes retries
// and new appends, and is sound after a clean close. What fsys does on top of mem
// is up to the caller.
func inspect(mem *durable.Mem, fsys durable.FS, all []sent) error {
	promised := slices.ContainsFunc(all, func(s sent) bool { return s.outcome == acked })
	if _, err := verifySound(mem, false); err != nil && (promised || !errors.Is(err, native.ErrNoJournal)) {
		return fmt.Errorf("before recovery: %w", err)
	}
	e, err := native.Open(scriptOptions(fsys))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := errors.Join(inspectOpen(e, mem, all), e.Close()); err != nil {
		return err
	}
	if _, err = verifySound(mem, true); err != nil {
		return fmt.Errorf("after recovery: %w", err)
	}
	return nil
}

func inspectOpen(e *native.Engine, mem *durable.Mem, all []sent) error {
	if d := e.Damage(); len(d) > 0 {
		return fmt.Errorf("false alarm: %w", d[0])
	}
	if r := e.Recovery(); r != nil && r.TornBytes > 0 {
		if n := len(mem.Bytes("log/" + r.TornFile)); int64(n) != r.TornBytes {
			return fmt.Errorf("torn file %s has %d bytes, recovery says %d", r.TornFile, n, r.TornBytes)
		}
	}
	s, err := readAll(e)
	if err != nil {
		return err
	}
	if err := errors.Join(s.holds(all), s.answers(e)); err != nil {
		return err
	}
	if err := retry(e, s, all); err != nil {
		return err
	}
	if _, err := e.Append(ctx, one("after", "0")); err != nil {
		return fmt.Errorf("append after recovery: %w", err)
	}
	s, err = readAll(e)
	if err != nil {
		return fmt.Errorf("after retry: %w", err)
	}
	for i := range all {
		for _, id := range owns(all, i) {
			if _, ok := s.byID[id]; !ok {
				return fmt.Errorf("id %s is missing after its retry", id)
			}
		}
	}
	return s.answers(e)
}

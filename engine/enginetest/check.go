package enginetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// try appends items and checks the receipts that it gets against the items and
// against what is then stored. The batch's memory is overwritten before it
// returns.
func (s *suite) try(items []item, expect ...engine.Expect) ([]engine.Receipt, error) {
	b := batch(s, items, expect...)
	receipts, err := s.e.Append(s.ctx, b)
	if e := scribble(b, items); e != nil {
		s.Error(e)
	}
	if err != nil {
		if len(receipts) > 0 {
			s.Errorf("append returned both %d receipts and the error %v", len(receipts), err)
		}
		return nil, err
	}
	if err := s.checkReceipts(items, receipts); err != nil {
		s.Errorf("after append: %v", err)
	}
	return receipts, nil
}

// append appends items, which must succeed.
func (s *suite) append(items ...item) []engine.Receipt {
	s.Helper()
	receipts, err := s.try(items)
	if err != nil {
		s.Fatalf("append: %v", err)
	}
	return receipts
}

// checkReceipts checks receipts that have just been given.
func (s *suite) checkReceipts(items []item, receipts []engine.Receipt) error {
	if len(receipts) != len(items) {
		return fmt.Errorf("%d receipts for %d records", len(receipts), len(items))
	}
	var last *engine.Receipt // of a new record
	for i := range items {
		r := &receipts[i]
		if err := s.checkReceipt(items[i], r); err != nil {
			return fmt.Errorf("receipt %d %+v: %w", i, *r, err)
		}
		if r.Duplicate {
			continue
		}
		if last != nil && r.Position != last.Position+1 {
			return fmt.Errorf("receipt %d: position %d follows %d in one batch", i, r.Position, last.Position)
		}
		if last != nil && !r.RecordedAt.Equal(last.RecordedAt) {
			return fmt.Errorf("receipt %d: recorded_at %v differs from %v in one batch", i, r.RecordedAt, last.RecordedAt)
		}
		last = r
	}
	return nil
}

// checkReceipt checks a receipt against its item and the stored entry.
func (s *suite) checkReceipt(x item, r *engine.Receipt) error {
	want := engine.Finish(nil, x.body(), r.RecordedAt, r.Sequence, r.Position)
	switch {
	case !r.Durable:
		return errors.New("append returned before the entry was durable")
	case (r.Sequence == 0) != (x.entity == engine.Entity{}):
		return errors.New("sequence and entity do not go together")
	case r.Hash != engine.Hash(sha256.Sum256(want)):
		return errors.New("hash is not that of body and assigned members")
	}
	e, err := s.e.Read(s.ctx, r.Position)
	if err != nil {
		return fmt.Errorf("read what was appended: %w", err)
	}
	if e.Position != r.Position || !bytes.Equal(e.Bytes, want) {
		return fmt.Errorf("read position %d %.300q, want %.300q", e.Position, e.Bytes, want)
	}
	p, err := s.e.Find(s.ctx, x.owner(), x.id)
	if err != nil || p != r.Position {
		return fmt.Errorf("find: position %d, %v", p, err)
	}
	if last, err := s.e.LastSequence(s.ctx, x.owner(), x.entity); err != nil || last < r.Sequence {
		return fmt.Errorf("last sequence is %d, %v", last, err)
	}
	return nil
}

// refused checks that an append fails as ok says and adds nothing.
func (s *suite) refused(what string, ok func(error) bool, items []item, expect ...engine.Expect) {
	s.Helper()
	before := s.e.Size()
	if _, err := s.try(items, expect...); err == nil || !ok(err) {
		s.Errorf("%s: error is %v", what, err)
	}
	if after := s.e.Size(); after != before {
		s.Errorf("%s: size grew from %d to %d", what, before, after)
	}
}

// is returns a function for refused that wants a certain error.
func is(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

// conflict returns a function for refused that wants a certain conflict, and
// nothing that asks for another try.
func conflict(want engine.ConflictError) func(error) bool {
	return func(err error) bool {
		c, ok := errors.AsType[*engine.ConflictError](err)
		return ok && *c == want && !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrUnknown)
	}
}

// entries returns copies of all entries.
func (s *suite) entries() []engine.Entry {
	s.Helper()
	var all []engine.Entry
	for e, err := range s.e.Scan(s.ctx, 0, math.MaxUint64) {
		if err != nil {
			s.Fatalf("scan after %d entries: %v", len(all), err)
		}
		all = append(all, engine.Entry{Position: e.Position, Bytes: bytes.Clone(e.Bytes)})
	}
	return all
}

// audit reads everything in every way there is and checks that it agrees. It
// returns the entries.
func (s *suite) audit() []engine.Entry {
	s.Helper()
	t := s.truth()
	all := t.entries
	if size := s.e.Size(); size != engine.Position(len(all)) {
		s.Errorf("scan yields %d entries, size is %d", len(all), size)
	}
	a := auditor{suite: s, ids: make(map[key]bool), sequences: make(map[key]engine.Sequence)}
	for i := range all {
		if err := a.entry(engine.Position(i), &all[i], &t.facts[i]); err != nil {
			s.Errorf("entry %d: %v", i, err)
		}
	}
	for k, want := range a.sequences {
		if got, err := s.e.LastSequence(s.ctx, k.Tenant, k.Entity); err != nil || got != want {
			s.Errorf("last sequence of %v is %d, %v, want %d", k, got, err, want)
		}
	}
	if d := s.e.Damage(); len(d) > 0 {
		s.Errorf("a sound engine reports damage: %v", d)
	}
	stats := s.e.Stats()
	if stats.Entries != uint64(len(all)) || stats.ReadOnly {
		s.Errorf("stats are %+v, want %d entries, writable", stats, len(all))
	}
	if n, err := s.e.Entities(s.ctx); err != nil || n != uint64(len(a.sequences)) {
		s.Errorf("there are %d entities, %v, want %d", n, err, len(a.sequences))
	}
	s.auditIndex(t)
	s.auditCheckpoint(all)
	return all
}

// An auditor checks entries in order.
type auditor struct {
	*suite
	last      time.Time
	ids       map[key]bool            // without their entities
	sequences map[key]engine.Sequence // without their ids
}

func (a *auditor) entry(p engine.Position, e *engine.Entry, k *engine.Facts) error {
	assigned, err := engine.ParseAssigned(e.Bytes)
	if err != nil {
		return err
	}
	id, entity := key{Tenant: k.Tenant, ID: k.ID}, key{Tenant: k.Tenant, Entity: k.Entity}
	switch {
	case e.Position != p || assigned.Position != p:
		return fmt.Errorf("scan says position %d, its bytes say %d", e.Position, assigned.Position)
	case assigned.RecordedAt.Before(a.last):
		return fmt.Errorf("recorded_at %v is before %v", assigned.RecordedAt, a.last)
	case a.ids[id]:
		return fmt.Errorf("id %v is stored twice", id)
	case (assigned.Sequence == 0) != (k.Entity == engine.Entity{}):
		return fmt.Errorf("sequence is %d, entity %v", assigned.Sequence, k.Entity)
	case assigned.Sequence != 0 && assigned.Sequence != a.sequences[entity]+1:
		return fmt.Errorf("sequence %d of %v follows %d", assigned.Sequence, entity, a.sequences[entity])
	}
	a.last, a.ids[id] = assigned.RecordedAt, true
	if assigned.Sequence != 0 {
		a.sequences[entity] = assigned.Sequence
	}
	if got, err := a.e.Find(a.ctx, k.Tenant, k.ID); err != nil || got != p {
		return fmt.Errorf("find gives position %d, %v", got, err)
	}
	got, err := a.e.Read(a.ctx, p)
	if err != nil || got.Position != p || !bytes.Equal(got.Bytes, e.Bytes) {
		return fmt.Errorf("read differs from scan: %d, %v", got.Position, err)
	}
	return nil
}

// auditCheckpoint checks a checkpoint against the entries, which are all there
// are. It returns what the checkpoint says.
func (s *suite) auditCheckpoint(all []engine.Entry) merkle.Checkpoint {
	s.Helper()
	c, err := s.checkpoint()
	if err != nil {
		s.Error(err)
		return c
	}
	if c.Size != uint64(len(all)) {
		s.Errorf("checkpoint covers %d of %d durable entries", c.Size, len(all))
		return c
	}
	if root := rootOf(all); root != c.Root {
		s.Errorf("checkpoint's root at size %d is %v, the entries have %v", c.Size, c.Root, root)
	}
	return c
}

// checkpoint makes a checkpoint and reads it. Its signature is left to those who
// know the key.
func (s *suite) checkpoint() (c merkle.Checkpoint, err error) {
	text, err := s.e.Checkpoint(s.ctx)
	if err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	_, err = note.Open(text, note.VerifierList())
	n, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return c, fmt.Errorf("checkpoint is no signed note: %w: %q", err, text)
	}
	if c, err = merkle.ParseCheckpoint([]byte(n.Note.Text)); err != nil {
		return c, fmt.Errorf("checkpoint %q: %w", text, err)
	}
	if !slices.ContainsFunc(n.Note.UnverifiedSigs, func(sig note.Signature) bool { return sig.Name == c.Origin }) {
		return c, fmt.Errorf("checkpoint is not signed by its origin: %q", text)
	}
	return c, nil
}

// rootOf returns the tree's root over some entries from the first on.
func rootOf(entries []engine.Entry) merkle.Hash {
	var t merkle.Tree
	for i := range entries {
		h := entries[i].Hash()
		t.Append(merkle.LeafHash(h[:]), nil)
	}
	return t.Root()
}

// sameEntries checks that entries survived.
func (s *suite) sameEntries(before, after []engine.Entry) {
	s.Helper()
	if len(before) != len(after) {
		s.Errorf("%d entries before the engine was closed, %d after it was opened again", len(before), len(after))
		return
	}
	for i := range before {
		if !bytes.Equal(before[i].Bytes, after[i].Bytes) {
			s.Errorf("entry %d changed while the engine was closed: %q, was %q", i, after[i].Bytes, before[i].Bytes)
		}
	}
}

package annals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// A Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	opts   Options        // never changes
	dir    *durable.OS    // never changes
	engine *native.Engine // never changes
	facts  *describer     // never changes

	own *Principal // whose appends are those without one; never changes

	notices notices
	closing sync.Once
}

// Open opens the journal in dir, making one if there is none. A nil opts means
// the defaults.
//
// After an unclean end Open recovers: what was written but not known to be
// durable is rewritten and synced, an unfinished last write is set aside in a
// file of its own, and the journal notes it in an event of its own. Damage to
// anything acknowledged changes nothing: the journal opens for reading, around
// the gap, and appends are refused with the *[CorruptError] that [Journal.Damage]
// lists.
//
// Errors: [ErrLocked] after [Options.LockWait], [ErrNoJournal], [ErrNewerFormat], a *[CorruptError] where
// not even reading is possible.
func Open(dir string, opts *Options) (*Journal, error) {
	o := opts.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if !o.ReadOnly && !o.MustExist {
		if err := durable.CreateDir(dir); err != nil {
			return nil, fmt.Errorf("open journal: %w", err)
		}
	}
	root, err := durable.OpenOS(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", ErrNoJournal, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	warnOpen(dir, &o)
	j, err := open(root, o)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	j.dir = root
	return j, nil
}

// warnOpen reports a directory that others may enter.
func warnOpen(dir string, o *Options) {
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		o.Logger.Warn("journal directory is open to others", "dir", dir, "mode", info.Mode().Perm().String(), "hint", "chmod 0700")
	}
}

// open opens a journal on a file system.
func open(fsys durable.FS, o Options) (*Journal, error) {
	facts, err := newDescriber(o.IndexData)
	if err != nil {
		return nil, err
	}
	own, err := NewPrincipal(o.RecordedBy, o.Tenant)
	if err != nil {
		return nil, err
	}
	j := &Journal{opts: o, facts: facts, own: own}
	j.notices.init(j)
	n := native.Options{
		FS:                  fsys,
		Create:              !o.MustExist,
		LockWait:            o.LockWait,
		Salvage:             o.salvage,
		Origin:              o.Origin,
		SegmentBytes:        o.SegmentBytes,
		SyncInterval:        o.SyncInterval,
		CheckpointInterval:  o.CheckpointInterval,
		ScrubInterval:       o.ScrubInterval,
		ScrubBytesPerSecond: o.ScrubBytesPerSecond,
		Describe:            facts.describe,
		Policy:              facts.policyText(),
		Covers:              new(policies).covers,
		Notify:              j.notices.take,
		Now:                 o.Now,
		Logger:              o.Logger,
	}
	openEngine := native.Open
	if o.ReadOnly {
		openEngine = native.OpenReader
	}
	if j.engine, err = openEngine(n); err != nil {
		return nil, err
	}
	j.notices.start(j.engine.Recovery())
	return j, nil
}

// ID returns the journal's id: 16 random bytes in hex, chosen when it was made.
func (j *Journal) ID() string { return j.engine.ID() }

// Origin returns the journal's name in its checkpoints.
func (j *Journal) Origin() string { return j.engine.Origin() }

// MaxEventBytes returns the limit of one entry's canonical bytes.
func (j *Journal) MaxEventBytes() int { return j.opts.MaxEventBytes }

// Size returns the number of entries: one past the last position.
func (j *Journal) Size() Position { return j.engine.Size() }

// Damage returns what is known to be damaged, nil for a sound journal. A damaged
// journal is read-only.
func (j *Journal) Damage() []*CorruptError { return j.engine.Damage() }

// Get returns the entry with an id of the default tenant. Errors: [ErrNotFound],
// [ErrClosed], *[CorruptError].
func (j *Journal) Get(ctx context.Context, id string) (Entry, error) {
	return j.GetTenant(ctx, j.opts.Tenant, id)
}

// GetTenant is [Journal.Get] for a tenant.
func (j *Journal) GetTenant(ctx context.Context, tenant, id string) (Entry, error) {
	q := engine.Query{Tenants: []string{tenant}, Filter: engine.Has(engine.IDTerm(id)), Descending: true}
	for r, err := range j.engine.Search(ctx, q) { // Find would read the entry as well
		if err != nil {
			if _, damage := asCorrupt(err); damage {
				return j.getFound(ctx, tenant, id) // it may be another's
			}
			return Entry{}, err
		}
		if owner, found, _, _, err := describe(r.Bytes); err == nil && owner == tenant && found == id {
			return parseEntry(r.Position, bytes.Clone(r.Bytes))
		}
	}
	return Entry{}, ErrNotFound
}

// getFound is GetTenant by the position of the id.
func (j *Journal) getFound(ctx context.Context, tenant, id string) (Entry, error) {
	p, err := j.engine.Find(ctx, tenant, id)
	if err != nil {
		return Entry{}, err
	}
	return j.At(ctx, p)
}

// At returns the entry at a position. Errors: [ErrNotFound], [ErrClosed],
// *[CorruptError].
func (j *Journal) At(ctx context.Context, p Position) (Entry, error) {
	e, err := j.engine.Read(ctx, p)
	if err != nil {
		return Entry{}, err
	}
	return parseEntry(p, e.Bytes)
}

// LastSequence returns the last sequence of an entity of the default tenant, 0 if
// it has no event.
func (j *Journal) LastSequence(ctx context.Context, entity Entity) (Sequence, error) {
	return j.LastSequenceTenant(ctx, j.opts.Tenant, entity)
}

// LastSequenceTenant is [Journal.LastSequence] for a tenant.
func (j *Journal) LastSequenceTenant(ctx context.Context, tenant string, entity Entity) (Sequence, error) {
	return j.engine.LastSequence(ctx, tenant, engine.Entity{Type: entity.Type, ID: entity.ID})
}

// Scan yields the entries of all tenants from from (inclusive) to to (exclusive)
// that there are when it begins, in order. The bytes of an entry are valid until
// the next step: clone what is kept.
//
// Damage is yielded as a *[CorruptError] that names the positions it hides; a
// consumer that goes on gets the entries behind them. Any other error ends the
// iteration.
func (j *Journal) Scan(ctx context.Context, from, to Position) iter.Seq2[Entry, error] {
	return entries(j.engine.Scan(ctx, from, to))
}

// Follow is [Journal.Scan] from a position on, without an end: it catches up,
// then yields new entries as they become durable, until ctx ends, whose error it
// yields last, or the journal is closed. With [Options.SyncInterval] it yields
// entries as they are written, before they are durable: a crash of the machine
// may take back what it has yielded.
func (j *Journal) Follow(ctx context.Context, from Position) iter.Seq2[Entry, error] {
	return entries(j.engine.Follow(ctx, from))
}

// entries turns records into entries.
func entries(seq iter.Seq2[engine.Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for r, err := range seq {
			var e Entry
			if err == nil {
				e, err = parseEntry(r.Position, r.Bytes)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Checkpoint returns a signed checkpoint (a C2SP note) of all entries that were
// durable when it was called, making one if needed. A journal opened for reading
// returns the newest one that was made, or [ErrNotFound].
func (j *Journal) Checkpoint(ctx context.Context) ([]byte, error) {
	return j.engine.Checkpoint(ctx)
}

// VerifierKey returns the public key that checks the journal's checkpoints, in
// the form that C2SP signed notes use ([golang.org/x/mod/sumdb/note.NewVerifier]).
// Keep a copy away from the journal.
func (j *Journal) VerifierKey() (string, error) { return j.engine.VerifierKey() }

// Close waits for appends in progress, signs a last checkpoint and closes the
// journal. Calls after the first return nil.
func (j *Journal) Close() error {
	var err error
	j.closing.Do(func() {
		j.notices.stop()
		err = j.engine.Close()
		if j.dir != nil {
			err = errors.Join(err, j.dir.Close())
		}
	})
	return err
}

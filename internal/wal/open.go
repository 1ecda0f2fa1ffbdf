package wal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A Recovery says what opening found after an unclean end and what it did.
type Recovery struct {
	Segment  string // the segment that was the newest
	ProvenBy string // what vouched for the proven part

	// Rewritten is the number of entries that were written but not known to be
	// durable. They are now, in a new segment.
	Rewritten uint64

	// TornBytes is the length of what was no sound record behind them, TornFile
	// where it is kept, in the log's directory. They were not acknowledged if the
	// disk keeps its promises; where it does not they may have been, and only
	// receipts and witnesses can tell.
	TornBytes int64
	TornFile  string
}

// Open opens the log for writing, in a directory that exists and that the
// caller has locked. After an unclean end it recovers and reports what it did;
// a clean log gives a nil Recovery.
//
// Damage to anything proven durable changes nothing on disk: the log opens for
// reading, its appends fail with the first *engine.CorruptError, and Damage of
// the analysis is returned. A segment of a later format is
// engine.ErrNewerFormat.
func Open(fsys durable.FS, opts Options) (*Log, *Recovery, []*engine.CorruptError, error) {
	a, err := analyze(fsys, opts.Journal, opts.Evidence, false)
	if err != nil {
		return nil, nil, nil, err
	}
	l := &Log{fs: fsys, opts: opts, store: newStore(fsys, opts.Journal), segments: a.segments, header: a.header}
	if len(a.damage) > 0 {
		l.failed = a.damage[0]
		l.setWritten(a.proven)
		v, err := a.view(l.store)
		l.view.Store(v)
		return l, nil, a.damage, err
	}
	l.setWritten(a.proven)
	if len(a.segments) == 0 {
		l.Publish()
		return l, nil, nil, nil
	}
	if l.file, err = fsys.OpenWrite(a.newest().path()); err != nil {
		return nil, nil, nil, fmt.Errorf("open segment %s: %w", a.newest().name, err)
	}
	t, err := loadTable(l.file, a.newest(), a.proven.off, a.proven.next)
	if err != nil {
		l.file.Close()
		return nil, nil, nil, err
	}
	l.offsets, l.alloc = t.offsets, a.size
	l.marked = a.clean // the state vouches for everything
	var rec *Recovery
	if !a.clean {
		if rec, err = l.recover(a); err != nil {
			l.closeFiles()
			return nil, nil, nil, err
		}
	}
	l.Publish()
	return l, rec, nil, nil
}

// setWritten starts from a record boundary.
func (l *Log) setWritten(m mark) {
	l.written, l.group.end = m, m
	l.durable, l.durableNext = m.off, m.next
}

// recover gives an uncleanly ended log a sound end: what is not a record is set
// aside, and everything behind the proven offset goes to a new segment that is
// synced before anyone reads it. The old file is not written to, so a second
// crash finds the same.
func (l *Log) recover(a *analysis) (*Recovery, error) {
	old := a.newest()
	rec := &Recovery{Segment: old.name, ProvenBy: a.provenBy, Rewritten: uint64(a.good.next - a.proven.next)}
	if a.tornEnd > a.good.off {
		rec.TornBytes = a.tornEnd - a.good.off
		rec.TornFile = fmt.Sprintf("%08x-%016x.torn", old.ordinal, a.good.off)
	}
	finish := func() error {
		if err := l.setAside(a, rec); err != nil {
			return full(err)
		}
		return l.rewrite(a)
	}
	err := finish()
	if errors.Is(err, engine.ErrDiskFull) {
		l.unfinished = finish
		return rec, nil
	}
	return rec, err
}

// Unfinished reports that recovery found no room: the log is readable up to what
// is proven, and nothing can be written before FinishRecovery has returned nil.
func (l *Log) Unfinished() bool { return l.unfinished != nil }

// FinishRecovery tries again what found no room, and publishes a view that holds
// what was missing. After engine.ErrDiskFull or engine.ErrUnavailable it may be
// called again.
func (l *Log) FinishRecovery() error {
	finish := l.unfinished
	if finish == nil || l.failed != nil {
		return l.failed
	}
	l.unfinished = nil
	if err := finish(); err != nil {
		l.unfinished = finish
		return err
	}
	l.Publish()
	return nil
}

func full(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", engine.ErrDiskFull, err)
	}
	return err
}

// setAside copies the torn bytes to a file of their own.
func (l *Log) setAside(a *analysis, rec *Recovery) error {
	if rec.TornBytes == 0 {
		return nil
	}
	torn := io.NewSectionReader(l.file, a.good.off, rec.TornBytes)
	if err := durable.WriteFileFrom(l.fs, Dir+"/"+rec.TornFile, torn); err != nil {
		return fmt.Errorf("keep torn bytes: %w", err)
	}
	return nil
}

// rewrite starts a new segment with the records between proven and good, and
// ends it with a marker.
func (l *Log) rewrite(a *analysis) error {
	if err := l.rotate(); err != nil {
		return err
	}
	l.newGroup()
	w := newWalker(l.old, a.proven.off, a.good.off, a.proven.next, true)
	for w.off < w.end {
		r, err := w.step()
		if err != nil {
			return fmt.Errorf("read segment: %w", err)
		}
		if r.kind == kindAppend {
			l.copyRecord(&r)
		}
	}
	if err := l.Write(); err != nil {
		return err
	}
	if err := l.Sync(); err != nil {
		return err
	}
	if err := l.Mark(); !errors.Is(err, engine.ErrDiskFull) {
		return err
	}
	return nil // durable all the same; the next idle moment brings a marker
}

// copyRecord adds a record that was read to the group.
func (l *Log) copyRecord(r *record) {
	l.Begin()
	for e := range r.each() {
		hash := engine.Hash(sha256.Sum256(e.bytes))
		l.Add(e.bytes, nil, Checksum(e.bytes), &hash)
	}
	l.End()
}

// view is what may be read of a log that cannot be written.
func (a *analysis) view(st *store) (*View, error) {
	v := &View{store: st, segments: a.segments, size: a.visible}
	if len(a.segments) == 0 {
		v.tail = &table{damage: a.damage}
		return v, nil
	}
	s := a.newest()
	v.end = min(max(a.proven.off, a.proof, a.seen.off), a.size)
	o, err := st.open(s)
	if isDamage(err) { // another segment in its place: nothing of it is readable
		v.tail = new(table)
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	defer st.release(o)
	v.tail, err = loadTable(o.file, s, v.end, a.visible)
	return v, err
}

// Close trims the newest segment, leaves everything durable and returns where
// the log ends, for the state file. Views stay usable until CloseReads.
func (l *Log) Close() (*State, error) {
	l.dropSpare()
	if l.file == nil {
		return nil, nil
	}
	if l.failed != nil || l.unfinished != nil {
		return nil, errors.Join(l.failed, l.closeFiles())
	}
	err := l.trim()
	if err = errors.Join(err, l.closeFiles()); err != nil {
		return nil, fmt.Errorf("close segment: %w", err)
	}
	return &State{Ordinal: l.header.ordinal, End: l.written.off, Chain: l.written.chain, Entries: l.written.next}, nil
}

// closeFiles closes the newest segment and, if a group failed right after a
// rotation, the one before.
func (l *Log) closeFiles() error {
	err := l.file.Close()
	if l.old != nil {
		err = errors.Join(err, l.old.Close())
	}
	return err
}

// trim cuts the newest segment off behind its last record.
func (l *Log) trim() error {
	if l.durable == l.written.off && l.alloc == l.written.off {
		return nil
	}
	if err := l.file.Truncate(l.written.off); err != nil {
		return err
	}
	return l.file.Sync()
}

// dropSpare removes the spare, made or in the making.
func (l *Log) dropSpare() {
	if l.spare.done == nil {
		return
	}
	if s, err := l.takeSpare(); err == nil {
		s.file.Close()
	}
	removeIfThere(l.fs, sparePath) // a spare left behind is removed before the next is made
}

// CloseReads closes the files that views read from.
func (l *Log) CloseReads() { l.store.close() }

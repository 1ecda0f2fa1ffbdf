package wal

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// maxOpen bounds the segments kept open. A process that runs out of files keeps
// fewer.
const maxOpen = 512

// leastOpen is how many stay open however few files the process may have.
const leastOpen = 16

// maxTables bounds the tables kept, each 4 bytes an entry.
const maxTables = 32

// A store keeps the segments that were read last open.
type store struct {
	fs      durable.FS
	journal [16]byte

	mu    sync.Mutex
	limit int                // of files kept open; guarded by mu
	cache map[uint32]*opened // guarded by mu
	lru   list.List          // of *opened, newest first; guarded by mu

	tabled []*opened // that have a table, the one loaded last at the end; guarded by mu
}

// An opened is a segment's open file and, once loaded, its table.
type opened struct {
	ordinal uint32
	file    durable.File

	// Guarded by store.mu.
	refs    int
	gone    bool // no longer in the store: the last release closes it
	element *list.Element

	once  sync.Mutex            // held while the table is loaded
	table atomic.Pointer[table] // nil if it is not loaded
}

func newStore(fsys durable.FS, journal [16]byte) *store {
	return &store{fs: fsys, journal: journal, limit: maxOpen, cache: make(map[uint32]*opened)}
}

// open returns an open segment, which the caller must release.
func (st *store) open(s *segment) (*opened, error) {
	st.mu.Lock()
	if o := st.cache[s.ordinal]; o != nil {
		o.refs++
		st.lru.MoveToFront(o.element)
		st.mu.Unlock()
		return o, nil
	}
	st.mu.Unlock()
	f, err := st.openFile(s)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if o := st.cache[s.ordinal]; o != nil { // another reader was quicker
		o.refs++
		f.Close() // read-only: nothing to lose
		return o, nil
	}
	o := &opened{ordinal: s.ordinal, file: f, refs: 1}
	o.element = st.lru.PushFront(o)
	st.cache[s.ordinal] = o
	st.trimLocked()
	return o, nil
}

func (st *store) trimLocked() {
	for st.lru.Len() > st.limit {
		st.dropLocked(st.lru.Back().Value.(*opened))
	}
}

// yield closes half of the files if err says that the process has too many, and
// reports whether it did. The other half stays free for whoever needs files.
func (st *store) yield(err error) bool {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.limit = max(leastOpen, min(st.limit, st.lru.Len())/2)
	st.trimLocked()
	return true
}

// openFile opens a segment's file. One that says that it is another segment, or
// of another journal, is an errDamaged. A damaged header says nothing: the records
// have checksums and offsets of their own.
func (st *store) openFile(s *segment) (durable.File, error) {
	f, err := st.fs.Open(s.path())
	if st.yield(err) {
		f, err = st.fs.Open(s.path())
	}
	if err != nil {
		return nil, fmt.Errorf("open segment %s: %w", s.name, err)
	}
	var b [headerBytes]byte
	n, err := f.ReadAt(b[:], 0)
	if n < len(b) && !errors.Is(err, io.EOF) {
		f.Close() // read-only: nothing to lose
		return nil, fmt.Errorf("read header of %s: %w", s.name, err)
	}
	if h, err := parseHeader(b[:n]); err == nil {
		if err := h.mustBe(s, st.journal); err != nil {
			f.Close() // read-only: nothing to lose
			return nil, errDamaged{err}
		}
	}
	return f, nil
}

// mustBe checks that a header is that of a segment.
func (h *header) mustBe(s *segment, journal [16]byte) error {
	switch {
	case h.journal != journal:
		return fmt.Errorf("segment belongs to journal %x", h.journal)
	case h.ordinal != s.ordinal || h.first != s.first:
		return fmt.Errorf("segment was written as %s", segmentName(h.ordinal, h.first))
	}
	return nil
}

// mustStart checks that the header of a first segment starts the chain.
func (h *header) mustStart() error {
	if h.ordinal == 0 && (h.prevEnd != 0 || h.first != 0 || h.chain != firstChain(h.journal)) {
		return errors.New("first segment does not start the chain")
	}
	return nil
}

func (st *store) release(o *opened) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if o.refs--; o.refs == 0 && o.gone {
		o.file.Close()
	}
}

func (st *store) dropLocked(o *opened) {
	st.lru.Remove(o.element)
	st.tabled = slices.DeleteFunc(st.tabled, func(x *opened) bool { return x == o })
	delete(st.cache, o.ordinal)
	if o.gone = true; o.refs == 0 {
		o.file.Close()
	}
}

// close closes every segment that no reader holds; the rest close when released.
func (st *store) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.lru.Len() > 0 {
		st.dropLocked(st.lru.Back().Value.(*opened))
	}
}

// end returns where a sealed segment's records end at the latest. A file that was
// cut is read as far as it goes.
func (o *opened) end(s *segment) (int64, error) {
	size, err := o.file.Size()
	if err != nil {
		return 0, fmt.Errorf("read size of %s: %w", s.name, err)
	}
	if s.end != 0 {
		size = min(size, s.end)
	}
	return size, nil
}

// load returns the table of a sealed segment, reading the segment once.
func (st *store) load(o *opened, s *segment, next engine.Position) (*table, error) {
	o.once.Lock()
	defer o.once.Unlock()
	if t := o.table.Load(); t != nil {
		return t, nil
	}
	end, err := o.end(s)
	if err != nil {
		return nil, err
	}
	t, err := loadTable(o.file, s, end, next)
	if err == nil {
		st.keep(o, t)
	}
	return t, err
}

// hasTable reports whether a segment's table is loaded.
func (st *store) hasTable(s *segment) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	o := st.cache[s.ordinal]
	return o != nil && o.table.Load() != nil
}

// keep gives a segment its table and drops that of another if there are too many.
func (st *store) keep(o *opened, t *table) {
	o.table.Store(t)
	st.mu.Lock()
	defer st.mu.Unlock()
	if o.gone {
		return
	}
	if st.tabled = append(st.tabled, o); len(st.tabled) > maxTables {
		st.tabled[0].table.Store(nil)
		st.tabled = slices.Delete(st.tabled, 0, 1)
	}
}

// adopt keeps the table of a segment that was just sealed, so that nobody has to
// read the segment to know it.
func (st *store) adopt(s *segment, t *table) {
	o, err := st.open(s)
	if err != nil {
		return // whoever reads it next will load it, or report why not
	}
	defer st.release(o)
	o.once.Lock()
	defer o.once.Unlock()
	if o.table.Load() == nil {
		st.keep(o, t)
	}
}

// loadTable finds the entries of a segment whose records end at end and whose
// successor starts at position next. Damage becomes gaps of the table.
func loadTable(r io.ReaderAt, s *segment, end int64, next engine.Position) (*table, error) {
	b := tableBuilder{segment: s}
	w := newWalker(r, headerBytes, end, s.first, false)
	for b.next() < next {
		rec, err := w.step()
		if err == nil {
			b.add(&rec)
			continue
		}
		if errors.Is(err, io.EOF) && s.lost != "" {
			err = errors.New(s.lost)
		} else if errors.Is(err, io.EOF) {
			err = errors.New("records end early")
		} else if !isDamage(err) && !errors.Is(err, errNoRecord) {
			return nil, fmt.Errorf("read segment %s: %w", s.name, err)
		}
		rec, ok, rerr := w.resync(w.off + alignBytes)
		if rerr != nil {
			return nil, fmt.Errorf("read segment %s: %w", s.name, rerr)
		}
		if !ok || rec.first < w.next || rec.nextPos() > next || rec.first-w.next > maxGap {
			b.gapTo(next, w.off, err)
			break
		}
		b.gapTo(rec.first, w.off, err)
		b.add(&rec)
		w.off, w.next = rec.end(), rec.nextPos()
	}
	return &b.table, nil
}

// A tableBuilder collects a table.
type tableBuilder struct {
	segment *segment
	table   table
}

func (b *tableBuilder) next() engine.Position {
	return b.segment.first + engine.Position(len(b.table.offsets))
}

// add takes a record's entries. If their lengths do not fit the record, those
// behind the first unsound one are who knows where, and become a gap.
func (b *tableBuilder) add(r *record) {
	fits := r.fits()
	for e := range r.each() {
		if !fits && e.bad() {
			break
		}
		b.table.offsets = append(b.table.offsets, uint32(e.off))
	}
	b.gapTo(r.nextPos(), r.offset, errors.New("entry lengths do not fit the record"))
}

// maxGap is more than a segment can hold. A wrong name could claim more, which
// takes no memory: positions that the table does not reach are unreadable.
const maxGap = 1 << 24

// gapTo marks the positions up to next as unreadable. After more than maxGap
// nothing can be added.
func (b *tableBuilder) gapTo(next engine.Position, off int64, why error) {
	from := b.next()
	if from >= next {
		return
	}
	if next-from <= maxGap {
		b.table.offsets = append(b.table.offsets, make([]uint32, next-from)...)
	}
	b.table.damage = append(b.table.damage, &engine.CorruptError{Path: b.segment.path(), Offset: off, First: from, Next: next, Err: why})
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

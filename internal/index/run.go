package index

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A run is an open run file, the index of a stretch of entries. It never changes.
// Directories, filter and zones are read when they are first needed and then kept;
// of the rest only what is asked for is read, and checked.
//
// Its methods may be called concurrently by those who hold a reference: whoever
// opened it, or has called acquire and not yet release. An error that is
// errDamaged stays; others may pass.
type run struct {
	// Never change.
	name        string
	file        durable.File
	bytes       int64
	meta        meta
	foot        footer
	coversField func(field string) bool // set by whoever opened it

	filter      lazy
	directories [2]lazy // by class
	zones       lazy
	rows        lazy // unless keepsRows says no
	owners      atomic.Pointer[tenantList]

	keep  sync.Once
	keeps bool

	refs atomic.Int64
}

// openRun opens the run file name, which the caller releases. A file of another
// kind, journal or key is errForeign, a later format engine.ErrNewerFormat, what
// does not check out errDamaged.
func openRun(fsys durable.FS, name string, o owner) (*run, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	r := &run{name: name, file: f}
	r.refs.Store(1)
	if r.bytes, err = f.Size(); err == nil {
		r.meta, r.foot, err = readEnds(f, r.bytes)
	}
	if err == nil && (r.meta.owner != o) {
		err = fmt.Errorf("another journal or key: %w", errForeign)
	}
	if err != nil {
		f.Close() // it was only read
		return nil, r.fail(err)
	}
	return r, nil
}

// readEnds reads header and footer of a run file.
func readEnds(r io.ReaderAt, size int64) (m meta, f footer, err error) {
	head := make([]byte, min(size, headerBytes))
	if err := readFull(r, head, 0); err != nil {
		return m, f, err
	}
	if m, err = parseHeader(head); err != nil {
		return m, f, err
	}
	end := size - trailerBytes
	if end < headerBytes {
		return m, f, damage("file has no end")
	}
	tail := make([]byte, trailerBytes)
	if err := readFull(r, tail, end); err != nil {
		return m, f, err
	}
	length, sum, err := parseTrailer(tail)
	if err != nil {
		return m, f, err
	}
	if length > end-headerBytes {
		return m, f, damage("footer length is out of range")
	}
	b := make([]byte, length)
	if err := readFull(r, b, end-length); err != nil {
		return m, f, err
	}
	f, err = parseFooter(b, sum, end-length, m.entries())
	m.policy = f.policy
	return m, f, err
}

// fail says whose error it is.
func (r *run) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("index file %s: %w", r.name, err)
}

// acquire adds a reference. The caller holds one.
func (r *run) acquire() {
	if r.refs.Add(1) <= 1 {
		panic("annals: internal error: a run was used after its release")
	}
}

// release ends a reference. With the last one the file is closed.
func (r *run) release() {
	switch n := r.refs.Add(-1); {
	case n == 0:
		if r.keep.Do(func() {}); r.keeps {
			keptRows.Add(-r.foot.sections[entryColumn].len)
		}
		r.file.Close() // it was only read
	case n < 0:
		panic("annals: internal error: a run was released twice")
	}
}

// bounds implements part.
func (r *run) bounds() (first, next engine.Position) { return r.meta.first, r.meta.next }

// covers implements part.
func (r *run) covers(field string) bool { return r.coversField(field) }

// policy returns what was indexed.
func (r *run) policy() string { return r.meta.policy }

// size returns the bytes of the file.
func (r *run) size() int64 { return r.bytes }

// mayHave reports whether an identity may be in the run.
func (r *run) mayHave(hash uint64) (bool, error) {
	blocks, err := r.filter.get(func() ([]byte, error) { return r.whole(filterBits) })
	if err != nil {
		return false, r.fail(err)
	}
	return (&filter{blocks}).has(keyOf(hash)), nil
}

// find implements part: it returns a cursor over the entries that have a term, nil
// if there is none. Another term may have the same hash.
func (r *run) find(c class, hash uint64, _ uint32, descending bool) (cursor, error) {
	if c == identities {
		if may, err := r.mayHave(hash); err != nil || !may {
			return nil, err
		}
	}
	buf := bucketBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooledBytes {
			bucketBuffers.Put(buf)
		}
	}()
	f, err := r.lookup(c, keyOf(hash), buf)
	if err != nil || f.count == 0 {
		return nil, r.fail(err)
	}
	cur, err := f.cursor(r.file, r.meta.entries(), descending)
	if err != nil {
		return nil, r.fail(err)
	}
	return cur, nil
}

// bucketBuffers holds buffers for buckets, of up to maxPooledBytes.
var bucketBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

const maxPooledBytes = 64 << 10

// lookup reads the bucket of a key into buf and returns what it says of it; a
// count of zero if it has no such key.
func (r *run) lookup(c class, key uint64, buf *[]byte) (f found, err error) {
	directory, err := r.directory(c)
	if err != nil {
		return f, err
	}
	s := newShape(r.foot.bits[c], r.meta.entries())
	section := r.foot.sections[c.lists()]
	p, err := s.placeAt(directory, s.bucketOf(key), section)
	if err != nil || p.len == 0 {
		return f, err
	}
	*buf = slices.Grow((*buf)[:0], int(p.len))[:p.len]
	if err := readFull(r.file, *buf, p.off); err != nil {
		return f, err
	}
	b, err := parseBucket(s, *buf, section.off, p.off)
	if err != nil {
		return f, err
	}
	if i, ok := b.search(s.restOf(key)); ok {
		f, _, err = b.find(i)
	}
	return f, err
}

func (r *run) directory(c class) ([]byte, error) {
	return r.directories[c].get(func() ([]byte, error) { return r.whole(c.directory()) })
}

// whole reads a section that has one checksum.
func (r *run) whole(s section) ([]byte, error) {
	e := r.foot.sections[s]
	if e.len > math.MaxInt {
		return nil, errors.New("section does not fit into memory")
	}
	b, err := readSection(r.file, e, s.hashed())
	if err != nil {
		return nil, err
	}
	if checksum(b) != e.sum {
		return nil, damage(fmt.Sprintf("checksum of section %d does not match", s))
	}
	return b, nil
}

// readZones reads the zone table.
func (r *run) readZones() ([]byte, error) {
	b, err := r.whole(zoneTable)
	if err == nil {
		err = zones(b).check(r.foot.times)
	}
	return b, err
}

// times implements part. One goroutine may use the result.
func (r *run) times() (timer, error) {
	z, err := r.zones.get(r.readZones)
	if err != nil {
		return nil, r.fail(err)
	}
	return &runTimer{r, r.newTimes(r.file, z)}, nil
}

func (r *run) newTimes(file io.ReaderAt, z zones) *runTimes {
	return &runTimes{
		r: file, column: r.foot.sections[timeColumn], n: uint32(r.meta.entries()), all: r.foot.times, zones: z, held: -1,
	}
}

// A runTimer is a run's times whose errors name the run.
type runTimer struct {
	run *run
	*runTimes
}

func (t *runTimer) may(i uint32, s span) (bool, error) {
	ok, err := t.runTimes.may(i, s)
	return ok, t.run.fail(err)
}

// place returns entry i's offset in its segment. It is not checked: whoever reads
// there checks what it finds.
func (r *run) place(i uint32) (uint32, error) {
	if uint64(i) >= r.meta.entries() {
		return 0, fmt.Errorf("run has no entry %d", i)
	}
	if r.keepsRows() {
		x, err := r.keptRow(i)
		return x.place, r.fail(err)
	}
	var b [rowBytes]byte
	err := readFull(r.file, b[:], r.foot.sections[entryColumn].off+rowPlace(i))
	return rowAt(b[:]).place, r.fail(err)
}

// row returns entry i's row, checked.
func (r *run) row(i uint32) (x row, err error) {
	if r.keepsRows() {
		x, err = r.keptRow(i)
	} else {
		x, err = newRowReader(r.file, r.foot.sections[entryColumn]).at(i)
	}
	return x, r.fail(err)
}

// keptRow returns entry i's row of a run that keeps them.
func (r *run) keptRow(i uint32) (row, error) {
	column := r.foot.sections[entryColumn]
	b, err := r.rows.get(func() ([]byte, error) {
		b := make([]byte, column.len)
		return b, inOrder(
			func() error { return readFull(r.file, b, column.off) },
			func() error { return checkRows(b) },
		)
	})
	if err != nil {
		return row{}, err
	}
	return rowAt(b[rowPlace(i):]), nil
}

// maxKeptRows bounds the entry columns that all runs of the process keep in memory,
// in bytes: those of the runs that were asked first. It saves a read for each entry
// that is looked up.
const maxKeptRows = 64 << 20

// keptRows is how many bytes are kept.
var keptRows atomic.Int64

// keepsRows reports whether the run keeps its entry column in memory.
func (r *run) keepsRows() bool {
	r.keep.Do(func() {
		n := r.foot.sections[entryColumn].len
		if r.keeps = keptRows.Add(n) <= maxKeptRows; !r.keeps {
			keptRows.Add(-n)
		}
	})
	return r.keeps
}

func (r *run) newKinds(file io.ReaderAt) *kindReader {
	return newKindReader(file, r.foot.sections[kindTable], r.foot.kinds, r.meta.entries())
}

// A lazy is a section that is read when it is first needed. Damage is remembered;
// after another error it is read again.
type lazy struct {
	value atomic.Pointer[[]byte]
	mu    sync.Mutex
	bad   error // guarded by mu
}

// get returns the section, which read reads.
func (l *lazy) get(read func() ([]byte, error)) ([]byte, error) {
	if b := l.value.Load(); b != nil {
		return *b, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.value.Load(); b != nil {
		return *b, nil
	}
	if l.bad != nil {
		return nil, l.bad
	}
	b, err := read()
	switch {
	case err == nil:
		l.value.Store(&b)
	case errors.Is(err, errDamaged):
		l.bad = err
	}
	return b, err
}

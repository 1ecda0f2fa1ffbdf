package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"

	"github.com/annals-io/annals/engine"
)

// A View is an immutable picture of the log: which entries there are and where.
// It may be used from any goroutine for as long as the [Log] or [Reader] that it
// came from is open.
type View struct {
	store    *store
	segments []*segment // by ordinal
	size     engine.Position
	end      int64  // of the newest segment's visible records
	tail     *table // of the newest segment
}

// Size returns the number of entries, unreadable ones included.
func (v *View) Size() engine.Position { return v.size }

// Yield closes half of the files that are kept open for reading if err says that there
// are too many in the process, or in the system. It reports whether it does say so:
// then it is worth another try.
func (v *View) Yield(err error) bool { return v.store.yield(err) }

// Segments returns how many files hold the log.
func (v *View) Segments() int { return len(v.segments) }

// Bytes returns how many bytes of the log are in use.
func (v *View) Bytes() int64 {
	n := v.end
	for _, s := range v.segments[:max(0, len(v.segments)-1)] {
		if s.end != 0 {
			n += s.end
		} else if info, err := v.store.fs.Stat(s.path()); err == nil {
			n += info.Size // sealed files are trimmed to their end
		}
	}
	return n
}

// A segment is one log file. Its fields never change once a View holds it.
type segment struct {
	ordinal uint32
	first   engine.Position
	end     int64  // end of its records where it is known; 0 = the file's size
	name    string // in the log's directory
	lost    string // what is missing behind it, if its successor is not the next one
}

func (s *segment) path() string { return Dir + "/" + s.name }

// A table says where in a segment each entry starts.
type table struct {
	offsets []uint32 // of entry first+i; 0 = unreadable
	damage  []*engine.CorruptError
}

// why returns the damage that makes p unreadable.
func (t *table) why(s *segment, p engine.Position) *engine.CorruptError {
	for _, d := range t.damage {
		if d.First <= p && p < d.Next {
			return d
		}
	}
	return &engine.CorruptError{Path: s.path(), Offset: -1, First: p, Next: p + 1, Err: errors.New("entry is missing")}
}

// find returns the segment that holds p, or -1 if the log's files start later.
func (v *View) find(p engine.Position) int {
	return sort.Search(len(v.segments), func(i int) bool { return v.segments[i].first > p }) - 1
}

// before describes the absence of p from a log whose first segments are gone.
func (v *View) before(p engine.Position) *engine.CorruptError {
	next := v.size
	if len(v.segments) > 0 {
		next = v.segments[0].first
	}
	return &engine.CorruptError{Path: Dir, Offset: -1, First: p, Next: next, Err: errors.New("segments are missing")}
}

// limit is the first position after segment i.
func (v *View) limit(i int) engine.Position {
	if i+1 < len(v.segments) {
		return v.segments[i+1].first
	}
	return v.size
}

// open returns segment i's file and table.
func (v *View) open(i int) (*opened, *table, error) {
	s := v.segments[i]
	o, err := v.store.open(s)
	if err != nil {
		return nil, nil, err
	}
	if i == len(v.segments)-1 && v.tail != nil {
		return o, v.tail, nil
	}
	t, err := v.store.load(o, s, v.limit(i))
	if err != nil {
		v.store.release(o)
		return nil, nil, err
	}
	return o, t, nil
}

// Read returns the bytes of the entry at p, appended to dst, checked against
// their checksum. Errors: engine.ErrNotFound, *engine.CorruptError, I/O errors.
func (v *View) Read(dst []byte, p engine.Position) ([]byte, error) {
	if p >= v.size {
		return dst, engine.ErrNotFound
	}
	i := v.find(p)
	if i < 0 {
		return dst, v.before(p)
	}
	s := v.segments[i]
	o, t, err := v.open(i)
	if err != nil {
		return dst, v.missing(i, p, err)
	}
	defer v.store.release(o)
	off := t.offset(p - s.first)
	if off == 0 {
		return dst, t.why(s, p)
	}
	return readEntry(dst, o.file, s, off, p)
}

// Ready reports whether the place of the entry at p is known without reading the
// segment.
func (v *View) Ready(p engine.Position) bool {
	if i := v.find(p); i >= 0 && i < len(v.segments)-1 {
		return v.store.hasTable(v.segments[i])
	}
	return true
}

// Newest returns the position of the first entry of the newest segment.
func (v *View) Newest() engine.Position {
	if len(v.segments) == 0 {
		return 0
	}
	return v.segments[len(v.segments)-1].first
}

// ReadNear is [View.Read] for a caller that remembers the entry's place in its
// segment, as [Raw] and [Log.Add] gave it. It is only a hint: bytes there that are no
// entry are looked for in the segment's table instead. The caller checks
// that the entry is the one at p.
func (v *View) ReadNear(dst []byte, p engine.Position, place uint32) ([]byte, error) {
	if p >= v.size || place < headerBytes {
		return v.Read(dst, p)
	}
	i := v.find(p)
	if i < 0 {
		return dst, v.before(p)
	}
	s := v.segments[i]
	o, err := v.store.open(s)
	if err != nil {
		return dst, v.missing(i, p, err)
	}
	defer v.store.release(o)
	b, err := readEntry(dst, o.file, s, int64(place), p)
	if isCorrupt(err) {
		return v.Read(dst, p)
	}
	return b, err
}

func (t *table) offset(i engine.Position) int64 {
	if i >= engine.Position(len(t.offsets)) {
		return 0
	}
	return int64(t.offsets[i])
}

// missing turns the absence of a segment, or another one in its place, into
// damage.
func (v *View) missing(i int, p engine.Position, err error) error {
	switch {
	case isNotExist(err):
		err = errors.New("segment is missing")
	case !isDamage(err):
		return err
	}
	return &engine.CorruptError{Path: v.segments[i].path(), Offset: -1, First: p, Next: v.limit(i), Err: err}
}

// guessBytes is what a point read asks for at first: most entries fit.
const guessBytes = 2 << 10

// readEntry reads one entry and checks it.
func readEntry(dst []byte, r io.ReaderAt, s *segment, off int64, p engine.Position) ([]byte, error) {
	bad := func(text string) error {
		return &engine.CorruptError{Path: s.path(), Offset: off, First: p, Next: p + 1, Err: errors.New(text)}
	}
	at := len(dst)
	dst = append(dst, make([]byte, guessBytes)...)
	n, err := r.ReadAt(dst[at:], off)
	if n < entryHeadBytes {
		return dst[:at], readError(err, bad)
	}
	size := int(binary.LittleEndian.Uint32(dst[at:]))
	sum := binary.LittleEndian.Uint32(dst[at+4:])
	if size == 0 || size > maxEntryBytes {
		return dst[:at], bad("entry length is out of range")
	}
	if have := n - entryHeadBytes; have < size {
		dst = append(dst[:at+n], make([]byte, size-have)...)
		if m, err := r.ReadAt(dst[at+n:], off+int64(n)); m < size-have {
			return dst[:at], readError(err, bad)
		}
	}
	copy(dst[at:], dst[at+entryHeadBytes:at+entryHeadBytes+size])
	dst = dst[:at+size]
	if Checksum(dst[at:]) != sum {
		return dst[:at], bad("entry checksum does not match")
	}
	return dst, nil
}

// readError names a failed read: bytes that are not there are damage, a disk
// that does not answer is not.
func readError(err error, bad func(string) error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bad("file ends inside the entry")
	}
	return fmt.Errorf("read entry: %w", err)
}

// A Raw is an entry as Scan yields it.
type Raw struct {
	Position engine.Position
	Place    uint32 // in its segment, for [View.ReadNear]
	Bytes    []byte // valid until the next step
}

// Scan yields the entries from from up to to, in order, each checked against
// its checksum. Damage is yielded as a *engine.CorruptError that names the
// positions it hides; the scan then goes on behind them.
func (v *View) Scan(ctx context.Context, from, to engine.Position) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		to = min(to, v.size)
		for from < to {
			i := v.find(from)
			if i < 0 {
				gap := v.before(from)
				if !yield(Raw{}, gap) {
					return
				}
				from = gap.Next
				continue
			}
			until := min(to, v.limit(i))
			if !v.scanSegment(ctx, i, from, until, yield) {
				return
			}
			from = until
		}
	}
}

// scanSegment scans within segment i. It reports whether to go on.
func (v *View) scanSegment(ctx context.Context, i int, from, to engine.Position, yield func(Raw, error) bool) bool {
	s := v.segments[i]
	o, t, err := v.open(i)
	if err != nil {
		err = v.missing(i, from, err)
		var c *engine.CorruptError
		return yield(Raw{}, err) && errors.As(err, &c)
	}
	defer v.store.release(o)
	end, err := v.end, error(nil)
	if i < len(v.segments)-1 {
		end, err = o.end(s)
	}
	if err != nil {
		yield(Raw{}, err)
		return false
	}
	if next := t.offset(to - s.first); to < v.limit(i) && next != 0 {
		end = next // nothing behind it is wanted
	}
	w := window{r: o.file, end: end}
	for p := from; p < to; {
		if err := ctx.Err(); err != nil {
			yield(Raw{}, err)
			return false
		}
		off := t.offset(p - s.first)
		if off == 0 {
			d := t.why(s, p)
			if !yield(Raw{}, d) {
				return false
			}
			p = max(p+1, min(d.Next, to))
			continue
		}
		b, err := entryAt(&w, s, off, p)
		if err != nil && !isCorrupt(err) {
			yield(Raw{}, err)
			return false
		}
		if !yield(Raw{p, uint32(off), b}, err) {
			return false
		}
		p++
	}
	return true
}

// entryAt is readEntry on a window.
func entryAt(w *window, s *segment, off int64, p engine.Position) ([]byte, error) {
	bad := func(text string) error {
		return &engine.CorruptError{Path: s.path(), Offset: off, First: p, Next: p + 1, Err: errors.New(text)}
	}
	b, err := w.at(off, entryHeadBytes)
	if err != nil {
		return nil, readError(err, bad)
	}
	n, sum := int(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
	if n == 0 || n > maxEntryBytes || off+entryHeadBytes+int64(n) > w.end {
		return nil, bad("entry length is out of range")
	}
	if b, err = w.at(off, entryHeadBytes+n); err != nil {
		return nil, readError(err, bad)
	}
	if b = b[entryHeadBytes:]; Checksum(b) != sum {
		return nil, bad("entry checksum does not match")
	}
	return b, nil
}

// maxEntryBytes bounds what a length field may ask for.
const maxEntryBytes = engine.MaxBatchBytes

func isCorrupt(err error) bool {
	var c *engine.CorruptError
	return errors.As(err, &c)
}

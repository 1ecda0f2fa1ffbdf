package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/zeebo/blake3"
)

// DefaultSegmentBytes is when a segment is full.
const DefaultSegmentBytes = 64 << 20

// growBytes is how far the newest segment is filled with zeros ahead of small
// writes: a sync inside written space need not change the file's metadata, which
// takes a third off its time.
const growBytes = 1 << 20

// zeros is what files are filled with; nobody writes to it.
var zeros = make([]byte, growBytes+smallGroupBytes)

// smallGroupBytes is the largest write worth growing for; the syncs of larger
// ones are dominated by their data.
const smallGroupBytes = 128 << 10

// Options configure a log.
type Options struct {
	Journal      [16]byte // the journal's id, in every segment
	SegmentBytes int64    // zero = DefaultSegmentBytes
	Evidence     Evidence

	// State reads what the last clean close has written, nil if nothing. A live
	// reader asks for it when records wait for something to vouch for them; nil
	// does without.
	State func() *State

	// Salvage lets OpenReader show what is sound though nothing vouches for it.
	Salvage bool
}

func (o *Options) segmentBytes() int64 {
	if o.SegmentBytes <= 0 {
		return DefaultSegmentBytes
	}
	return o.SegmentBytes
}

// A Log is the log, open for writing. One goroutine, the owner, calls its
// methods; only View and Close's effect on readers are safe from elsewhere. One
// group is in the making at a time:
//
//	Start, (Begin, Add…, End)…, Write, Sync, Publish
//
// Sync may run on another goroutine, while the owner calls nothing else. After
// an error of Write (other than engine.ErrDiskFull) or Sync the log is failed:
// nothing more can be written until it is opened again, and Sync is never
// repeated.
type Log struct {
	fs   durable.FS // never changes
	opts Options    // never changes
	view atomic.Pointer[View]

	// Owned by the owner.
	store       *store
	segments    []*segment
	file        durable.File    // newest segment, or the spare that is becoming it; nil before the first append
	header      header          // of file
	written     mark            // end of what was written
	durable     int64           // end of what was synced
	durableNext engine.Position // entries that are synced
	alloc       int64           // end of the space that is filled with zeros
	offsets     []uint32        // of the newest segment's entries
	fresh       bool            // file is not yet renamed to its place
	old         durable.File    // the previous newest segment, until Publish trims it
	oldState    oldSegment      // its figures, to go back to
	spare       spare
	group       group
	marked      bool      // the last record is a marker
	turned      time.Time // when file became the newest segment; zero = before this process
	failed      error

	// unfinished completes a recovery that found no room; nil when there is none.
	unfinished func() error
}

// A group is what one write takes to the file.
type group struct {
	buf    []byte // goes to the file at off
	off    int64
	end    mark // the log's end after it
	record int  // where the record in the making starts in buf
	first  engine.Position
	hashes []byte // head and entry hashes of the record in the making
	count  uint32
	offs   []uint32
}

// Durable returns how many entries are synced.
func (l *Log) Durable() engine.Position { return l.durableNext }

// MustSync reports that the written group has to be synced before it is
// published, whatever the caller's policy: its segment has no name yet.
func (l *Log) MustSync() bool { return l.fresh }

// View returns the newest published view. It may be called from any goroutine.
func (l *Log) View() *View { return l.view.Load() }

// Next returns the position that the next entry will have.
func (l *Log) Next() engine.Position { return l.group.end.next }

// recordSize returns the bytes that a record of n entries of together size bytes
// takes in a segment.
func recordSize(n int, size int64) int64 {
	return padded(recordBytes + int64(n)*entryHeadBytes + size)
}

// Start begins a group whose first record has n entries of together size bytes.
// If they do not fit the newest segment, the group starts a new one.
func (l *Log) Start(n int, size int64) error {
	if err := l.ready(); err != nil {
		return err
	}
	need := recordSize(n, size)
	if l.file == nil || l.written.off+need > l.opts.segmentBytes() && l.written.off > headerBytes {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	l.newGroup()
	return nil
}

// newGroup empties the group. The first one of a segment begins with its header.
func (l *Log) newGroup() {
	l.group = group{buf: l.group.buf[:0], hashes: l.group.hashes, offs: l.group.offs[:0], off: l.written.off, end: l.written}
	if l.fresh {
		l.group.off = 0
		l.group.buf = l.header.append(l.group.buf)
	}
}

// ready reports why nothing can be written, if so.
func (l *Log) ready() error {
	if l.failed == nil && l.unfinished != nil {
		return fmt.Errorf("%w: recovery waits for room", engine.ErrDiskFull)
	}
	return l.failed
}

// Fits reports whether a further record fits the group's segment.
func (l *Log) Fits(n int, size int64) bool {
	return l.group.end.off+recordSize(n, size) <= l.opts.segmentBytes()
}

// Begin starts a record.
func (l *Log) Begin() {
	g := &l.group
	g.record = len(g.buf)
	g.first, g.count = g.end.next, 0
	g.buf = append(g.buf, make([]byte, recordBytes)...)
	g.hashes = append(g.hashes[:0], make([]byte, headBytes)...)
}

// Add appends an entry, given in two parts, to the record: sum is the
// [Checksum] of body, hash the SHA-256 of the whole. It returns the entry's place
// in its segment.
func (l *Log) Add(body, rest []byte, sum uint32, hash *engine.Hash) (place uint32) {
	g := &l.group
	place = uint32(g.off + int64(len(g.buf)))
	g.offs = append(g.offs, place)
	var h [entryHeadBytes]byte
	binary.LittleEndian.PutUint32(h[:], uint32(len(body)+len(rest)))
	binary.LittleEndian.PutUint32(h[4:], updateChecksum(sum, rest))
	g.buf = append(g.buf, h[:]...)
	g.buf = append(g.buf, body...)
	g.buf = append(g.buf, rest...)
	g.hashes = append(g.hashes, hash[:]...)
	g.count++
	g.end.next++
	return place
}

// End completes the record.
func (l *Log) End() { l.end(kindAppend) }

func (l *Log) end(kind uint32) {
	g := &l.group
	n := len(g.buf) - g.record - headAt
	g.buf = append(g.buf, make([]byte, padded(int64(headAt+n))-int64(headAt+n))...)
	durable := l.durable
	if l.fresh {
		durable = 0
	}
	h := head{kind: kind, offset: g.off + int64(g.record), durable: durable, first: g.first, count: g.count}
	h.put(g.hashes)
	b := g.buf[g.record:]
	copy(b[headAt:], g.hashes[:headBytes])
	binary.LittleEndian.PutUint32(b, uint32(n))
	sum := blake3.Sum256(g.hashes)
	copy(b[8:], sum[:])
	var covered [36]byte
	copy(covered[:4], b)
	copy(covered[4:], sum[:])
	binary.LittleEndian.PutUint32(b[4:], Checksum(covered[:]))
	g.end.off = g.off + int64(len(g.buf))
	g.end.chain = g.end.chain.next(&sum)
}

// Write writes the group. When there is no room it undoes what it did and
// returns engine.ErrDiskFull: nothing of the group is stored and the log goes
// on. Any other error means that the group may or may not be stored, and fails
// the log.
func (l *Log) Write() error {
	g := &l.group
	l.grow(g.off + int64(len(g.buf)))
	_, err := l.file.WriteAt(g.buf, g.off)
	if isFull(err) && l.freeSpare() {
		_, err = l.file.WriteAt(g.buf, g.off)
	}
	if err == nil {
		l.written, l.marked = g.end, false
		l.offsets = append(l.offsets, g.offs...)
		l.alloc = max(l.alloc, l.written.off)
		return nil
	}
	err = fmt.Errorf("write segment: %w", err)
	if isFull(err) && l.undo() == nil {
		g.end = l.written
		return fmt.Errorf("%w: %w", engine.ErrDiskFull, err)
	}
	l.failed = err
	return err
}

// undo cuts off what a write without room left behind. No sync has failed, so
// what lies before is as it was.
func (l *Log) undo() error {
	if l.fresh {
		return l.unrotate()
	}
	if err := l.file.Truncate(l.written.off); err != nil {
		return err
	}
	l.alloc = l.written.off
	return l.file.Sync() // or a power cut could bring back what is refused now
}

// grow fills the file with zeros ahead of a small write that ends at end. Having
// no room for that is no error: the write itself may still fit.
func (l *Log) grow(end int64) {
	if end <= l.alloc || len(l.group.buf) > smallGroupBytes || end >= l.opts.segmentBytes() {
		return
	}
	to := min(end+growBytes, l.opts.segmentBytes())
	if _, err := l.file.WriteAt(zeros[:to-l.alloc], l.alloc); err != nil {
		l.file.Truncate(l.alloc) // best effort: what is left reads as zeros either way
		return
	}
	l.alloc = to
}

// isFull tells a lack of room from a broken disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT)
}

// Sync makes the written group durable and, after a rotation, its segment's
// name. An error fails the log.
func (l *Log) Sync() error {
	if err := l.sync(); err != nil {
		l.failed = err
		return err
	}
	l.durable, l.durableNext = l.written.off, l.written.next
	return nil
}

func (l *Log) sync() error {
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync segment: %w", err)
	}
	if !l.fresh {
		return nil
	}
	name := segmentName(l.header.ordinal, l.header.first)
	if err := l.fs.Rename(sparePath, Dir+"/"+name); err != nil {
		return fmt.Errorf("rename spare to %s: %w", name, err)
	}
	if err := l.fs.SyncDir(Dir); err != nil {
		return fmt.Errorf("sync log directory: %w", err)
	}
	l.fresh = false
	return nil
}

// Publish makes what was written visible to readers and returns the new view. A
// caller that answers before Sync publishes before Sync.
func (l *Log) Publish() *View {
	v := &View{
		store:    l.store,
		segments: l.segments,
		size:     l.written.next,
		end:      l.written.off,
		tail:     &table{offsets: l.offsets[:len(l.offsets):len(l.offsets)]},
	}
	l.view.Store(v)
	if l.old != nil {
		l.trimOld()
	}
	l.prepareSpare()
	return v
}

// Mark writes and syncs a marker, which vouches that everything before it is
// durable. It needs no Publish.
func (l *Log) Mark() error {
	if err := l.WriteMark(); err != nil || !l.Unsynced() {
		return err
	}
	return l.Sync()
}

// WriteMark is Mark without the sync. It does nothing while something else waits
// for a sync, or after another marker.
func (l *Log) WriteMark() error {
	if err := l.ready(); err != nil {
		return err
	}
	if l.file == nil || l.fresh || l.marked || l.Unsynced() {
		return nil
	}
	l.newGroup()
	l.Begin()
	l.end(kindMarker)
	err := l.Write()
	l.marked = err == nil
	return err
}

// Unsynced reports whether something was written that is not synced.
func (l *Log) Unsynced() bool { return l.durable < l.written.off }

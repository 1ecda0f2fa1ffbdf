package wal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/engine"
	"github.com/zeebo/blake3"
)

// maxRecordBytes bounds what a record's length may say: the largest batch.
const maxRecordBytes = recordBytes + engine.MaxBatchRecords*entryHeadBytes + engine.MaxBatchBytes

// windowBytes is how much of a segment is read at once.
const windowBytes = 1 << 20

// A window reads a file in pieces, forward.
type window struct {
	r   io.ReaderAt
	end int64 // nothing is read from here on
	off int64 // where buf starts in the file
	buf []byte
}

// at returns the n bytes at off, which must lie before end. They are valid until
// the next call. A shorter read is an error, never zeros.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off >= w.off && off+int64(n) <= w.off+int64(len(w.buf)) {
		return w.buf[off-w.off:][:n], nil
	}
	size := min(max(int64(n), windowBytes), w.end-off)
	if size < int64(n) {
		return nil, io.ErrUnexpectedEOF
	}
	if int64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.off, w.buf = off, w.buf[:size]
	m, err := w.r.ReadAt(w.buf, off)
	w.buf = w.buf[:m]
	if m < n { // else the error, if any, comes back with the bytes that are missing
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return w.buf[:n], nil
}

// A record is one that was read and checked.
type record struct {
	head
	hash    [32]byte // over head and entry hashes, as stored
	size    int64    // whole, padding included
	entries []byte   // the bytes after the head; valid until the walker moves
}

func (r *record) end() int64               { return r.offset + r.size }
func (r *record) nextPos() engine.Position { return r.first + engine.Position(r.count) }

// errDamaged marks what a record's bytes have wrong, apart from I/O errors.
type errDamaged struct{ error }

func damaged(format string, args ...any) error { return errDamaged{fmt.Errorf(format, args...)} }

// errNoRecord reports zeros where a record would start: the end of the data, if
// nothing follows.
var errNoRecord = errors.New("no record")

// A walker reads the records of one segment in order.
type walker struct {
	window
	off  int64           // of the next record
	next engine.Position // its first position

	// full makes the walker check every record's hash, which covers every byte,
	// and every entry's checksum; without it only lengths and heads are checked.
	full bool
}

func newWalker(r io.ReaderAt, off, end int64, next engine.Position, full bool) *walker {
	return &walker{window: window{r: r, end: end}, off: off, next: next, full: full}
}

// step reads the record at off and moves past it. At the end of the data the
// error is io.EOF or, where zeros follow, errNoRecord; bytes that are no sound
// record are an errDamaged. The walker does not move on an error.
func (w *walker) step() (record, error) {
	r, err := w.record(w.off)
	if err != nil {
		return r, err
	}
	if r.first != w.next {
		return r, damaged("record starts at position %d, want %d", r.first, w.next)
	}
	w.off, w.next = r.end(), r.nextPos()
	return r, nil
}

// record reads and checks the record at off.
func (w *walker) record(off int64) (record, error) {
	var r record
	if off >= w.end {
		return r, io.EOF
	}
	if w.end-off < recordBytes {
		b, err := w.at(off, int(w.end-off))
		if err != nil {
			return r, err
		}
		if isZero(b) {
			return r, errNoRecord
		}
		return r, damaged("record is cut off")
	}
	b, err := w.at(off, recordBytes)
	if err != nil {
		return r, err
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if !sumMatches(b) {
		if isZero(b) {
			return r, errNoRecord
		}
		return r, damaged("record checksum does not match")
	}
	r.size = padded(headAt + n)
	if n < headBytes || n > maxRecordBytes || off+r.size > w.end {
		return r, damaged("record of %d bytes reaches past the end", n)
	}
	if r.head, err = parseHead(b[headAt:], off, int(n-headBytes)); err != nil {
		return r, errDamaged{err}
	}
	copy(r.hash[:], b[8:headAt])
	if b, err = w.at(off, int(r.size)); err != nil {
		return r, err
	}
	r.entries = b[recordBytes : headAt+n]
	if !isZero(b[headAt+n:]) {
		return r, damaged("padding is not zero")
	}
	if w.full {
		err = r.check(b[headAt:recordBytes])
	}
	return r, err
}

// sumMatches checks the checksum over a record's length and hash.
func sumMatches(b []byte) bool {
	var covered [36]byte
	copy(covered[:4], b[:4])
	copy(covered[4:], b[8:headAt])
	return Checksum(covered[:]) == binary.LittleEndian.Uint32(b[4:])
}

// check recomputes the record's hash, and with it checks every entry.
func (r *record) check(head []byte) error {
	h := blake3.New()
	h.Write(head)
	n, used := uint32(0), 0
	for e := range r.each() {
		if e.bad() {
			return damaged("entry %d: checksum does not match", uint64(r.first)+uint64(n))
		}
		sum := sha256.Sum256(e.bytes)
		h.Write(sum[:])
		n++
		used += entryHeadBytes + len(e.bytes)
	}
	if n != r.count || used != len(r.entries) {
		return damaged("record holds %d entries, its head says %d", n, r.count)
	}
	var got [32]byte
	if h.Sum(got[:0]); got != r.hash {
		return damaged("record hash does not match")
	}
	return nil
}

// A rawEntry is one entry inside a record.
type rawEntry struct {
	off   int64 // of its length field, in the segment
	bytes []byte
	sum   uint32
}

// bad reports whether the entry's checksum does not match.
func (e *rawEntry) bad() bool { return Checksum(e.bytes) != e.sum }

// fits reports whether a record's entries are as many and as long as its head and
// its own length say.
func (r *record) fits() bool {
	n, used := uint32(0), 0
	for e := range r.each() {
		n++
		used += entryHeadBytes + len(e.bytes)
	}
	return n == r.count && used == len(r.entries)
}

// each yields the entries of a record. It stops early where a length does not
// fit, so the consumer counts. No entry is empty: zeros where one should be would
// have the right checksum.
func (r *record) each() func(yield func(rawEntry) bool) {
	return func(yield func(rawEntry) bool) {
		b := r.entries
		for len(b) >= entryHeadBytes {
			n := int64(binary.LittleEndian.Uint32(b))
			if n == 0 || n > int64(len(b)-entryHeadBytes) {
				return
			}
			e := rawEntry{
				off:   r.offset + recordBytes + int64(len(r.entries)-len(b)),
				bytes: b[entryHeadBytes:][:n:n],
				sum:   binary.LittleEndian.Uint32(b[4:]),
			}
			if !yield(e) {
				return
			}
			b = b[entryHeadBytes+n:]
		}
	}
}

// resync looks for the next sound record from off on, at every place where one
// could start. Entries are JSON, which holds no control characters, so nothing
// inside an entry can look like a record. It returns false if there is none.
//
// Records that were written do not overlap, so the entries of all that are looked
// at are no more than the file. Forged heads could claim it again and again: past
// twice the file the search ends.
func (w *walker) resync(off int64) (record, bool, error) {
	full := w.full
	w.full = true
	defer func() { w.full = full }()
	budget := 2 * (w.end - off)
	for off = padded(off); off+recordBytes <= w.end; off += alignBytes {
		b, err := w.at(off, recordBytes)
		if err != nil {
			return record{}, false, err
		}
		if !sumMatches(b) {
			continue
		}
		r, err := w.record(off)
		switch {
		case err == nil:
			return r, true, nil
		case !isDamage(err):
			return record{}, false, err
		}
		if budget -= int64(len(r.entries)); budget < 0 {
			break
		}
	}
	return record{}, false, nil
}

// isDamage tells bytes that are wrong from bytes that could not be read.
func isDamage(err error) bool {
	var d errDamaged
	return errors.As(err, &d)
}

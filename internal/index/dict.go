package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// A class is one of a run's two dictionaries. Identities have one of their own,
// since only they have a filter.
type class uint8

const (
	identities class = iota // ids and entities
	terms
)

// Files keep the top 48 bits of a hash, so called a key here. The first of them
// choose the bucket, whose entries have the rest.
const (
	keyBits        = 48
	maxBits        = 32  // of those that choose the bucket
	bucketEntries  = 128 // about the most of a bucket
	directoryBytes = 8   // of a bucket, in the directory
	countBytes     = 2   // at the start of a bucket

	lengthBits     = 20
	maxBucketBytes = 1<<lengthBits - 1
)

// keyOf returns the part of a hash that files keep.
func keyOf(hash uint64) uint64 { return hash >> (64 - keyBits) }

// A shape is what all buckets of a dictionary have in common.
type shape struct {
	n     uint64 // entries of the run
	bits  uint   // of a key that choose the bucket
	rest  int    // bytes of the others in a bucket's entry
	value int    // bytes of the number behind them
}

// newShape returns the shape of a dictionary with 2^k buckets.
func newShape(k uint, n uint64) shape {
	return shape{n: n, bits: k, rest: int(keyBits-k+7) / 8, value: bytesFor(n + 1<<lengthBits)}
}

// bitsFor returns the k that gives buckets of 64 to 128 entries when there are as
// many as bound.
func bitsFor(bound uint64) uint {
	return min(uint(bits.Len64((max(bound, 1)-1)/bucketEntries)), maxBits)
}

func (s *shape) bucketOf(key uint64) uint64 { return key >> (keyBits - s.bits) }
func (s *shape) restOf(key uint64) uint64   { return key & s.restMask() }
func (s *shape) restMask() uint64           { return 1<<(keyBits-s.bits) - 1 }
func (s *shape) entryBytes() int            { return s.rest + s.value }
func (s *shape) leastBytes() int64          { return int64(countBytes + s.entryBytes() + sumBytes) }

// A place is where a bucket is; all zero if there is none. In the directory it is
// one number: the offset, and the length in the low 20 bits.
type place struct{ off, len int64 }

func (p place) pack() uint64 { return uint64(p.off)<<lengthBits | uint64(p.len) }

func unpack(x uint64) place {
	return place{off: int64(x >> lengthBits), len: int64(x & maxBucketBytes)}
}

// placeAt returns the place of bucket i, which must be within e.
func (s *shape) placeAt(directory []byte, i uint64, e extent) (place, error) {
	p := unpack(binary.LittleEndian.Uint64(directory[i*directoryBytes:]))
	if p != (place{}) && (p.off < e.off || p.len < s.leastBytes() || p.off+p.len > e.off+e.len) {
		return p, damage("directory is out of range")
	}
	return p, nil
}

// A bucket holds the terms whose key begins alike. Its lists of more than
// maxShort positions are in the file before it.
//
//	count 2       number of entries
//	count times   rest of the key; a number
//	...           lists
//	4             crc32c of the bytes before
//
// The number is the position of a term that has one; or else, less the number of
// the run's entries, where in the lists the term's is. That begins with the number
// of positions; then come their gaps or, if they are more than 128, the offset in
// the file of the data and how long the data is.
type bucket struct {
	shape
	raw   []byte // whole
	count int
	lists []byte // without the checksum
	from  int64  // offset in the file from which long lists may be
	to    int64  // and to which: where the bucket is
}

// parseBucket reads the bucket raw, which was at offset at of a section that
// begins at from.
func parseBucket(s shape, raw []byte, from, at int64) (b bucket, err error) {
	if int64(len(raw)) < s.leastBytes() || !sumOK(raw) {
		return b, fmt.Errorf("bucket at byte %d: %w", at, damage("checksum does not match"))
	}
	b = bucket{shape: s, raw: raw, count: int(binary.LittleEndian.Uint16(raw)), from: from, to: at}
	end := countBytes + b.count*s.entryBytes()
	if b.count == 0 || end > len(raw)-sumBytes {
		return b, fmt.Errorf("bucket at byte %d: %w", at, damage("number of entries is out of range"))
	}
	b.lists = raw[end : len(raw)-sumBytes]
	return b, nil
}

// restAt returns the rest of entry i's key. There are always 8 bytes to read: at
// least 2 of the rest, 3 of the number, and the checksum.
func (b *bucket) restAt(i int) uint64 {
	at := countBytes + i*b.entryBytes()
	return binary.LittleEndian.Uint64(b.raw[at:]) & (1<<(8*b.rest) - 1)
}

func (b *bucket) valueAt(i int) (x uint64) {
	at := countBytes + i*b.entryBytes() + b.rest
	for j := b.value - 1; j >= 0; j-- {
		x = x<<8 | uint64(b.raw[at+j])
	}
	return x
}

// search returns the number of the entry that has the rest of a key.
func (b *bucket) search(rest uint64) (int, bool) {
	low, high := 0, b.count
	for low < high {
		mid := (low + high) / 2
		if b.restAt(mid) < rest {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < b.count && b.restAt(low) == rest
}

// errEntry is why an entry of a bucket cannot be used.
const errEntry = damage("entry of a bucket is malformed")

// find returns where the positions of entry i are, and the number of bytes that
// it has among the lists.
func (b *bucket) find(i int) (f found, size int, err error) {
	value := b.valueAt(i)
	if value < b.n {
		return found{count: 1, single: uint32(value)}, 0, nil
	}
	if value -= b.n; value >= uint64(len(b.lists)) {
		return f, 0, errEntry
	}
	list := b.lists[value:]
	count, at := uvarint(list)
	if count < 2 || uint64(count) > b.n {
		return f, 0, errEntry
	}
	f.count = int(count)
	if f.count <= maxShort {
		size, err := gapsLen(list[at:], f.count)
		f.short = list[at : at+size]
		return f, at + size, err
	}
	data, m := binary.Uvarint(list[at:])
	length, o := binary.Uvarint(list[at+max(m, 0):])
	if m <= 0 || o <= 0 || data < uint64(b.from) || data > uint64(b.to) || length > uint64(b.to)-data {
		return f, 0, errEntry
	}
	f.long = longList{count: f.count, data: int64(data), skip: int64(data + length)}
	if f.long.end() > b.to {
		return f, 0, errEntry
	}
	return f, at + m + o, nil
}

// gapsLen returns how many bytes count gaps take.
func gapsLen(b []byte, count int) (n int, err error) {
	for range count {
		_, size := uvarint(b[n:])
		if size == 0 {
			return 0, errEntry
		}
		n += size
	}
	return n, nil
}

// errBucketFull reports a bucket that its directory cannot describe. With keyed
// hashes and an honest bound of their number there is none.
var errBucketFull = errors.New("bucket of the index is too large")

// A dictWriter writes a dictionary, one term after the other in the order of
// their keys. A bucket is written when the first term of the next one comes.
type dictWriter struct {
	shape
	out       *output
	directory []byte
	filter    *filter // nil without
	distinct  uint64

	list listWriter // of the term
	key  uint64     // of the term, if distinct > 0

	// the bucket so far
	count   int
	entries []byte
	lists   []byte
}

func newDictWriter(out *output, k uint, n uint64) *dictWriter {
	return &dictWriter{
		shape: newShape(k, n), out: out, directory: make([]byte, directoryBytes<<k), list: listWriter{out: out, n: n},
	}
}

// begin begins a term.
func (w *dictWriter) begin(key uint64) error {
	if key >= 1<<keyBits || w.distinct > 0 && key <= w.key {
		return damage("terms are not in order")
	}
	if w.count > 0 && w.bucketOf(key) != w.bucketOf(w.key) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.key = key
	w.distinct++
	w.list.reset()
	return nil
}

// end ends the term, to whose list positions were added.
func (w *dictWriter) end() error {
	l := &w.list
	value := w.n + uint64(len(w.lists))
	switch {
	case l.count == 0:
		return damage("term has no positions")
	case l.count == 1:
		value = uint64(l.pending[0])
	case l.count <= maxShort:
		w.lists = binary.AppendUvarint(w.lists, l.count)
		w.lists = appendGaps(w.lists, l.pending, 0)
	default: // their data and skip table are in the file before the bucket
		data, length := l.finish()
		w.lists = binary.AppendUvarint(w.lists, l.count)
		w.lists = binary.AppendUvarint(w.lists, uint64(data))
		w.lists = binary.AppendUvarint(w.lists, uint64(length))
	}
	if len(w.lists)+len(w.entries) > maxBucketBytes-2*w.entryBytes() || w.count == 1<<16-1 {
		return errBucketFull
	}
	w.count++
	w.entries = appendUint(w.entries, w.restOf(w.key), w.rest)
	w.entries = appendUint(w.entries, value, w.value)
	if w.filter != nil {
		w.filter.add(w.key)
	}
	return w.out.err
}

// flush writes the bucket.
func (w *dictWriter) flush() error {
	p := place{off: w.out.pos()}
	sum := w.out.sum(0, binary.LittleEndian.AppendUint16(nil, uint16(w.count)))
	sum = w.out.sum(sum, w.entries)
	sum = w.out.sum(sum, w.lists)
	w.out.write(binary.LittleEndian.AppendUint32(nil, sum))
	p.len = w.out.pos() - p.off
	if p.len > maxBucketBytes || p.off >= 1<<(64-lengthBits) {
		return errBucketFull
	}
	binary.LittleEndian.PutUint64(w.directory[w.bucketOf(w.key)*directoryBytes:], p.pack())
	w.count, w.entries, w.lists = 0, w.entries[:0], w.lists[:0]
	return w.out.err
}

// close writes the last bucket.
func (w *dictWriter) close() error {
	if w.count == 0 {
		return w.out.err
	}
	return w.flush()
}

// appendUint appends the low bytes of a number, little endian.
func appendUint(dst []byte, x uint64, size int) []byte {
	for range size {
		dst = append(dst, byte(x))
		x >>= 8
	}
	return dst
}

// A listWriter takes the positions of one term after the other. Of more than
// maxShort it writes the blocks as they fill, and keeps the skip table.
type listWriter struct {
	out *output
	n   uint64 // entries of the run

	count   uint64
	next    uint64   // least position that may come
	base    uint64   // least position that pending may begin with
	pending []uint32 // positions that are not written
	start   int64    // where the data begins, if count > maxShort
	table   []byte   // skip entries
	group   int      // where its last group begins
	buf     []byte
}

// reset begins a list.
func (l *listWriter) reset() {
	l.count, l.next, l.base, l.group = 0, 0, 0, 0
	l.pending, l.table = l.pending[:0], l.table[:0]
}

// add adds positions, ascending, each of which is shifted by base. An error is that
// of the positions, not of writing them.
func (l *listWriter) add(positions []uint32, base uint64) error {
	for _, p := range positions {
		p := uint64(p) + base
		if p < l.next || p >= l.n {
			return damage("positions are not in order")
		}
		if len(l.pending) == blockEntries {
			l.block()
		}
		l.pending = append(l.pending, uint32(p))
		l.next = p + 1
		l.count++
	}
	return nil
}

// block writes the pending positions as a block.
func (l *listWriter) block() {
	if len(l.table) == 0 {
		l.start = l.out.pos()
	}
	l.buf = l.buf[:0]
	if len(l.pending) < blockEntries || l.next-l.base > blockEntries {
		l.buf = appendGaps(l.buf, l.pending, l.base)
	}
	l.out.write(l.buf)
	if len(l.table)-l.group == groupBlocks*skipBytes {
		l.endGroup()
	}
	l.table = binary.LittleEndian.AppendUint32(l.table, uint32(l.next-1))
	l.table = binary.LittleEndian.AppendUint32(l.table, uint32(l.out.pos()-l.start))
	l.table = binary.LittleEndian.AppendUint32(l.table, checksum(l.buf))
	l.pending, l.base = l.pending[:0], l.next
}

func (l *listWriter) endGroup() {
	l.table = appendSum(l.table, l.group)
	l.group = len(l.table)
}

// finish writes what is left of a list of more than maxShort positions, and
// returns where its data is and how long that is.
func (l *listWriter) finish() (start, length int64) {
	l.block()
	l.endGroup()
	length = l.out.pos() - l.start
	l.out.write(l.table)
	return l.start, length
}

// A dictReader reads the buckets of a dictionary one after the other.
type dictReader struct {
	shape
	buckets   io.ReaderAt
	lists     *blockReader
	directory []byte
	section   extent

	next   uint64 // bucket
	bucket bucket
	raw    []byte // of bucket
	at     int    // entry in bucket
	key    uint64 // of the entry; noKey before the first and behind the last
	buf    [maxShort]uint32
}

// noKey is greater than every key.
const noKey = 1<<64 - 1

// step moves to the next term. At the end key becomes noKey.
func (d *dictReader) step() error {
	if d.at++; d.at >= d.bucket.count {
		if ok, err := d.load(); !ok || err != nil {
			d.key = noKey
			return err
		}
	}
	rest := d.bucket.restAt(d.at)
	key := (d.next-1)<<(keyBits-d.bits) | rest
	if rest > d.restMask() || d.key != noKey && key <= d.key {
		return damage("terms are not in order")
	}
	d.key = key
	return nil
}

// load reads the next bucket that there is.
func (d *dictReader) load() (bool, error) {
	for ; d.next < 1<<d.bits; d.next++ {
		p, err := d.placeAt(d.directory, d.next, d.section)
		if err != nil {
			return false, err
		}
		if p.len == 0 {
			continue
		}
		d.raw = slices.Grow(d.raw[:0], int(p.len))[:p.len]
		if err := readFull(d.buckets, d.raw, p.off); err != nil {
			return false, err
		}
		if d.bucket, err = parseBucket(d.shape, d.raw, d.section.off, p.off); err != nil {
			return false, err
		}
		d.next++
		d.at = 0
		return true, nil
	}
	return false, nil
}

// each calls yield with the positions of the entry, in order, valid until it
// returns.
func (d *dictReader) each(yield func([]uint32) error) error {
	f, _, err := d.bucket.find(d.at)
	if err != nil {
		return err
	}
	if f.count > maxShort {
		d.lists.reset(f.long)
		return d.lists.each(yield)
	}
	all := d.buf[:f.count]
	if all[0] = f.single; f.count > 1 {
		if _, err := readGaps(all, f.short, 0, d.n); err != nil {
			return err
		}
	}
	return yield(all)
}

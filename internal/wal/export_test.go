package wal

import (
	"io"

	"github.com/annals-io/annals/engine"
)

// Names that the external tests need.
const (
	HeaderBytes = headerBytes
	RecordBytes = recordBytes
	MaxOpen     = maxOpen
)

// A Header is a segment header's content.
type Header struct {
	Journal [16]byte
	Ordinal uint32
	First   engine.Position
	PrevEnd int64
	Chain   [32]byte
}

// ParseHeader is parseHeader.
func ParseHeader(b []byte) (Header, error) {
	h, err := parseHeader(b)
	return Header{h.journal, h.ordinal, h.first, h.prevEnd, h.chain}, err
}

// AppendTo is header.append.
func (h Header) AppendTo(dst []byte) []byte {
	x := header{h.Journal, h.Ordinal, h.First, h.PrevEnd, h.Chain}
	return x.append(dst)
}

// A Record is a record as the walker found it.
type Record struct {
	Offset, Size, Durable int64
	Kind, Count           uint32
	First                 engine.Position
	Hash                  [32]byte
	Entries               [][]byte
}

func exported(r *record) Record {
	x := Record{
		Offset: r.offset, Size: r.size, Durable: r.durable, Kind: r.kind, Count: r.count, First: r.first, Hash: r.hash,
	}
	for e := range r.each() {
		x.Entries = append(x.Entries, append([]byte(nil), e.bytes...))
	}
	return x
}

// ReadRecord reads and checks the record at off of a file that ends at end.
func ReadRecord(r io.ReaderAt, off, end int64, full bool) (Record, error) {
	rec, err := newWalker(r, off, end, 0, full).record(off)
	if err != nil {
		return Record{}, err
	}
	return exported(&rec), nil
}

// Resync is walker.resync.
func Resync(r io.ReaderAt, off, end int64) (Record, bool, error) {
	rec, ok, err := newWalker(r, off, end, 0, false).resync(off)
	if !ok || err != nil {
		return Record{}, false, err
	}
	return exported(&rec), true, nil
}

// PutRecord returns the bytes of a record of the given kind.
func PutRecord(kind uint32, off, durable int64, first engine.Position, entries ...[]byte) []byte {
	l := &Log{written: mark{off: off, next: first}, durable: durable}
	l.newGroup()
	l.Begin()
	for _, e := range entries {
		hash := (&engine.Entry{Bytes: e}).Hash()
		l.Add(e, nil, Checksum(e), &hash)
	}
	l.end(kind)
	return l.group.buf
}

// IsDamage reports whether err is about bytes that are wrong.
func IsDamage(err error) bool { return isDamage(err) }

// SegmentName is segmentName.
func SegmentName(ordinal uint32, first engine.Position) string { return segmentName(ordinal, first) }

// OpenFiles returns how many segments the view's log keeps open.
func (v *View) OpenFiles() int {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	return v.store.lru.Len()
}

// GroupBytes returns the size of the group so far.
func (l *Log) GroupBytes() int { return len(l.group.buf) }

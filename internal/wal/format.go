package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"

	"github.com/annals-io/annals/engine"
	"github.com/zeebo/blake3"
)

// FormatVersion is the version of segments that this package reads and writes.
const FormatVersion = 2

const (
	headerBytes    = 128 // segment header
	recordBytes    = 80  // record up to its entries: len, crc, hash, head
	headBytes      = 40  // the part of a record that is hashed as head
	headAt         = 40  // where head starts in a record
	entryHeadBytes = 8   // len and crc before each entry
	alignBytes     = 8   // records start at multiples of this
)

// magic starts every segment. Its first byte is no text, its last a line feed,
// so that a transfer that mangles either is noticed.
const magic = "\x89ANNALS\n"

// Kinds of records.
const (
	kindAppend = 1 // entries of one append call
	kindMarker = 2 // no entries: vouches that everything before it is durable
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of an entry's bytes. [Log.Add] takes that of the
// body, so that the writer need not read it again.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A chain is the running hash over all records of a journal.
type chain [32]byte

// firstChain is the chain before any record.
func firstChain(journal [16]byte) chain { return blake3.Sum256(journal[:]) }

// next returns the chain after a record.
func (c chain) next(recordHash *[32]byte) chain {
	var b [64]byte
	copy(b[:], c[:])
	copy(b[32:], recordHash[:])
	return blake3.Sum256(b[:])
}

// A header is the start of a segment.
//
//	offset size
//	0      8    magic
//	8      4    format version
//	12     4    header size, 128
//	16     16   journal id
//	32     4    ordinal of this segment, from 0
//	36     4    reserved, zero
//	40     8    first position
//	48     8    end offset of the previous segment, 0 in the first
//	56     32   chain hash before the first record
//	88     36   reserved, zero
//	124    4    crc32c of the bytes before
type header struct {
	journal [16]byte
	ordinal uint32
	first   engine.Position
	prevEnd int64
	chain   chain
}

func (h *header) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerBytes)...)
	b := dst[at:]
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], FormatVersion)
	binary.LittleEndian.PutUint32(b[12:], headerBytes)
	copy(b[16:], h.journal[:])
	binary.LittleEndian.PutUint32(b[32:], h.ordinal)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.first))
	binary.LittleEndian.PutUint64(b[48:], uint64(h.prevEnd))
	copy(b[56:], h.chain[:])
	binary.LittleEndian.PutUint32(b[124:], Checksum(b[:124]))
	return dst
}

var (
	errNotSegment = errors.New("not a segment: unknown magic")
	errHeaderSum  = errors.New("segment header checksum does not match")
)

// parseHeader reads a segment header. A later format is engine.ErrNewerFormat.
func parseHeader(b []byte) (header, error) {
	var h header
	if len(b) < headerBytes || string(b[:8]) != magic {
		return h, errNotSegment
	}
	if Checksum(b[:124]) != binary.LittleEndian.Uint32(b[124:]) {
		return h, errHeaderSum // in every version: a flipped bit is no newer format
	}
	version := binary.LittleEndian.Uint32(b[8:])
	if version > FormatVersion {
		return h, fmt.Errorf("segment has version %d, this program reads %d: %w", version, FormatVersion, engine.ErrNewerFormat)
	}
	if version != FormatVersion {
		return h, fmt.Errorf("segment version %d is unknown", version)
	}
	if binary.LittleEndian.Uint32(b[12:]) != headerBytes || !isZero(b[36:40]) || !isZero(b[88:124]) {
		return h, errors.New("reserved bytes of the segment header are set")
	}
	copy(h.journal[:], b[16:])
	h.ordinal = binary.LittleEndian.Uint32(b[32:])
	h.first = engine.Position(binary.LittleEndian.Uint64(b[40:]))
	h.prevEnd = int64(binary.LittleEndian.Uint64(b[48:]))
	copy(h.chain[:], b[56:])
	if h.prevEnd < 0 {
		return h, errors.New("previous end is out of range")
	}
	return h, nil
}

// A head describes a record; its bytes are the part of a record that is hashed
// along with the entries' hashes.
//
//	offset size
//	0      4    kind
//	4      4    flags, zero
//	8      8    own offset in the segment
//	16     8    offset known durable in this segment when the record was written
//	24     8    position of the first entry (of the next one, in a marker)
//	32     4    number of entries
//	36     4    reserved, zero
type head struct {
	kind    uint32
	offset  int64
	durable int64
	first   engine.Position
	count   uint32
}

func (h *head) put(b []byte) {
	binary.LittleEndian.PutUint32(b[0:], h.kind)
	binary.LittleEndian.PutUint32(b[4:], 0)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.offset))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.durable))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.first))
	binary.LittleEndian.PutUint32(b[32:], h.count)
	binary.LittleEndian.PutUint32(b[36:], 0)
}

// parseHead reads the head of a record that was found at off and whose entries
// take n bytes.
func parseHead(b []byte, off int64, n int) (head, error) {
	h := head{
		kind:    binary.LittleEndian.Uint32(b[0:]),
		offset:  int64(binary.LittleEndian.Uint64(b[8:])),
		durable: int64(binary.LittleEndian.Uint64(b[16:])),
		first:   engine.Position(binary.LittleEndian.Uint64(b[24:])),
		count:   binary.LittleEndian.Uint32(b[32:]),
	}
	switch {
	case h.offset != off:
		return h, fmt.Errorf("record belongs at byte %d", h.offset)
	case !isZero(b[4:8]) || !isZero(b[36:40]):
		return h, errors.New("reserved bytes of the record are set")
	case h.durable < 0 || h.durable > off:
		return h, errors.New("durable offset is out of range")
	case h.kind == kindMarker && (h.count != 0 || n != 0):
		return h, errors.New("marker has entries")
	case h.kind == kindAppend && (h.count == 0 || int64(n) < int64(h.count)*entryHeadBytes):
		return h, errors.New("record has no room for its entries")
	case h.kind != kindAppend && h.kind != kindMarker:
		return h, fmt.Errorf("record kind %d is unknown", h.kind)
	}
	return h, nil
}

// padded rounds a length up to the next record boundary.
func padded(n int64) int64 { return (n + alignBytes - 1) &^ (alignBytes - 1) }

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Dir is the log's directory, sparePath the segment in waiting.
const (
	Dir       = "log"
	sparePath = Dir + "/spare"
)

// segmentName names a segment by its ordinal and first position.
func segmentName(ordinal uint32, first engine.Position) string {
	return fmt.Sprintf("%08x-%016x.wal", ordinal, uint64(first))
}

var segmentPattern = regexp.MustCompile(`^([0-9a-f]{8})-([0-9a-f]{16})\.wal$`)

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (ordinal uint32, first engine.Position, ok bool) {
	m := segmentPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, false
	}
	o, _ := strconv.ParseUint(m[1], 16, 32)
	p, _ := strconv.ParseUint(m[2], 16, 64)
	return uint32(o), engine.Position(p), true
}

// updateChecksum returns the CRC-32C of the bytes that sum covers, followed by b.
func updateChecksum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

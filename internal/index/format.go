package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// formatVersion is the version of run files that this package reads and writes. A
// run of an earlier one is made again from the log.
const formatVersion = 2

// Sizes and limits of run files.
const (
	headerBytes      = 128
	footerFixedBytes = 56 + int(sectionCount)*sectionBytes // footer without the policy
	sectionBytes     = 20                                  // row of the section table
	trailerBytes     = 16
	sumBytes         = 4 // of a CRC-32C

	maxRunEntries  = 1 << 31 // a cursor's positions have 32 bits
	maxPolicyBytes = 64 << 10
)

// magic starts and ends every run file. Its first byte is no text, its last ones
// are what transfers as text mangle.
const magic = "\x89AIDX\r\n\x1a"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// updateChecksum returns the checksum of the bytes that sum is of, followed by b.
func updateChecksum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

// appendSum appends the checksum of b from start on.
func appendSum(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// sumOK reports whether b ends in the checksum of the bytes before.
func sumOK(b []byte) bool {
	n := len(b) - sumBytes
	return n >= 0 && checksum(b[:n]) == binary.LittleEndian.Uint32(b[n:])
}

var (
	// errDamaged reports a file whose bytes do not check out; see [damage].
	errDamaged = errors.New("index file is damaged")

	// errForeign reports a file that is not one of this index: of another kind,
	// of another journal, or hashed under another key.
	errForeign = errors.New("not a file of this index")
)

// A damage says what does not check out. It is errDamaged.
type damage string

func (d damage) Error() string { return "damaged: " + string(d) }

// Is makes every damage errDamaged for [errors.Is].
func (damage) Is(target error) bool { return target == errDamaged }

// readFull fills b from offset off, at which a sound file has so many bytes.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	err := durable.ReadFull(r, b, off)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read at byte %d: %w", off, damage("file ends early"))
	}
	return err
}

// An owner is whose index a file belongs to.
type owner struct {
	journal [16]byte
	key     [8]byte // Hasher.KeyID
}

// A meta is what a run is about.
type meta struct {
	owner
	policy      string          // what was indexed, in its users' words
	first, next engine.Position // next exclusive
}

func (m *meta) entries() uint64 { return uint64(m.next - m.first) }

// valid reports what no run can have.
func (m *meta) valid() error {
	switch {
	case m.next <= m.first || m.entries() > maxRunEntries:
		return fmt.Errorf("run cannot hold positions %d to %d", m.first, m.next)
	case len(m.policy) > maxPolicyBytes:
		return fmt.Errorf("policy of a run has %d bytes, %d are allowed", len(m.policy), maxPolicyBytes)
	}
	return nil
}

// appendHeader appends the header.
//
//	offset size
//	0      8    magic
//	8      4    format version
//	12     4    header size, 128
//	16     16   journal id
//	32     8    id of the hashing key
//	40     8    first position
//	48     8    next position
//	56     68   reserved, zero
//	124    4    crc32c of the bytes before
func (m *meta) appendHeader(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, headerBytes)
	dst = append(dst, m.journal[:]...)
	dst = append(dst, m.key[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.first))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.next))
	dst = append(dst, make([]byte, headerBytes-sumBytes-len(dst)+at)...)
	return appendSum(dst, at)
}

// parseHeader reads a header; the policy is not in it. A later format is
// engine.ErrNewerFormat, another kind of file errForeign.
func parseHeader(b []byte) (m meta, err error) {
	switch {
	case len(b) < len(magic) || string(b[:len(magic)]) != magic:
		return m, fmt.Errorf("unknown magic: %w", errForeign)
	case len(b) < headerBytes || !sumOK(b[:headerBytes]): // in every version: a flipped bit is no newer format
		return m, damage("header checksum does not match")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > formatVersion {
		return m, fmt.Errorf("run has version %d, this program reads %d: %w", v, formatVersion, engine.ErrNewerFormat)
	} else if v != formatVersion || binary.LittleEndian.Uint32(b[12:]) != headerBytes {
		return m, damage("header version or size is unknown")
	}
	if !isZero(b[56 : headerBytes-sumBytes]) {
		return m, damage("reserved bytes of the header are set")
	}
	copy(m.journal[:], b[16:])
	copy(m.key[:], b[32:])
	m.first = engine.Position(binary.LittleEndian.Uint64(b[40:]))
	m.next = engine.Position(binary.LittleEndian.Uint64(b[48:]))
	if m.valid() != nil {
		return m, damage("positions in the header are out of range")
	}
	return m, nil
}

// A section is a stretch of a run file. They follow each other without gaps, in
// this order, from the header to the footer.
type section uint8

const (
	identityLists section = iota // buckets and long lists of the identities
	termLists                    // the same of the terms
	timeColumn
	entryColumn
	kindTable
	filterBits
	identityDirectory
	termDirectory
	zoneTable
	sectionCount
)

// lists and directory are the sections of a dictionary.
func (c class) lists() section     { return identityLists + section(c) }
func (c class) directory() section { return identityDirectory + section(c) }

// An extent is where a section is. The sum is zero for those whose pieces have
// checksums of their own.
type extent struct {
	off, len int64
	sum      uint32
}

// summed reports whether the section has one checksum, in the footer.
func (s section) summed() bool { return s >= kindTable }

// A footer says where things are and how many.
//
//	offset size
//	0      4    k of the identity dictionary: it has 2^k buckets
//	4      4    k of the term dictionary
//	8      8    number of identities
//	16     8    number of terms
//	24     8    number of entities whose first record is here
//	32     8    number of kinds
//	40     8    least time, Unix nanoseconds
//	48     8    greatest time
//	56     180  for each of 9 sections: offset 8, length 8, crc32c 4
//	236    ...  policy
type footer struct {
	bits     [2]uint   // by class
	distinct [2]uint64 // by class
	entities uint64
	kinds    uint64
	times    span
	sections [sectionCount]extent
	policy   string
}

func (f *footer) append(b []byte) []byte {
	for _, k := range f.bits {
		b = binary.LittleEndian.AppendUint32(b, uint32(k))
	}
	for _, x := range [...]uint64{
		f.distinct[identities], f.distinct[terms], f.entities, f.kinds, uint64(f.times.since), uint64(f.times.last),
	} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	for _, s := range f.sections {
		b = binary.LittleEndian.AppendUint64(b, uint64(s.off))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.len))
		b = binary.LittleEndian.AppendUint32(b, s.sum)
	}
	return append(b, f.policy...)
}

// appendTrailer appends what follows a footer: its length (4), the checksum of
// the footer and this length (4), the magic (8).
func appendTrailer(dst, footer []byte) []byte {
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(footer)))
	dst = append(dst, size...)
	dst = binary.LittleEndian.AppendUint32(dst, updateChecksum(checksum(footer), size))
	return append(dst, magic...)
}

// parseTrailer returns the footer's length and checksum.
func parseTrailer(b []byte) (size int64, sum uint32, err error) {
	if len(b) != trailerBytes || string(b[8:]) != magic {
		return 0, 0, damage("file has no end")
	}
	size = int64(binary.LittleEndian.Uint32(b))
	if size < int64(footerFixedBytes) || size > int64(footerFixedBytes)+maxPolicyBytes {
		return 0, 0, damage("footer length is out of range")
	}
	return size, binary.LittleEndian.Uint32(b[4:]), nil
}

// parseFooter reads the footer b that begins at offset end of a run of n entries.
func parseFooter(b []byte, sum uint32, end int64, n uint64) (f footer, err error) {
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	if len(b) < footerFixedBytes || updateChecksum(checksum(b), size) != sum {
		return f, damage("footer checksum does not match")
	}
	for c := range f.bits {
		f.bits[c] = uint(binary.LittleEndian.Uint32(b[4*c:]))
		f.distinct[c] = binary.LittleEndian.Uint64(b[8+8*c:])
	}
	f.entities = binary.LittleEndian.Uint64(b[24:])
	f.kinds = binary.LittleEndian.Uint64(b[32:])
	f.times.since = int64(binary.LittleEndian.Uint64(b[40:]))
	f.times.last = int64(binary.LittleEndian.Uint64(b[48:]))
	for i := range f.sections {
		row := b[56+i*sectionBytes:]
		f.sections[i] = extent{
			off: int64(binary.LittleEndian.Uint64(row)), len: int64(binary.LittleEndian.Uint64(row[8:])),
			sum: binary.LittleEndian.Uint32(row[16:]),
		}
	}
	f.policy = string(bytes.Clone(b[footerFixedBytes:]))
	return f, f.check(end, n)
}

// check checks that the sections fill the file between header and footer and
// have the sizes that go with n entries.
func (f *footer) check(end int64, n uint64) error {
	if f.bits[identities] > maxBits || f.bits[terms] > maxBits {
		return damage("number of buckets is out of range")
	}
	at := int64(headerBytes)
	for i, s := range f.sections {
		if s.off != at || s.len < 0 || s.len > end-at || s.sum != 0 && !section(i).summed() {
			return damage("section table does not fit the file")
		}
		at += s.len
	}
	blocks := int64(blocksOf(n))
	switch s := &f.sections; {
	case at != end,
		s[timeColumn].len != blocks*timeBlockBytes,
		s[entryColumn].len != blocks*rowBlockBytes,
		s[zoneTable].len != blocks*zoneBytes,
		s[identityDirectory].len != directoryBytes<<f.bits[identities],
		s[termDirectory].len != directoryBytes<<f.bits[terms],
		s[filterBits].len%filterBlockBytes != 0,
		s[filterBits].len == 0:
		return damage("section sizes do not fit the number of entries")
	}
	for c := range f.distinct {
		shape := newShape(f.bits[c], n)
		if f.distinct[c] > uint64(f.sections[class(c).lists()].len)/uint64(shape.entryBytes()) {
			return damage("number of terms does not fit its section")
		}
	}
	if f.times.since > f.times.last || f.entities > n {
		return damage("counts in the footer are out of range")
	}
	return f.checkBounds(n)
}

// blocksOf returns how many blocks n entries or positions take.
func blocksOf(n uint64) uint64 { return (n + blockEntries - 1) / blockEntries }

// bytesFor returns how many bytes hold the numbers up to most.
func bytesFor(most uint64) int { return (bits.Len64(most) + 7) / 8 }

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

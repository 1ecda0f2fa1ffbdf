package index

import (
	"encoding/binary"
	"io"
	"math"
	"math/bits"
)

// Sizes of the columns' blocks.
const (
	timeBlockBytes = 2*blockEntries + 4 + sumBytes
	rowBytes       = 12 // of a row of the entry column
	rowBlockBytes  = rowBytes*blockEntries + sumBytes
	zoneBytes      = 16
	maxShift       = 48
	maxWidth       = 64
)

// A timeBlock has the times of 128 entries, less exactly than the log: of each a
// span in which it is.
//
//	offset size
//	0      256  for each entry 2 bytes, v
//	256    2    shift
//	258    2    width
//	260    4    crc32c of the bytes before
//
// The time is at least the block's least one plus v << shift, and less than
// 2^width above that, and at most the block's greatest one. Of a run that was made
// of entries the width is at most the shift; merging can add to it, where blocks
// do not begin at the same entries as before.
type timeBlock struct {
	zone         span // least and greatest time
	shift, width uint
	raw          []byte
}

// appendTimeBlock appends the block of at most 128 times, given as spans.
func appendTimeBlock(dst []byte, times []span) ([]byte, span) {
	zone := times[0]
	from := zone.since // the greatest lower end
	for _, t := range times[1:] {
		zone = span{min(zone.since, t.since), max(zone.last, t.last)}
		from = max(from, t.since)
	}
	shift := max(bits.Len64(uint64(from-zone.since)), 16) - 16
	width, at := 0, len(dst)
	for _, t := range times {
		v := uint64(t.since-zone.since) >> shift
		width = max(width, bits.Len64(uint64(t.last-zone.since)-v<<shift))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(v))
	}
	dst = append(dst, make([]byte, 2*(blockEntries-len(times)))...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(shift))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(width))
	return appendSum(dst, at), zone
}

// parseTimeBlock reads the block raw, which it keeps, of count entries.
func parseTimeBlock(raw []byte, zone span, count int) (timeBlock, error) {
	if !sumOK(raw) {
		return timeBlock{}, damage("checksum of a time block does not match")
	}
	b := timeBlock{
		zone: zone, raw: raw,
		shift: uint(binary.LittleEndian.Uint16(raw[2*blockEntries:])),
		width: uint(binary.LittleEndian.Uint16(raw[2*blockEntries+2:])),
	}
	ok := b.shift <= maxShift && b.width <= maxWidth && isZero(raw[2*count:2*blockEntries])
	for i := 0; ok && i < count; i++ {
		ok = b.above(i) <= uint64(zone.last-zone.since)
	}
	if !ok {
		return timeBlock{}, damage("time block is out of range")
	}
	return b, nil
}

// above returns how far above the least time entry i's is at least.
func (b *timeBlock) above(i int) uint64 {
	return uint64(binary.LittleEndian.Uint16(b.raw[2*i:])) << b.shift
}

// at returns a span in which entry i's time is.
func (b *timeBlock) at(i int) span {
	least := b.zone.since + int64(b.above(i))
	more := min(uint64(1)<<b.width-1, uint64(b.zone.last-least))
	return span{least, least + int64(more)}
}

// appendZone appends a row of the zone table: least and greatest time of a block.
func appendZone(dst []byte, zone span) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(zone.since))
	return binary.LittleEndian.AppendUint64(dst, uint64(zone.last))
}

// A zones is a zone table.
type zones []byte

func (z zones) at(block uint32) span {
	row := z[block*zoneBytes:]
	return span{int64(binary.LittleEndian.Uint64(row)), int64(binary.LittleEndian.Uint64(row[8:]))}
}

// check checks that the zones are within all and reach its ends.
func (z zones) check(all span) error {
	reach := span{math.MaxInt64, math.MinInt64}
	for i := range uint32(len(z) / zoneBytes) {
		zone := z.at(i)
		if zone.since > zone.last {
			return damage("zone is out of range")
		}
		reach = span{min(reach.since, zone.since), max(reach.last, zone.last)}
	}
	if reach != all {
		return damage("zones do not fit the run's times")
	}
	return nil
}

// runTimes are the times of a run. It keeps the last block that it read.
type runTimes struct {
	r      io.ReaderAt
	column extent
	n      uint32
	all    span // of the run
	zones  zones
	held   int64 // number of the block in block; -1 for none
	block  timeBlock
	buf    [timeBlockBytes]byte
}

// at returns a span in which entry i's time is.
func (t *runTimes) at(i uint32) (span, error) {
	n := i / blockEntries
	if t.held != int64(n) {
		t.held = -1
		if err := readFull(t.r, t.buf[:], t.column.off+int64(n)*timeBlockBytes); err != nil {
			return span{}, err
		}
		block, err := parseTimeBlock(t.buf[:], t.zones.at(n), int(min(t.n-n*blockEntries, blockEntries)))
		if err != nil {
			return span{}, err
		}
		t.held, t.block = int64(n), block
	}
	return t.block.at(int(i % blockEntries)), nil
}

// may implements timer.
func (t *runTimes) may(i uint32, s span) (bool, error) {
	if i >= t.n {
		return false, nil
	}
	zone := t.zones.at(i / blockEntries)
	if s.misses(zone.since, zone.last) || s.covers(zone.since, zone.last) {
		return s.covers(zone.since, zone.last), nil
	}
	at, err := t.at(i)
	return err == nil && !s.misses(at.since, at.last), err
}

// skip implements timer.
func (t *runTimes) skip(i uint32, s span, descending bool) (uint32, bool) {
	if i >= t.n {
		if !descending {
			return 0, false
		}
		i = t.n - 1
	}
	if s.misses(t.all.since, t.all.last) {
		return 0, false
	}
	block := i / blockEntries
	for {
		if zone := t.zones.at(block); !s.misses(zone.since, zone.last) {
			return i, true
		}
		if descending {
			if block == 0 {
				return 0, false
			}
			i = block*blockEntries - 1
			block--
		} else {
			if block++; block >= uint32(blocksOf(uint64(t.n))) {
				return 0, false
			}
			i = block * blockEntries
		}
	}
}

// A row is what a run knows of an entry besides its terms and time.
type row struct {
	place    uint32 // offset in its segment
	sequence uint32 // of its entity; zero if it has none, or one past 32 bits
	check    uint32 // of its entity, see short
}

// appendRow appends a row: place (4), sequence (4), check (4).
func appendRow(dst []byte, r row) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, r.place)
	dst = binary.LittleEndian.AppendUint32(dst, r.sequence)
	return binary.LittleEndian.AppendUint32(dst, r.check)
}

// rowAt returns the row that b begins with.
func rowAt(b []byte) row {
	b = b[:rowBytes]
	return row{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}
}

// appendRowBlock appends a block of at most 128 rows and its checksum.
func appendRowBlock(dst []byte, rows []row) []byte {
	at := len(dst)
	for _, r := range rows {
		dst = appendRow(dst, r)
	}
	dst = append(dst, make([]byte, rowBytes*(blockEntries-len(rows)))...)
	return appendSum(dst, at)
}

// rowPlace returns where in the entry column the row of entry i is.
func rowPlace(i uint32) int64 {
	return int64(i/blockEntries)*rowBlockBytes + int64(i%blockEntries)*rowBytes
}

var errRows = damage("checksum of a block of entries does not match")

// checkRows checks all blocks of an entry column.
func checkRows(column []byte) error {
	for ; len(column) >= rowBlockBytes; column = column[rowBlockBytes:] {
		if !sumOK(column[:rowBlockBytes]) {
			return errRows
		}
	}
	return nil
}

// A rowReader reads a run's rows. It keeps the last block that it read.
type rowReader struct {
	r      io.ReaderAt
	column extent
	held   int64 // number of the block in buf; -1 for none
	buf    [rowBlockBytes]byte
}

func newRowReader(r io.ReaderAt, column extent) *rowReader {
	return &rowReader{r: r, column: column, held: -1}
}

// at returns entry i's row.
func (a *rowReader) at(i uint32) (row, error) {
	if n := int64(i / blockEntries); a.held != n {
		a.held = -1
		if err := readFull(a.r, a.buf[:], a.column.off+n*rowBlockBytes); err != nil {
			return row{}, err
		}
		if !sumOK(a.buf[:]) {
			return row{}, errRows
		}
		a.held = n
	}
	return rowAt(a.buf[i%blockEntries*rowBytes:]), nil
}

package index

import (
	"cmp"
	"encoding/binary"
	"io"
	"slices"
)

// A cursor walks ascending positions in one direction, which is set when it is
// made. One goroutine may use it.
type cursor interface {
	// seek returns the first position from p on in the cursor's direction: the
	// least that is p or more, or, descending, the greatest that is p or less. It
	// returns false if there is none. From call to call p moves in that direction,
	// or stays.
	seek(p uint32) (uint32, bool, error)

	// atMost returns a bound of how many positions the cursor has.
	atMost() int
}

// Sizes of lists.
const (
	blockEntries  = 128                              // positions or entries of a block
	maxShort      = blockEntries                     // positions of a list that is in its bucket
	groupBlocks   = 64                               // skip entries of a group
	skipBytes     = 12                               // skip entry: last position, end of data, checksum
	groupBytes    = groupBlocks*skipBytes + sumBytes // full group
	maxGapBytes   = 5                                // uvarint of 32 bits
	maxBlockBytes = blockEntries * maxGapBytes       // data of a block
)

// uvarint reads a number of at most 32 bits. A length of zero says that there is
// none.
func uvarint(b []byte) (x uint32, length int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint32(b[0]), 1
	}
	y, n := binary.Uvarint(b[:min(len(b), maxGapBytes)])
	if n <= 0 || y > 1<<32-1 {
		return 0, 0
	}
	return uint32(y), n
}

// appendGaps appends ascending positions: of each the number of positions that
// are left out before it, from base on.
func appendGaps(dst []byte, positions []uint32, base uint64) []byte {
	for _, p := range positions {
		gap := uint64(p) - base
		if gap < 0x80 {
			dst = append(dst, byte(gap))
		} else {
			dst = binary.AppendUvarint(dst, gap)
		}
		base = uint64(p) + 1
	}
	return dst
}

// readGaps is the inverse of appendGaps: it fills positions, all below n, and
// returns the bytes behind.
func readGaps(positions []uint32, b []byte, base, n uint64) ([]byte, error) {
	for i := range positions {
		gap, size := uvarint(b)
		p := base + uint64(gap)
		if size == 0 || p >= n {
			return nil, damage("list of positions is malformed")
		}
		positions[i] = uint32(p)
		base, b = p+1, b[size:]
	}
	return b, nil
}

// A found is what a dictionary says of a term: where its positions are.
type found struct {
	count int

	single uint32 // the position, if there is one
	short  []byte // gaps of a list that is in the bucket
	long   longList
}

// A longList is where a list of more than maxShort positions is in the file: the
// blocks one after the other, then the skip table. The table has an entry for
// each block,
//
//	offset size
//	0      4    last position of the block
//	4      4    end of its bytes, relative to the list's data
//	8      4    crc32c of its bytes
//
// and behind every 64 of them, and the last, a crc32c of that group.
type longList struct {
	count      int
	data, skip int64 // offsets in the file
}

func (l *longList) blocks() int { return int(blocksOf(uint64(l.count))) }
func (l *longList) groups() int { return (l.blocks() + groupBlocks - 1) / groupBlocks }
func (l *longList) tableBytes() int64 {
	return int64(l.blocks())*skipBytes + int64(l.groups())*sumBytes
}
func (l *longList) end() int64 { return l.skip + l.tableBytes() }

// positions returns the positions of a list that is in its bucket, in a new slice.
func (f *found) positions(n uint64) ([]uint32, error) {
	if f.count == 1 {
		return []uint32{f.single}, nil
	}
	all := make([]uint32, f.count)
	_, err := readGaps(all, f.short, 0, n)
	return all, err
}

// cursor returns a cursor over what was found. It reads long lists from r.
func (f *found) cursor(r io.ReaderAt, n uint64, descending bool) (cursor, error) {
	if f.count > maxShort {
		c := &longCursor{blocks: newBlockReader(r, n), descending: descending}
		c.blocks.reset(f.long)
		return c, nil
	}
	all, err := f.positions(n)
	if err != nil {
		return nil, err
	}
	if descending {
		slices.Reverse(all)
	}
	return newListCursor(all, descending), nil
}

// A longCursor walks a long list. It reads the skip groups and blocks that it
// needs.
type longCursor struct {
	blocks     *blockReader
	descending bool
	at         int // of the last answer in the block that is held
}

func (c *longCursor) atMost() int { return c.blocks.list.count }

func (c *longCursor) seek(p uint32) (uint32, bool, error) {
	r := c.blocks
	if block := r.positions(); len(block) > 0 && block[0] <= p && p <= block[len(block)-1] {
		return c.seekIn(block, p), true, nil
	}
	b, err := r.find(p)
	if err != nil {
		return 0, false, err
	}
	if b < r.list.blocks() {
		block, err := r.block(b)
		if err != nil {
			return 0, false, err
		}
		if block[0] <= p || !c.descending {
			return c.seekIn(block, p), true, nil
		}
	} else if !c.descending {
		return 0, false, nil
	}
	if b == 0 {
		return 0, false, nil
	}
	last, err := r.lastOf(b - 1)
	return last, err == nil, err
}

// seekIn answers a seek whose answer is in a block. A walk mostly takes one
// position after the other.
func (c *longCursor) seekIn(block []uint32, p uint32) uint32 {
	var near bool
	if c.descending {
		c.at--
		near = c.at >= 0 && c.at+1 < len(block) && block[c.at] <= p && p < block[c.at+1]
	} else {
		c.at++
		near = c.at < len(block) && block[c.at-1] < p && p <= block[c.at]
	}
	if !near {
		i, exact := slices.BinarySearch(block, p)
		if c.descending && !exact {
			i--
		}
		c.at = i
	}
	return block[c.at]
}

// A blockReader reads the blocks of long lists, and keeps the last group and the
// last block that it read.
type blockReader struct {
	r, table io.ReaderAt // of data and skip tables: the same file, perhaps with a window each
	n        uint64      // entries of the run
	list     longList

	group int    // number of the one in skips; -1 for none
	skips []skip // of the block before the group, then of its blocks
	held  int    // number of the block in block; -1 for none
	raw   [2 * groupBytes]byte
	buf   [blockEntries]uint32
	store [groupBlocks + 1]skip
	len   int // of buf
}

// A skip is a skip entry.
type skip struct{ last, end, sum uint32 }

func newBlockReader(r io.ReaderAt, n uint64) *blockReader { return &blockReader{r: r, table: r, n: n} }

// reset turns to another list.
func (r *blockReader) reset(l longList) { r.list, r.group, r.held = l, -1, -1 }

// positions returns the block that is held, none if there is none.
func (r *blockReader) positions() []uint32 {
	if r.held < 0 {
		return nil
	}
	return r.buf[:r.len]
}

// find returns the number of the first block whose last position is p or more;
// the number of blocks if there is none. It looks for the group where it would be
// if the list were spread evenly, then ever further from there, and halves what is
// left once it knows both ends.
func (r *blockReader) find(p uint32) (int, error) {
	low, high := 0, r.list.groups() // the group is among these
	if r.group >= 0 {
		switch side := r.side(p); {
		case side < 0:
			high = r.group
		case side > 0:
			low = r.group + 1
		default:
			return r.findInGroup(p), nil
		}
	}
	at := int(uint64(p) * uint64(r.list.groups()) / r.n)
	below, above := false, false
	for step := 1; low < high; step *= 2 {
		if below && above {
			at = (low + high) / 2
		}
		at = max(low, min(at, high-1))
		if err := r.load(at); err != nil {
			return 0, err
		}
		switch side := r.side(p); {
		case side < 0:
			high, above = at, true
			at -= step
		case side > 0:
			low, below = at+1, true
			at += step
		default:
			return r.findInGroup(p), nil
		}
	}
	if low == r.list.groups() {
		return r.list.blocks(), nil
	}
	return 0, damage("skip table is not in order") // its groups contradict each other
}

// side says whether the first block that ends at p or behind is before, in or
// behind the loaded group.
func (r *blockReader) side(p uint32) int {
	switch {
	case r.skips[len(r.skips)-1].last < p:
		return 1
	case r.group > 0 && r.skips[0].last >= p:
		return -1
	}
	return 0
}

// findInGroup is find for a block of the loaded group.
func (r *blockReader) findInGroup(p uint32) int {
	i, _ := slices.BinarySearchFunc(r.skips[1:], p, func(s skip, p uint32) int { return cmp.Compare(s.last, p) })
	return r.group*groupBlocks + i
}

// lastOf returns the last position of block b.
func (r *blockReader) lastOf(b int) (uint32, error) {
	if r.group >= 0 && b+1 == r.group*groupBlocks {
		return r.skips[0].last, nil
	}
	err := r.load(b / groupBlocks)
	if err != nil {
		return 0, err
	}
	return r.skips[b%groupBlocks+1].last, nil
}

// load reads group g, and for the block before it also the one before.
func (r *blockReader) load(g int) error {
	if r.group == g {
		return nil
	}
	r.group = -1
	from := max(g-1, 0)
	b := r.raw[:min(int64(g-from+1)*groupBytes, r.list.tableBytes()-int64(from)*groupBytes)]
	if err := readFull(r.table, b, r.list.skip+int64(from)*groupBytes); err != nil {
		return err
	}
	r.store[0] = skip{}
	if g > 0 {
		before, err := parseGroup(r.store[:0], b[:groupBytes])
		if err != nil {
			return err
		}
		r.store[0] = before[groupBlocks-1]
		b = b[groupBytes:]
	}
	skips, err := parseGroup(r.store[:1], b)
	if err != nil {
		return err
	}
	r.group, r.skips = g, skips
	return r.checkGroup()
}

// parseGroup appends the entries of a group to dst.
func parseGroup(dst []skip, b []byte) ([]skip, error) {
	if !sumOK(b) || len(b)%skipBytes != sumBytes || len(b) > groupBytes {
		return nil, damage("skip table checksum does not match")
	}
	for ; len(b) > sumBytes; b = b[skipBytes:] {
		dst = append(dst, skip{
			binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]),
		})
	}
	return dst, nil
}

// checkGroup checks that the blocks of the group in skips follow each other.
func (r *blockReader) checkGroup() error {
	size := r.list.skip - r.list.data
	for i := 1; i < len(r.skips); i++ {
		s, before := r.skips[i], r.skips[i-1]
		first := r.group == 0 && i == 1
		if s.last <= before.last && !first || uint64(s.last) >= r.n || s.end < before.end ||
			s.end-before.end > maxBlockBytes || int64(s.end) > size {
			r.group = -1
			return damage("skip table is out of range")
		}
	}
	return nil
}

// block returns the positions of block b, valid until the next call.
func (r *blockReader) block(b int) ([]uint32, error) {
	if r.held == b {
		return r.positions(), nil
	}
	if err := r.load(b / groupBlocks); err != nil {
		return nil, err
	}
	r.held = -1
	before, s := r.skips[b%groupBlocks], r.skips[b%groupBlocks+1]
	raw := r.raw[:s.end-before.end]
	if err := readFull(r.r, raw, r.list.data+int64(before.end)); err != nil {
		return nil, err
	}
	if checksum(raw) != s.sum {
		return nil, damage("block checksum does not match")
	}
	block := r.buf[:min(blockEntries, r.list.count-b*blockEntries)]
	base := uint64(before.last) + 1
	if b == 0 {
		base = 0
	}
	if err := readBlock(block, raw, base, r.n); err != nil {
		return nil, err
	}
	if block[len(block)-1] != s.last {
		return nil, damage("block does not end where its skip entry says")
	}
	r.held, r.len = b, len(block)
	return block, nil
}

// readBlock reads the positions of a block, the least of which may be base. A
// full block without bytes has the 128 positions from base on.
func readBlock(block []uint32, raw []byte, base, n uint64) error {
	if len(raw) == 0 && len(block) == blockEntries {
		if base+blockEntries > n {
			return damage("block is out of range")
		}
		for i := range block {
			block[i] = uint32(base) + uint32(i)
		}
		return nil
	}
	rest, err := readGaps(block, raw, base, n)
	if err == nil && len(rest) > 0 {
		err = damage("block has bytes behind its positions")
	}
	return err
}

// each calls yield with the positions of every block, in order.
func (r *blockReader) each(yield func([]uint32) error) error {
	for b := range r.list.blocks() {
		block, err := r.block(b)
		if err == nil {
			err = yield(block)
		}
		if err != nil {
			return err
		}
	}
	if end := r.skips[len(r.skips)-1].end; int64(end) != r.list.skip-r.list.data {
		return damage("list has bytes behind its blocks")
	}
	return nil
}

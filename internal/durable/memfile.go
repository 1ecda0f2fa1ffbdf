package durable

import (
	"bytes"
	"slices"
	"syscall"
)

const (
	blockBytes  = 4096 // a file's unit of loss and of space
	sectorBytes = 512  // a torn block's unit of loss

	// maxOlder bounds the states between two syncs that are kept for a block and
	// for a size, beside the newest. More would say nothing new.
	maxOlder = 3
)

// A page is the content of one block.
type page [blockBytes]byte

// A memFile is a file's content.
//
// Pages and the table of blocks are shared: between what is durable and what is
// not, and with the files of other Mems. A file writes in place only what it
// made in the current era of its Mem, and copies the rest first.
type memFile struct {
	size   int64 // as programs see it
	synced int64 // durable

	blocks []block
	era    *era // that made blocks

	// sizes holds sizes that the file had since the last sync, but for the newest.
	sizes []int64

	// dirty holds, for each block written since the last sync, its states since
	// then but for the newest. Nil until the first write.
	dirty map[int][]*page

	refs  int   // its name and its open handles
	count int64 // blocks that take space
}

// A block is one part of a file. A nil page is zeros that take no space.
type block struct {
	now, synced *page
	era         *era // that made now
}

func newMemFile(*memDir) memNode { return new(memFile) }

// clean reports whether the whole file is durable.
func (f *memFile) clean() bool { return len(f.dirty) == 0 && f.size == f.synced && len(f.sizes) == 0 }

// release drops one reference to a file, and its blocks with the last.
func (m *Mem) release(f *memFile) {
	if f.refs--; f.refs == 0 {
		m.used -= f.count
	}
}

// own makes the file's table of blocks its own, n blocks long at least.
func (m *Mem) own(f *memFile, n int) {
	if f.era != m.era {
		f.blocks = slices.Clone(f.blocks)
		f.era = m.era
	}
	if n > len(f.blocks) {
		f.blocks = append(f.blocks, make([]block, n-len(f.blocks))...)
	}
}

// take makes sure that a block has space, and reports whether it has.
func (m *Mem) take(f *memFile, i int) bool {
	if f.blocks[i].now != nil {
		return true
	}
	if m.used >= m.capacity {
		return false
	}
	m.used++
	f.count++
	return true
}

// writable returns the page of a block that has space, to be changed.
func (m *Mem) writable(f *memFile, i int) *page {
	b := &f.blocks[i]
	if m.keepOlder(f, i) || b.now == nil || b.era != m.era {
		fresh := new(page)
		if b.now != nil {
			*fresh = *b.now
		}
		b.now, b.era = fresh, m.era
	}
	return b.now
}

// zeroPage is the page of every block that was filled with zeros. Segments are
// preallocated so, and a page for each block is 64 MiB and 30 ms a segment.
var zeroPage page

// fill stores the start of data at an offset into a block that has space, and
// returns how much that was.
func (m *Mem) fill(f *memFile, i int, data []byte, off int64) int {
	if off == 0 && len(data) >= blockBytes && bytes.Equal(data[:blockBytes], zeroPage[:]) {
		m.keepOlder(f, i)
		f.blocks[i].now, f.blocks[i].era = &zeroPage, nil
		return blockBytes
	}
	return copy(m.writable(f, i)[off:], data)
}

// keepOlder marks a block as dirty and reports whether its page must be left as
// it is, because it is durable or might be found after a power cut.
func (m *Mem) keepOlder(f *memFile, i int) bool {
	older, dirty := f.dirty[i]
	switch {
	case !dirty:
		if f.dirty == nil {
			f.dirty = make(map[int][]*page)
		}
		f.dirty[i] = nil
	case len(older) < maxOlder:
		f.dirty[i] = append(older, f.blocks[i].now)
	default:
		return false
	}
	return true
}

// resize sets the file's size.
func (f *memFile) resize(size int64) {
	if size != f.size && f.size != f.synced && len(f.sizes) < maxOlder {
		f.sizes = append(f.sizes, f.size)
	}
	f.size = size
}

// write stores what fits of data at off and returns how much that was. The error
// says why it was not all.
func (m *Mem) write(f *memFile, data []byte, off int64) (n int, err error) {
	if room := m.fileLimit - off; int64(len(data)) > room {
		data = data[:max(0, room)]
		err = syscall.EFBIG
	}
	if len(data) == 0 {
		return 0, err
	}
	m.own(f, blockCount(off+int64(len(data))))
	for n < len(data) {
		at := off + int64(n)
		i := int(at / blockBytes)
		if !m.take(f, i) {
			err = syscall.ENOSPC
			break
		}
		n += m.fill(f, i, data[n:], at%blockBytes)
	}
	if end := off + int64(n); n > 0 && end > f.size {
		f.resize(end)
	}
	return n, err
}

// read fills p from off, as far as the file goes.
func (f *memFile) read(p []byte, off int64) (n int) {
	if off >= f.size {
		return 0
	}
	p = p[:min(int64(len(p)), f.size-off)]
	for n < len(p) {
		at := off + int64(n)
		part := p[n:min(len(p), n+blockBytes-int(at%blockBytes))]
		if i := int(at / blockBytes); i < len(f.blocks) && f.blocks[i].now != nil {
			copy(part, f.blocks[i].now[at%blockBytes:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return n
}

// truncate sets the file's size and forgets what lies beyond.
func (m *Mem) truncate(f *memFile, size int64) error {
	if size > m.fileLimit {
		return syscall.EFBIG
	}
	shrinks := size < f.size
	f.resize(size)
	if !shrinks {
		return nil
	}
	m.own(f, 0)
	for i := blockCount(size); i < len(f.blocks); i++ {
		if f.blocks[i].now != nil {
			m.keepOlder(f, i)
			f.blocks[i].now = nil
			f.count--
			m.used--
		}
	}
	if tail := size % blockBytes; tail != 0 {
		i := int(size / blockBytes)
		if i < len(f.blocks) && f.blocks[i].now != nil {
			clear(m.writable(f, i)[tail:])
		}
	}
	return nil
}

// sync makes the file's bytes and size durable.
func (m *Mem) sync(f *memFile) {
	if len(f.dirty) > 0 {
		m.own(f, 0)
	}
	for i := range f.dirty {
		f.blocks[i].synced = f.blocks[i].now
	}
	clear(f.dirty)
	f.sizes = f.sizes[:0]
	f.synced = f.size
}

// blockCount returns how many blocks hold size bytes.
func blockCount(size int64) int { return int((size + blockBytes - 1) / blockBytes) }

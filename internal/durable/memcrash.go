package durable

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// A Cut says what a power cut leaves of that which is not durable. The zero Cut
// leaves nothing: neither bytes, nor sizes, nor names.
//
// Otherwise chance decides, separately for each block of 4 KiB, each size and
// each change of a name, whether it was written before the power went, so that a
// later write may be there without an earlier one. A block or size that was
// changed several times may also be found in a state between. A byte that was
// lost reads as before, or as zero if there was none; bytes beyond the size that
// was kept are gone. A change of a name is kept only with those that it builds
// on: a rename happened or did not, and what was removed and made again under
// one name happened in that order.
type Cut struct {
	// Seed makes the decisions repeatable, for equal calls before.
	Seed uint64

	// Keep is the chance, in percent, of each thing that is not durable to be
	// there nevertheless. At 100 it is as after kill -9: everything is there.
	Keep int

	// Tear decides separately for each sector of 512 bytes in a block.
	Tear bool
}

// KeepAll is the end of the process alone, by kill -9: what was written is there.
var KeepAll = Cut{Keep: 100}

// Crash returns what a disk may hold after a power cut at this moment, as a file
// system of its own, in which everything is durable and nothing locked. The Mem,
// its open files and its locks are not affected. The limits are the same; if
// there is more than fits, because a removal was lost, nothing can be added.
func (m *Mem) Crash(c Cut) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.era = new(era) // pages and tables are shared from here on
	after := NewMem()
	after.capacity, after.fileLimit = m.capacity, m.fileLimit
	d := dice{cut: c, rand: rand.New(rand.NewPCG(c.Seed, 0))}
	after.root = d.dir(after, m.root, nil, d.names(m.pending))
	return after
}

// A dice makes the decisions of one [Cut].
type dice struct {
	cut  Cut
	rand *rand.Rand
}

// keep decides whether something that is not durable is there.
func (d *dice) keep() bool {
	return d.cut.Keep >= 100 || d.cut.Keep > 0 && d.rand.IntN(100) < d.cut.Keep
}

// pick decides in which state something is there, given that it is not lost:
// the newest or, if not everything is kept, one between.
func pick[T any](d *dice, newest T, older []T) T {
	if d.cut.Keep >= 100 || len(older) == 0 || d.rand.IntN(2) == 0 {
		return newest
	}
	return older[d.rand.IntN(len(older))]
}

// names decides which changes of names are there. The result returns the entries
// of a directory.
func (d *dice) names(pending []dirOp) func(*memDir) map[string]memNode {
	changed := make(map[*memDir]map[string]memNode)
	lost := newTrail()
	for _, op := range pending {
		if !d.keep() || lost.misses(op) {
			lost.addLost(op)
			continue
		}
		op.apply(func(dir *memDir) map[string]memNode {
			if changed[dir] == nil {
				changed[dir] = maps.Clone(dir.synced)
			}
			return changed[dir]
		})
	}
	return func(dir *memDir) map[string]memNode {
		if entries, ok := changed[dir]; ok {
			return entries
		}
		return dir.synced
	}
}

// dir returns a directory of the file system after the cut, with all below it.
func (d *dice) dir(after *Mem, dir, parent *memDir, names func(*memDir) map[string]memNode) *memDir {
	result := newMemDir(parent)
	entries := names(dir)
	for _, name := range slices.Sorted(maps.Keys(entries)) { // sorted: the seed decides alone
		var node memNode
		switch n := entries[name].(type) {
		case *memDir:
			node = d.dir(after, n, result, names)
		case *memFile:
			f := d.file(n)
			after.used += f.count
			node = f
		}
		result.now[name], result.synced[name] = node, node
	}
	return result
}

// file returns a file of the file system after the cut.
func (d *dice) file(f *memFile) *memFile {
	if f.clean() {
		return &memFile{size: f.size, synced: f.size, blocks: f.blocks, count: f.count, refs: 1}
	}
	size := f.synced
	if d.keep() {
		size = pick(d, f.size, f.sizes)
	}
	result := &memFile{size: size, synced: size, blocks: make([]block, blockCount(size)), refs: 1}
	for i := range min(len(f.blocks), len(result.blocks)) {
		result.set(i, f.blocks[i].synced)
	}
	for _, i := range slices.Sorted(maps.Keys(f.dirty)) {
		if i < len(result.blocks) {
			result.set(i, d.page(f.blocks[i], f.dirty[i]))
		}
	}
	result.cutTail()
	for _, b := range result.blocks {
		if b.now != nil {
			result.count++
		}
	}
	return result
}

// set makes p the durable content of a block.
func (f *memFile) set(i int, p *page) { f.blocks[i] = block{now: p, synced: p} }

// cutTail clears what the last block holds beyond the file's size.
func (f *memFile) cutTail() {
	tail := f.size % blockBytes
	if tail == 0 {
		return
	}
	i := len(f.blocks) - 1
	if p := f.blocks[i].now; p != nil {
		clean := *p
		clear(clean[tail:])
		f.set(i, &clean)
	}
}

// page decides what a block that is not durable holds, given its states since
// the last sync.
func (d *dice) page(b block, older []*page) *page {
	if !d.cut.Tear {
		if d.keep() {
			return pick(d, b.now, older)
		}
		return b.synced
	}
	torn := pageOrZero(b.synced)
	for at := 0; at < blockBytes; at += sectorBytes {
		if d.keep() {
			from := pageOrZero(pick(d, b.now, older))
			copy(torn[at:at+sectorBytes], from[at:])
		}
	}
	return &torn
}

// pageOrZero returns a page's content.
func pageOrZero(p *page) page {
	if p == nil {
		return page{}
	}
	return *p
}

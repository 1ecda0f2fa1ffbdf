package durable

import (
	"errors"
	"io/fs"
)

// isNotExist reports whether err says that a name is not there.
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// A slot is a place for a name in a directory. The zero slot is none.
type slot struct {
	dir  *memDir
	name string
}

// A dirOp is one change of names: a new node has no from, a removed one no to,
// a renamed one both.
type dirOp struct {
	from, to slot
	node     memNode
}

// slots returns the places that the change touches.
func (op dirOp) slots() []slot {
	switch {
	case op.from.dir == nil:
		return []slot{op.to}
	case op.to.dir == nil:
		return []slot{op.from}
	}
	return []slot{op.from, op.to}
}

// apply makes the change in the names that entries returns for a directory.
func (op dirOp) apply(entries func(*memDir) map[string]memNode) {
	if op.from.dir != nil {
		delete(entries(op.from.dir), op.from.name)
	}
	if op.to.dir != nil {
		entries(op.to.dir)[op.to.name] = op.node
	}
}

func nowEntries(d *memDir) map[string]memNode    { return d.now }
func syncedEntries(d *memDir) map[string]memNode { return d.synced }

// change makes a change that is not durable yet.
func (m *Mem) change(op dirOp) {
	var gone memNode // loses its only name
	switch {
	case op.to.dir == nil:
		gone = op.node
	case op.to.dir.now[op.to.name] != nil:
		gone = op.to.dir.now[op.to.name]
	}
	op.apply(nowEntries)
	m.pending = append(m.pending, op)
	if f, ok := gone.(*memFile); ok {
		m.release(f)
	}
	if f, ok := op.node.(*memFile); ok && op.from.dir == nil {
		f.refs++ // its name
	}
}

// commit makes pending changes durable: those of the places chosen, and those
// that they need.
//
// A file system writes changes of names in their order, or at least not one
// without another that it builds on; what that means is in [trail].
func (m *Mem) commit(chosen func(slot) bool) {
	need := newTrail()
	durable := make([]bool, len(m.pending))
	for i := len(m.pending) - 1; i >= 0; i-- {
		op := m.pending[i]
		durable[i] = need.wants(op)
		for _, at := range op.slots() {
			durable[i] = durable[i] || chosen(at)
		}
		if durable[i] {
			need.addLater(op)
		}
	}
	rest := m.pending[:0]
	for i, op := range m.pending {
		if durable[i] {
			op.apply(syncedEntries)
		} else {
			rest = append(rest, op)
		}
	}
	clear(m.pending[len(rest):])
	m.pending = rest
}

// A trail finds out which changes of names build on which others. A change
// builds on an earlier one
//
//   - of the same place: a rename onto a name on the creation of that name;
//   - that made the directory into which it moves a file, or one above: or the
//     file would be under neither name;
//   - inside the directory that it removes: or a file whose removal was lost
//     would go with the directory.
//
// That a new file lies in a new directory does not count: without the directory
// there is no file, which is what forgetting to sync the parent leads to.
//
// One trail is followed backward from changes that become durable, by addLater
// and wants, or forward from changes that are lost, by addLost and misses.
type trail struct {
	slots  map[slot]bool
	made   map[memNode]bool // backward: must have been made; forward: was not made
	inside map[memNode]bool // directories whose changes count
}

func newTrail() *trail {
	return &trail{make(map[slot]bool), make(map[memNode]bool), make(map[memNode]bool)}
}

// addLater records a change on whose predecessors the trail is.
func (t *trail) addLater(op dirOp) {
	for _, at := range op.slots() {
		t.slots[at] = true
	}
	if op.from.dir == nil {
		return
	}
	for dir := op.to.dir; dir != nil; dir = dir.parent {
		t.made[dir] = true
	}
	if op.to.dir == nil {
		t.inside[op.node] = true
	}
}

// wants reports whether a recorded change builds on an earlier one.
func (t *trail) wants(earlier dirOp) bool {
	for _, at := range earlier.slots() {
		if t.slots[at] || t.inside[at.dir] {
			return true
		}
	}
	return earlier.from.dir == nil && t.made[earlier.node]
}

// addLost records a change that was lost.
func (t *trail) addLost(op dirOp) {
	for _, at := range op.slots() {
		t.slots[at] = true
		t.inside[at.dir] = true
	}
	if op.from.dir == nil {
		t.made[op.node] = true
	}
}

// misses reports whether a change builds on a recorded earlier one.
func (t *trail) misses(later dirOp) bool {
	for _, at := range later.slots() {
		if t.slots[at] {
			return true
		}
	}
	if later.from.dir == nil {
		return false
	}
	for dir := later.to.dir; dir != nil; dir = dir.parent {
		if t.made[dir] {
			return true
		}
	}
	return later.to.dir == nil && t.inside[later.node]
}

package index

import (
	"slices"

	"github.com/annals-io/annals/engine"
)

// Pass leaves out the entries from the next one up to a position, which cannot be
// read: they are a hole that stays, and the next entry is the one at to. It is for an
// index that nobody adds new entries to, since the hole may hide an id.
func (x *Index) Pass(to engine.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	bad := hole{first: x.active.next(), next: to, unreadable: true}
	parts := slices.Clone(x.parts)
	if x.active.first == bad.first { // it is empty
		parts = parts[:len(parts)-1]
	}
	x.active = x.newTail(to, 0)
	x.parts = forget(append(parts, bad, x.active))
	x.changedLocked()
}

// tailShares is in how many parts a tail's room is counted.
const tailShares = 16

// share returns how much of a tail's room is taken, in tailShares.
func (t *tail) share() int {
	if t.full() {
		return tailShares
	}
	entries := tailShares * int(t.count.Load()) / t.most
	return 1 + max(entries, tailShares*(t.postings.len()+t.terms.len())/maxTailPostings)
}

// newestTails returns the last tails that a reader keeps: the active one, and before
// it as many as have the room of those that a writer would have.
func newestTails(tails []*tail) []*tail {
	from, room := max(0, len(tails)-1), tailShares*maxWaiting
	for from > 0 && tails[from-1].share() <= room {
		from--
		room -= tails[from].share()
	}
	return tails[from:]
}

// forget puts holes in the place of the tails that a reader does not keep, and makes
// one of those that lie together.
func forget(parts []part) (out []part) {
	kept := newestTails(tailsOf(parts))
	for _, p := range parts {
		if t, ok := p.(*tail); ok && !slices.Contains(kept, t) {
			first, next := t.bounds()
			p = hole{first: first, next: next}
		}
		if n := len(out); n > 0 {
			if h, ok := joined(out[n-1], p); ok {
				out[n-1] = h
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// joined returns two neighbouring holes as one, unless a file has to go with one of
// them.
func joined(p, q part) (hole, bool) {
	a, ok := p.(hole)
	b, both := q.(hole)
	if !ok || !both || a.file != "" || b.file != "" {
		return hole{}, false
	}
	return hole{first: a.first, next: b.next, unreadable: a.unreadable && b.unreadable}, true
}

package index

import (
	"sync/atomic"

	"github.com/annals-io/annals/engine"
)

// A View is an immutable picture of the index. Whoever acquired it releases it.
type View struct {
	index *Index
	parts []stretch
	refs  atomic.Int64
}

// publish makes the parts the newest view. The caller holds mu, or is alone.
func (x *Index) publish() {
	v := &View{index: x, parts: make([]stretch, len(x.parts))}
	v.refs.Store(1)
	var at engine.Position // a reader's tails may overlap runs that came later
	for i, p := range x.parts {
		first, next := p.bounds()
		if i == len(x.parts)-1 && x.active != nil {
			next = endless
		}
		v.parts[i] = stretch{p, max(first, at), next}
		at = next
		if r, ok := p.(*run); ok {
			r.acquire()
		}
	}
	if old := x.view.Swap(v); old != nil {
		old.Release()
	}
}

// Acquire returns the newest view. It has every entry that was added before.
func (x *Index) Acquire() *View {
	for {
		v := x.view.Load()
		n := v.refs.Load()
		if n > 0 && v.refs.CompareAndSwap(n, n+1) {
			return v
		}
	}
}

// Release lets go of the view.
func (v *View) Release() {
	if v.refs.Add(-1) > 0 {
		return
	}
	for _, s := range v.parts {
		if r, ok := s.part.(*run); ok {
			r.release()
		}
	}
}

// at returns the stretch that holds a position.
func (v *View) at(p engine.Position) *stretch {
	lo, hi := 0, len(v.parts)
	for lo < hi {
		if mid := (lo + hi) / 2; v.parts[mid].to <= p {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(v.parts) || p < v.parts[lo].from {
		return nil
	}
	return &v.parts[lo]
}

// Place returns where in its segment the entry at p is, 0 if that is not known.
func (v *View) Place(p engine.Position) uint32 {
	s := v.at(p)
	if s == nil {
		return 0
	}
	first, _ := s.bounds()
	switch x := s.part.(type) {
	case *tail:
		return x.facts.at(uint32(p - first)).place
	case *run:
		place, err := x.place(uint32(p - first))
		if err != nil {
			v.index.condemn(x, err)
			return 0
		}
		return place
	}
	return 0
}

// A Candidate is an entry that may have an identity, or a range of positions of
// which the index knows nothing.
type Candidate struct {
	Span
	Unknown  bool            // it is such a range
	Sure     bool            // it is one entry and has the identity
	Sequence engine.Sequence // of a sure one, if the identity is that of its entity
}

// Last calls yield with the entries from from up to to that may have an identity,
// the newest first, until it says no. Positions that the index does not know come
// as ranges.
func (v *View) Last(id Identity, from, to engine.Position, yield func(Candidate) bool) {
	for i := len(v.parts) - 1; i >= 0 && v.parts[i].to > from; i-- {
		s := &v.parts[i]
		from, to := s.clip(from, to)
		if from >= to {
			continue
		}
		if !v.lastIn(s, id, from, to, yield) {
			return
		}
	}
}

func (v *View) lastIn(s *stretch, id Identity, from, to engine.Position, yield func(Candidate) bool) bool {
	first, _ := s.bounds()
	switch x := s.part.(type) {
	case *tail:
		pos, f, ok := x.last(id, uint32(to-first))
		if !ok {
			return true
		}
		p := first + engine.Position(pos)
		if p < from {
			return true
		}
		return yield(Candidate{Span: Span{p, p + 1}, Sure: true, Sequence: f.sequence})
	case *run:
		return v.lastInRun(x, id, from, to, yield)
	}
	return yield(Candidate{Span: Span{from, to}, Unknown: true})
}

func (v *View) lastInRun(r *run, id Identity, from, to engine.Position, yield func(Candidate) bool) bool {
	first, _ := r.bounds()
	c, err := r.find(identities, id.hash, uint32(to-first), true)
	for at := uint32(to - first); err == nil && c != nil && at > uint32(from-first); {
		var ok bool
		if at, ok, err = c.seek(at - 1); err != nil || !ok || at < uint32(from-first) {
			break
		}
		var x row
		if x, err = r.row(at); err != nil {
			break
		}
		p := first + engine.Position(at)
		sure := x.sequence != 0 && x.check == short(id.check)
		if !yield(Candidate{Span: Span{p, p + 1}, Sure: sure, Sequence: engine.Sequence(x.sequence)}) {
			return false
		}
		to = p
	}
	if err != nil {
		v.index.condemn(r, err)
		return yield(Candidate{Span: Span{from, to}, Unknown: true})
	}
	return true
}

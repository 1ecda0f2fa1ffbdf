package index

import (
	"slices"

	"github.com/annals-io/annals/engine"
)

// Kinds calls known with how many of the first size entries there are of each kind,
// and unknown with the positions of which the index does not know it, until one says
// no. A kind may come several times, each time with a part of its count: nothing is
// added up here, so that memory does not depend on how many kinds there are.
//
// After an error the counts are worth nothing.
func (v *View) Kinds(size engine.Position, known func(engine.KindCount) bool, unknown func(Span) bool) error {
	for i := range v.parts {
		s := &v.parts[i]
		from, to := s.clip(0, size)
		if from >= to {
			continue
		}
		more, sound := true, false
		var err error
		switch x := s.part.(type) {
		case *tail:
			more, sound = x.addKinds(uint32(from-x.first), uint32(to-x.first), known), true
		case *run:
			if sound = v.soundKinds(x, from, to); sound {
				more, err = x.addKinds(known)
			}
		}
		if err != nil {
			return err
		}
		if !sound {
			more = unknown(Span{from, to})
		}
		if !more {
			return nil
		}
	}
	return nil
}

// soundKinds reports whether a run has sound counts of just the positions from from
// to to.
func (v *View) soundKinds(r *run, from, to engine.Position) bool {
	if !r.isWhole(from, to) {
		return false
	}
	err := r.checkKinds()
	if err != nil {
		v.index.condemn(r, r.fail(err))
	}
	return err == nil
}

// isWhole reports whether the positions from from to to are all of a run: it
// counts its entries together. Others see a part of one that came after their
// picture of the log.
func (r *run) isWhole(from, to engine.Position) bool {
	first, next := r.bounds()
	return from == first && to == next
}

// addKinds calls add with how many entries there are of each tenant and kind, until
// it says no. Only when it returns without an error was that sound.
func (r *run) addKinds(add func(engine.KindCount) bool) (more bool, err error) {
	for k, err := range r.newKinds(r.file).all() {
		if err != nil {
			return false, r.fail(err)
		}
		if !add(k) {
			return false, nil
		}
	}
	return true, nil
}

// addKinds is that of a run, for the entries from from to to.
func (t *tail) addKinds(from, to uint32, add func(engine.KindCount) bool) (more bool) {
	t.kindsMu.Lock()
	kinds := slices.Clone(t.kinds)
	t.kindsMu.Unlock()
	for i := from; i < to; i++ {
		kinds[t.facts.at(i).kind].Count++
	}
	for _, k := range kinds {
		if k.Count > 0 && !add(k) {
			return false
		}
	}
	return true
}

// Entities counts those of the first size entries that are the first of their
// entity. Positions that the index does not know are returned.
func (v *View) Entities(size engine.Position) (n uint64, unknown []Span) {
	for i := range v.parts {
		s := &v.parts[i]
		from, to := s.clip(0, size)
		if from >= to {
			continue
		}
		switch x := s.part.(type) {
		case *tail:
			for i := from; i < to; i++ {
				if x.facts.at(uint32(i-x.first)).sequence == 1 {
					n++
				}
			}
		case *run:
			if !x.isWhole(from, to) {
				unknown = append(unknown, Span{from, to})
				continue
			}
			n += x.foot.entities
		default:
			unknown = append(unknown, Span{from, to})
		}
	}
	return n, unknown
}

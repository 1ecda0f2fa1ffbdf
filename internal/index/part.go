package index

import (
	"math"
	"slices"

	"github.com/annals-io/annals/engine"
)

// A hole is a stretch of positions that the index knows nothing of. Searches read
// them; the writer fills them.
type hole struct {
	first, next engine.Position
	unreadable  bool   // its entries are damaged, so that it stays
	file        string // the run that it was and that cannot be read; empty if there was none
}

func (h hole) bounds() (first, next engine.Position)          { return h.first, h.next }
func (hole) covers(string) bool                               { return false }
func (hole) find(class, uint64, uint32, bool) (cursor, error) { return nil, nil }
func (hole) times() (timer, error)                            { return allTimes{}, nil }
func (t *tail) bounds() (first, next engine.Position)         { return t.first, t.next() }
func (t *tail) covers(field string) bool                      { return t.policy(field) }
func (t *tail) times() (timer, error)                         { return (*tailTimes)(t), nil }
func (t *tail) find(_ class, hash uint64, limit uint32, descending bool) (cursor, error) {
	x := t.term(hash)
	if x == nil {
		return nil, nil
	}
	n := x.count.Load()
	if descending {
		return &chainCursor{chain: t.chain(x), limit: limit, most: int(min(n, limit))}, nil
	}
	list := make([]uint32, 0, n)
	t.walk(hash, limit, func(pos uint32) bool {
		if n := len(list); n == 0 || list[n-1] != pos {
			list = append(list, pos)
		}
		return true
	})
	slices.Reverse(list)
	return newListCursor(list, false), nil
}

// allTimes knows nothing of times.
type allTimes struct{}

func (allTimes) may(uint32, span) (bool, error)               { return true, nil }
func (allTimes) skip(i uint32, _ span, _ bool) (uint32, bool) { return i, true }

// tailTimes are the times of a tail, which are exact.
type tailTimes tail

func (t *tailTimes) may(i uint32, s span) (bool, error) {
	at := t.facts.at(i).time
	return s.covers(at, at), nil
}

func (t *tailTimes) skip(i uint32, _ span, _ bool) (uint32, bool) { return i, true }

// A stretch is the positions from from to to of a part, which may have more.
type stretch struct {
	part
	from, to engine.Position
}

// endless is the end of the stretch of the tail that grows.
const endless = engine.Position(math.MaxUint64)

// clip returns the stretch's positions from from to to.
func (s *stretch) clip(from, to engine.Position) (engine.Position, engine.Position) {
	return max(s.from, from), min(s.to, to)
}

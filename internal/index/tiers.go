package index

import (
	"math"
	"slices"

	"github.com/annals-io/annals/engine"
)

// mergeAt is how many neighbouring runs of one size class are merged, at least.
const mergeAt = 8

// mergeMost bounds the runs of one merge, and with them its memory.
const mergeMost = 32

// manyRuns is how many neighbouring runs of one policy there may be. Tails of some
// thousands of entries or more never come to so many: seven of each size class stay.
const manyRuns = 56

// mergeable returns neighbouring runs that should be one: those of the smallest
// size class of which enough lie together, the oldest first. Smaller ones between
// them and beside them go with them. Runs that another part separates, or another
// policy, stay apart. If there are none of these, but many runs in all, some of them
// should be one.
func (x *Index) mergeable() []*run {
	x.mu.Lock()
	defer x.mu.Unlock()
	for class := range sizeClass(maxRunEntries) + 1 {
		t := tier{class: class}
		for _, p := range x.parts {
			r, ok := p.(*run)
			if ok && t.take(r) {
				continue
			}
			if t.ripe() {
				break
			}
			if t = (tier{class: class}); ok {
				t.take(r)
			}
		}
		if t.ripe() {
			return acquireAll(t.runs)
		}
	}
	return acquireAll(tooMany(x.parts))
}

// tooMany returns runs to merge if there are more than manyRuns that lie together: small
// ones between larger ones may be too few for their class. They are those that cost
// the least, in entries that are written for each run less.
func tooMany(parts []part) []*run {
	from, least := 0, math.Inf(1)
	var best []*run
	for to := 1; to <= len(parts); to++ {
		if to < len(parts) && together(parts[to-1], parts[to]) {
			continue
		}
		if to-from > manyRuns {
			for i := from; i < to; i++ {
				best, least = cheaper(parts[i:to], best, least)
			}
		}
		from = to
	}
	return best
}

// together reports whether two neighbouring parts are runs that could be merged,
// also with others.
func together(p, q part) bool {
	a, ok := p.(*run)
	b, both := q.(*run)
	return ok && both && a.policy() == b.policy() && max(a.meta.entries(), b.meta.entries()) <= maxRunEntries/mergeAt
}

// cheaper returns the first of some runs, as many as cost the least, if they cost less
// than others.
func cheaper(parts []part, best []*run, least float64) ([]*run, float64) {
	t := tier{class: sizeClass(maxRunEntries)}
	for _, p := range parts {
		if !t.take(p.(*run)) {
			break
		}
		if len(t.runs) == 1 {
			continue
		}
		if cost := float64(t.entries) / float64(len(t.runs)-1); cost < least {
			best, least = slices.Clone(t.runs), cost
		}
	}
	return best, least
}

// A tier is neighbouring runs of at most a size class.
type tier struct {
	class   int
	runs    []*run
	entries engine.Position
	full    int             // runs of just that class
	largest engine.Position // entries of a run
}

// take adds the next run, if it may be merged with the others.
func (t *tier) take(r *run) bool {
	n := r.meta.next - r.meta.first
	class := sizeClass(n)
	switch {
	case class > t.class, len(t.runs) == mergeMost, t.entries+n > maxRunEntries,
		len(t.runs) > 0 && r.policy() != t.runs[0].policy():
		return false
	}
	t.runs, t.entries, t.largest = append(t.runs, r), t.entries+n, max(t.largest, n)
	if class == t.class {
		t.full++
	}
	return true
}

// ripe reports whether the runs should be merged: so many are of the class that its
// entries move up to the next, or so many lie between a few of the class that all
// at least double.
func (t *tier) ripe() bool {
	return t.full >= mergeAt || len(t.runs) == mergeMost && 2*t.largest <= t.entries
}

func acquireAll(runs []*run) []*run {
	for _, r := range runs {
		r.acquire()
	}
	return runs
}

// sizeClass is the number of octal digits of n.
func sizeClass(n engine.Position) int {
	class := 0
	for ; n > 0; n >>= 3 {
		class++
	}
	return class
}

package index

import (
	"slices"
	"time"

	"github.com/annals-io/annals/engine"
)

// refreshEvery is how often a reader looks for new runs.
const refreshEvery = time.Second

// Refresh looks for runs that the writer has made since, while a reader holds
// several tails or there are holes. Tails that are covered go, and of the others no
// more stay than a writer would have.
func (x *Index) Refresh() error {
	if !x.waiting.Load() || time.Since(x.refreshed) < refreshEvery {
		return nil
	}
	x.refreshed = time.Now()
	known, release := x.runs()
	defer release()
	runs, err := x.list(known)
	if err != nil {
		return err
	}
	for _, r := range known { // those that the writer has removed do as well as before
		if !slices.Contains(runs, r) {
			r.acquire()
			runs = append(runs, r)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.parts
	x.parts = x.withTails(x.arrange(runs, x.active.next()))
	x.changedLocked()
	for _, p := range old {
		if r, ok := p.(*run); ok {
			r.release()
		}
	}
	return nil
}

// runs returns the runs that are in use, by their names, until release is called.
func (x *Index) runs() (known map[string]*run, release func()) {
	v := x.Acquire()
	known = make(map[string]*run)
	for _, s := range v.parts {
		if r, ok := s.part.(*run); ok {
			known[r.name] = r
		}
	}
	return known, v.Release
}

// withTails adds the newest tails to parts that cover what is before the active
// one.
func (x *Index) withTails(parts []part) []part {
	var end engine.Position
	if n := len(parts); n > 0 {
		if h, ok := parts[n-1].(hole); ok {
			parts, end = parts[:n-1], h.first
		} else {
			_, end = parts[n-1].bounds()
		}
	}
	for _, t := range newestTails(tailsOf(x.parts)) {
		if t.next() <= end && t != x.active {
			continue
		}
		if t.first > end {
			parts = append(parts, hole{first: end, next: t.first})
		}
		parts, end = append(parts, t), t.next()
	}
	return parts
}

package index

import (
	"cmp"
	"container/heap"
	"slices"
)

// A listCursor walks positions that are held in memory.
type listCursor struct {
	list       []uint32 // in the direction of the walk
	descending bool
	total      int
}

func newListCursor(list []uint32, descending bool) *listCursor {
	return &listCursor{list: list, descending: descending, total: len(list)}
}

func (c *listCursor) seek(p uint32) (uint32, bool, error) {
	if len(c.list) > 0 && before(c.list[0], p, c.descending) {
		at, _ := slices.BinarySearchFunc(c.list, p, func(x, p uint32) int {
			if c.descending {
				return cmp.Compare(p, x)
			}
			return cmp.Compare(x, p)
		})
		c.list = c.list[at:]
	}
	if len(c.list) == 0 {
		return 0, false, nil
	}
	return c.list[0], true, nil
}

func (c *listCursor) atMost() int { return c.total }

// before reports whether a walk meets a before b.
func before(a, b uint32, descending bool) bool {
	if descending {
		return a > b
	}
	return a < b
}

// A chainCursor walks a tail's postings from the newest to the oldest.
type chainCursor struct {
	chain chain
	limit uint32
	at    uint32 // valid if has
	has   bool
	most  int
}

func (c *chainCursor) seek(p uint32) (uint32, bool, error) {
	for !c.has || c.at > p || c.at >= c.limit {
		pos, ok := c.chain.step()
		if !ok {
			return 0, false, nil
		}
		c.at, c.has = pos, true
	}
	return c.at, true, nil
}

func (c *chainCursor) atMost() int { return c.most }

// An allCursor walks every position below n.
type allCursor struct {
	n          uint32
	descending bool
}

func (c *allCursor) seek(p uint32) (uint32, bool, error) {
	if p < c.n {
		return p, true, nil
	}
	if c.descending && c.n > 0 {
		return c.n - 1, true, nil
	}
	return 0, false, nil
}

func (c *allCursor) atMost() int { return int(c.n) }

// An andCursor walks what all its parts have. They are sorted, the rarest first.
type andCursor struct {
	parts []cursor
}

func newAndCursor(parts []cursor) cursor {
	if len(parts) == 1 {
		return parts[0]
	}
	slices.SortStableFunc(parts, func(a, b cursor) int { return cmp.Compare(a.atMost(), b.atMost()) })
	return &andCursor{parts}
}

func (c *andCursor) seek(p uint32) (uint32, bool, error) {
	for i := 0; i < len(c.parts); i++ {
		x, ok, err := c.parts[i].seek(p)
		if !ok || err != nil {
			return 0, false, err
		}
		if x != p {
			if p = x; i > 0 {
				i = -1 // from the first one again
			}
		}
	}
	return p, true, nil
}

func (c *andCursor) atMost() int { return c.parts[0].atMost() }

// An orCursor walks what any of its parts has. They are a heap by where each is.
type orCursor struct {
	descending bool
	started    bool
	parts      []orPart
}

// An orPart is a part of an orCursor and where it is.
type orPart struct {
	cursor
	at uint32
}

func newOrCursor(parts []cursor, descending bool) cursor {
	c := &orCursor{descending: descending}
	for _, p := range parts {
		c.parts = append(c.parts, orPart{cursor: p})
	}
	return c
}

// seek drops the parts that have come to their end.
func (c *orCursor) seek(p uint32) (uint32, bool, error) {
	if err := c.start(p); err != nil {
		return 0, false, err
	}
	for len(c.parts) > 0 && before(c.parts[0].at, p, c.descending) {
		x, ok, err := c.parts[0].seek(p)
		if err != nil {
			return 0, false, err
		}
		if c.parts[0].at = x; ok {
			heap.Fix(c, 0)
		} else {
			heap.Pop(c)
		}
	}
	if len(c.parts) == 0 {
		return 0, false, nil
	}
	return c.parts[0].at, true, nil
}

// start brings every part to where the walk begins.
func (c *orCursor) start(p uint32) error {
	if c.started {
		return nil
	}
	kept := c.parts[:0]
	for _, x := range c.parts {
		at, ok, err := x.seek(p)
		if err != nil {
			return err
		}
		if ok {
			kept = append(kept, orPart{x.cursor, at})
		}
	}
	c.parts, c.started = kept, true
	heap.Init(c)
	return nil
}

func (c *orCursor) Len() int           { return len(c.parts) }
func (c *orCursor) Less(i, j int) bool { return before(c.parts[i].at, c.parts[j].at, c.descending) }
func (c *orCursor) Swap(i, j int)      { c.parts[i], c.parts[j] = c.parts[j], c.parts[i] }
func (c *orCursor) Push(any)           { panic("annals: internal error: a part came late") }

func (c *orCursor) Pop() any {
	c.parts = c.parts[:len(c.parts)-1]
	return nil
}

func (c *orCursor) atMost() int {
	n := 0
	for _, p := range c.parts {
		n += p.atMost()
	}
	return n
}

// A timeCursor leaves out positions whose time is outside a span. What it is not
// sure of it keeps.
type timeCursor struct {
	inner cursor
	times timer
	span  span
	down  bool
}

// A timer knows the times of a part's entries, roughly.
type timer interface {
	// may reports whether the entry's time may be in the span.
	may(i uint32, s span) (bool, error)

	// skip returns the next position in the direction of a walk, i included,
	// that may have a time in the span; false if there is none.
	skip(i uint32, s span, descending bool) (uint32, bool)
}

// A span is from since to last, both inclusive, in Unix nanoseconds. Times that 64
// bits do not hold count as the nearest that they do, here and in the parts.
type span struct{ since, last int64 }

// covers reports whether all times from least to greatest are in the span.
func (s span) covers(least, greatest int64) bool { return s.since <= least && greatest <= s.last }

// misses reports whether none of them is.
func (s span) misses(least, greatest int64) bool { return greatest < s.since || least > s.last }

func (c *timeCursor) seek(p uint32) (uint32, bool, error) {
	for {
		x, ok, err := c.inner.seek(p)
		if !ok || err != nil {
			return 0, false, err
		}
		to, ok := c.times.skip(x, c.span, c.down)
		if !ok {
			return 0, false, nil
		}
		if to != x {
			p = to
			continue
		}
		if ok, err = c.times.may(x, c.span); err != nil || ok {
			return x, ok, err
		}
		if p, ok = after(x, c.down); !ok {
			return 0, false, nil
		}
	}
}

// after returns the position behind x in the direction of a walk.
func after(x uint32, descending bool) (uint32, bool) {
	if descending {
		return x - 1, x > 0
	}
	return x + 1, true
}

func (c *timeCursor) atMost() int { return c.inner.atMost() }

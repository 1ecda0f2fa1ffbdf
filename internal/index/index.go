package index

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// Dir is the index's directory in a journal's.
const Dir = "index"

// Options configure an index.
type Options struct {
	FS      durable.FS
	Journal [16]byte // the journal's id
	Key     [16]byte // secret, of the hashes of terms

	// Policy says which terms entries are given from now on, and Covers whether
	// entries that were given terms under a policy have all of a field.
	Policy string
	Covers func(policy, field string) bool

	// TailEntries is how many entries a tail holds at most. Zero means
	// [TailEntries].
	TailEntries int

	ReadOnly bool
	Logger   *slog.Logger
}

// TailEntries is how many entries a tail holds at most, unless Options say
// otherwise.
const TailEntries = 64 << 10

// An Index finds the entries of a log by their terms. It is a list of parts, in
// the order of their positions: runs on disk, tails in memory, and holes of which
// nothing is known.
//
// One goroutine adds entries, one maintains, one merges, any may read.
type Index struct {
	// Never change.
	opts   Options
	hasher *Hasher

	view atomic.Pointer[View]

	// Owned by Open, then by whoever covers or refreshes.
	listed []*run    // what was found last, until it is arranged
	unused []Problem // what of it cannot be used
	litter []string  // what of it nobody can use: the writer removes it

	lostEnd engine.Position // of runs whose key is lost, which say how far the log went

	// Owned by whoever adds.
	active    *tail
	refreshed time.Time

	mu      sync.Mutex
	parts   []part        // the active tail last; guarded by mu
	freed   chan struct{} // closed when the maintainer has got on; guarded by mu
	paused  error         // why maintaining does not get on; guarded by mu
	refused error         // why nothing can be added any more; guarded by mu

	busySince time.Time // when the maintainer began its step, zero between steps; guarded by mu
	stopped   bool      // nothing is replaced any more; guarded by mu

	crowded atomic.Bool   // appends must wait
	waiting atomic.Bool   // there is something to write once it is durable
	work    chan struct{} // has room for one: there may be something to maintain
	ripe    chan struct{} // has room for one: there may be something to merge
}

// maxWaiting bounds the closed tails that wait to be written before appends wait
// for them.
const maxWaiting = 2

// Open opens an index and looks at its files. [Index.Cover] comes next.
func Open(o Options) (*Index, error) {
	o.TailEntries = cmp.Or(o.TailEntries, TailEntries)
	x := &Index{opts: o, hasher: NewHasher(o.Key), freed: make(chan struct{}), work: make(chan struct{}, 1), ripe: make(chan struct{}, 1)}
	var err error
	x.listed, err = x.list(nil)
	return x, err
}

func (x *Index) log() *slog.Logger { return x.opts.Logger }

// Rest returns the hole at the end of the log: entries that may be few enough to be
// added before anyone reads.
func (x *Index) Rest() (from, to engine.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.parts); n > 0 {
		if h, ok := x.parts[n-1].(hole); ok {
			return h.first, h.next
		}
	}
	return 0, 0
}

// Start begins a tail at a position: that of the next entry that is added. What
// lies between it and the parts before is a hole. It comes before the first Add.
func (x *Index) Start(at engine.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.parts); n > 0 {
		if h, ok := x.parts[n-1].(hole); ok {
			x.parts = slices.Clone(x.parts[:n-1])
			if h.next = at; h.first < at {
				x.parts = append(x.parts, h)
			}
		}
	}
	x.active = x.newTail(at, 0)
	x.parts = append(slices.Clone(x.parts), x.active)
	x.changedLocked()
}

func (x *Index) newTail(at engine.Position, terms int) *tail {
	return newTail(at, x.opts.TailEntries, terms, x.coverage(x.opts.Policy))
}

// owner is whose the index's files are.
func (x *Index) owner() owner { return owner{journal: x.opts.Journal, key: x.hasher.KeyID()} }

// Hasher returns what hashes for this index.
func (x *Index) Hasher() *Hasher { return x.hasher }

// Add takes the next entry. It is found by readers whose size includes it.
func (x *Index) Add(it *Item, sequence engine.Sequence, place uint32) {
	if x.active.full() {
		t := x.newTail(x.active.next(), x.active.terms.len())
		x.mu.Lock()
		x.active = t
		x.parts = append(slices.Clone(x.parts), t)
		x.changedLocked()
		x.mu.Unlock()
	}
	x.active.add(it, sequence, place)
}

// Next returns the position of the next entry that is added.
func (x *Index) Next() engine.Position { return x.active.next() }

// Moved tells the index the new place of an entry that it has in a tail, before
// anyone reads.
func (x *Index) Moved(p engine.Position, place uint32) {
	for _, q := range x.parts {
		if t, ok := q.(*tail); ok && t.first <= p && p < t.next() {
			t.facts.at(uint32(p - t.first)).place = place
		}
	}
}

// condemn takes a run that is damaged out of use: its entries are read from the log
// until they have a new one.
func (x *Index) condemn(p part, err error) {
	r, ok := p.(*run)
	if !ok {
		return
	}
	if !errors.Is(err, errDamaged) { // it may pass
		x.log().Warn("read index file", "file", r.name, "error", err)
		return
	}
	first, next := r.bounds()
	if _, ok := x.replace(first, next, hole{first: first, next: next, file: r.name}, r); ok {
		x.log().Warn("index file cannot be read and is made anew", "file", r.name, "error", err)
	}
}

// replace puts one part in the place of those that cover exactly the positions
// from first to next. If only is not nil, it must be the one. It returns the parts
// that went, and reports whether it did it.
func (x *Index) replace(first, next engine.Position, by part, only part) (old []part, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopped {
		return nil, false
	}
	from := slices.IndexFunc(x.parts, func(p part) bool { f, _ := p.bounds(); return f == first })
	if from < 0 {
		return nil, false
	}
	to := from
	for ; to < len(x.parts); to++ {
		if f, _ := x.parts[to].bounds(); f >= next {
			break
		}
	}
	if _, end := x.parts[to-1].bounds(); end != next || only != nil && (to != from+1 || x.parts[from] != only) {
		return nil, false
	}
	old = slices.Clone(x.parts[from:to])
	x.parts = slices.Concat(x.parts[:from], []part{by}, x.parts[to:])
	x.changedLocked()
	for _, p := range old {
		if r, ok := p.(*run); ok {
			r.release()
		}
	}
	return old, true
}

// Size returns the bytes of the index's files.
func (x *Index) Size() (bytes int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.parts {
		if r, ok := p.(*run); ok {
			bytes += r.size()
		}
	}
	return bytes
}

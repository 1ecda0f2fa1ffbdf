package index

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
)

// Bounds of a tail: one that has reached either is closed.
const (
	maxTailEntries  = 64 << 10
	maxTailPostings = 2 << 20
)

// An Item is what the index takes of an entry, worked out before its position is
// known.
type Item struct {
	ID     Identity
	Entity Identity // zero without an entity

	terms        []uint64
	tenant, kind string
	time         int64
}

// An Identity is the hash of an id or an entity within its tenant, and a second
// one under another key: together they do not collide.
type Identity struct{ hash, check uint64 }

// ID returns the identity of a record's id.
func (h *Hasher) ID(tenant, id string) Identity {
	hash, check := h.Identity(tenant, engine.IDTerm(id))
	return Identity{hash, check}
}

// Entity returns an entity's identity.
func (h *Hasher) Entity(tenant string, e engine.Entity) Identity {
	hash, check := h.Identity(tenant, engine.EntityTerm(e))
	return Identity{hash, check}
}

// Item returns what the index takes of an entry. It keeps the strings of tenant
// and kind, and nothing else of f.
func (h *Hasher) Item(f *engine.Facts) Item {
	it := Item{ID: h.ID(f.Tenant, f.ID), tenant: f.Tenant, kind: f.Kind, time: nanos(f.Time)}
	if f.Entity != (engine.Entity{}) {
		it.Entity = h.Entity(f.Tenant, f.Entity)
	}
	it.terms = make([]uint64, 0, len(f.Terms)+1)
	it.terms = append(it.terms, h.Term(f.Tenant, engine.TenantTerm()))
	for _, t := range f.Terms {
		it.terms = append(it.terms, h.Term(f.Tenant, t))
	}
	return it
}

// nanos returns t in Unix nanoseconds, the nearest that 64 bits hold.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	case s < math.MinInt64/int64(time.Second)+1:
		return math.MinInt64
	}
	return t.UnixNano()
}

// A tail indexes the newest entries in memory: a hash table of postings, each
// chained to the one before it in its slot, so that a search meets the newest
// first. One goroutine adds; others read what was published, without locks.
//
// A reader may meet entries that are not published yet. It skips positions at or
// past the size that it was given.
type tail struct {
	first  engine.Position // never changes
	policy func(field string) bool

	slots    []atomic.Uint32 // 1 + the number of the slot's newest posting; a power of two of them
	postings chunked[posting]
	facts    chunked[fact]
	count    atomic.Uint32 // of entries

	kindsMu sync.Mutex
	kinds   []engine.KindCount          // counts unused; guarded by kindsMu
	kindAt  map[engine.KindCount]uint32 // guarded by kindsMu
}

// A posting says that the entry pos has a term.
type posting struct {
	hash uint64
	pos  uint32 // relative to the tail; the top bit tells an identity
	next uint32 // 1 + the number of the posting before it in its slot
}

const isIdentity = 1 << 31

// A fact is what a tail knows of an entry besides its terms.
type fact struct {
	time       int64
	sequence   engine.Sequence
	id, entity uint64 // second hashes
	place      uint32
	kind       uint32
}

// Sizes of the hash table of a tail.
const (
	leastSlots = 1 << 12
	mostSlots  = 1 << 20
)

// newTail returns an empty tail whose entries have all terms of the fields that
// policy names. The tail before it had so many postings.
func newTail(first engine.Position, postings int, policy func(field string) bool) *tail {
	n := leastSlots
	for n < postings && n < mostSlots {
		n *= 2
	}
	return &tail{first: first, policy: policy, slots: make([]atomic.Uint32, n), kindAt: make(map[engine.KindCount]uint32)}
}

func (t *tail) next() engine.Position { return t.first + engine.Position(t.count.Load()) }

// full reports whether the tail should be closed.
func (t *tail) full() bool {
	return t.count.Load() >= maxTailEntries || t.postings.len() >= maxTailPostings
}

// add takes the entry that has the tail's next position.
func (t *tail) add(it *Item, sequence engine.Sequence, place uint32) {
	pos := t.count.Load()
	t.facts.add(fact{
		time: it.time, sequence: sequence, id: it.ID.check, entity: it.Entity.check, place: place,
		kind: t.kindOf(it.tenant, it.kind),
	})
	t.post(it.ID.hash, pos|isIdentity)
	if it.Entity != (Identity{}) {
		t.post(it.Entity.hash, pos|isIdentity)
	}
	for _, hash := range it.terms {
		t.post(hash, pos)
	}
	t.count.Store(pos + 1)
}

func (t *tail) post(hash uint64, pos uint32) {
	slot := &t.slots[hash&uint64(len(t.slots)-1)]
	t.postings.add(posting{hash: hash, pos: pos, next: slot.Load()})
	slot.Store(uint32(t.postings.len()))
}

func (t *tail) kindOf(tenant, kind string) uint32 {
	k := engine.KindCount{Tenant: tenant, Kind: kind}
	t.kindsMu.Lock()
	defer t.kindsMu.Unlock()
	n, ok := t.kindAt[k]
	if !ok {
		n = uint32(len(t.kinds))
		t.kinds, t.kindAt[k] = append(t.kinds, k), n
	}
	return n
}

// walk calls yield with the positions below limit of the postings of a hash, the
// newest first, until it says no.
func (t *tail) walk(hash uint64, limit uint32, yield func(pos uint32) bool) {
	c := t.chain(hash)
	for {
		pos, ok := c.step()
		if !ok || pos < limit && !yield(pos) {
			return
		}
	}
}

// A chain steps through the postings of a hash.
type chain struct {
	all  [](*[chunkLen]posting)
	hash uint64
	at   uint32
}

func (t *tail) chain(hash uint64) chain {
	at := t.slots[hash&uint64(len(t.slots)-1)].Load()
	return chain{all: t.postings.all(), hash: hash, at: at} // in this order: all has what at refers to
}

func (c *chain) step() (pos uint32, ok bool) {
	for c.at != 0 {
		p := &c.all[(c.at-1)/chunkLen][(c.at-1)%chunkLen]
		c.at = p.next
		if p.hash == c.hash {
			return p.pos &^ isIdentity, true
		}
	}
	return 0, false
}

// last returns the newest entry below limit that has an identity.
func (t *tail) last(id Identity, limit uint32) (pos uint32, f *fact, ok bool) {
	t.walk(id.hash, limit, func(p uint32) bool {
		x := t.facts.at(p)
		if x.id != id.check && x.entity != id.check {
			return true
		}
		pos, f, ok = p, x, true
		return false
	})
	return pos, f, ok
}

// addKinds adds up the entries from from to to by kind.
func (t *tail) addKinds(from, to uint32, add func(engine.KindCount)) {
	t.kindsMu.Lock()
	kinds := slices.Clone(t.kinds)
	t.kindsMu.Unlock()
	for i := from; i < to; i++ {
		kinds[t.facts.at(i).kind].Count++
	}
	for _, k := range kinds {
		if k.Count > 0 {
			add(k)
		}
	}
}

// chunkLen is how many elements a piece of a chunked has.
const chunkLen = 4096

// A chunked is a slice that grows without moving its elements. One goroutine
// adds; others may read elements that they know to be there.
type chunked[T any] struct {
	n      int // the adder's
	chunks atomic.Pointer[[]*[chunkLen]T]
}

func (c *chunked[T]) add(x T) {
	if c.n%chunkLen == 0 {
		var grown []*[chunkLen]T
		if old := c.chunks.Load(); old != nil {
			grown = append(grown, *old...)
		}
		grown = append(grown, new([chunkLen]T))
		c.chunks.Store(&grown)
	}
	(*c.chunks.Load())[c.n/chunkLen][c.n%chunkLen] = x
	c.n++
}

// len returns the number of elements. The adder's.
func (c *chunked[T]) len() int { return c.n }

func (c *chunked[T]) all() []*[chunkLen]T {
	if p := c.chunks.Load(); p != nil {
		return *p
	}
	return nil
}

func (c *chunked[T]) at(i uint32) *T { return &c.all()[i/chunkLen][i%chunkLen] }

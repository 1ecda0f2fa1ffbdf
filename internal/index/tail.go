package index

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
)

// maxTailPostings bounds a tail: one that has reached it is closed, whatever its
// entries.
const maxTailPostings = 1 << 20

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

// short is what files keep of the second hash: with the 48 bits of the key enough to
// tell an entity from any other.
func short(check uint64) uint32 { return uint32(check >> 32) }

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
	it, _ := h.AppendItem(make([]uint64, 0, len(f.Terms)+1), f)
	return it
}

// AppendItem is [Hasher.Item] that appends the hashes of the terms to dst, so that the
// items of many entries can share memory. It returns dst as it is then.
func (h *Hasher) AppendItem(dst []uint64, f *engine.Facts) (Item, []uint64) {
	it := Item{ID: h.ID(f.Tenant, f.ID), tenant: f.Tenant, kind: f.Kind, time: nanos(f.Time)}
	if f.Entity != (engine.Entity{}) {
		it.Entity = h.Entity(f.Tenant, f.Entity)
	}
	from := len(dst)
	tenant := h.first.of(f.Tenant)
	dst = append(dst, tenant.term(engine.TenantTerm()))
	for _, t := range f.Terms {
		dst = append(dst, tenant.term(t))
	}
	it.terms = dst[from:len(dst):len(dst)]
	return it, dst
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

// A tail indexes the newest entries in memory: a hash table of terms, and of each
// term its postings, chained from the newest to the oldest. One goroutine adds;
// others read what was published, without locks.
//
// A reader may meet entries that are not published yet. It skips positions at or
// past the size that it was given.
type tail struct {
	// Never change.
	first  engine.Position
	most   int // entries; one that has so many is closed
	policy func(field string) bool

	slots    atomic.Pointer[[]slot] // at most three quarters are taken
	terms    chunked[tailTerm]
	postings chunked[posting]
	facts    chunked[fact]
	count    atomic.Uint32 // of entries

	kindsMu sync.Mutex
	kinds   []engine.KindCount          // counts unused; guarded by kindsMu
	kindAt  map[engine.KindCount]uint32 // guarded by kindsMu
	owners  []string                    // tenants of kinds, each once; only grows; guarded by kindsMu
	owns    map[string]bool             // of owners; guarded by kindsMu
}

// A slot of the hash table is the lower half of a term's hash, and 1 + the number
// of the term; zero if it is free. A term is in the first free slot from where its
// hash says.
type slot = atomic.Uint64

// A tailTerm is a term that occurs in a tail. Most occur once: only the entries
// before the newest are in postings.
type tailTerm struct {
	hash   uint64        // never changes
	class  class         // never changes
	newest atomic.Uint32 // the newest entry that has it, relative to the tail
	head   atomic.Uint32 // 1 + the number of its newest posting
	count  atomic.Uint32 // of the entries that have it
}

// A posting says that an entry has a term.
type posting struct {
	pos  uint32 // relative to the tail
	next uint32 // 1 + the number of the term's posting before it
	term uint32 // its number
}

// A fact is what a tail knows of an entry besides its terms.
type fact struct {
	time       int64
	sequence   engine.Sequence
	id, entity uint64 // second hashes
	place      uint32
	kind       uint32
}

// row returns what a run keeps of it.
func (f *fact) row() row {
	r := row{place: f.place}
	if f.sequence <= math.MaxUint32 {
		r.sequence, r.check = uint32(f.sequence), short(f.entity)
	}
	return r
}

// Sizes of the hash table of a tail.
const (
	leastSlots = 1 << 12
	mostSlots  = 1 << 21 // to begin with
)

// newTail returns an empty tail for so many entries, which have all terms of the
// fields that policy names. About so many terms are expected.
func newTail(first engine.Position, most, terms int, policy func(field string) bool) *tail {
	n := leastSlots
	for n < 2*terms && n < mostSlots {
		n *= 2
	}
	t := &tail{first: first, most: most, policy: policy, kindAt: make(map[engine.KindCount]uint32), owns: make(map[string]bool)}
	t.slots.Store(new(make([]slot, n)))
	return t
}

func (t *tail) next() engine.Position { return t.first + engine.Position(t.count.Load()) }

// full reports whether the tail should be closed.
func (t *tail) full() bool {
	return int(t.count.Load()) >= t.most || t.postings.len()+t.terms.len() >= maxTailPostings
}

// add takes the entry that has the tail's next position.
func (t *tail) add(it *Item, sequence engine.Sequence, place uint32) {
	pos := t.count.Load()
	*t.facts.grow() = fact{
		time: it.time, sequence: sequence, id: it.ID.check, entity: it.Entity.check, place: place,
		kind: t.kindOf(it.tenant, it.kind),
	}
	t.post(identities, it.ID.hash, pos)
	if it.Entity != (Identity{}) {
		t.post(identities, it.Entity.hash, pos)
	}
	for _, hash := range it.terms {
		t.post(terms, hash, pos)
	}
	t.count.Store(pos + 1)
}

func (t *tail) post(c class, hash uint64, pos uint32) {
	number, free := t.look(hash)
	if free != nil {
		x := t.terms.grow()
		x.hash, x.class = hash, c
		x.newest.Store(pos)
		x.count.Store(1)
		free.Store(hash<<32 | uint64(t.terms.len()))
		if slots := len(*t.slots.Load()); t.terms.len() > slots/4*3 {
			t.rehash(2 * slots)
		}
		return
	}
	// A reader looks at newest first: it may meet the older one twice, but misses none.
	x := t.terms.at(number)
	*t.postings.grow() = posting{pos: x.newest.Load(), next: x.head.Load(), term: number}
	x.head.Store(uint32(t.postings.len()))
	x.newest.Store(pos)
	x.count.Add(1)
}

// look returns the number of the term with a hash, or else the slot where it
// belongs.
func (t *tail) look(hash uint64) (number uint32, free *slot) {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := hash >> 32; ; i++ {
		at := &slots[i&mask]
		v := at.Load()
		if v == 0 {
			return 0, at
		}
		if v>>32 == hash&(1<<32-1) {
			if number := uint32(v) - 1; t.terms.at(number).hash == hash {
				return number, nil
			}
		}
	}
}

// term returns the term with a hash, nil if there is none.
func (t *tail) term(hash uint64) *tailTerm {
	number, free := t.look(hash)
	if free != nil {
		return nil
	}
	return t.terms.at(number)
}

// rehash gives the table n slots.
func (t *tail) rehash(n int) {
	slots := make([]slot, n)
	mask := uint64(n - 1)
	for number := range uint32(t.terms.len()) {
		hash := t.terms.at(number).hash
		i := hash >> 32
		for slots[i&mask].Load() != 0 {
			i++
		}
		slots[i&mask].Store(hash<<32 | uint64(number+1))
	}
	t.slots.Store(&slots)
}

func (t *tail) kindOf(tenant, kind string) uint32 {
	k := engine.KindCount{Tenant: tenant, Kind: kind}
	t.kindsMu.Lock()
	defer t.kindsMu.Unlock()
	n, ok := t.kindAt[k]
	if !ok {
		n = uint32(len(t.kinds))
		k = engine.KindCount{Tenant: strings.Clone(tenant), Kind: strings.Clone(kind)} // they may be parts of longer texts
		t.kinds, t.kindAt[k] = append(t.kinds, k), n
		if !t.owns[k.Tenant] {
			t.owners, t.owns[k.Tenant] = append(t.owners, k.Tenant), true
		}
	}
	return n
}

// walk calls yield with the positions below limit of the entries that have a term,
// the newest first, until it says no. It may meet one twice.
func (t *tail) walk(hash uint64, limit uint32, yield func(pos uint32) bool) {
	x := t.term(hash)
	if x == nil {
		return
	}
	for c := t.chain(x); ; {
		pos, ok := c.step()
		if !ok || pos < limit && !yield(pos) {
			return
		}
	}
}

// A chain steps through the entries that have a term.
type chain struct {
	term   *tailTerm // nil once newest was met
	newest uint32
	all    []*[chunkLen]posting
	at     uint32
}

func (t *tail) chain(x *tailTerm) chain {
	newest, at := x.newest.Load(), x.head.Load() // in this order, see post
	return chain{term: x, newest: newest, at: at, all: t.postings.all()}
}

func (c *chain) step() (pos uint32, ok bool) {
	if c.term != nil {
		c.term = nil
		return c.newest, true
	}
	if c.at == 0 {
		return 0, false
	}
	p := &c.all[(c.at-1)/chunkLen][(c.at-1)%chunkLen]
	c.at = p.next
	return p.pos, true
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

// chunkLen is how many elements a piece of a chunked has.
const chunkLen = 4096

// A chunked is a slice that grows without moving its elements. One goroutine
// adds; others may read elements that they know to be there.
type chunked[T any] struct {
	n      int // the adder's
	chunks atomic.Pointer[[]*[chunkLen]T]
}

// grow adds an element and returns it.
func (c *chunked[T]) grow() *T {
	if c.n%chunkLen == 0 {
		var grown []*[chunkLen]T
		if old := c.chunks.Load(); old != nil {
			grown = append(grown, *old...)
		}
		grown = append(grown, new([chunkLen]T))
		c.chunks.Store(&grown)
	}
	x := &(*c.chunks.Load())[c.n/chunkLen][c.n%chunkLen]
	c.n++
	return x
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

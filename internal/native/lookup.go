package native

import (
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/annals-io/annals/engine"
)

// A lookup finds the positions of ids and the last sequences of entities. It
// lives in memory and is rebuilt from the log when the journal is opened.
//
// One goroutine writes it, under the lock, and may read it without; everyone
// else reads under the lock, and must not trust a position that its view does not
// hold yet.
type lookup struct {
	seeds [2]maphash.Seed // secret, so that nobody can make keys collide; never change

	mu       sync.RWMutex
	ids      map[key]engine.Position // guarded by mu
	entities map[key]engine.Sequence // last sequence; guarded by mu

	// earlier holds the last sequences, as everyone else sees them, of the entities
	// that a group changed which is not published yet; guarded by mu
	earlier map[key]engine.Sequence
}

// A key is a keyed 128-bit hash of an identity. That two of 2^40 identities
// share one has a chance of 2^-49.
type key [16]byte

func newLookup() *lookup {
	return &lookup{
		seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		ids:      make(map[key]engine.Position),
		entities: make(map[key]engine.Sequence),
		earlier:  make(map[key]engine.Sequence),
	}
}

// hash makes the key of parts, which their lengths keep apart.
func (l *lookup) hash(parts ...string) key {
	var k key
	for i, seed := range l.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, p := range parts {
			var n [8]byte
			binary.LittleEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			h.WriteString(p)
		}
		binary.LittleEndian.PutUint64(k[8*i:], h.Sum64())
	}
	return k
}

func (l *lookup) idKey(tenant, id string) key { return l.hash(tenant, id) }

func (l *lookup) entityKey(tenant string, e engine.Entity) key {
	return l.hash(tenant, e.Type, e.ID)
}

// position returns the position of an id.
func (l *lookup) position(k key) (engine.Position, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p, ok := l.ids[k]
	return p, ok
}

// sequence returns an entity's last published sequence.
func (l *lookup) sequence(k key) engine.Sequence {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s, ok := l.earlier[k]; ok {
		return s
	}
	return l.entities[k]
}

// entityCount returns how many entities have a sequence.
func (l *lookup) entityCount() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.entities)
}

// A placed is what the lookup learns of one new record.
type placed struct {
	id, entity key
	position   engine.Position
	sequence   engine.Sequence // zero without an entity
}

// stage takes up the records of a group that is not published yet.
func (l *lookup) stage(recs []placed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range recs {
		r := &recs[i]
		if _, ok := l.earlier[r.entity]; r.sequence != 0 && !ok {
			l.earlier[r.entity] = l.entities[r.entity]
		}
	}
	l.addLocked(recs)
}

// show calls publish and lets everyone see the sequences of what was staged, in
// one step.
func (l *lookup) show(publish func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	publish()
	clear(l.earlier)
}

// add takes published records up.
func (l *lookup) add(recs []placed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(recs)
}

// reserve makes room for n ids before the first is added.
func (l *lookup) reserve(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ids) == 0 {
		l.ids = make(map[key]engine.Position, n)
	}
}

func (l *lookup) addLocked(recs []placed) {
	for i := range recs {
		r := &recs[i]
		l.ids[r.id] = r.position
		if r.sequence > l.entities[r.entity] { // a rebuild adds out of order
			l.entities[r.entity] = r.sequence
		}
	}
}

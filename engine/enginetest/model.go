package enginetest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/annals-io/annals/engine"
)

// randomOperations uses fixed seeds, so that a failure repeats.
func randomOperations(s *suite) {
	for seed := range uint64(4) {
		m := model{tenant: fmt.Sprint("seed", seed), base: s.e.Size(), ids: make(map[string]placed), sequences: make(map[engine.Entity]engine.Sequence)}
		r := rand.New(rand.NewPCG(seed, 0))
		for step := range 150 {
			if err := m.step(s, r); err != nil {
				s.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

// A model is the contract in the plainest words.
type model struct {
	tenant    string          // of all its items
	base      engine.Position // entries that were there before
	log       []placed        // entries since
	ids       map[string]placed
	sequences map[engine.Entity]engine.Sequence
}

// step does something to an engine and compares what it says.
func (m *model) step(s *suite, r *rand.Rand) error {
	switch r.IntN(50) {
	case 0:
		s.reopen()
	case 1, 2, 3, 4, 5, 6:
		return m.searches(s, r)
	case 7, 8, 9, 10:
		return m.lookups(s, r)
	}
	items, expect := m.random(r)
	want, allowed := m.append(items, expect)
	got, err := s.try(items, expect...)
	if err := differs(want, got, allowed, err); err != nil {
		return fmt.Errorf("append of %v expecting %v: %w", items, expect, err)
	}
	return nil
}

// lookups compares a few things that the engine knows or does not know.
func (m *model) lookups(s *suite, r *rand.Rand) error {
	for range 5 {
		id, e := m.randomID(r), thing(fmt.Sprint(r.IntN(6)-1))
		want, stored := m.ids[id]
		p, err := s.e.Find(s.ctx, m.tenant, id)
		if found := !errors.Is(err, engine.ErrNotFound); found != stored || found && (err != nil || p != want.position) {
			return fmt.Errorf("find of %q: position %d, %v, want %+v", id, p, err, want)
		}
		if q, err := s.e.LastSequence(s.ctx, m.tenant, e); err != nil || q != m.sequences[e] {
			return fmt.Errorf("last sequence of %v is %d, %v, want %d", e, q, err, m.sequences[e])
		}
	}
	kinds, err := s.kinds(s.ctx)
	if t := s.truth(); err != nil || !slices.Equal(kinds, t.kinds()) {
		return fmt.Errorf("kinds are %+v, %v, want %+v", kinds, err, t.kinds())
	}
	return nil
}

// searches compares what is stored, and what the engine finds of it.
func (m *model) searches(s *suite, r *rand.Rand) error {
	t := s.truth()
	if got, want := len(t.facts), int(m.base)+len(m.log); got != want {
		return fmt.Errorf("there are %d entries, want %d", got, want)
	}
	for i := range m.log {
		if want := m.log[i].facts(); !sameFacts(&t.facts[int(m.base)+i], &want) {
			return fmt.Errorf("entry %d is %+v, want %+v", int(m.base)+i, t.facts[int(m.base)+i], want)
		}
	}
	for range 5 {
		q := m.randomQuery(r)
		if _, err := s.searches(t, q, q.Descending, !q.Descending); err != nil {
			return fmt.Errorf("search for %+v: %w", q, err)
		}
	}
	return nil
}

// A placed is a stored item.
type placed struct {
	item
	position engine.Position
	sequence engine.Sequence
}

// randomID returns an id that is stored, or may be one day.
func (m *model) randomID(r *rand.Rand) string { return fmt.Sprint("id", len(m.log)/2+r.IntN(12)-6) }

// randomTerm returns one of few terms.
func randomTerm(r *rand.Rand) engine.Term {
	return engine.Term{Field: fmt.Sprint("field", r.IntN(3)), Value: fmt.Sprint(r.IntN(4))}
}

// randomTime returns one of few times.
func randomTime(r *rand.Rand) time.Time { return time.Date(2026, 1, 1, r.IntN(30), 0, 0, 0, time.UTC) }

// random makes up a batch in which things go wrong now and then.
func (m *model) random(r *rand.Rand) ([]item, []engine.Expect) {
	items := make([]item, 1+r.IntN(4))
	for i := range items {
		id := m.randomID(r)
		h := fnv.New64a()
		h.Write([]byte(id))
		items[i] = item{tenant: m.tenant, id: id}
		items[i].fill(rand.New(rand.NewPCG(h.Sum64(), 0))) // so that a retry has the same content
		if r.IntN(8) == 0 {
			items[i].data = "1"
		}
	}
	var expect []engine.Expect
	for range r.IntN(3) {
		x := engine.Expect{Tenant: m.tenant, Entity: thing(fmt.Sprint(r.IntN(6) - 1))}
		if x.Sequence = m.sequences[x.Entity]; r.IntN(5) == 0 {
			x.Sequence += engine.Sequence(r.IntN(3))
		}
		expect = append(expect, x)
	}
	return items, expect
}

// fill makes up an item's facts.
func (x *item) fill(r *rand.Rand) {
	if r.IntN(3) > 0 {
		x.entity = thing(fmt.Sprint(r.IntN(4)))
	}
	x.kind = fmt.Sprint("kind", r.IntN(3))
	x.time = randomTime(r).Format(engine.TimeFormat)
	x.terms = []engine.Term{}
	for range r.IntN(5) {
		if t := randomTerm(r); !slices.Contains(x.terms, t) {
			x.terms = append(x.terms, t)
		}
	}
}

// randomQuery makes up a query, most of which choose something.
func (m *model) randomQuery(r *rand.Rand) engine.Query {
	q := engine.Query{Descending: r.IntN(2) == 0}
	if r.IntN(8) > 0 {
		q.Tenants = []string{m.tenant, "seed0", "nobody"}[r.IntN(2):][:1+r.IntN(2)]
	}
	if r.IntN(8) > 0 {
		q.Filter = m.randomFilter(r, 3)
	}
	if r.IntN(3) == 0 {
		q.From = engine.Position(r.IntN(int(m.base) + len(m.log) + 2))
	}
	if r.IntN(3) == 0 {
		q.To = q.From + engine.Position(r.IntN(100))
	}
	if r.IntN(4) == 0 {
		q.Since = randomTime(r)
	}
	if r.IntN(4) == 0 {
		q.Until = randomTime(r).Add(time.Duration(r.IntN(2)))
	}
	return q
}

// randomFilter makes up a filter.
func (m *model) randomFilter(r *rand.Rand, depth int) engine.Filter {
	n := r.IntN(10)
	if depth > 0 && n < 6 {
		parts := make([]engine.Filter, r.IntN(4))
		for i := range parts {
			parts[i] = m.randomFilter(r, depth-1)
		}
		if n < 3 {
			return engine.All(parts)
		}
		return engine.Any(parts)
	}
	switch n {
	case 6:
		return engine.Has(engine.IDTerm(m.randomID(r)))
	case 7:
		return engine.Has(engine.EntityTerm(thing(fmt.Sprint(r.IntN(5)))))
	case 8:
		return engine.Has(engine.TenantTerm())
	}
	return engine.Has(randomTerm(r))
}

// append returns the receipts that an append should get, of which only
// Position, Sequence and Duplicate are set, or the errors of which one is due.
func (m *model) append(items []item, expect []engine.Expect) (want []engine.Receipt, allowed []error) {
	news := make(map[string]placed)
	for _, x := range items {
		if old, ok := m.ids[x.id]; ok && !old.item.same(x) {
			allowed = append(allowed, &engine.ConflictError{Tenant: m.tenant, ID: x.id, Position: old.position})
		}
		if twin, ok := news[x.id]; ok && !twin.item.same(x) {
			allowed = append(allowed, engine.ErrSameID)
		}
		if _, ok := news[x.id]; !ok {
			news[x.id] = placed{item: x}
		}
	}
	for id := range news {
		if _, ok := m.ids[id]; ok {
			delete(news, id)
		}
	}
	if len(allowed) == 0 && len(news) > 0 {
		for _, x := range expect {
			if current := m.sequences[x.Entity]; current != x.Sequence {
				allowed = append(allowed, &engine.ConflictError{Tenant: m.tenant, Entity: x.Entity, Expected: x.Sequence, Current: current})
			}
		}
	}
	if len(allowed) > 0 {
		return nil, allowed
	}
	for _, x := range items {
		p, duplicate := m.ids[x.id]
		if !duplicate {
			p = m.place(x)
		}
		want = append(want, engine.Receipt{Position: p.position, Sequence: p.sequence, Duplicate: duplicate})
	}
	return want, nil
}

// place stores an item.
func (m *model) place(x item) placed {
	p := placed{item: x, position: m.base + engine.Position(len(m.log))}
	if x.entity != (engine.Entity{}) {
		m.sequences[x.entity]++
		p.sequence = m.sequences[x.entity]
	}
	m.log = append(m.log, p)
	m.ids[x.id] = p
	return p
}

// differs compares an answer with the model's.
func differs(want, got []engine.Receipt, allowed []error, err error) error {
	if err != nil {
		for _, a := range allowed {
			c, isConflict := errors.AsType[*engine.ConflictError](a)
			if isConflict && conflict(*c)(err) || !isConflict && errors.Is(err, a) {
				return nil
			}
		}
		return fmt.Errorf("error is %w, want one of %v", err, allowed)
	}
	if len(allowed) > 0 {
		return fmt.Errorf("receipts %+v, want one of the errors %v", got, allowed)
	}
	for i := range want {
		g := engine.Receipt{Position: got[i].Position, Sequence: got[i].Sequence, Duplicate: got[i].Duplicate}
		if g != want[i] {
			return fmt.Errorf("receipt %d is %+v, want %+v", i, g, want[i])
		}
	}
	return nil
}

package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/annals-io/annals/engine"
)

// randomOperations uses fixed seeds, so that a failure repeats.
func randomOperations(s *suite) {
	for seed := range uint64(4) {
		m := model{tenant: fmt.Sprint("seed", seed), base: s.e.Size(), ids: make(map[string]placed), sequences: make(map[engine.Entity]engine.Sequence)}
		r := rand.New(rand.NewPCG(seed, 0))
		for step := range 150 {
			if r.IntN(50) == 0 {
				s.reopen()
			}
			items, expect := m.random(r)
			want, allowed := m.append(items, expect)
			got, err := s.try(items, expect...)
			if err := differs(want, got, allowed, err); err != nil {
				s.Fatalf("seed %d, step %d: append of %v expecting %v: %v", seed, step, items, expect, err)
			}
		}
	}
}

// A model is the contract of Append in the plainest words.
type model struct {
	tenant    string          // of all its items
	base      engine.Position // entries that were there before
	size      engine.Position // entries since
	ids       map[string]placed
	sequences map[engine.Entity]engine.Sequence
}

// A placed is a stored item.
type placed struct {
	item
	position engine.Position
	sequence engine.Sequence
}

// random makes up a batch in which things go wrong now and then.
func (m *model) random(r *rand.Rand) ([]item, []engine.Expect) {
	items := make([]item, 1+r.IntN(4))
	for i := range items {
		n := int(m.size)/2 + r.IntN(12) - 6
		items[i] = item{tenant: m.tenant, id: fmt.Sprint("id", n)}
		if n%3 != 0 {
			items[i].entity = thing(fmt.Sprint(n % 4))
		}
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
	p := placed{item: x, position: m.base + m.size}
	if x.entity != (engine.Entity{}) {
		m.sequences[x.entity]++
		p.sequence = m.sequences[x.entity]
	}
	m.size++
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

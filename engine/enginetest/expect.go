package enginetest

import (
	"fmt"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
)

var expectCases = []testCase{
	{
		"expectations hold before the call",
		"An expectation is about the entity's last sequence before the append, its own records not counted; a mismatch appends nothing and tells the current sequence.",
		expectations,
	},
	{
		"zero expects a new entity",
		"An expectation of sequence zero holds only for an entity without a record.",
		expectNew,
	},
	{
		"guards",
		"An expectation may name an entity that has no record in the batch, also one of another tenant.",
		guards,
	},
	{
		"every expectation counts",
		"An append needs all of its expectations; one that fails is named, wherever it stands.",
		everyExpectation,
	},
	{
		"fault 56 one of 64 writers wins",
		"Of appends that expect the same sequence of an entity at once, exactly one is stored, and each other is told a current sequence that is past what it expected.",
		oneWins,
	},
	{
		"entities belong to tenants",
		"Sequences and expectations of one tenant know nothing of another's entities of the same name, and type and id are kept apart.",
		entitiesOfTenants,
	},
}

// expectEntity is an expectation of the suite's usual tenant.
func expectEntity(e engine.Entity, q engine.Sequence) engine.Expect {
	return engine.Expect{Tenant: "t", Entity: e, Sequence: q}
}

// mismatch is the conflict that an expectation meets.
func mismatch(x engine.Expect, current engine.Sequence) func(error) bool {
	return conflict(engine.ConflictError{Tenant: x.Tenant, Entity: x.Entity, Expected: x.Sequence, Current: current})
}

// accepted checks that an append with expectations adds all of its items.
func (s *suite) accepted(what string, items []item, expect ...engine.Expect) {
	s.Helper()
	before := s.e.Size()
	if _, err := s.try(items, expect...); err != nil {
		s.Errorf("%s: %v", what, err)
	} else if after := s.e.Size(); after != before+engine.Position(len(items)) {
		s.Errorf("%s: size went from %d to %d with %d records", what, before, after, len(items))
	}
}

func expectations(s *suite) {
	a := thing("a")
	s.append(item{id: "1", entity: a}, item{id: "2", entity: a})
	for _, wrong := range []engine.Sequence{0, 1, 3, 4, 1 << 63} {
		x := expectEntity(a, wrong)
		s.refused(fmt.Sprint("expect ", wrong), mismatch(x, 2), []item{{id: "3", entity: a}}, x)
	}
	s.accepted("two records on sequence 2", []item{{id: "3", entity: a}, {id: "4", entity: a}}, expectEntity(a, 2))
	s.reopen()
	s.refused("after a reopening", mismatch(expectEntity(a, 2), 4), []item{{id: "5", entity: a}}, expectEntity(a, 2))
	s.accepted("on sequence 4 after a reopening", []item{{id: "5", entity: a}}, expectEntity(a, 4))
}

func expectNew(s *suite) {
	a, b := thing("a"), thing("b")
	x := expectEntity(b, 1)
	s.refused("expect 1 of a new entity", mismatch(x, 0), []item{{id: "1", entity: b}}, x)
	s.accepted("new", []item{{id: "1", entity: a}}, expectEntity(a, 0))
	s.refused("new twice", mismatch(expectEntity(a, 0), 1), []item{{id: "2", entity: a}}, expectEntity(a, 0))
	s.accepted("another one is new", []item{{id: "2", entity: b}}, expectEntity(b, 0))
}

func guards(s *suite) {
	a, b := thing("a"), thing("b")
	other := engine.Expect{Tenant: "u", Entity: a, Sequence: 1}
	s.append(item{id: "1", entity: a}, item{tenant: "u", id: "1", entity: a})
	s.accepted("guard holds", []item{{id: "2", entity: b}}, expectEntity(a, 1))
	s.accepted("guard of another tenant holds", []item{{id: "3"}}, other)
	s.accepted("guard of an entity that nobody has", []item{{id: "4"}}, expectEntity(thing("nobody"), 0))
	s.append(item{id: "5", entity: a}, item{tenant: "u", id: "5", entity: a})
	s.refused("guard fails", mismatch(expectEntity(a, 1), 2), []item{{id: "6", entity: b}}, expectEntity(a, 1))
	s.refused("guard of another tenant fails", mismatch(other, 2), []item{{id: "6"}}, other)
	s.refused("guard of an entity that nobody has fails", mismatch(expectEntity(thing("nobody"), 3), 0), []item{{id: "6"}}, expectEntity(thing("nobody"), 3))
}

func everyExpectation(s *suite) {
	a, b, c := thing("a"), thing("b"), thing("c")
	s.append(item{id: "1", entity: a}, item{id: "2", entity: b}, item{id: "3", entity: c})
	all := []engine.Expect{expectEntity(a, 1), expectEntity(b, 1), expectEntity(c, 1)}
	for i := range all {
		wrong := append([]engine.Expect(nil), all...)
		wrong[i].Sequence = 5
		s.refused(fmt.Sprint("wrong expectation ", i), mismatch(wrong[i], 1), []item{{id: "4", entity: a}}, wrong...)
	}
	s.accepted("all hold", []item{{id: "4", entity: a}, {id: "5", entity: b}}, all...)
	s.accepted("the same one twice", []item{{id: "6", entity: a}}, expectEntity(a, 2), expectEntity(a, 2))
	s.refused("two that contradict", mismatch(expectEntity(a, 2), 3), []item{{id: "7"}}, expectEntity(a, 3), expectEntity(a, 2))
}

func oneWins(s *suite) {
	const writers, rounds = 64, 6
	a := thing("a")
	for round := range rounds {
		var won atomic.Int32
		s.parallel(writers, func(w int) error {
			x := expectEntity(a, engine.Sequence(round))
			got, err := s.try([]item{{id: fmt.Sprintf("%d-%d", round, w), entity: a}}, x)
			if err == nil {
				won.Add(1)
				if got[0].Sequence != x.Sequence+1 {
					return fmt.Errorf("winner has sequence %d on an expectation of %d", got[0].Sequence, x.Sequence)
				}
				return nil
			}
			if !mismatch(x, x.Sequence+1)(err) {
				return fmt.Errorf("loser of round %d: %w", round, err)
			}
			return nil
		})
		if n := won.Load(); n != 1 {
			s.Fatalf("%d of %d writers won round %d", n, writers, round)
		}
	}
}

func entitiesOfTenants(s *suite) {
	apart := []item{
		{tenant: "t", entity: engine.Entity{Type: "a", ID: "bc"}}, {tenant: "t", entity: engine.Entity{Type: "ab", ID: "c"}},
		{tenant: "u", entity: engine.Entity{Type: "a", ID: "bc"}}, {tenant: "ta", entity: engine.Entity{Type: "b", ID: "c"}},
		{tenant: "t", entity: engine.Entity{Type: "a/b", ID: "c"}}, {tenant: "t", entity: engine.Entity{Type: "a", ID: "b/c"}},
		{tenant: "t", entity: engine.Entity{Type: "A", ID: "bc"}}, {tenant: "t", entity: engine.Entity{Type: "a", ID: "bc "}},
	}
	for i, x := range apart {
		x.id = fmt.Sprint("id", i)
		want := engine.Expect{Tenant: x.tenant, Entity: x.entity}
		if last, err := s.e.LastSequence(s.ctx, x.tenant, x.entity); err != nil || last != 0 {
			s.Errorf("last sequence of %s %v, which is new, is %d, %v", x.tenant, x.entity, last, err)
		}
		got, err := s.try([]item{x}, want)
		if err != nil || got[0].Sequence != 1 {
			s.Errorf("first record of %s %v: %+v, %v", x.tenant, x.entity, got, err)
		}
	}
}

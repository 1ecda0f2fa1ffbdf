package enginetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
)

var duplicateCases = []testCase{
	{
		"fault 57 a retry gets the first receipt",
		"A record whose id is stored with the same content is a duplicate: its receipt is the first one, marked, at any time and across reopening.",
		retries,
	},
	{
		"expectations of duplicates alone are ignored",
		"Ids are checked before expectations: when every record is a duplicate, no expectation matters.",
		duplicatesIgnoreExpectations,
	},
	{
		"duplicates beside new records",
		"In a mixed batch the expectations are checked, the new records are appended as neighbours and the duplicates answered; a duplicate uses no sequence up.",
		mixedDuplicates,
	},
	{
		"twins in one batch",
		"The second of two records of a batch with one id is a duplicate of the first if the content is the same; otherwise the batch is refused with ErrSameID.",
		twins,
	},
	{
		"fault 58 an id that other content has",
		"An id that is stored with other content is a *ConflictError with tenant, id and position, before any expectation is looked at.",
		otherContent,
	},
	{
		"ids belong to tenants",
		"The same id in two tenants names two records, however tenant and id are composed.",
		idsOfTenants,
	},
	{
		"one winner while the first is in flight",
		"When many append the same record at once, exactly one receipt is not a duplicate, and all describe one entry, which can be read by whoever has the receipt.",
		sameAtOnce,
	},
	{
		"one content while the first is in flight",
		"When many append different contents under one id at once, exactly one is stored and the others are told its position.",
		differentAtOnce,
	},
	{
		"batches that overlap in flight",
		"Batches that share ids and run at once store each id once; a duplicate of a record still being stored is answered when that is.",
		overlapping,
	},
}

// repeated checks that receipts are the first ones again.
func (s *suite) repeated(what string, first, again []engine.Receipt) {
	s.Helper()
	for i := range first {
		want := first[i]
		want.Duplicate = true
		got := again[i]
		if !got.RecordedAt.Equal(want.RecordedAt) {
			s.Errorf("%s: recorded_at of duplicate %d is %v, was %v", what, i, got.RecordedAt, want.RecordedAt)
		}
		if got.RecordedAt = want.RecordedAt; got != want {
			s.Errorf("%s: duplicate %d is %+v, want %+v", what, i, got, want)
		}
	}
}

func retries(s *suite) {
	items := []item{{id: "a", entity: thing("1")}, {id: "b", data: `{"n":1}`}, {id: "c", entity: thing("1")}}
	first := s.append(items...)
	s.repeated("at once", first, s.append(items...))
	s.append(item{id: "later", entity: thing("1")})
	s.repeated("later", first, s.append(items...))
	s.repeated("one by one", first[1:2], s.append(items[1]))
	reversed := s.append(items[2], items[1], items[0])
	s.repeated("in another order", first, []engine.Receipt{reversed[2], reversed[1], reversed[0]})
	s.reopen()
	s.repeated("after a reopening", first, s.append(items...))
	if size := s.e.Size(); size != 4 {
		s.Errorf("size is %d after 4 records and their retries", size)
	}
}

func duplicatesIgnoreExpectations(s *suite) {
	a, b := thing("a"), thing("b")
	items := []item{{id: "1", entity: a}, {id: "2", entity: b}}
	first, err := s.try(items, engine.Expect{Tenant: "t", Entity: a}, engine.Expect{Tenant: "t", Entity: b})
	if err != nil {
		s.Fatalf("append of new entities: %v", err)
	}
	for _, wrong := range []engine.Sequence{0, 7} {
		again, err := s.try(items, engine.Expect{Tenant: "t", Entity: a, Sequence: wrong}, engine.Expect{Tenant: "t", Entity: thing("c"), Sequence: 9})
		if err != nil {
			s.Fatalf("append of duplicates with a wrong expectation: %v", err)
		}
		s.repeated("with a wrong expectation", first, again)
	}
}

func mixedDuplicates(s *suite) {
	a := thing("a")
	old := []item{{id: "1", entity: a}, {id: "2", entity: a}}
	first := s.append(old...)
	mixed := []item{{id: "3", entity: a}, old[1], {id: "4", entity: a}, old[0], {id: "5"}}
	s.refused("mixed with a wrong expectation", conflict(engine.ConflictError{Tenant: "t", Entity: a, Expected: 0, Current: 2}),
		mixed, engine.Expect{Tenant: "t", Entity: a})
	got, err := s.try(mixed, engine.Expect{Tenant: "t", Entity: a, Sequence: 2})
	if err != nil {
		s.Fatalf("mixed append: %v", err)
	}
	s.repeated("mixed", first, []engine.Receipt{got[3], got[1]})
	for i, want := range map[int]engine.Receipt{0: {Position: 2, Sequence: 3}, 2: {Position: 3, Sequence: 4}, 4: {Position: 4}} {
		if got[i].Duplicate || got[i].Position != want.Position || got[i].Sequence != want.Sequence {
			s.Errorf("new record %d: %+v, want position %d and sequence %d", i, got[i], want.Position, want.Sequence)
		}
	}
}

func twins(s *suite) {
	a := thing("a")
	x, y := item{id: "x", entity: a}, item{id: "y", entity: a}
	got := s.append(x, y, x, x)
	if got[0].Duplicate || got[1].Duplicate || got[1].Sequence != 2 {
		s.Errorf("the first of twins is a duplicate: %+v", got)
	}
	s.repeated("twin", []engine.Receipt{got[0], got[0]}, got[2:])
	s.repeated("twins again", got, s.append(x, y, x, x))
	if size := s.e.Size(); size != 2 {
		s.Errorf("size is %d after two records with twins", size)
	}
	z := item{id: "z", entity: a}
	s.refused("different twins", is(engine.ErrSameID), []item{z, {id: "z", entity: thing("b")}})
	s.refused("different third", is(engine.ErrSameID), []item{z, z, {id: "z", data: "1"}})
	if got := s.append(z, item{tenant: "u", id: "z", entity: a}); got[0].Duplicate || got[1].Duplicate || got[1].Sequence != 1 {
		s.Errorf("the same id in two tenants of one batch: %+v", got)
	}
}

func otherContent(s *suite) {
	a := thing("a")
	s.append(item{id: "first"}, item{id: "x", entity: a, data: "1"})
	want := engine.ConflictError{Tenant: "t", ID: "x", Position: 1}
	s.refused("other data", conflict(want), []item{{id: "x", entity: a, data: "2"}})
	s.refused("no data", conflict(want), []item{{id: "x", entity: a}})
	s.refused("other entity", conflict(want), []item{{id: "x", entity: thing("b"), data: "1"}})
	s.refused("with a wrong expectation", conflict(want), []item{{id: "x"}}, engine.Expect{Tenant: "t", Entity: a, Sequence: 9})
	s.reopen()
	s.refused("after a reopening", conflict(want), []item{{id: "x", entity: a, data: "2"}})
}

func idsOfTenants(s *suite) {
	items := []item{
		{tenant: "t", id: "x"}, {tenant: "u", id: "x"}, {tenant: "tx", id: "y"}, {tenant: "t", id: "xy"},
		{tenant: "t/x", id: "y"}, {tenant: "t", id: "x/y"}, {tenant: "T", id: "x"}, {tenant: "t", id: "X"}, {tenant: "t", id: "x "},
	}
	for i, x := range items {
		if got := s.append(x); got[0].Duplicate || got[0].Position != engine.Position(i) {
			s.Errorf("%s/%q: %+v, want a new record", x.owner(), x.id, got[0])
		}
	}
	if _, err := s.e.Find(s.ctx, "u", "X"); !errors.Is(err, engine.ErrNotFound) {
		s.Errorf("find of an id that only another tenant has: %v", err)
	}
	s.refused("other content in one tenant", conflict(engine.ConflictError{Tenant: "u", ID: "x", Position: 1}), []item{{tenant: "u", id: "x", data: "1"}})
}

const racers = 16

func sameAtOnce(s *suite) {
	for round := range 20 {
		x := item{id: fmt.Sprint(round), entity: thing("a")}
		var fresh atomic.Int32
		s.parallel(racers, func(int) error {
			got, err := s.try([]item{x})
			if err == nil && !got[0].Duplicate {
				fresh.Add(1)
			}
			if err == nil && got[0].Position != engine.Position(round) {
				err = fmt.Errorf("position %d in round %d", got[0].Position, round)
			}
			return err
		})
		if n := fresh.Load(); n != 1 {
			s.Fatalf("%d of %d receipts for one record are not duplicates", n, racers)
		}
	}
}

func differentAtOnce(s *suite) {
	for round := range 20 {
		id := fmt.Sprint(round)
		var stored atomic.Int32
		s.parallel(racers, func(w int) error {
			_, err := s.try([]item{{id: id, data: fmt.Sprint(w)}})
			if err == nil {
				stored.Add(1)
				return nil
			}
			want := engine.ConflictError{Tenant: "t", ID: id, Position: engine.Position(round)}
			if !conflict(want)(err) {
				return fmt.Errorf("error is %w, want a conflict at position %d", err, round)
			}
			_, err = s.e.Read(s.ctx, want.Position)
			return err
		})
		if n := stored.Load(); n != 1 {
			s.Fatalf("%d of %d contents of one id are stored", n, racers)
		}
	}
}

func overlapping(s *suite) {
	const ids, rounds = 12, 30
	var fresh atomic.Int32
	s.parallel(8, func(w int) error {
		for r := range rounds {
			var items []item
			for i := range 4 {
				n := r*ids/2 + (w*5+i*3)%ids
				items = append(items, item{id: fmt.Sprint(n), entity: thing(fmt.Sprint(n % 5))})
			}
			got, err := s.try(items)
			if err != nil {
				return err
			}
			for i := range got {
				if !got[i].Duplicate {
					fresh.Add(1)
				}
			}
		}
		return nil
	})
	if got, want := s.e.Size(), engine.Position(fresh.Load()); got != want {
		s.Errorf("size is %d, but %d receipts were for new records", got, want)
	}
}

package enginetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/annals-io/annals/engine"
)

var searchCases = []testCase{
	{
		"search by a term",
		"A search for a term finds every record that has it, also those of IDTerm, EntityTerm and TenantTerm, from the moment that its append was answered, and after a reopening.",
		searchTerms,
	},
	{
		"filters nest",
		"All chooses what all its parts choose and the empty All everything; Any chooses what any of its parts chooses and the empty Any nothing. An entry comes once, however many parts choose it, in the order of positions, in either direction.",
		searchFilters,
	},
	{
		"bounds of a search",
		"From is inclusive and To exclusive; a To of zero or past the end means the end.",
		searchBounds,
	},
	{
		"times of a search",
		"Since is inclusive and Until exclusive, to the nanosecond, over every time that an entry can have; the zero time is no bound. Time and position have nothing to do with each other.",
		searchTimes,
	},
	{
		"tenants of a search",
		"A search finds the records of each tenant that it names, named once or twice; none named means those of all.",
		searchTenants,
	},
	{
		"terms of any content",
		"Fields and values may be empty, long, hold any character and look like others put together: what has such a term is found by it.",
		searchOddTerms,
	},
	{
		"records with few and many terms",
		"A record may have no terms, or thousands, and each of them finds it.",
		searchManyTerms,
	},
}

// has is the filter for one term.
func has(field, value string) engine.Has { return engine.Has{Field: field, Value: value} }

// of is a query for what a filter chooses of the suite's usual tenant.
func of(f engine.Filter) engine.Query { return engine.Query{Tenants: []string{"t"}, Filter: f} }

// finds searches for what a filter chooses and checks how many that are.
func (s *suite) finds(t truth, f engine.Filter, want int) {
	s.Helper()
	if got := s.search(t, of(f)); got != want {
		s.Errorf("%d entries are chosen by %.300s, want %d", got, fmt.Sprintf("%+v", f), want)
	}
}

func searchTerms(s *suite) {
	colour := func(values ...string) (all []engine.Term) {
		for _, v := range values {
			all = append(all, engine.Term{Field: "colour", Value: v})
		}
		return all
	}
	s.append(item{id: "1", entity: thing("a"), terms: colour("red")})
	s.finds(s.truth(), has("colour", "red"), 1)
	s.append(item{id: "2", terms: colour("red", "blue")}, item{id: "3", entity: thing("a"), terms: colour("blue")})
	s.append(item{id: "4", entity: thing("b"), kind: "test.red"})
	for range 2 {
		t := s.truth()
		s.finds(t, has("colour", "red"), 2)
		s.finds(t, has("colour", "blue"), 2)
		s.finds(t, engine.Has(kindTerm("test.red")), 1)
		s.finds(t, engine.Has(engine.IDTerm("3")), 1)
		s.finds(t, engine.Has(engine.EntityTerm(thing("a"))), 2)
		s.finds(t, engine.Has(engine.TenantTerm()), 4)
		for _, absent := range []engine.Has{
			has("colour", "green"), has("color", "red"), has("red", "colour"), has("id", "3"), has("colour", ""),
			engine.Has(engine.IDTerm("5")), engine.Has(engine.EntityTerm(thing("c"))),
		} {
			s.finds(t, absent, 0)
		}
		s.reopen()
	}
	s.append(item{id: "5", terms: colour("red")})
	s.finds(s.truth(), has("colour", "red"), 3)
}

// counted returns n items of which each says which numbers divide its own.
func counted(from, n int) []item {
	items := make([]item, n)
	for i := range items {
		items[i] = item{id: fmt.Sprint(from + i), terms: []engine.Term{}}
		for _, by := range []int{2, 3, 5, 7, 30} {
			if (from+i)%by == 0 {
				items[i].terms = append(items[i].terms, engine.Term{Field: "by", Value: fmt.Sprint(by)})
			}
		}
	}
	return items
}

// by is the filter for the counted items that a number divides.
func by(n int) engine.Has { return has("by", fmt.Sprint(n)) }

func searchFilters(s *suite) {
	s.append(counted(0, 33)...)
	s.append(counted(33, 1)...)
	s.append(counted(34, 56)...) // 0 to 89
	everything, nothing, absent := engine.All{}, engine.Any{}, by(11)
	t := s.truth()
	for _, f := range []struct {
		filter engine.Filter
		want   int
	}{
		{nil, 90}, {everything, 90}, {nothing, 0}, {by(2), 45}, {absent, 0},
		{engine.All{by(2)}, 45}, {engine.Any{by(2)}, 45},
		{engine.All{by(2), by(3)}, 15}, {engine.All{by(3), by(2), by(2)}, 15}, {engine.All{by(2), by(3), by(5), by(30)}, 3},
		{engine.Any{by(2), by(3)}, 60}, {engine.Any{by(3), by(2), by(3)}, 60}, {engine.Any{by(2), by(3), by(5)}, 66},
		{engine.All{by(2), absent}, 0}, {engine.Any{by(2), absent}, 45},
		{engine.All{by(2), everything}, 45}, {engine.All{by(2), nothing}, 0}, {engine.Any{by(2), everything}, 90}, {engine.Any{by(2), nothing}, 45},
		{engine.All{everything}, 90}, {engine.All{nothing}, 0}, {engine.Any{everything}, 90}, {engine.Any{nothing}, 0},
		{engine.All{engine.Any{by(2), by(3)}, engine.Any{by(5), by(7)}}, 19},
		{engine.Any{engine.All{by(2), by(3)}, engine.All{by(5), by(7)}, by(30)}, 17},
		{engine.All{engine.Any{engine.All{by(2), engine.Any{by(3), absent}}, nothing}, engine.All{everything, by(5)}}, 3},
		{engine.Any{engine.Has(engine.IDTerm("7")), engine.Has(engine.IDTerm("89")), engine.All{by(7), by(2)}}, 9},
		{engine.All{engine.Has(engine.IDTerm("6")), by(3)}, 1},
		{engine.All{engine.Has(engine.TenantTerm()), by(7)}, 13}, {engine.Any{engine.Has(engine.TenantTerm()), by(7)}, 90},
		{nested(40, by(2)), 45},
	} {
		s.finds(t, f.filter, f.want)
	}
}

// nested wraps a filter so often that it does not change.
func nested(depth int, f engine.Filter) engine.Filter {
	for range depth {
		f = engine.All{engine.Any{f, engine.Any{}}, engine.All{}}
	}
	return f
}

func searchBounds(s *suite) {
	const size = 30
	s.append(counted(0, 11)...)
	s.append(counted(11, 1)...)
	s.append(counted(12, size-12)...)
	t := s.truth()
	bounds := []engine.Position{0, 1, 10, 11, 12, 15, size - 1, size, size + 1, 1 << 32, 1 << 63, math.MaxUint64}
	for _, from := range bounds {
		for _, to := range bounds {
			s.search(t, engine.Query{From: from, To: to})
			for _, f := range []engine.Filter{nil, by(3), engine.Any{by(2), by(5)}} {
				q := of(f)
				q.From, q.To = from, to
				s.search(t, q)
			}
		}
	}
}

// oddTimes are times at which something overflows, is rounded or means nothing,
// in no order.
var oddTimes = []string{
	moment, "0001-01-01T00:00:00.000000000Z", "9999-12-31T23:59:59.999999999Z", "2026-01-02T03:04:05.000000001Z",
	"0000-01-01T00:00:00.000000000Z", "2262-04-11T23:47:16.854775807Z", "1970-01-01T00:00:00.000000000Z",
	"2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43.145224191Z", "2026-01-02T03:04:04.999999999Z",
	"1677-09-21T00:12:43.145224192Z", "1969-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00.000000001Z",
}

func searchTimes(s *suite) {
	bounds := []time.Time{{}, time.Date(-9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(20000, 1, 1, 0, 0, 0, 0, time.FixedZone("west", -7*3600))}
	for round, term := range []string{"2", "3"} {
		for i, at := range oddTimes {
			x := item{id: fmt.Sprint(round, at), time: at, terms: []engine.Term{{Field: "by", Value: term}}}
			if s.append(x); round == 0 {
				f := x.facts()
				bounds = append(bounds, f.Time.In(time.FixedZone("odd", 3600*(i-6))), f.Time.Add(1))
			}
		}
	}
	t := s.truth()
	found := 0
	for _, since := range bounds {
		for _, until := range bounds {
			found += s.search(t, engine.Query{Tenants: []string{"t"}, Filter: by(3), Since: since, Until: until})
		}
		s.search(t, engine.Query{Since: since, From: 3})
		s.search(t, engine.Query{Until: since, To: 20})
	}
	if found < len(oddTimes)*len(bounds) {
		s.Errorf("all searches together find %d entries", found)
	}
}

func searchTenants(s *suite) {
	shared := []engine.Term{{Field: "by", Value: "2"}}
	owners := []string{"t", "u", "tu", "T", "t u"}
	for round := range 3 {
		var items []item
		for _, owner := range owners {
			items = append(items, item{tenant: owner, id: fmt.Sprint(round), entity: thing("a"), terms: shared})
		}
		s.append(items...)
	}
	t := s.truth()
	for _, q := range []struct {
		tenants []string
		want    int
	}{
		{owners[:1], 3}, {owners[4:], 3}, {owners[1:3], 6}, {[]string{"u", "t"}, 6}, {owners, 15},
		{nil, 15}, {[]string{"t", "t"}, 3}, {[]string{"t", "u", "t", "u"}, 6}, {[]string{"nobody"}, 0}, {[]string{"nobody", "T"}, 3}, {[]string{"t", ""}, 3},
	} {
		for _, f := range []engine.Filter{
			nil, by(2), engine.Has(engine.TenantTerm()), engine.Has(engine.EntityTerm(thing("a"))), engine.Any{by(2), by(3)}, engine.All{by(2), engine.Has(kindTerm("x"))},
		} {
			_, isAll := f.(engine.All)
			if got := s.search(t, engine.Query{Tenants: q.tenants, Filter: f}); got != q.want && !isAll {
				s.Errorf("tenants %q have %d entries, want %d", q.tenants, got, q.want)
			}
		}
		s.search(t, engine.Query{Tenants: q.tenants, Filter: engine.Has(engine.IDTerm("1"))})
	}
}

// oddTerms are terms that a careless key or hash confuses with others or cuts.
func oddTerms() []engine.Term {
	long := strings.Repeat("x", 64<<10)
	return []engine.Term{
		{Field: "a", Value: ""}, {Field: "a\x00", Value: ""}, {Field: "", Value: "a"}, {Field: "\x00", Value: "a"}, {Field: "a", Value: "\x00"},
		{Field: "ab", Value: "c"}, {Field: "a", Value: "bc"}, {Field: "abc", Value: ""}, {Field: "", Value: "abc"}, {Field: "a\x00b", Value: "c"}, {Field: "a", Value: "b\x00c"},
		{Field: "tab", Value: "c"}, {Field: "a", Value: "b=c"}, {Field: "a=b", Value: "c"}, {Field: "a:b", Value: "c"},
		{Field: "long", Value: long}, {Field: "long", Value: long + "x"}, {Field: "long", Value: "y" + long[1:]}, {Field: long[:5000], Value: ""},
		{Field: "nul", Value: "before\x00after"}, {Field: "nul", Value: "before"}, {Field: "nul", Value: "before\x00"}, {Field: "nul", Value: "\x00"},
		{Field: "case", Value: "Straße"}, {Field: "case", Value: "STRASSE"}, {Field: "case", Value: "strasse"}, {Field: "Case", Value: "strasse"},
		{Field: "form", Value: "\u00e9"}, {Field: "form", Value: "e\u0301"}, {Field: "space", Value: "x"}, {Field: "space", Value: "x "}, {Field: "space", Value: " x"},
		{Field: "text", Value: "%"}, {Field: "text", Value: "_"}, {Field: "text", Value: "*"}, {Field: "text", Value: `\`}, {Field: "text", Value: `'";--`}, {Field: "text", Value: "\ufffd\U0010ffff\u2028\n\x7f"},
		{Field: "number", Value: "1"}, {Field: "number", Value: "1.0"}, {Field: "number", Value: "01"}, {Field: "number", Value: "-1"},
		{Field: "id", Value: "0"}, {Field: "entity", Value: "thing\x00a"}, {Field: "tenant", Value: "t"}, {Field: "null", Value: "null"},
	}
}

func searchOddTerms(s *suite) {
	odd := oddTerms()
	var items []item
	for i, x := range odd {
		items = append(items, item{id: fmt.Sprint(i), entity: thing("a"), terms: []engine.Term{x}})
	}
	s.append(items...)
	isLong := func(x engine.Term) bool { return len(x.Field)+len(x.Value) > 1000 }
	short := slices.DeleteFunc(slices.Clone(odd), isLong)
	s.append(item{id: "all", terms: short}, item{tenant: "u", id: "all", terms: short})
	for range 2 {
		t := s.truth()
		for i, x := range odd {
			next := odd[(i+1)%len(odd)]
			both := engine.All{engine.Has(x), engine.Has(next)}
			switch {
			case isLong(x):
				s.finds(t, engine.Has(x), 1)
				s.finds(t, both, 0)
			case isLong(next):
				s.finds(t, engine.Any(both), 3)
			default:
				s.finds(t, engine.Has(x), 2)
				s.finds(t, both, 1)
				s.finds(t, engine.Any(both), 3)
			}
		}
		s.reopen()
	}
}

func searchManyTerms(s *suite) {
	const most = 3000
	many := make([]engine.Term, most)
	for i := range many {
		many[i] = engine.Term{Field: fmt.Sprint("field", i/10), Value: fmt.Sprint("value", i)}
	}
	none := []engine.Term{}
	s.append(item{id: "none", terms: none}, item{id: "one", terms: many[:1]}, item{id: "many", terms: many, entity: thing("a")})
	s.append(item{id: "some", terms: many[:300]}, item{id: "none of an entity", terms: none, entity: thing("a")})
	for range 2 {
		t := s.truth()
		for i, want := range map[int]int{0: 3, 1: 2, 255: 2, 256: 2, 257: 2, 299: 2, 300: 1, 1000: 1, most - 1: 1} {
			s.finds(t, engine.Has(many[i]), want)
		}
		s.finds(t, nil, 5)
		s.finds(t, engine.Has(engine.EntityTerm(thing("a"))), 2)
		s.finds(t, engine.Has(engine.IDTerm("none")), 1)
		var any engine.Any
		for _, x := range slices.Backward(many) {
			any = append(any, engine.Has(x))
		}
		s.finds(t, any, 3)
		s.reopen()
	}
}

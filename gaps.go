package annals

import (
	"cmp"
	"context"
	"slices"

	"github.com/annals-io/annals/internal/query"
)

// A Gap is a run of a producer's sequences that no entry has, between others that
// entries have: events that were lost on the way, or are still to come.
type Gap struct {
	Tenant   string
	Producer string
	From, To uint64 // the first and the last that is missing
}

// Count returns how many sequences are missing.
func (g *Gap) Count() uint64 { return g.To - g.From + 1 }

// A GapQuery says whose gaps are wanted.
type GapQuery struct {
	Producer string   // none means every producer
	Tenants  []string // as in [Query]
	Budget   int      // as in [Query]
}

// maxRuns bounds the runs of sequences that Gaps remembers.
const maxRuns = 100_000

// Gaps returns the gaps in the counters of producers, sorted by tenant, producer and
// sequence. What comes before the lowest sequence of a producer, or behind the highest,
// is none: nobody knows where it began. It reads every entry of the producer, or of all
// producers, and remembers no more than 100,000 runs of sequences.
//
// It reports whether it has seen everything; if not, because the budget came to its end,
// damage was met or there are too many runs, a gap may be none. Errors: [ErrInvalid],
// [ErrNotFound] for a tenant that is not among q's; [ErrClosed].
func (j *Journal) Gaps(ctx context.Context, q GapQuery) (gaps []Gap, complete bool, err error) {
	s, err := j.newSearch(Query{Filter: "producer_sequence:>=1", Tenants: q.Tenants, Budget: q.Budget, Order: Ascending}, 0)
	if err != nil {
		return nil, false, err
	}
	if q.Producer != "" {
		s.expr = query.AllOf(s.expr, matchText("producer_id", q.Producer))
		s.lookUp(query.NewPlan(s.expr))
	}
	m, c := s.matcher(), counters{runs: make(map[counterKey][]run)}
	complete = true
	for e, err := range m.matches(ctx) {
		if _, damage := asCorrupt(err); damage {
			complete = false
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if c.add(&e); c.total > maxRuns {
			return c.gaps(), false, nil
		}
	}
	return c.gaps(), complete && !m.spent, nil
}

// A counterKey names a producer.
type counterKey struct{ tenant, producer string }

// A run is sequences without a gap, both ends included.
type run struct{ from, to uint64 }

// counters are the sequences of producers that were seen, as runs in order.
type counters struct {
	runs  map[counterKey][]run
	total int
}

// add adds the sequence of an entry.
func (c *counters) add(e *Entry) {
	raw, _ := e.Member("producer")
	p, err := decodeProducer(raw)
	if err != nil || p.Sequence == 0 {
		return
	}
	key := counterKey{e.Tenant(), p.ID}
	before := c.runs[key]
	after := addRun(before, p.Sequence)
	c.runs[key] = after
	c.total += len(after) - len(before)
}

// addRun adds a number to runs. Most come in order.
func addRun(runs []run, n uint64) []run {
	i, found := slices.BinarySearchFunc(runs, n, func(r run, n uint64) int {
		switch {
		case r.to < n:
			return -1
		case r.from > n:
			return 1
		}
		return 0
	})
	left, right := i > 0 && runs[i-1].to == n-1, i < len(runs) && runs[i].from == n+1
	switch {
	case found:
	case left && right:
		runs[i-1].to = runs[i].to
		runs = slices.Delete(runs, i, i+1)
	case left:
		runs[i-1].to = n
	case right:
		runs[i].from = n
	default:
		runs = slices.Insert(runs, i, run{n, n})
	}
	return runs
}

// gaps returns what is between the runs.
func (c *counters) gaps() []Gap {
	var gaps []Gap
	for key, runs := range c.runs {
		for i := 1; i < len(runs); i++ {
			gaps = append(gaps, Gap{key.tenant, key.producer, runs[i-1].to + 1, runs[i].from - 1})
		}
	}
	slices.SortFunc(gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Producer, b.Producer), cmp.Compare(a.From, b.From))
	})
	return gaps
}

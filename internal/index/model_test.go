package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// long asks for the nightly number of rounds.
var long = os.Getenv("ANNALS_LONG") == "1"

// A modelEntry is an entry of the log that an index is of.
type modelEntry struct {
	engine.Facts
	sequence engine.Sequence
	place    uint32
}

// A testLog is a log in plain Go, and makes indexes of it.
type testLog struct {
	rng     *rand.Rand
	entries []modelEntry
	seqs    map[Identity]engine.Sequence
	unread  map[engine.Position]bool // damaged
}

func newTestLog(rng *rand.Rand) *testLog {
	return &testLog{rng: rng, seqs: make(map[Identity]engine.Sequence), unread: make(map[engine.Position]bool)}
}

func (l *testLog) size() engine.Position { return engine.Position(len(l.entries)) }

// modelEpoch is about when the entries of a testLog are.
var modelEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// oddTimes are times that 64 bits of nanoseconds do not hold, and neighbours of
// such.
var oddTimes = []time.Time{
	{}, time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	time.Date(2262, 4, 11, 23, 47, 16, 854_775_806, time.UTC), time.Date(2262, 4, 11, 23, 47, 15, 0, time.UTC),
	time.Date(1677, 9, 21, 0, 12, 43, 145_224_192, time.UTC), time.Unix(0, 0),
}

func (l *testLog) time() time.Time {
	if l.rng.IntN(50) == 0 {
		return oddTimes[l.rng.IntN(len(oddTimes))]
	}
	return modelEpoch.Add(time.Duration(len(l.entries))*time.Second + time.Duration(l.rng.Int64N(int64(20*time.Second))))
}

func (l *testLog) tenant() string { return fmt.Sprint("tenant", min(l.rng.IntN(6), 2)) }

// term returns a term of the fields a, b and c, which become rarer in this order.
func (l *testLog) term() engine.Term {
	switch l.rng.IntN(3) {
	case 0:
		return engine.Term{Field: "a", Value: fmt.Sprint(l.rng.IntN(2))}
	case 1:
		return engine.Term{Field: "b", Value: fmt.Sprint(l.rng.IntN(12))}
	}
	return engine.Term{Field: "c", Value: fmt.Sprint(l.rng.IntN(300))}
}

func (l *testLog) entity() engine.Entity {
	return engine.Entity{Type: "e", ID: fmt.Sprint(l.rng.IntN(12))}
}

// extend adds an entry.
func (l *testLog) extend() {
	e := modelEntry{place: 64 + 8*uint32(len(l.entries))}
	e.Tenant, e.ID, e.Kind, e.Time = l.tenant(), fmt.Sprint("id", len(l.entries)), fmt.Sprint("kind", l.rng.IntN(4)), l.time()
	for range l.rng.IntN(5) {
		if t := l.term(); !slices.Contains(e.Terms, t) {
			e.Terms = append(e.Terms, t)
		}
	}
	if l.rng.IntN(3) > 0 {
		e.Entity = l.entity()
		id := testHasher.Entity(e.Tenant, e.Entity)
		l.seqs[id]++
		e.sequence = l.seqs[id]
	}
	l.entries = append(l.entries, e)
}

// cut drops the entries from size on.
func (l *testLog) cut(size engine.Position) {
	for _, e := range l.entries[size:] {
		if e.sequence > 0 {
			l.seqs[testHasher.Entity(e.Tenant, e.Entity)]--
		}
	}
	l.entries = l.entries[:size]
}

// The policies of a testLog: whole indexes all fields, and part all but c.
const (
	whole = "whole"
	parts = "part"
)

func modelCovers(policy, field string) bool { return policy == whole || field != "c" }

// item returns what an index of a policy takes of an entry.
func (l *testLog) item(h *Hasher, policy string, p engine.Position) *Item {
	f := l.entries[p].Facts
	f.Terms = slices.DeleteFunc(slices.Clone(f.Terms), func(t engine.Term) bool { return !modelCovers(policy, t.Field) })
	return new(h.Item(&f))
}

// filler returns the log's Filler for an index.
func (l *testLog) filler(x *Index) Filler {
	return func(ctx context.Context, from, to engine.Position, add func(*Item, engine.Sequence, uint32)) error {
		for p := from; p < to; p++ {
			if l.unread[p] {
				return &engine.CorruptError{Path: "log", First: p, Next: p + 1, Err: errors.New("damaged")}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			add(l.item(x.hasher, x.opts.Policy, p), l.entries[p].sequence, l.entries[p].place)
		}
		return nil
	}
}

// add gives an index the entries from its next one up to size.
func (l *testLog) add(x *Index, size engine.Position) {
	for p := x.Next(); p < size; p++ {
		x.Add(l.item(x.hasher, x.opts.Policy, p), l.entries[p].sequence, l.entries[p].place)
	}
}

// open opens an index of the first size entries, as an engine does: a few that it
// lacks are added at once.
func (l *testLog) open(t testing.TB, o Options, size engine.Position) *Index {
	t.Helper()
	x, err := Open(o)
	check(t, err)
	if end := x.End(); end > size {
		t.Fatalf("index says that the log has %d entries, it has %d", end, size)
	}
	l.cover(x, size)
	return x
}

func (l *testLog) cover(x *Index, size engine.Position) {
	x.Cover(size)
	from, to := x.Rest()
	if from == to || l.rng.IntN(3) == 0 {
		x.Start(size)
		return
	}
	x.Start(from)
	l.add(x, to)
}

func testOptions(fsys durable.FS) Options {
	return Options{
		FS: fsys, Journal: testJournal, Key: [16]byte([]byte("0123456789abcdef")), Policy: whole, Covers: modelCovers,
		TailEntries: 16, Logger: slog.New(slog.DiscardHandler),
	}
}

// filter returns a random filter of some depth.
func (l *testLog) filter(depth int) engine.Filter {
	n := l.rng.IntN(8)
	if depth == 0 {
		n = min(n, 3)
	}
	several := func() (fs []engine.Filter) {
		for range l.rng.IntN(4) {
			fs = append(fs, l.filter(depth-1))
		}
		return fs
	}
	switch n {
	case 0:
		return engine.Has(engine.IDTerm(fmt.Sprint("id", l.rng.IntN(len(l.entries)+2))))
	case 1:
		return engine.Has(engine.EntityTerm(l.entity()))
	case 4, 5:
		return engine.All(several())
	case 6, 7:
		return engine.Any(several())
	}
	return engine.Has(l.term())
}

// matches reports whether an entry has what a filter asks for. Fields that covered
// excludes count as had.
func (e *modelEntry) matches(f engine.Filter, covered func(string) bool) bool {
	switch f := f.(type) {
	case nil:
		return true
	case engine.Has:
		t := engine.Term(f)
		return !covered(t.Field) || t == engine.IDTerm(e.ID) || e.sequence > 0 && t == engine.EntityTerm(e.Entity) || slices.Contains(e.Terms, t)
	case engine.All:
		return !slices.ContainsFunc(f, func(f engine.Filter) bool { return !e.matches(f, covered) })
	case engine.Any:
		return slices.ContainsFunc(f, func(f engine.Filter) bool { return e.matches(f, covered) })
	}
	panic("unknown filter")
}

func (l *testLog) query() engine.Query {
	q := engine.Query{Descending: l.rng.IntN(2) == 0}
	if l.rng.IntN(8) > 0 {
		q.Tenants = []string{"tenant0", "tenant1", "tenant2", "nobody"}[l.rng.IntN(3):][:1+l.rng.IntN(2)]
	}
	if l.rng.IntN(8) > 0 {
		q.Filter = l.filter(2)
	}
	if n := uint64(len(l.entries)); l.rng.IntN(3) == 0 {
		q.From = engine.Position(l.rng.Uint64N(n + 1))
		q.To = engine.Position(l.rng.Uint64N(n + 10))
	}
	if l.rng.IntN(3) == 0 {
		q.Since = l.bound()
	}
	if l.rng.IntN(3) == 0 {
		q.Until = l.bound()
	}
	return q
}

// bound returns a time to ask for: any, or that of an entry or next to it.
func (l *testLog) bound() time.Time {
	if len(l.entries) == 0 || l.rng.IntN(4) == 0 {
		return l.time()
	}
	return l.entries[l.rng.IntN(len(l.entries))].Time.Add(time.Duration(l.rng.IntN(3) - 1))
}

// wants reports whether a query chooses an entry, and whether it would if all
// times were in its bounds.
func (e *modelEntry) wants(q *engine.Query, p engine.Position, covered func(string) bool) (chosen, butTime bool) {
	butTime = p >= q.From && (q.To == 0 || p < q.To) && (len(q.Tenants) == 0 || slices.Contains(q.Tenants, e.Tenant)) && e.matches(q.Filter, covered)
	return butTime && (q.Since.IsZero() || !e.Time.Before(q.Since)) && (q.Until.IsZero() || e.Time.Before(q.Until)), butTime
}

package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
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

// checkSearch searches for q: what it chooses is in the spans, which are in order.
// If the index is sound there is nothing else in them but what its parts do not know.
func (l *testLog) checkSearch(v *View, q *engine.Query, size engine.Position, sound bool) error {
	in := make([]bool, size)
	last := Span{0, 0}
	if q.Descending {
		last = Span{size, size}
	}
	for span, err := range v.Search(context.Background(), q, size) {
		if err != nil {
			return err
		}
		if span.From >= span.To || span.To > size || !q.Descending && span.From < last.To || q.Descending && span.To > last.From {
			return fmt.Errorf("span %v after %v of %d entries", span, last, size)
		}
		for p := span.From; p < span.To; p++ {
			in[p] = true
		}
		last = span
	}
	found := uint64(0)
	for i := range in {
		p := engine.Position(i)
		if in[p] {
			found++
		}
		part := v.at(p).part
		_, isHole := part.(hole)
		chosen, _ := l.entries[p].wants(q, p, func(string) bool { return true })
		_, may := l.entries[p].wants(q, p, part.covers)
		if chosen && !in[p] {
			return fmt.Errorf("entry %d %+v in a %T is not found", p, l.entries[p], part)
		}
		bounded := p < q.From || q.To != 0 && p >= q.To
		if in[p] && (bounded || sound && !isHole && !may) {
			return fmt.Errorf("entry %d %+v in a %T is found", p, l.entries[p], part)
		}
	}
	if e, err := v.Estimate(q, size); err != nil || sound && e.Candidates < found {
		return fmt.Errorf("estimate %+v of %d candidates, %w", e, found, err)
	}
	return nil
}

// checkLast looks an identity up in a range: what comes is the newest of it, at the
// latest in a range that the index does not know.
func (l *testLog) checkLast(v *View, id Identity, has func(*modelEntry) bool, from, to engine.Position, sound bool) error {
	want := to
	for p := to; p > from && want == to; p-- {
		if has(&l.entries[p-1]) {
			want = p - 1
		}
	}
	at, found := to, want == to
	var err error
	v.Last(id, from, to, func(c Candidate) bool {
		switch {
		case c.From >= c.To || c.From < from || c.To > at:
			err = fmt.Errorf("candidate %+v after %d", c, at)
		case !c.Unknown && c.To-c.From != 1:
			err = fmt.Errorf("candidate %+v is several", c)
		case c.Sure && c.From != want || sound && !c.Unknown && c.From != want && (want == to || c.From > want):
			err = fmt.Errorf("candidate %+v, want %d", c, want)
		case c.Sure && l.entries[want].Entity != (engine.Entity{}) && c.Sequence != l.entries[want].sequence:
			err = fmt.Errorf("candidate %+v, want sequence %d", c, l.entries[want].sequence)
		}
		at = c.From
		found = found || c.From <= want && want < c.To
		return err == nil && (!found || want == to)
	})
	if err == nil && !found && !l.unread[want] {
		err = fmt.Errorf("entry %d is not found", want)
	}
	return err
}

// checkCounts adds up what the index and those who read what it does not know
// count.
func (l *testLog) checkCounts(v *View, size engine.Position) error {
	want, got := make(map[engine.KindCount]uint64), make(map[engine.KindCount]uint64)
	firsts := uint64(0)
	for _, e := range l.entries[:size] {
		want[engine.KindCount{Tenant: e.Tenant, Kind: e.Kind}]++
		if e.sequence == 1 {
			firsts++
		}
	}
	known := func(k engine.KindCount) bool {
		n := k.Count
		k.Count = 0
		got[k] += n
		return true
	}
	unread := func(s Span) bool {
		for _, e := range l.entries[s.From:s.To] {
			got[engine.KindCount{Tenant: e.Tenant, Kind: e.Kind}]++
		}
		return true
	}
	for v.Kinds(size, known, unread) != nil { // a table that was sound cannot be read again
		clear(got)
	}
	for k, n := range want {
		if got[k] != n {
			return fmt.Errorf("%d of kind %v, want %d", got[k], k, n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d kinds, want %d", len(got), len(want))
	}
	n, unknown := v.Entities(size)
	for _, s := range unknown {
		for _, e := range l.entries[s.From:s.To] {
			if e.sequence == 1 {
				n++
			}
		}
	}
	if n != firsts {
		return fmt.Errorf("%d entities, want %d", n, firsts)
	}
	return nil
}

// check asks an index about its first size entries. Of a sound one all parts can be
// read.
func (l *testLog) check(x *Index, size engine.Position, sound bool) error {
	v := x.Acquire()
	defer v.Release()
	for range 6 {
		q := l.query()
		if err := l.checkSearch(v, &q, size, sound); err != nil {
			return fmt.Errorf("search %+v of %d in %v: %w", q, size, v, err)
		}
	}
	for range 6 {
		tenant, id, entity := l.tenant(), fmt.Sprint("id", l.rng.IntN(int(size)+1)), l.entity()
		to := engine.Position(l.rng.Uint64N(uint64(size) + 1))
		from := engine.Position(l.rng.Uint64N(uint64(to) + 1))
		if l.rng.IntN(2) == 0 {
			from, to = 0, size
		}
		err := cmp.Or(
			l.checkLast(v, testHasher.ID(tenant, id), func(e *modelEntry) bool { return e.Tenant == tenant && e.ID == id }, from, to, sound),
			l.checkLast(v, testHasher.Entity(tenant, entity), func(e *modelEntry) bool { return e.Tenant == tenant && e.Entity == entity }, from, to, sound),
		)
		if err != nil {
			return fmt.Errorf("last %s %s %v from %d to %d in %v: %w", tenant, id, entity, from, to, v, err)
		}
		if to > 0 {
			if place := v.Place(to - 1); sound && place != 0 && place != l.entries[to-1].place {
				return fmt.Errorf("entry %d is at %d, want %d", to-1, place, l.entries[to-1].place)
			}
		}
	}
	return l.checkCounts(v, size)
}

// String lists the parts of a view.
func (v *View) String() string {
	var b strings.Builder
	for _, s := range v.parts {
		first, next := s.bounds()
		fmt.Fprintf(&b, "%T[%d,%d) from %d; ", s.part, first, next, s.from)
	}
	return b.String()
}

// A world is a log, its index, perhaps a second-process reader of it, and a disk
// on which things go wrong.
type world struct {
	*testLog
	t       testing.TB
	mem     *durable.Mem
	policy  string
	x       *Index
	durable engine.Position
	reader  *Index          // nil if there is none
	shown   engine.Position // entries that the reader has
	flips   bool            // files are damaged
	faults  int             // chance of an operation to fail, in percent
	failed  int
}

func newWorld(t testing.TB, rng *rand.Rand) *world {
	w := &world{testLog: newTestLog(rng), t: t, mem: durable.NewMem(), policy: whole}
	w.open()
	return w
}

// hook makes operations fail by chance.
func (w *world) hook(op durable.Op) durable.Fault {
	if w.faults == 0 || w.rng.IntN(100) >= w.faults {
		return durable.Fault{}
	}
	switch {
	case op.Kind == durable.OpReadDir || op.Kind == durable.OpMkdir:
		return durable.Fault{} // an index whose directory cannot be listed does not open
	case op.Kind == durable.OpWrite && w.rng.IntN(2) == 0:
		w.failed++
		return durable.Fault{Err: syscall.ENOSPC, Short: w.rng.IntN(op.Len)}
	}
	w.failed++
	return durable.Fault{Err: syscall.EIO, After: w.rng.IntN(4) == 0}
}

func (w *world) options() Options {
	o := testOptions(durable.NewFaulty(w.mem, w.hook))
	o.Policy = w.policy
	return o
}

func (w *world) open() { w.x = w.testLog.open(w.t, w.options(), w.size()) }

// readOn opens a reader or lets it look for what is new.
func (w *world) readOn() error {
	if w.reader == nil {
		o := w.options()
		o.ReadOnly = true
		w.shown = w.durable
		w.reader = w.testLog.open(w.t, o, w.shown)
	} else {
		w.shown = max(w.shown, w.durable)
		for next := w.reader.Next(); next < w.shown; next = w.reader.Next() {
			if w.rng.IntN(20) == 0 { // as if they were damaged
				w.reader.Pass(min(w.shown, next+1+engine.Position(w.rng.IntN(4))))
				continue
			}
			w.testLog.add(w.reader, min(w.shown, next+1+engine.Position(w.rng.IntN(20))))
		}
		w.reader.refreshed = time.Time{}
		if err := w.reader.Refresh(); err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		room := -tailShares // the active one's
		for _, t := range tailsOf(w.reader.parts) {
			room += t.share()
		}
		if room > maxWaiting*tailShares {
			return fmt.Errorf("reader has %d tails, %d shares too many", len(tailsOf(w.reader.parts)), room-maxWaiting*tailShares)
		}
	}
	return nil
}

func (w *world) closeReader() {
	if w.reader != nil {
		w.reader.Abandon()
		w.reader = nil
	}
}

// step does something.
func (w *world) step() error {
	switch w.rng.IntN(16) {
	case 0, 1, 2, 3:
		for range w.rng.IntN(40) {
			w.extend()
		}
		w.testLog.add(w.x, w.size())
	case 4, 5:
		w.durable = w.size()
	case 6, 7, 8, 9:
		w.maintain(1 + w.rng.IntN(10))
	case 10:
		w.durable = w.size()
		w.x.Close() // may fail to write
		w.spoil()
		w.policy = []string{whole, parts}[w.rng.IntN(2)]
		w.open()
	case 11:
		w.crash()
	case 12:
		w.spoil()
	case 13:
		if w.rng.IntN(4) == 0 {
			w.closeReader()
		}
		return w.readOn()
	case 14:
		if w.reader != nil {
			return w.readOn()
		}
	case 15:
		w.faults = 0
		if w.rng.IntN(3) == 0 {
			w.faults = 1 + w.rng.IntN(10)
		}
	}
	return nil
}

// maintain maintains and merges so many times, or until there is nothing to do. It
// reports whether it came so far.
func (w *world) maintain(most int) bool {
	for range most {
		did, _ := w.x.Maintain(context.Background(), w.durable, w.filler(w.x)) // may fail
		merged, _ := w.x.Merge(context.Background())
		if !did && !merged {
			return true
		}
	}
	return false
}

// crash cuts the power and opens the index again. The log keeps what was durable.
func (w *world) crash() {
	cut := durable.Cut{Seed: w.rng.Uint64(), Keep: w.rng.IntN(101), Tear: w.rng.IntN(2) == 0}
	w.closeReader()
	after := w.mem.Crash(cut)
	w.x.Abandon()
	w.mem = after
	w.cut(w.durable + engine.Position(w.rng.Uint64N(uint64(w.size()-w.durable)+1)))
	w.durable = w.size()
	w.spoil()
	w.open()
}

// spoil deletes files, or damages them if the world has that.
func (w *world) spoil() {
	names := slices.DeleteFunc(w.mem.Names(), func(name string) bool { return !strings.HasSuffix(name, runSuffix) })
	if len(names) == 0 {
		return
	}
	name := names[w.rng.IntN(len(names))]
	switch w.rng.IntN(12) {
	case 0:
		for _, name := range names {
			check(w.t, w.mem.Remove(name))
		}
	case 1, 2:
		check(w.t, w.mem.Remove(name))
	case 3, 4, 5:
		if w.flips {
			spoilFile(w.t, w.rng, w.mem, name)
		}
	}
}

// spoilFile flips a bit of a file, or cuts it.
func spoilFile(t testing.TB, rng *rand.Rand, mem *durable.Mem, name string) {
	b := mem.Bytes(name)
	f, err := mem.OpenWrite(name)
	check(t, err)
	defer f.Close()
	if len(b) == 0 || rng.IntN(4) == 0 {
		check(t, f.Truncate(rng.Int64N(int64(len(b)+1))))
		return
	}
	at := rng.IntN(len(b))
	_, err = f.WriteAt([]byte{b[at] ^ 1<<rng.IntN(8)}, int64(at))
	check(t, err)
}

// TestFault45Model plays random lives of an index against a plain list of
// entries: adding, writing, merging, opening anew, second-process readers, deleted
// and damaged files, errors of the disk, power cuts and changes of policy. Whatever happens
// it finds everything, and as long as its files are sound nothing else (with test
// 47: no error of the index's files does more).
func TestFault45Model(t *testing.T) {
	rng := newRand(t)
	worlds, failed, merged := 20, 0, 0
	if long {
		worlds = 3000
	}
	for i := range worlds {
		w := newWorld(t, rng)
		w.flips = i%2 == 0
		for step := range 60 {
			if err := w.step(); err != nil {
				t.Fatalf("world %d, step %d: %v", i, step, err)
			}
			sound := !w.flips && w.faults == 0
			if err := w.testLog.check(w.x, w.size(), sound); err != nil {
				t.Fatalf("world %d, step %d: %v", i, step, err)
			}
			if w.reader == nil {
				continue
			}
			if err := w.testLog.check(w.reader, w.shown, sound); err != nil {
				t.Fatalf("world %d, step %d: reader: %v", i, step, err)
			}
		}
		w.settle(&merged)
		failed += w.failed
	}
	if failed < worlds || merged < worlds/4 {
		t.Errorf("%d operations failed and %d runs were merged: too few to mean anything", failed, merged)
	}
}

// settle lets the index finish its work on a sound disk: then it knows
// everything, and so does the next one, with nothing to add.
func (w *world) settle(merged *int) {
	w.t.Helper()
	w.faults = 0
	w.durable = w.size()
	w.closeReader()
	for range 2 { // what the first check condemns is made anew before the second
		if !w.maintain(1000) {
			w.t.Fatalf("maintaining does not come to an end: %v", w.x.view.Load())
		}
		check(w.t, w.testLog.check(w.x, w.size(), !w.flips))
	}
	w.maintain(1000)
	v := w.x.Acquire()
	for _, s := range v.parts {
		switch p := s.part.(type) {
		case hole:
			w.t.Fatalf("hole %+v remains in %v", p, v)
		case *run:
			if p.meta.entries() > 16 {
				*merged++
			}
		}
	}
	v.Release()
	check(w.t, w.x.Close())
	w.x.Abandon()           // once more, which does nothing
	w.x.Acquire().Release() // who comes late does not wait for ever
	w.open()
	check(w.t, w.testLog.check(w.x, w.size(), !w.flips))
	w.x.Abandon()
}

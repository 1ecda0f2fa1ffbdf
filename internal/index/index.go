package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// Dir is the index's directory in a journal's.
const Dir = "index"

// Options configure an index.
type Options struct {
	FS      durable.FS
	Journal [16]byte // the journal's id
	Key     [16]byte // secret, of the hashes of terms

	// Policy says which terms entries are given from now on, and Covers whether
	// entries that were given terms under a policy have all of a field.
	Policy string
	Covers func(policy, field string) bool

	// TailEntries is how many entries a tail holds at most. Zero means
	// [TailEntries].
	TailEntries int

	ReadOnly bool
	Logger   *slog.Logger
}

// TailEntries is how many entries a tail holds at most, unless Options say
// otherwise.
const TailEntries = 64 << 10

// An Index finds the entries of a log by their terms. It is a list of parts, in
// the order of their positions: runs on disk, tails in memory, and holes of which
// nothing is known.
//
// One goroutine adds entries, one maintains, one merges, any may read.
type Index struct {
	// Never change.
	opts   Options
	hasher *Hasher

	view atomic.Pointer[View]

	// Owned by Open, then by whoever covers or refreshes.
	listed []*run    // what was found last, until it is arranged
	unused []Problem // what of it cannot be used
	litter []string  // what of it nobody can use: the writer removes it

	lostEnd engine.Position // of runs whose key is lost, which say how far the log went

	// Owned by whoever adds.
	active    *tail
	refreshed time.Time

	mu      sync.Mutex
	parts   []part        // the active tail last; guarded by mu
	freed   chan struct{} // closed when the maintainer has got on; guarded by mu
	paused  error         // why maintaining does not get on; guarded by mu
	refused error         // why nothing can be added any more; guarded by mu

	busySince time.Time // when the maintainer began its step, zero between steps; guarded by mu
	stopped   bool      // nothing is replaced any more; guarded by mu

	crowded atomic.Bool   // appends must wait
	waiting atomic.Bool   // there is something to write once it is durable
	work    chan struct{} // has room for one: there may be something to maintain
	ripe    chan struct{} // has room for one: there may be something to merge
}

// maxWaiting bounds the closed tails that wait to be written before appends wait
// for them.
const maxWaiting = 2

// Open opens an index and looks at its files. [Index.Cover] comes next.
func Open(o Options) (*Index, error) {
	o.TailEntries = cmp.Or(o.TailEntries, TailEntries)
	x := &Index{opts: o, hasher: NewHasher(o.Key), freed: make(chan struct{}), work: make(chan struct{}, 1), ripe: make(chan struct{}, 1)}
	var err error
	x.listed, err = x.list(nil)
	return x, err
}

// A Problem is what is wrong with a file of the index.
type Problem struct {
	File string
	Err  error
}

// Check reads every byte of the runs that Open found and calls report with what
// does not check out. It may take the place of [Index.Cover].
func (x *Index) Check(ctx context.Context, report func(Problem)) error {
	for _, p := range x.unused {
		report(p)
	}
	for _, r := range x.listed {
		if err := r.check(ctx); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			report(Problem{r.name, err})
		}
	}
	return nil
}

// End returns the position behind the last entry that a sound run says the log
// has, also one that nobody can read any more because its key is lost.
func (x *Index) End() (end engine.Position) {
	end = x.lostEnd
	for _, r := range x.listed {
		_, next := r.bounds()
		end = max(end, next)
	}
	return end
}

// Cover makes the runs that were found at opening the index of a log of size
// entries. What they lack is holes. [Index.Start] comes next.
func (x *Index) Cover(size engine.Position) {
	for _, name := range x.litter {
		if !x.opts.ReadOnly {
			x.remove(name)
		}
	}
	x.parts, x.listed = x.arrange(x.listed, size), nil
	x.publish()
}

// listTries is how often a listing is made again because a file of it was gone:
// the writer has merged it meanwhile.
const listTries = 3

// list opens the runs in the directory, except those that known has already, by
// their names. Those that are damaged, another journal's, another key's or of a
// later format are left out. It changes nothing.
func (x *Index) list(known map[string]*run) (runs []*run, err error) {
	warned := x.unused
	for range listTries {
		for _, r := range runs {
			r.release()
		}
		var complete bool
		x.unused, x.litter = nil, nil
		if runs, complete, err = x.listOnce(known); complete || err != nil {
			break
		}
	}
	for _, p := range x.unused {
		if !slices.ContainsFunc(warned, func(w Problem) bool { return w.File == p.File }) {
			x.log().Warn("index file is not used", "file", p.File, "error", p.Err)
		}
	}
	return runs, err
}

func (x *Index) listOnce(known map[string]*run) (runs []*run, complete bool, err error) {
	infos, err := x.opts.FS.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) { // it is made when there is something to write
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list index: %w", err)
	}
	complete = true
	for _, info := range infos {
		name := Dir + "/" + info.Name
		if strings.HasSuffix(name, durable.TempSuffix) {
			x.litter = append(x.litter, name)
		}
		if !isRunName(info.Name) {
			continue
		}
		if r := known[name]; r != nil {
			r.acquire()
			runs = append(runs, r)
			continue
		}
		r, err := x.open(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			complete = false
		case err != nil:
			x.unused = append(x.unused, Problem{name, err})
			if errors.Is(err, errDamaged) || errors.Is(err, errForeign) && x.isOurs(name) {
				x.litter = append(x.litter, name)
			}
		default:
			runs = append(runs, r)
		}
	}
	return runs, complete, nil
}

// isOurs reports whether a file that is of another kind or key is this journal's
// nevertheless: its key is no more, or its first bytes are damaged. The length of the
// log that it tells of is remembered.
func (x *Index) isOurs(name string) bool {
	f, err := x.opts.FS.Open(name)
	if err != nil {
		return false
	}
	defer f.Close() // it was only read
	head := make([]byte, headerBytes)
	if readFull(f, head, 0) != nil {
		return false
	}
	m, err := parseHeader(head)
	if err == nil && m.journal == x.opts.Journal {
		x.lostEnd = max(x.lostEnd, m.next)
		return true
	}
	copy(head, magic)
	m, err = parseHeader(head)
	return err == nil && m.journal == x.opts.Journal
}

// makeDir makes the index's directory. If that fails, what is to be written there
// fails, and is tried again.
func (x *Index) makeDir() {
	err := x.opts.FS.Mkdir(Dir)
	if err == nil {
		err = x.opts.FS.SyncDir(".")
	}
	if err != nil {
		x.log().Warn("make index directory", "error", err)
	}
}

func (x *Index) log() *slog.Logger { return x.opts.Logger }

// remove removes a file that is not needed. It is not there for anyone to miss if
// that fails.
func (x *Index) remove(name string) {
	if err := x.opts.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		x.log().Warn("remove index file", "file", name, "error", err)
	}
}

// arrange chooses the runs that cover the first size positions, and puts holes
// between them. Runs whose entries a merged one has are removed.
func (x *Index) arrange(runs []*run, size engine.Position) []part {
	slices.SortFunc(runs, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.meta.first, b.meta.first), cmp.Compare(b.meta.next, a.meta.next))
	})
	var parts []part
	var at engine.Position
	for _, r := range runs {
		first, next := r.bounds()
		if first < at || next > size {
			if !x.opts.ReadOnly {
				x.remove(r.name)
			}
			r.release()
			continue
		}
		if first > at {
			parts = append(parts, hole{first: at, next: first})
		}
		parts, at = append(parts, r), next
	}
	if at < size {
		parts = append(parts, hole{first: at, next: size})
	}
	return parts
}

// Rest returns the hole at the end of the log: entries that may be few enough to be
// added before anyone reads.
func (x *Index) Rest() (from, to engine.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.parts); n > 0 {
		if h, ok := x.parts[n-1].(hole); ok {
			return h.first, h.next
		}
	}
	return 0, 0
}

// Start begins a tail at a position: that of the next entry that is added. What
// lies between it and the parts before is a hole. It comes before the first Add.
func (x *Index) Start(at engine.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.parts); n > 0 {
		if h, ok := x.parts[n-1].(hole); ok {
			x.parts = slices.Clone(x.parts[:n-1])
			if h.next = at; h.first < at {
				x.parts = append(x.parts, h)
			}
		}
	}
	x.active = x.newTail(at, 0)
	x.parts = append(slices.Clone(x.parts), x.active)
	x.changedLocked()
}

func (x *Index) newTail(at engine.Position, terms int) *tail {
	return newTail(at, x.opts.TailEntries, terms, x.coverage(x.opts.Policy))
}

// owner is whose the index's files are.
func (x *Index) owner() owner { return owner{journal: x.opts.Journal, key: x.hasher.KeyID()} }

// Hasher returns what hashes for this index.
func (x *Index) Hasher() *Hasher { return x.hasher }

// Add takes the next entry. It is found by readers whose size includes it.
func (x *Index) Add(it *Item, sequence engine.Sequence, place uint32) {
	if x.active.full() {
		t := x.newTail(x.active.next(), x.active.terms.len())
		x.mu.Lock()
		x.active = t
		x.parts = append(slices.Clone(x.parts), t)
		x.changedLocked()
		x.mu.Unlock()
	}
	x.active.add(it, sequence, place)
}

// Next returns the position of the next entry that is added.
func (x *Index) Next() engine.Position { return x.active.next() }

// Moved tells the index the new place of an entry that it has in a tail, before
// anyone reads.
func (x *Index) Moved(p engine.Position, place uint32) {
	for _, q := range x.parts {
		if t, ok := q.(*tail); ok && t.first <= p && p < t.next() {
			t.facts.at(uint32(p - t.first)).place = place
		}
	}
}

// changedLocked publishes the parts and tells whoever waits.
func (x *Index) changedLocked() {
	x.publish()
	waiting, holes := 0, false
	for _, p := range x.parts {
		switch p := p.(type) {
		case *tail:
			waiting++
		case hole:
			holes = holes || !p.unreadable
		}
	}
	x.waiting.Store(holes || waiting > 1)
	x.crowded.Store(holes || waiting > maxWaiting+1 || x.refused != nil) // one of them is the active one
	x.tellLocked()
	wake(x.work)
	wake(x.ripe)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tellLocked wakes those who wait.
func (x *Index) tellLocked() {
	close(x.freed)
	x.freed = make(chan struct{})
}

// Refuse makes Wait return err from now on. The first call counts.
func (x *Index) Refuse(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refused == nil {
		x.refused = err
		x.crowded.Store(true)
		x.tellLocked()
	}
}

// stuck is how long one step of maintaining may take before those who wait for it
// are told that it does not get on.
const stuck = 20 * time.Second

// Waiting reports whether there is something to write once it is durable.
func (x *Index) Waiting() bool { return x.waiting.Load() }

// Wait returns once the index has come near enough for entries to be added: it
// knows all ids, and not too many entries wait to be written. It ends with ctx, or
// when done or dead is closed, and with an error when the index cannot get on.
func (x *Index) Wait(ctx context.Context, done, dead <-chan struct{}) error {
	for x.crowded.Load() {
		x.mu.Lock()
		freed, paused, refused, busy := x.freed, x.paused, x.refused, x.busySince
		x.mu.Unlock()
		var late <-chan time.Time
		if !busy.IsZero() {
			late = time.After(stuck - time.Since(busy))
		}
		switch {
		case !x.crowded.Load():
			return nil
		case refused != nil:
			return refused
		case paused != nil:
			return fmt.Errorf("%w: the index cannot be written: %w", engine.ErrUnavailable, paused)
		case !busy.IsZero() && time.Since(busy) >= stuck:
			return fmt.Errorf("%w: the index does not get on: its disk does not answer", engine.ErrUnavailable)
		}
		select {
		case <-late:
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return engine.ErrClosed
		case <-dead:
			return fmt.Errorf("%w: the disk does not answer", engine.ErrUnavailable)
		}
	}
	return nil
}

// Poke makes the maintainer look again, if it may be waiting for entries to become
// durable.
func (x *Index) Poke() {
	if x.waiting.Load() {
		wake(x.work)
	}
}

// Work receives when there may be something for [Index.Maintain] to do.
func (x *Index) Work() <-chan struct{} { return x.work }

// Ripe receives when there may be something for [Index.Merge] to do.
func (x *Index) Ripe() <-chan struct{} { return x.ripe }

// condemn takes a run that is damaged out of use: its entries are read from the log
// until they have a new one.
func (x *Index) condemn(p part, err error) {
	r, ok := p.(*run)
	if !ok {
		return
	}
	if !errors.Is(err, errDamaged) { // it may pass
		x.log().Warn("read index file", "file", r.name, "error", err)
		return
	}
	first, next := r.bounds()
	if _, ok := x.replace(first, next, hole{first: first, next: next, file: r.name}, r); ok {
		x.log().Warn("index file cannot be read and is made anew", "file", r.name, "error", err)
	}
}

// replace puts one part in the place of those that cover exactly the positions
// from first to next. If only is not nil, it must be the one. It returns the parts
// that went, and reports whether it did it.
func (x *Index) replace(first, next engine.Position, by part, only part) (old []part, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopped {
		return nil, false
	}
	from := slices.IndexFunc(x.parts, func(p part) bool { f, _ := p.bounds(); return f == first })
	if from < 0 {
		return nil, false
	}
	to := from
	for ; to < len(x.parts); to++ {
		if f, _ := x.parts[to].bounds(); f >= next {
			break
		}
	}
	if _, end := x.parts[to-1].bounds(); end != next || only != nil && (to != from+1 || x.parts[from] != only) {
		return nil, false
	}
	old = slices.Clone(x.parts[from:to])
	x.parts = slices.Concat(x.parts[:from], []part{by}, x.parts[to:])
	x.changedLocked()
	for _, p := range old {
		if r, ok := p.(*run); ok {
			r.release()
		}
	}
	return old, true
}

// Size returns the bytes of the index's files.
func (x *Index) Size() (bytes int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.parts {
		if r, ok := p.(*run); ok {
			bytes += r.size()
		}
	}
	return bytes
}

// refreshEvery is how often a reader looks for new runs.
const refreshEvery = time.Second

// Refresh looks for runs that the writer has made since, while a reader holds
// several tails or there are holes. Tails that are covered go, and of the others no
// more stay than a writer would have.
func (x *Index) Refresh() error {
	if !x.waiting.Load() || time.Since(x.refreshed) < refreshEvery {
		return nil
	}
	x.refreshed = time.Now()
	known, release := x.runs()
	defer release()
	runs, err := x.list(known)
	if err != nil {
		return err
	}
	for _, r := range known { // those that the writer has removed do as well as before
		if !slices.Contains(runs, r) {
			r.acquire()
			runs = append(runs, r)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.parts
	x.parts = x.withTails(x.arrange(runs, x.active.next()))
	x.changedLocked()
	for _, p := range old {
		if r, ok := p.(*run); ok {
			r.release()
		}
	}
	return nil
}

// runs returns the runs that are in use, by their names, until release is called.
func (x *Index) runs() (known map[string]*run, release func()) {
	v := x.Acquire()
	known = make(map[string]*run)
	for _, s := range v.parts {
		if r, ok := s.part.(*run); ok {
			known[r.name] = r
		}
	}
	return known, v.Release
}

// withTails adds the newest tails to parts that cover what is before the active
// one.
func (x *Index) withTails(parts []part) []part {
	var end engine.Position
	if n := len(parts); n > 0 {
		if h, ok := parts[n-1].(hole); ok {
			parts, end = parts[:n-1], h.first
		} else {
			_, end = parts[n-1].bounds()
		}
	}
	for _, t := range newestTails(tailsOf(x.parts)) {
		if t.next() <= end && t != x.active {
			continue
		}
		if t.first > end {
			parts = append(parts, hole{first: end, next: t.first})
		}
		parts, end = append(parts, t), t.next()
	}
	return parts
}

package annals

import (
	"context"
	"iter"
)

// followScan is how few entries a follower reads one by one rather than by
// searching among them.
const followScan = 1000

// A Follower goes through the entries that a query chooses, those that there are and
// those that come, and stops wherever its owner likes. It is not for concurrent use.
type Follower struct {
	search *search
	from   Position // what is before it was examined
}

// Follower returns a follower of the entries that q chooses from a position on.
//
// Order, Limit, Offset, Cursor and Total do not go with it. Distances before now
// count from the call. Errors: [ErrInvalid].
func (j *Journal) Follower(from Position, q Query) (*Follower, error) {
	s, err := j.newWhole(q)
	if err != nil {
		return nil, err
	}
	s.desc, s.budget = false, -1
	return &Follower{s, max(from, Position(s.plan.From))}, nil
}

// Position returns where the follower goes on: every entry before it was examined.
func (f *Follower) Position() Position { return f.from }

// Seek makes the follower go on at a position.
func (f *Follower) Seek(p Position) { f.from = max(p, Position(f.search.plan.From)) }

// Available yields the entries that there are, in order. After a break the next call
// goes on behind the entry that was yielded last. It leaves none out and yields none
// twice. The bytes of an entry are valid until the next step.
//
// Damage is yielded as a *[CorruptError]; a consumer that goes on gets the entries
// behind it. Any other error ends the iteration: [ErrClosed], that of ctx.
func (f *Follower) Available(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		end := f.search.journal.Size()
		switch {
		case end <= f.from:
		case end-f.from <= followScan || f.search.wantsAll() || f.search.plan.Empty():
			f.scan(ctx, end, yield)
		default:
			f.find(ctx, end, yield)
		}
	}
}

// wantsAll reports whether a search chooses so much that an index would not help.
func (s *search) wantsAll() bool {
	p := s.plan
	return s.tenants.producers && p.Filter == nil && p.Tenants == nil && p.Since.IsZero() && p.Until.IsZero()
}

// Wait waits until there are entries that were not examined. Errors: [ErrClosed], that
// of ctx.
func (f *Follower) Wait(ctx context.Context) error {
	return f.search.journal.engine.Wait(ctx, f.from)
}

// followChunk is how many entries are read at once: a consumer that stops at each of
// them has read little in vain.
const followChunk = 16

// scan yields the matches up to end, one entry after the other.
func (f *Follower) scan(ctx context.Context, end Position, yield func(Entry, error) bool) {
	m := &matcher{search: f.search}
	for f.from < end {
		if !f.scanChunk(ctx, m, min(end, f.from+followChunk), yield) {
			return
		}
	}
}

// scanChunk is scan for few entries. It reports whether to go on.
func (f *Follower) scanChunk(ctx context.Context, m *matcher, end Position, yield func(Entry, error) bool) bool {
	for e, err := range f.search.journal.Scan(ctx, f.from, end) {
		c, damage := asCorrupt(err)
		switch {
		case damage:
			f.from = max(f.from, c.Next)
		case err == nil:
			f.from = e.Position + 1
			if !m.match(&e) {
				continue
			}
		}
		if !yield(e, err) || err != nil && !damage {
			return false
		}
	}
	f.from = max(f.from, end)
	return true
}

// find yields the matches up to end by searching for them.
func (f *Follower) find(ctx context.Context, end Position, yield func(Entry, error) bool) {
	m := &matcher{search: f.search, from: f.from, to: end}
	for e, err := range m.matches(ctx) {
		if err == nil {
			f.from = e.Position + 1
		}
		if !yield(e, err) {
			return
		}
		if _, damage := asCorrupt(err); err != nil && !damage {
			return
		}
	}
	f.from = end
}

// FollowMatching is [Journal.Follow] for the entries that q chooses: those that there
// are from a position on, then new ones as they become durable, until ctx ends, whose
// error it yields last. It is a [Follower] that waits by itself, with the same errors.
func (j *Journal) FollowMatching(ctx context.Context, from Position, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := j.Follower(from, q)
		for err == nil {
			for e, err := range f.Available(ctx) {
				if !yield(e, err) {
					return
				}
				if _, damage := asCorrupt(err); err != nil && !damage {
					return
				}
			}
			err = f.Wait(ctx)
		}
		yield(Entry{}, err)
	}
}

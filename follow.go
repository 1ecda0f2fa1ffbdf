package annals

import (
	"context"
	"iter"
)

// followScan is how few entries a follower reads one by one rather than by
// searching among them.
const followScan = 1000

// FollowMatching is [Journal.Follow] for the entries that q chooses: it searches
// among those that there are from a position on, then yields new ones as they
// become durable, until ctx ends, whose error it yields last. It leaves none out
// and yields none twice. The bytes of an entry are valid until the next step.
//
// Order, Limit, Offset, Cursor and Total do not go with it. Distances before now
// count from the call.
//
// Damage is yielded as a *[CorruptError]; a consumer that goes on gets the entries
// behind it. Any other error ends the iteration: [ErrInvalid], [ErrClosed].
func (j *Journal) FollowMatching(ctx context.Context, from Position, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := j.newWhole(q)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		s.desc, s.budget = false, -1
		from = max(from, Position(s.plan.From))
		for {
			end := j.Size()
			if end <= from || end-from <= followScan || s.plan.Empty() {
				break
			}
			m := &matcher{search: s, from: from, to: end}
			if !m.yieldTo(ctx, yield) {
				return
			}
			from = end
		}
		s.followLive(ctx, from, yield)
	}
}

// yieldTo yields what a matcher finds. It reports whether to go on.
func (m *matcher) yieldTo(ctx context.Context, yield func(Entry, error) bool) bool {
	for e, err := range m.matches(ctx) {
		if !yield(e, err) {
			return false
		}
		if _, damage := asCorrupt(err); err != nil && !damage {
			return false
		}
	}
	return true
}

// followLive yields the matches from a position on as they come.
func (s *search) followLive(ctx context.Context, from Position, yield func(Entry, error) bool) {
	m := &matcher{search: s}
	for e, err := range s.journal.Follow(ctx, from) {
		if err == nil && !m.match(&e) {
			continue
		}
		if !yield(e, err) {
			return
		}
	}
}

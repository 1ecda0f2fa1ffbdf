package annals

import (
	"context"
	"slices"
	"time"
)

// Complete returns the event as an append with ctx would have it: with the actor and
// the tags of ctx (see [WithActor] and [WithTags]), and with a new id if it has none.
// Unless now is zero, it is the time of an event without one.
//
// Appends do all that by themselves. It is for programs that keep events or send them
// elsewhere, so that every later try is of the same event.
//
// Errors: [ErrInvalid].
func (e *Encoded) Complete(ctx context.Context, now time.Time) (Encoded, error) {
	done, err := e.withContext(contextActor(ctx), contextTags(ctx))
	if err != nil {
		return Encoded{}, err
	}
	id, err := newID(&done)
	if err != nil {
		return Encoded{}, err
	}
	timed := now.IsZero() || done.has(memberTime)
	if id == "" && timed {
		return done, nil
	}
	b := builder{out: slices.Clone(done.values), done: done}
	b.text(memberID, id)
	if !timed {
		b.time(memberTime, now)
	}
	return b.encoded(), b.err
}

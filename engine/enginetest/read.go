package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
)

var readCases = []testCase{
	{
		"an empty engine",
		"An engine without entries has size 0, finds nothing, scans nothing, and still signs a checkpoint.",
		emptyEngine,
	},
	{
		"read, find and last sequence",
		"What does not exist is ErrNotFound, or sequence 0; every entry is found by position and by identity.",
		lookups,
	},
	{
		"bounds of a scan",
		"A Scan yields positions from from, inclusive, to to, exclusive, as far as there are entries; it may be left early and taken again.",
		scanBounds,
	},
	{
		"a scan ends where it began",
		"Entries that are appended during a Scan are not yielded by it.",
		scanEnds,
	},
	{
		"entries belong to the consumer",
		"The bytes of an entry may be changed and appended to: until the next step of an iteration, for good after a Read.",
		entryMemory,
	},
	{
		"a context that has ended",
		"A Scan or a Follow with a context that has ended yields the context's error last; a lookup gives its answer or that error, nothing else.",
		endedContext,
	},
	{
		"follow catches up and goes on",
		"A Follow yields what there is, then each new entry as it becomes visible, from any position on, also one that is yet to come.",
		followLive,
	},
	{
		"fault 60 follow under load",
		"Followers that start at any time during concurrent appends get every entry once and in order.",
		followUnderLoad,
	},
	{
		"follow ends with its context",
		"A Follow that waits for entries ends when its context does, and yields its error last.",
		followContext,
	},
	{
		"close ends follow",
		"Close ends every Follow, which yields ErrClosed last.",
		followClose,
	},
}

func emptyEngine(s *suite) {
	if all := s.audit(); len(all) > 0 {
		s.Errorf("a new engine has %d entries", len(all))
	}
	if _, err := s.e.Read(s.ctx, 0); !errors.Is(err, engine.ErrNotFound) {
		s.Errorf("read of position 0: %v", err)
	}
	s.reopen()
}

func lookups(s *suite) {
	a := thing("a")
	s.append(item{id: "1", entity: a}, item{id: "2", entity: a}, item{tenant: "u", id: "3"})
	for _, p := range []engine.Position{3, 4, 1 << 32, 1 << 63, math.MaxUint64} {
		if _, err := s.e.Read(s.ctx, p); !errors.Is(err, engine.ErrNotFound) {
			s.Errorf("read of position %d: %v", p, err)
		}
	}
	for _, k := range []key{{Tenant: "t", ID: "4"}, {Tenant: "t", ID: "3"}, {Tenant: "u", ID: "1"}, {Tenant: "v", ID: "1"}, {Tenant: "t"}, {ID: "1"}, {}} {
		if p, err := s.e.Find(s.ctx, k.Tenant, k.ID); !errors.Is(err, engine.ErrNotFound) {
			s.Errorf("find of %+v: position %d, %v", k, p, err)
		}
	}
	for _, k := range []key{{Tenant: "t", Entity: thing("b")}, {Tenant: "u", Entity: a}, {Tenant: "t", Entity: engine.Entity{Type: "a", ID: "thing"}}, {Tenant: "t"}} {
		if q, err := s.e.LastSequence(s.ctx, k.Tenant, k.Entity); err != nil || q != 0 {
			s.Errorf("last sequence of %+v: %d, %v", k, q, err)
		}
	}
	if q, err := s.e.LastSequence(s.ctx, "t", a); err != nil || q != 2 {
		s.Errorf("last sequence is %d, %v, want 2", q, err)
	}
}

// numbered returns n items with ids of their own.
func numbered(prefix string, n int) []item {
	items := make([]item, n)
	for i := range items {
		items[i].id = fmt.Sprint(prefix, i)
	}
	return items
}

func scanBounds(s *suite) {
	const size = 10
	s.append(numbered("a", 6)...)
	s.append(numbered("b", size-6)...)
	bounds := []engine.Position{0, 1, 5, 6, 7, size - 1, size, size + 1, 1 << 40, math.MaxUint64}
	for _, from := range bounds {
		for _, to := range bounds {
			seq := s.e.Scan(s.ctx, from, to)
			for range 2 { // an iteration may be repeated
				next := from
				for e, err := range seq {
					if err != nil || e.Position != next {
						s.Fatalf("scan from %d to %d: position %d, %v, want %d", from, to, e.Position, err, next)
					}
					next++
				}
				if want := max(from, min(to, size)); next != want {
					s.Errorf("scan from %d to %d ends before %d, want %d", from, to, next, want)
				}
			}
		}
	}
	for e, err := range s.e.Scan(s.ctx, 2, size) {
		if err != nil || e.Position != 2 {
			s.Errorf("first step of a scan from 2: position %d, %v", e.Position, err)
		}
		break
	}
}

func scanEnds(s *suite) {
	s.append(numbered("old", 3)...)
	steps := 0
	for e, err := range s.e.Scan(s.ctx, 0, math.MaxUint64) {
		if err != nil || steps == 10 {
			s.Fatalf("scan after %d steps: %v", steps, err)
		}
		s.append(item{id: fmt.Sprint("new", e.Position)})
		steps++
	}
	if steps != 3 {
		s.Errorf("scan of 3 entries yields %d while more are appended", steps)
	}
}

func entryMemory(s *suite) {
	s.append(numbered("", 8)...)
	want := s.entries()
	spoil := func(b []byte) {
		longer := append(b, "\nsomething behind it that is longer than what precedes the next entry"...)
		clear(longer) // another array than b's if there was no room
		clear(b)
	}
	for name, seq := range map[string]func(func(engine.Entry, error) bool){
		"scan": s.e.Scan(s.ctx, 0, 8), "follow": s.e.Follow(s.ctx, 0),
	} {
		for e, err := range seq {
			if err != nil || !bytes.Equal(e.Bytes, want[e.Position].Bytes) {
				s.Fatalf("%s: entry after a changed one: %q, %v", name, e.Bytes, err)
			}
			spoil(e.Bytes)
			if e.Position == 7 {
				break
			}
		}
	}
	first, err := s.e.Read(s.ctx, 3)
	if err != nil {
		s.Fatalf("read: %v", err)
	}
	s.append(numbered("more", 20)...)
	for range s.e.Scan(s.ctx, 0, 20) { // whatever buffers there are get used
	}
	if !bytes.Equal(first.Bytes, want[3].Bytes) {
		s.Errorf("what a read returned has changed to %q", first.Bytes)
	}
	spoil(first.Bytes)
	if again, err := s.e.Read(s.ctx, 3); err != nil || !bytes.Equal(again.Bytes, want[3].Bytes) {
		s.Errorf("read after its first result was changed: %q, %v", again.Bytes, err)
	}
}

func endedContext(s *suite) {
	s.append(numbered("", 3)...)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, seq := range map[string]func(func(engine.Entry, error) bool){
		"scan": s.e.Scan(ctx, 0, 3), "follow": s.e.Follow(ctx, 0), "follow from the end": s.e.Follow(ctx, 3),
	} {
		if n, err := drain(seq); !errors.Is(err, context.Canceled) {
			s.Errorf("%s ends with %v after %d entries", name, err, n)
		}
	}
	if p, err := s.e.Find(ctx, "t", "2"); p != 2 && !errors.Is(err, context.Canceled) {
		s.Errorf("find: %d, %v", p, err)
	}
	if e, err := s.e.Read(ctx, 2); e.Position != 2 && !errors.Is(err, context.Canceled) {
		s.Errorf("read: %+v, %v", e, err)
	}
	if q, err := s.e.LastSequence(ctx, "t", thing("a")); q != 0 || err != nil && !errors.Is(err, context.Canceled) {
		s.Errorf("last sequence: %d, %v", q, err)
	}
}

// drain takes an iteration to its end. It returns the number of entries and the
// error that came last; an error that more follows is reported in its place.
func drain(seq func(func(engine.Entry, error) bool)) (n int, last error) {
	for _, err := range seq {
		if last != nil {
			return n, fmt.Errorf("the iteration went on after the error %v", last)
		}
		if last = err; err == nil {
			n++
		}
	}
	return n, last
}

// follow takes entries until it has the one before until, and checks that they
// come in order from from. Each is handed to seen, if that is not nil.
func (s *suite) follow(ctx context.Context, from, until engine.Position, seen func(engine.Position)) error {
	next := from
	for e, err := range s.e.Follow(ctx, from) {
		if err != nil {
			return fmt.Errorf("follow from %d, at %d: %w", from, next, err)
		}
		a, err := engine.ParseAssigned(e.Bytes)
		if err != nil || e.Position != next || a.Position != next {
			return fmt.Errorf("follow from %d yields position %d with the bytes of %d, want %d: %v", from, e.Position, a.Position, next, err)
		}
		if next++; seen != nil {
			seen(e.Position)
		}
		if next == until {
			return nil
		}
	}
	return fmt.Errorf("follow from %d ended at %d without an error", from, next)
}

func followLive(s *suite) {
	const old, last = 5, 12
	s.append(numbered("old", old)...)
	starts := []engine.Position{0, 3, old, 9, last - 1}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	seen := make([]chan engine.Position, len(starts))
	for i := range seen {
		seen[i] = make(chan engine.Position, last)
	}
	s.parallel(len(starts)+1, func(w int) error {
		if w == len(starts) {
			return s.appendAfter(ctx, starts, seen, old, last)
		}
		err := s.follow(ctx, starts[w], last, func(p engine.Position) { seen[w] <- p })
		if err != nil {
			cancel() // nobody waits for what will not come
		}
		return err
	})
}

// appendAfter appends the entries from one position to another, each once every
// follower has seen what there is.
func (s *suite) appendAfter(ctx context.Context, starts []engine.Position, seen []chan engine.Position, from, to engine.Position) error {
	next := slices.Clone(starts)
	for size := from; ; size++ {
		for i := range next {
			for ; next[i] < size; next[i]++ {
				select {
				case <-seen[i]:
				case <-ctx.Done():
					return fmt.Errorf("follower from %d does not get position %d: %w", starts[i], next[i], ctx.Err())
				}
			}
		}
		if size == to {
			return nil
		}
		if _, err := s.try([]item{{id: fmt.Sprint(size)}}); err != nil {
			return err
		}
	}
}

func followUnderLoad(s *suite) {
	const writers, batches = 4, 25
	total := engine.Position(0)
	for w := range writers {
		for b := range batches {
			total += engine.Position(1 + (w+b)%3)
		}
	}
	var followed atomic.Int32
	s.parallel(writers+6, func(w int) error {
		if w >= writers {
			from := engine.Position(0)
			if w%2 == 1 {
				from = s.e.Size() // whatever it is by now
			}
			if from == total {
				return nil
			}
			followed.Add(1)
			return s.follow(s.ctx, from, total, nil)
		}
		for b := range batches {
			if _, err := s.try(numbered(fmt.Sprintf("%d-%d-", w, b), 1+(w+b)%3)); err != nil {
				return err
			}
		}
		return nil
	})
	if followed.Load() < 3 {
		s.Errorf("only %d followers ran", followed.Load())
	}
}

func followContext(s *suite) {
	s.append(numbered("", 2)...)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	n, err := drain(func(yield func(engine.Entry, error) bool) {
		for e, err := range s.e.Follow(ctx, 0) {
			if !yield(e, err) {
				return
			}
			if err == nil && e.Position == 1 {
				cancel() // while the follower is about to wait
			}
		}
	})
	if n != 2 || !errors.Is(err, context.Canceled) {
		s.Errorf("follow ends with %v after %d entries", err, n)
	}
}

func followClose(s *suite) {
	const size = 4
	s.append(numbered("", size)...)
	starts := []engine.Position{0, size - 1, size, size + 5}
	begun := make(chan bool, len(starts))
	s.parallel(len(starts)+1, func(w int) error {
		if w == len(starts) {
			for range starts {
				<-begun
			}
			return s.e.Close()
		}
		begins := sync.OnceFunc(func() { begun <- true })
		defer begins() // also if it fails early
		if starts[w] >= size {
			begins()
		}
		n, err := drain(func(yield func(engine.Entry, error) bool) {
			for e, err := range s.e.Follow(s.ctx, starts[w]) {
				if e.Position == size-1 {
					begins()
				}
				if !yield(e, err) {
					return
				}
			}
		})
		if !errors.Is(err, engine.ErrClosed) {
			return fmt.Errorf("follow ends with %w after %d entries", err, n)
		}
		return nil
	})
	s.start()
}

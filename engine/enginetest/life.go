package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/merkle"
)

var lifeCases = []testCase{
	{
		"closed is closed",
		"Close may be repeated and then returns nil; afterwards every call that can fail says ErrClosed.",
		closed,
	},
	{
		"close waits for appends",
		"Close may run beside other calls. An append that was answered is stored, one that got ErrClosed is not; a read gives its answer or ErrClosed.",
		closeUnderLoad,
	},
	{
		"reopening keeps everything",
		"Entries, ids, sequences and the order go on where they were, however often the engine is closed and opened.",
		reopening,
	},
	{
		"checkpoints cover what is durable",
		"A checkpoint covers at least the entries that were durable when it was asked for, and its root is that of the entries' hashes. Checkpoints under load are all of one tree, before and after a reopening.",
		checkpoints,
	},
	{
		"fault 57 a context that ends during an append",
		"When its context ends, an append fails with the context's error and its batch is stored whole or not at all; a retry with the same ids settles it.",
		endedAppend,
	},
}

func closed(s *suite) {
	x := item{id: "a", entity: thing("a")}
	s.append(x, item{id: "b"})
	for range 3 {
		s.stop()
	}
	_, readErr := s.e.Read(s.ctx, 0)
	_, noneErr := s.e.Read(s.ctx, 99)
	_, findErr := s.e.Find(s.ctx, "t", "a")
	_, lastErr := s.e.LastSequence(s.ctx, "t", thing("a"))
	_, checkpointErr := s.e.Checkpoint(s.ctx)
	_, scanErr := drain(s.e.Scan(s.ctx, 0, 2))
	_, scanNoneErr := drain(s.e.Scan(s.ctx, 2, 2))
	_, followErr := drain(s.e.Follow(s.ctx, 0))
	_, followEndErr := drain(s.e.Follow(s.ctx, 2))
	_, searchErr := drain(s.e.Search(s.ctx, engine.Query{}))
	_, searchNoneErr := drain(s.e.Search(s.ctx, of(engine.Any{})))
	_, estimateErr := s.e.Estimate(s.ctx, engine.Query{})
	_, kindsErr := s.kinds(s.ctx)
	_, entitiesErr := s.e.Entities(s.ctx)
	for what, err := range map[string]error{
		"append of something new": s.appendRaw(item{id: "c"}), "append of a duplicate": s.appendRaw(x), "append of nothing": s.appendRaw(),
		"read": readErr, "read of no entry": noneErr, "find": findErr, "last sequence": lastErr, "checkpoint": checkpointErr,
		"scan": scanErr, "scan of nothing": scanNoneErr, "follow": followErr, "follow from the end": followEndErr,
		"search": searchErr, "search of nothing": searchNoneErr, "estimate": estimateErr, "kinds": kindsErr, "entities": entitiesErr,
	} {
		if !errors.Is(err, engine.ErrClosed) {
			s.Errorf("%s after close: %v", what, err)
		}
	}
	s.start()
}

// appendRaw appends items without a look at the receipts.
func (s *suite) appendRaw(items ...item) error {
	_, err := s.e.Append(s.ctx, batch(s, items))
	return err
}

func closeUnderLoad(s *suite) {
	s.append(numbered("", 10)...)
	const writers, readers = 4, 3
	ended := make([]string, writers) // the id that each writer was refused
	var stored atomic.Int64
	ready := make(chan bool, 1)
	s.parallel(writers+readers+1, func(w int) error {
		switch {
		case w == writers+readers:
			<-ready
			return s.e.Close()
		case w >= writers:
			return s.readUntilClosed()
		}
		for i := 0; ; i++ {
			id := fmt.Sprintf("%d-%d", w, i)
			err := s.appendRaw(item{id: id})
			if errors.Is(err, engine.ErrClosed) {
				ended[w] = id
				return nil
			}
			if err != nil {
				return err
			}
			if stored.Add(1) == 20 {
				ready <- true
			}
		}
	})
	s.start()
	if got, want := s.e.Size(), 10+engine.Position(stored.Load()); got != want {
		s.Errorf("size after reopening is %d, but %d entries were answered for", got, want)
	}
	for _, id := range ended {
		if _, err := s.e.Find(s.ctx, "t", id); !errors.Is(err, engine.ErrNotFound) {
			s.Errorf("find of %q, whose append got ErrClosed: %v", id, err)
		}
	}
}

// readUntilClosed reads in every way until the engine is closed. Any error but
// ErrClosed is returned.
func (s *suite) readUntilClosed() error {
	for {
		_, findErr := s.e.Find(s.ctx, "t", "3")
		_, readErr := s.e.Read(s.ctx, 3)
		_, lastErr := s.e.LastSequence(s.ctx, "t", thing("a"))
		_, scanErr := drain(s.e.Scan(s.ctx, 0, 10))
		_, checkpointErr := s.e.Checkpoint(s.ctx)
		_, searchErr := drain(s.e.Search(s.ctx, of(engine.Has(kindTerm("test.happened")))))
		_, estimateErr := s.e.Estimate(s.ctx, engine.Query{})
		_, kindsErr := s.kinds(s.ctx)
		_, entitiesErr := s.e.Entities(s.ctx)
		all := []error{findErr, readErr, lastErr, scanErr, checkpointErr, searchErr, estimateErr, kindsErr, entitiesErr}
		for i, err := range all {
			if err != nil && !errors.Is(err, engine.ErrClosed) {
				return fmt.Errorf("read %d beside close: %w", i, err)
			}
		}
		if errors.Join(all...) != nil {
			return nil
		}
	}
}

func reopening(s *suite) {
	a := thing("a")
	var all []item
	for round := range 5 {
		x := item{id: fmt.Sprint(round), entity: a, data: fmt.Sprint(round)}
		all = append(all, x)
		got, err := s.try([]item{x, {id: fmt.Sprint("plain", round)}}, expectEntity(a, engine.Sequence(round)))
		if err != nil {
			s.Fatalf("round %d: %v", round, err)
		}
		if got[0].Position != engine.Position(2*round) || got[0].Sequence != engine.Sequence(round+1) {
			s.Errorf("round %d goes on at position %d and sequence %d", round, got[0].Position, got[0].Sequence)
		}
		before := s.entries()
		s.reopen()
		s.sameEntries(before, s.audit())
		for i, got := range s.append(all...) {
			if !got.Duplicate || got.Position != engine.Position(2*i) {
				s.Errorf("round %d: retry of record %d: %+v", round, i, got)
			}
		}
	}
}

func checkpoints(s *suite) {
	const rounds, batches = 2, 20
	seen := make(map[uint64]merkle.Checkpoint)
	for round := range rounds {
		var got [3][]merkle.Checkpoint
		s.parallel(len(got), func(w int) error {
			for i := range batches {
				if _, err := s.try(numbered(fmt.Sprintf("%d-%d-%d-", round, w, i), 1+i%5)); err != nil {
					return err
				}
				durable := uint64(s.e.Size())
				c, err := s.checkpoint()
				if err != nil {
					return err
				}
				if c.Size < durable || c.Size > uint64(s.e.Size()) {
					return fmt.Errorf("checkpoint has size %d, %d entries were durable before it and %d after", c.Size, durable, s.e.Size())
				}
				got[w] = append(got[w], c)
			}
			return nil
		})
		for _, c := range append(append(got[0], got[1]...), got[2]...) {
			seen[c.Size] = c
		}
		s.reopen()
	}
	all := s.entries()
	last := s.auditCheckpoint(all)
	for size, c := range seen {
		if c.Origin != last.Origin {
			s.Errorf("checkpoint's origin at size %d is %q, later %q", size, c.Origin, last.Origin)
		}
		if root := rootOf(all[:size]); root != c.Root {
			s.Errorf("checkpoint's root at size %d is %v, the entries have %v", size, c.Root, root)
		}
	}
	if len(seen) < rounds*batches {
		s.Errorf("only %d checkpoints of different sizes", len(seen))
	}
}

func endedAppend(s *suite) {
	const workers, rounds = 4, 20
	s.parallel(workers, func(w int) error {
		for r := range rounds {
			ctx, cancel := context.WithCancel(s.ctx)
			if r == 0 {
				cancel() // before the append
			}
			items := numbered(fmt.Sprintf("%d-%d-", w, r), 3)
			done := make(chan error, 1)
			go func() {
				_, err := s.e.Append(ctx, batch(s, items))
				done <- err
			}()
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("append whose context ended: %w", err)
			}
			got, err := s.try(items)
			if err != nil {
				return fmt.Errorf("retry: %w", err)
			}
			if d := got[0].Duplicate; got[1].Duplicate != d || got[2].Duplicate != d {
				return fmt.Errorf("a part of the batch was stored: %+v", got)
			}
		}
		return nil
	})
}

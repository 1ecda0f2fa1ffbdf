package native_test

import (
	"errors"
	"fmt"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// A script is a journal's life in small: creation, single and multi-record
// batches, duplicates, idle markers, rotations, checkpoints, closing and
// reopening. It runs in a bubble.
//
// It goes on after errors as a caller would: what failed is closed and opened
// again. Whether it may meet errors at all is the test's affair, through fault.
type script struct {
	ledger
	fs      durable.FS
	faulted func() bool // whether an error is allowed by now; nil = never
	engine  *native.Engine
	batches int
	errs    []error // rules that were broken

	// opened is told of every engine that opened, before anything else happens.
	opened func(*native.Engine)
}

func (s *script) broken(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *script) tolerate(what string, err error) {
	if err != nil && (s.faulted == nil || !s.faulted()) {
		s.broken("%s: %w", what, err)
	}
}

// open opens the journal. One fault may make that fail once.
func (s *script) open() bool {
	if s.engine != nil {
		return true
	}
	for range 2 {
		e, err := native.Open(scriptOptions(s.fs))
		if err == nil {
			s.engine = e
			if len(e.Damage()) > 0 {
				s.broken("open: %w", e.Damage()[0])
			}
			if s.opened != nil {
				s.opened(e)
			}
			synctest.Wait()
			return true
		}
		s.tolerate("open", err)
	}
	s.broken("journal does not open twice in a row")
	return false
}

func (s *script) close() {
	if s.engine != nil {
		s.tolerate("close", s.engine.Close())
		s.engine = nil
	}
	synctest.Wait()
}

// batch appends n records of about the same size to entities of their own turn.
func (s *script) batch(n, pad int) engine.Batch {
	var b engine.Batch
	for i := range n {
		b.Records = append(b.Records, paddedRecord(fmt.Sprintf("b%d-%d", s.batches, i), fmt.Sprint(i%3), pad))
	}
	s.batches++
	return b
}

func (s *script) send(b engine.Batch) {
	if !s.open() {
		return
	}
	err := s.ledger.send(s.engine, b)
	synctest.Wait()
	if err == nil {
		return
	}
	s.tolerate("append", err)
	switch {
	case errors.Is(err, engine.ErrUnknown):
		if err := s.ledger.send(s.engine, s.batch(1, 0)); !errors.Is(err, engine.ErrFailed) {
			s.broken("append after a failure: got %v, want ErrFailed", err)
		}
		s.close()
	case errors.Is(err, engine.ErrFailed):
		s.close()
	case !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrDiskFull):
		s.broken("append: unexpected error: %w", err)
	}
}

func (s *script) checkpoint() {
	if s.open() {
		_, err := s.engine.Checkpoint(ctx)
		s.tolerate("checkpoint", err)
		synctest.Wait()
	}
}

// run plays the script.
func (s *script) run() {
	if !s.open() {
		return
	}
	s.send(s.batch(1, 0))
	twice := s.batch(3, 100)
	twice.Records = append(twice.Records, twice.Records[1])
	s.send(twice)
	idle()
	s.send(s.batch(5, 700))
	s.send(twice)
	s.checkpoint()
	for i := range 6 { // rotates
		s.send(s.batch(1+i%4, 900))
	}
	idle()
	mixed := s.batch(2, 50)
	mixed.Records = append(mixed.Records, twice.Records...)
	s.send(mixed)
	s.close()
	s.send(s.batch(2, 300))
	idle()
	s.send(s.batch(4, 1500))
	s.send(s.batch(1, 5000)) // rotates
	s.send(s.batch(3, 0))
	s.checkpoint()
	s.send(s.batch(2, 2000))
	s.send(s.batch(1, 20))
	s.close()
}

// err returns what was broken.
func (s *script) err() error { return errors.Join(s.errs...) }

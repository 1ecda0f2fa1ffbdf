/*
Package enginetest is the suite that every storage engine passes: what package
engine promises, one rule a case.

An engine's own test calls [Run] with a function that makes empty storage:

	func TestConformance(t *testing.T) {
		enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Open {
			dir := t.TempDir()
			return func() (engine.Engine, error) { return mine.Open(dir, c.Describe, c.Now) }
		})
	}

The suite closes what it opens, and opens the same storage again to see what is
left. It assumes nothing about where an engine keeps its data. After each case it
audits the whole engine, before and after a reopening: order, sequences, times,
hashes, lookups, searches, counts and what the checkpoint says must agree.

Faults of the disk, the network and the process are not its business: those are
an engine's own to inject.
*/
package enginetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
)

// patience bounds one case, so that an engine that loses a wake-up fails instead
// of hanging. No healthy engine comes near.
const patience = 2 * time.Minute

// A Config is what the suite wants an engine to be opened with.
type Config struct {
	// Describe reads the facts of the suite's entries: all of them only when asked.
	Describe engine.Describe

	// Now is the clock for recorded_at. It may jump and stand still.
	Now func() time.Time
}

// An Open opens an engine on its storage. It is called again after Close, never
// while the engine that it returned before is open.
type Open func() (engine.Engine, error)

// Run tests an engine. NewStorage makes empty storage for one case, private to
// it, which t.Cleanup may remove, and returns how an engine is opened on it.
func Run(t *testing.T, newStorage func(t testing.TB, c Config) Open) {
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) { c.test(t, newStorage) })
	}
}

// A testCase checks one rule of the contract.
type testCase struct {
	name string
	rule string // printed when the case fails
	run  func(*suite)
}

// cases are grouped as the contract is.
var cases = slices.Concat(orderCases, duplicateCases, expectCases, readCases, searchCases, answerCases, limitCases, lifeCases)

// test runs a case on new storage.
func (c *testCase) test(t testing.TB, newStorage func(t testing.TB, c Config) Open) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &suite{TB: t, ctx: ctx}
	defer func() {
		if t.Failed() {
			t.Logf("rule: %s", c.rule)
		}
	}()
	s.storage = func() Open { return newStorage(t, Config{Describe: describeAsked, Now: s.clock.now}) }
	s.open = s.storage()
	s.start()
	defer func() { s.e.Close() }() // of a case that ended early; else it is closed already
	c.run(s)
	if t.Failed() {
		return
	}
	before, secret := s.audit(), s.auditSecret()
	s.reopen()
	s.sameEntries(before, s.audit())
	if s.auditSecret() != secret {
		s.Error("the secret of a purpose changed while the engine was closed")
	}
	s.stop()
}

// A suite is what a case works with: an engine and the means to doubt it.
type suite struct {
	testing.TB
	ctx   context.Context // ends when patience does
	clock clock
	open  Open
	e     engine.Engine

	storage func() Open // makes other empty storage
}

// start opens the engine.
func (s *suite) start() {
	s.Helper()
	e, err := s.open()
	if err != nil {
		s.Fatalf("open: %v", err)
	}
	s.e = e
}

// stop closes the engine.
func (s *suite) stop() {
	s.Helper()
	if err := s.e.Close(); err != nil {
		s.Fatalf("close: %v", err)
	}
}

// reopen closes the engine and opens it again.
func (s *suite) reopen() {
	s.Helper()
	s.stop()
	s.start()
}

// parallel runs n workers and ends the test with the first error.
func (s *suite) parallel(n int, work func(worker int) error) {
	s.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			s.Fatalf("worker %d: %v", i, err)
		}
	}
}

// A clock is the system's until it is set.
type clock struct {
	mu sync.Mutex
	at time.Time // zero = the system's; guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.at
}

// set stops the clock at t.
func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

package server

import (
	"context"
	"sync"
	"time"

	"github.com/annals-io/annals"
	"golang.org/x/time/rate"
)

// How many refusals have an event of their own: so many at once, then so many a second.
const (
	refusalBurst = 100
	refusalRate  = 1
)

// tallyInterval is the shortest time between events that count.
const tallyInterval = 10 * time.Second

// maxTallied bounds the credentials that are told apart.
const maxTallied = 20

// tallyOthers stands for the credentials beyond.
const tallyOthers = "others"

// A tally counts what has no event of its own, and journals the counts.
type tally struct {
	write  func(ctx context.Context, events ...annals.Event) error // never changes
	failed func(error)                                             // told when it cannot be written; never changes

	anonymous, known *rate.Limiter // events of their own, without and with a credential

	flushing sync.Mutex // held while counts are written

	mu        sync.Mutex
	counts    counts      // guarded by mu
	timer     *time.Timer // nil while nothing is counted; guarded by mu
	closed    bool        // guarded by mu
	unwritten uint64      // reads without an event, ever; guarded by mu
}

// counts are what was counted since a time.
type counts struct {
	since   time.Time         // of the first; zero if nothing is counted
	reads   uint64            // that are not journalled
	codes   map[string]uint64 // refusals by code
	callers map[string]uint64 // refusals by credential, where there is one
}

func (t *tally) init() {
	t.anonymous = rate.NewLimiter(refusalRate, refusalBurst)
	t.known = rate.NewLimiter(refusalRate, refusalBurst)
}

// alone reports whether a refusal gets an event of its own; else it is counted.
func (t *tally) alone(c *code, who string) bool {
	l := t.known
	if who == "" {
		l = t.anonymous
	}
	if c != codeRateLimited && l.Allow() {
		return true
	}
	t.refused(c, who)
	return false
}

// refused counts a refusal.
func (t *tally) refused(c *code, who string) {
	one := counts{since: time.Now(), codes: map[string]uint64{c.name: 1}}
	if who != "" {
		one.callers = map[string]uint64{who: 1}
	}
	t.add(&one)
}

// unaudited counts a read without an event.
func (t *tally) unaudited() {
	t.mu.Lock()
	t.unwritten++
	t.mu.Unlock()
	t.add(&counts{since: time.Now(), reads: 1})
}

// unauditedReads returns how many reads there were without an event.
func (t *tally) unauditedReads() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unwritten
}

// add has counts written in a while, together with what else comes until then.
func (t *tally) add(c *counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.add(c)
	if t.timer == nil && !t.closed {
		t.timer = time.AfterFunc(tallyInterval, t.flush)
	}
}

func (c *counts) add(more *counts) {
	if c.since.IsZero() || more.since.Before(c.since) {
		c.since = more.since
	}
	c.reads += more.reads
	if c.codes == nil {
		c.codes, c.callers = make(map[string]uint64), make(map[string]uint64)
	}
	for name, n := range more.codes {
		c.codes[name] += n
	}
	for who, n := range more.callers {
		if c.callers[who] == 0 && len(c.callers) >= maxTallied {
			who = tallyOthers
		}
		c.callers[who] += n
	}
}

// flush writes the counts, or tries again later.
func (t *tally) flush() {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	t.mu.Lock()
	taken := t.counts
	t.counts, t.timer = counts{}, nil
	t.mu.Unlock()
	events := taken.events(time.Now())
	if len(events) == 0 {
		return
	}
	if err := t.write(context.Background(), events...); err != nil {
		t.failed(err)
		t.add(&taken)
	}
}

// close writes what is counted. What is counted later is lost.
func (t *tally) close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	t.flush()
}

// A countData is what an event that counts says.
type countData struct {
	Since       time.Time         `json:"since"`
	Until       time.Time         `json:"until"`
	Count       uint64            `json:"count"`
	Codes       map[string]uint64 `json:"codes,omitempty"`
	Credentials map[string]uint64 `json:"credentials,omitempty"`
}

// events returns the events of the counts.
func (c *counts) events(now time.Time) (events []annals.Event) {
	d := countData{Since: c.since.UTC(), Until: now.UTC()}
	if c.reads > 0 {
		d.Count = c.reads
		events = append(events, annals.Event{
			Type: TypeUnaudited, Severity: annals.SeverityError, Message: "reads went on that could not be journalled", Data: d,
		})
	}
	if len(c.codes) > 0 {
		d.Count, d.Codes, d.Credentials = 0, c.codes, c.callers
		for _, n := range c.codes {
			d.Count += n
		}
		events = append(events, annals.Event{
			Type: TypeRefusals, Severity: annals.SeverityWarning, Outcome: annals.OutcomeFailure, Message: "requests were refused", Data: d,
		})
	}
	return events
}

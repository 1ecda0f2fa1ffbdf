package annals

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/native"
	"github.com/annals-io/annals/internal/wal"
)

// Types of the journal's own events.
const (
	TypeRecovered = "annals.journal.recovered" // opened after an unclean end
	TypePaused    = "annals.journal.paused"    // no room: appends are refused
	TypeResumed   = "annals.journal.resumed"   // there is room again
	TypeDamaged   = "annals.journal.damaged"   // scrubbing found damage
	TypeRestored  = "annals.journal.restored"  // made by recover from a damaged journal
)

// retryNotice is how long a notice that found no room waits.
const retryNotice = time.Second

// maxNotices bounds the notices that wait to be written.
const maxNotices = 1000

// notices writes the journal's own events, in the order in which they became
// known.
type notices struct {
	journal *Journal
	wake    chan struct{} // has room for one
	quit    chan struct{}
	loop    sync.WaitGroup

	mu      sync.Mutex
	waiting []Event // guarded by mu
	dropped int     // beyond maxNotices; guarded by mu
}

func (n *notices) init(j *Journal) {
	n.journal = j
	n.wake, n.quit = make(chan struct{}, 1), make(chan struct{})
}

// take is told by the engine what to write down.
func (n *notices) take(x native.Notice) {
	e := Event{Time: x.At}
	switch x.Kind {
	case native.Paused:
		e.Type, e.Severity = TypePaused, SeverityError
		e.Message = "appends are refused: " + x.Err.Error()
	case native.Resumed:
		e.Type, e.Severity = TypeResumed, SeverityNotice
		e.Message = fmt.Sprintf("appends are taken again; %d were refused since %s", x.Refused, x.Since.UTC().Format(engine.TimeFormat))
		e.Data = struct {
			Since   string `json:"since"`
			Refused uint64 `json:"refused"`
		}{x.Since.UTC().Format(engine.TimeFormat), x.Refused}
	case native.Damaged:
		e.Type, e.Severity = TypeDamaged, SeverityCritical
		e.Message = x.Err.Error()
		if c, ok := errors.AsType[*CorruptError](x.Err); ok {
			e.Data = problemOf(c)
		}
	}
	n.add(e)
}

func (n *notices) add(e Event) {
	n.mu.Lock()
	full := len(n.waiting) == maxNotices
	if full {
		n.dropped++
	} else {
		n.waiting = append(n.waiting, e)
	}
	first := full && n.dropped == 1
	n.mu.Unlock()
	if first {
		n.journal.opts.Logger.Error("too many of the journal's own events wait: this one and later ones are dropped", "type", e.Type)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// start writes what opening found and begins to write what comes.
func (n *notices) start(r *wal.Recovery) {
	if n.journal.opts.ReadOnly || len(n.journal.Damage()) > 0 {
		return
	}
	if r != nil {
		n.add(recovered(r))
		n.flush()
	}
	n.loop.Go(n.noticeLoop)
}

// recovered is the event of an unclean open.
func recovered(r *wal.Recovery) Event {
	e := Event{Type: TypeRecovered, Severity: SeverityWarning, Message: "the journal was not closed; it was recovered"}
	if r.TornBytes > 0 {
		e.Message += fmt.Sprintf("; %d bytes at its end were no whole record and are kept in log/%s, they may include acknowledged events if the disk lost writes", r.TornBytes, r.TornFile)
	}
	e.Data = struct {
		Segment   string `json:"segment"`
		ProvenBy  string `json:"proven_by"`
		Rewritten uint64 `json:"rewritten"`
		TornBytes int64  `json:"torn_bytes"`
		TornFile  string `json:"torn_file,omitempty"`
		MayLack   bool   `json:"may_include_acknowledged"`
	}{r.Segment, r.ProvenBy, r.Rewritten, r.TornBytes, r.TornFile, r.TornBytes > 0}
	return e
}

// noticeLoop writes notices until stop.
func (n *notices) noticeLoop() {
	for {
		var again <-chan time.Time
		if !n.flush() {
			again = time.After(retryNotice)
		}
		select {
		case <-n.wake:
		case <-again:
		case <-n.quit:
			n.flush()
			return
		}
	}
}

// flush writes what waits, and reports whether nothing is left that a later try
// could write.
func (n *notices) flush() bool {
	for {
		n.mu.Lock()
		if len(n.waiting) == 0 {
			n.mu.Unlock()
			return true
		}
		e := n.waiting[0]
		n.mu.Unlock()
		err := n.write(e)
		if errors.Is(err, ErrDiskFull) || errors.Is(err, ErrUnavailable) {
			return false
		}
		if err != nil {
			n.journal.opts.Logger.Error("write the journal's own event", "type", e.Type, "error", err)
		}
		n.mu.Lock()
		n.waiting = n.waiting[1:]
		n.mu.Unlock()
	}
}

// write appends one of the journal's own events.
func (n *notices) write(e Event) error {
	encoded, err := ownEvent(e)
	if err != nil {
		return err
	}
	_, err = n.journal.append(context.Background(), engine.Batch{Reserved: true}, []Encoded{encoded})
	return err
}

// stop tries once more to write what waits, and logs what is lost.
func (n *notices) stop() {
	close(n.quit)
	n.loop.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if lost := len(n.waiting) + n.dropped; lost > 0 {
		n.journal.opts.Logger.Error("the journal's own events are lost: they could not be written before it was closed", "events", lost)
	}
}

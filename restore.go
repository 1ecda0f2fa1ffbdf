package annals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/wal"
)

// A RestoreReport says what [Restore] wrote.
type RestoreReport struct {
	Source   string    `json:"source"`   // id of the journal that was read
	Restored uint64    `json:"restored"` // entries
	Lost     uint64    `json:"lost"`     // entries that could not be read
	Gaps     []Problem `json:"gaps"`     // where they were, and other damage
	// Identical is how many entries, from position 0 on, are byte for byte those
	// of the source: their receipts and proofs hold for both.
	Identical uint64  `json:"identical"`
	Seconds   float64 `json:"seconds"`
}

// Restore writes what is readable of the journal in from to a new journal in to,
// which must not exist or be empty. It changes nothing in from.
//
// Entries keep their content, order and recorded_at. Up to the first gap they
// keep their positions too, and so are the same bytes; behind it positions close
// up, and sequences where the entity lost an event. The last entry of the new
// journal, of type [TypeRestored], says what was lost. Progress, if not nil, is
// told how many entries were read, of how many.
//
// An error that comes with a report ended the writing: to is incomplete then, as
// it is after a crash, and must be deleted before Restore is called again.
func Restore(ctx context.Context, from, to string, progress func(done, of uint64)) (*RestoreReport, error) {
	began := time.Now()
	if err := mustBeNew(to); err != nil {
		return nil, err
	}
	src, err := Open(from, &Options{ReadOnly: true, salvage: true, MaxEventBytes: MaxEventBytes})
	if err != nil {
		return nil, err
	}
	defer src.Close() // read-only: nothing to lose
	r := restorer{source: src, report: &RestoreReport{Source: src.ID()}, progress: progress}
	dst, err := Open(to, &Options{MaxEventBytes: MaxEventBytes, CheckpointInterval: -1, ScrubInterval: -1, Now: func() time.Time { return r.now }})
	if err != nil {
		return r.report, err
	}
	r.dest = dst
	err = r.run(ctx)
	if err = errors.Join(err, dst.Close()); err != nil {
		return r.report, fmt.Errorf("restore to %s: %w", to, err)
	}
	r.report.Seconds = time.Since(began).Seconds()
	return r.report, nil
}

func mustBeNew(dir string) error {
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 {
		return fmt.Errorf("annals: %s is not empty; name a new directory, or delete what an unfinished restore left", dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("annals: %w", err)
	}
	return nil
}

// A restorer copies entries. Its clock stands at the recorded_at of the entries
// in hand, which are those of one commit, so that they get the same again.
type restorer struct {
	source, dest *Journal
	report       *RestoreReport
	progress     func(done, of uint64)
	now          time.Time
	batch        engine.Batch
	bytes        int
	gaps         []*CorruptError // that reading met
	last         time.Time
	differs      bool
}

func (r *restorer) run(ctx context.Context) error {
	size := r.source.Size()
	for e, err := range r.source.engine.Scan(ctx, 0, size) {
		if err == nil {
			err = r.add(ctx, e)
		}
		if c, ok := asCorrupt(err); ok {
			r.report.Lost += uint64(c.Next - c.First)
			r.lose(c)
			continue
		}
		if err != nil {
			return err
		}
		if r.progress != nil && e.Position%4096 == 0 {
			r.progress(uint64(e.Position), uint64(size))
		}
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.addDamage(size)
	r.last = later(r.last, r.source.opts.Now())
	r.now = r.last
	n := notices{journal: r.dest}
	return n.write(Event{Type: TypeRestored, Severity: SeverityWarning,
		Message: fmt.Sprintf("made from what was readable of journal %s: %d entries, %d lost", r.report.Source, r.report.Restored, r.report.Lost), Data: r.report})
}

func (r *restorer) lose(c *CorruptError) {
	r.gaps = append(r.gaps, c)
	r.report.Gaps = append(r.report.Gaps, problemOf(c))
}

// addDamage adds the damage that reading did not meet: behind the last entry that
// is known, or in other files.
func (r *restorer) addDamage(size Position) {
	for _, d := range r.source.Damage() {
		if slices.ContainsFunc(r.gaps, func(met *CorruptError) bool { return covers(met, d) }) {
			continue
		}
		if first := max(d.First, size); d.Next > first {
			r.report.Lost += uint64(d.Next - first)
			size = d.Next
		}
		r.lose(d)
	}
}

// covers reports whether a says all that b says: it is the same, or hides the
// entries that b hides, in the same file.
func covers(a, b *CorruptError) bool {
	return a.Error() == b.Error() || a.Path == b.Path && b.First < b.Next && a.First <= b.First && b.Next <= a.Next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// add takes an entry, writing those before it if they were recorded earlier. One
// that is none is a *[CorruptError].
func (r *restorer) add(ctx context.Context, e engine.Entry) error {
	a, err := engine.ParseAssigned(e.Bytes)
	facts := engine.Facts{Terms: []engine.Term{}} // terms are wanted
	if err = errors.Join(err, r.dest.facts.describe(&facts, e.Bytes)); err != nil {
		return &CorruptError{Path: wal.Dir, Offset: -1, First: e.Position, Next: e.Position + 1, Err: err}
	}
	if len(r.batch.Records) > 0 && (!a.RecordedAt.Equal(r.now) || r.bytes > 4<<20 || len(r.batch.Records) == MaxBatchEvents) {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.now = a.RecordedAt
	text := bytes.Clone(e.Bytes)
	r.batch.Records = append(r.batch.Records, engine.Record{
		Facts: facts, Body: text[:a.BodyBytes],
		Same: func(stored []byte) bool { return bytes.Equal(stored, text) },
	})
	r.bytes += len(text)
	if !r.differs && uint64(a.Position) == r.report.Restored {
		r.report.Identical++
	} else {
		r.differs = true
	}
	r.report.Restored++
	return nil
}

func (r *restorer) flush(ctx context.Context) error {
	if len(r.batch.Records) == 0 {
		return nil
	}
	_, err := r.dest.engine.Append(ctx, r.batch)
	r.batch.Records, r.bytes = r.batch.Records[:0], 0
	return err
}

// asCorrupt returns the damage in an error, if it is that.
func asCorrupt(err error) (*CorruptError, bool) {
	return errors.AsType[*CorruptError](err)
}

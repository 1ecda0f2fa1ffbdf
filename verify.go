package annals

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// A VerifyReport says what [Verify] checked and found.
type VerifyReport struct {
	OK         bool            `json:"ok"`
	Events     uint64          `json:"events"` // entries of all tenants, the journal's own included
	Segments   int             `json:"segments"`
	Problems   []Problem       `json:"problems"`  // none if OK; at most 1,000
	TornTail   int64           `json:"torn_tail"` // bytes of an unfinished last write, which opening sets aside; no problem
	Unproven   uint64          `json:"unproven"`  // entries of the last write that nothing vouches for yet; opening keeps them
	Checkpoint *CheckpointInfo `json:"checkpoint"`
	Seconds    float64         `json:"seconds"`
}

// A CheckpointInfo is what a checkpoint says.
type CheckpointInfo struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64
}

// A Problem is one thing that does not check out.
type Problem struct {
	File     string    `json:"file"`           // relative to the journal's directory
	Offset   *int64    `json:"offset"`         // first bad byte; null where that says nothing
	Position *Position `json:"position"`       // first entry that is concerned, if any
	Next     *Position `json:"next,omitempty"` // first entry behind it that is not
	What     string    `json:"what"`
}

func problemOf(c *CorruptError) Problem {
	p := Problem{File: c.Path, What: c.Err.Error()}
	if c.Offset >= 0 {
		p.Offset = &c.Offset
	}
	if c.Next > c.First {
		p.Position, p.Next = &c.First, &c.Next
	}
	return p
}

// VerifyOptions configure [Verify]. The zero value is ready to use.
type VerifyOptions struct {
	// Progress is told now and then how many bytes of the log are checked. Nil
	// ignores.
	Progress func(bytes int64)
}

// Verify checks the journal in dir: every byte of the log, its chain and record
// hashes; that each entry is canonical, where it says it is, and later than the
// one before; that ids are unique and sequences have no gaps; that the tree's
// hashes and the signed checkpoint are those of the log.
//
// It changes nothing and may run beside a writer, whose entries it checks as far
// as they are durable. What it finds is in the report; the error is for what
// keeps it from reading: [ErrNoJournal], [ErrNewerFormat], those of the disk and
// of ctx. It holds about 60 bytes of memory for each entry.
func Verify(ctx context.Context, dir string, opts *VerifyOptions) (*VerifyReport, error) {
	root, err := durable.OpenOS(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", ErrNoJournal, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", dir, err)
	}
	defer root.Close() // read-only: nothing to lose
	r, err := verify(ctx, root, opts)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", dir, err)
	}
	return r, nil
}

// Verify is [Verify] of an open journal.
func (j *Journal) Verify(ctx context.Context) (*VerifyReport, error) {
	return verify(ctx, j.engine.FS(), nil)
}

func verify(ctx context.Context, fsys durable.FS, opts *VerifyOptions) (*VerifyReport, error) {
	began := time.Now()
	k := newEntryChecker()
	v := native.Visitor{Entry: k.check}
	if opts != nil {
		v.Progress = opts.Progress
	}
	n, err := native.Verify(ctx, fsys, v)
	if err != nil {
		return nil, err
	}
	r := &VerifyReport{
		OK: len(n.Problems) == 0, Events: uint64(n.Entries), Segments: n.Segments, Problems: []Problem{},
		TornTail: n.TornTail, Unproven: n.Unproven, Seconds: time.Since(began).Seconds(),
	}
	for _, c := range n.Problems {
		r.Problems = append(r.Problems, problemOf(c))
	}
	if c := n.Checkpoint; c != nil {
		r.Checkpoint = &CheckpointInfo{Origin: c.Origin, Size: c.Size, Root: c.Root.String()}
	}
	return r, nil
}

// An entryChecker checks what only someone who knows events can: the contents of
// entries and how they follow each other.
type entryChecker struct {
	seed      maphash.Seed
	ids       map[[2]uint64]Position
	sequences map[[2]uint64]Sequence
	last      time.Time
	next      Position // after the last entry that was seen
	gap       bool     // entries were unreadable, so sequences may jump
}

func newEntryChecker() *entryChecker {
	return &entryChecker{seed: maphash.MakeSeed(), ids: make(map[[2]uint64]Position), sequences: make(map[[2]uint64]Sequence)}
}

// key is a 128-bit hash of strings.
func (k *entryChecker) key(parts ...string) (sum [2]uint64) {
	for i := range sum {
		var h maphash.Hash
		h.SetSeed(k.seed)
		maphash.WriteComparable(&h, i)
		for _, p := range parts {
			maphash.WriteComparable(&h, p)
		}
		sum[i] = h.Sum64()
	}
	return sum
}

// check checks the entry at p.
func (k *entryChecker) check(p Position, text []byte) error {
	k.gap = k.gap || p != k.next
	k.next = p + 1
	if err := CheckEntry(text); err != nil {
		return err
	}
	a, err := engine.ParseAssigned(text)
	if err != nil {
		return err
	}
	tenant, id, _, entity, err := describe(text)
	if err != nil {
		return err
	}
	switch {
	case a.Position != p:
		return fmt.Errorf("entry says position %d", a.Position)
	case a.RecordedAt.Before(k.last):
		return fmt.Errorf("recorded_at is before that of the entry before")
	case (a.Sequence == 0) != (entity.Type == ""):
		return errors.New("entry has a sequence without an entity, or the reverse")
	}
	k.last = a.RecordedAt
	idKey := k.key(tenant, id)
	if other, ok := k.ids[idKey]; ok {
		return fmt.Errorf("entry has the id of the one at position %d", other)
	}
	k.ids[idKey] = p
	if a.Sequence == 0 {
		return nil
	}
	entityKey := k.key(tenant, entity.Type, entity.ID)
	last := k.sequences[entityKey]
	k.sequences[entityKey] = a.Sequence
	if a.Sequence != last+1 && !(k.gap && a.Sequence > last) {
		return fmt.Errorf("sequence is %d, that of the entity's entry before is %d", a.Sequence, last)
	}
	return nil
}

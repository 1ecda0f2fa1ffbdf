package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
)

// ErrNoJournal reports a directory without a journal, where none is to be made.
var ErrNoJournal = errors.New("no journal here")

// Options configure an engine.
type Options struct {
	// FS is the journal's directory, which exists. Required.
	FS durable.FS

	// Create makes a journal where there is none.
	Create bool

	// LockWait is how long Open waits for another process that holds the lock.
	// Zero means two seconds; negative means not at all.
	LockWait time.Duration

	// Salvage lets a reader see what is sound in a log that was not closed, though
	// it is not known to be durable before a writer has recovered it. For those who
	// store it elsewhere.
	Salvage bool

	// Origin names the log in its checkpoints. It is used when the journal is
	// made and never changes. Empty means annals/ and the journal's id.
	Origin string

	// SegmentBytes is the size of a log file; zero means [wal.DefaultSegmentBytes].
	SegmentBytes int64

	// SyncInterval, if not zero, has appends answered before they are durable and
	// synced no later than this.
	SyncInterval time.Duration

	// CheckpointInterval is the longest time between a commit and a checkpoint
	// that covers it. Zero means one second; negative means only on demand and at
	// Close.
	CheckpointInterval time.Duration

	// ScrubInterval is the time in which the whole log is read again in search of
	// rot. Zero or negative means never.
	ScrubInterval time.Duration

	// ScrubBytesPerSecond bounds what scrubbing reads; zero means 16 MiB.
	ScrubBytesPerSecond int64

	// Describe reads an entry's facts. Required.
	Describe engine.Describe

	// Policy says which terms Describe gives entries, and Covers whether entries
	// that were given terms under a policy have all of a field. A nil Covers means
	// always.
	Policy string
	Covers func(policy, field string) bool

	// Notify is told of what the journal should write down. It must not block and
	// may be called from any goroutine. Nil ignores.
	Notify func(Notice)

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// Logger gets operational messages; nil discards them.
	Logger *slog.Logger

	maxPending  int // entry hashes that may wait for the tiles; zero means maxPending
	tailEntries int // entries of a tail of the index; zero means index.TailEntries
}

func (o Options) withDefaults() Options {
	if o.CheckpointInterval == 0 {
		o.CheckpointInterval = time.Second
	}
	if o.LockWait == 0 {
		o.LockWait = 2 * time.Second
	}
	if o.ScrubBytesPerSecond <= 0 {
		o.ScrubBytesPerSecond = 16 << 20
	}
	o.tailEntries = cmp.Or(o.tailEntries, index.TailEntries)
	if o.maxPending == 0 {
		o.maxPending = maxPending
	}
	if o.Covers == nil {
		o.Covers = func(string, string) bool { return true }
	}
	if o.Notify == nil {
		o.Notify = func(Notice) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Notice tells the journal what it should write down about itself.
type Notice struct {
	Kind    NoticeKind
	At      time.Time
	Since   time.Time // Resumed: when the pause began
	Refused uint64    // Resumed: appends turned away meanwhile
	Err     error     // Paused, Damaged: why
}

// A NoticeKind says what a notice is about.
type NoticeKind int

// Kinds of notices.
const (
	Paused  NoticeKind = iota + 1 // no room: appends are refused
	Resumed                       // there is room again
	Damaged                       // scrubbing found stored bytes that do not check out
)

// An Engine is an open journal directory. It implements [engine.Engine].
type Engine struct {
	// Never change after Open.
	opts      Options
	fs        durable.FS
	identity  identity
	secret    []byte
	newSecret bool      // it is not in its file
	lock      io.Closer // nil in a reader
	damage    []*engine.CorruptError
	recovery  *wal.Recovery
	before    *wal.State // where the log ended at the last clean close
	log       *wal.Log   // the committer's, except View; nil in a reader
	reader    *wal.Reader
	tiles     *tiles
	keeper    *checkpointer // nil in a reader
	index     *index.Index
	hasher    *index.Hasher
	spine     spine
	queue     *queue
	committer *committer // nil in a reader

	published atomic.Pointer[published]
	durable   atomic.Uint64 // entries that are synced
	stalled   atomic.Bool
	hung      atomic.Bool // a sync never returned: the log is that sync's for good
	failed    atomic.Bool
	diskFull  atomic.Bool
	told      atomic.Bool // the checkpoint loop knows that there is something new
	groups    atomic.Uint64
	syncCount atomic.Uint64
	slowest   atomic.Int64 // nanoseconds
	syncTime  atomic.Int64 // nanoseconds

	groupsDue  chan struct{}              // asks integrateLoop to integrate the group
	integrated chan struct{}              // its answer
	ended      chan struct{}              // closed when commitLoop ends
	dead       chan struct{}              // closed when the disk is given up
	changed    chan struct{}              // has room for one: something was published
	crowded    chan struct{}              // has room for one: much of the tree waits to be written
	wanted     chan chan checkpointAnswer // asks checkpointLoop for a checkpoint
	stopping   chan struct{}              // closed to end the loops other than commitLoop
	working    context.Context            // ends with it
	stop       context.CancelFunc         // of working
	done       chan struct{}              // closed when Close begins

	closing sync.Once
	loops   sync.WaitGroup // every goroutine that Open started
}

// A published is the picture that readers see.
type published struct {
	view *wal.View
	next chan struct{} // closed when there is a newer one
}

// Recovery returns what opening had to recover, nil after a clean end.
func (e *Engine) Recovery() *wal.Recovery { return e.recovery }

// Damage implements [engine.Engine].
func (e *Engine) Damage() []*engine.CorruptError { return e.damage }

// Origin returns the name of the log in its checkpoints.
func (e *Engine) Origin() string { return e.identity.Origin }

// ID returns the journal's id in hex.
func (e *Engine) ID() string { return e.identity.ID }

func (e *Engine) isClosed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *Engine) notify(n Notice) { e.opts.Notify(n) }

// Size implements [engine.Engine].
func (e *Engine) Size() engine.Position { return e.published.Load().view.Size() }

// Scan implements [engine.Engine].
func (e *Engine) Scan(ctx context.Context, from, to engine.Position) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		if e.isClosed() {
			yield(engine.Entry{}, engine.ErrClosed)
			return
		}
		e.scan(ctx, e.published.Load().view, from, to, yield)
	}
}

// scan yields entries of a view. It reports whether to go on.
func (e *Engine) scan(ctx context.Context, v *wal.View, from, to engine.Position, yield func(engine.Entry, error) bool) bool {
	for raw, err := range v.Scan(ctx, from, to) {
		if e.isClosed() {
			yield(engine.Entry{}, engine.ErrClosed)
			return false
		}
		// Clipped: behind the entry lies the next one, and a consumer may append.
		if !yield(engine.Entry{Position: raw.Position, Bytes: slices.Clip(raw.Bytes)}, err) || err != nil && !isCorrupt(err) {
			return false
		}
	}
	return true
}

// Follow implements [engine.Engine].
func (e *Engine) Follow(ctx context.Context, from engine.Position) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for {
			p := e.published.Load()
			size := p.view.Size()
			if !e.scan(ctx, p.view, from, size, yield) {
				return
			}
			from = max(from, size)
			if err := e.waitNext(ctx, p); err != nil {
				yield(engine.Entry{}, err)
				return
			}
		}
	}
}

// Wait waits until an entry is visible at a position.
func (e *Engine) Wait(ctx context.Context, p engine.Position) error {
	for {
		if e.isClosed() {
			return engine.ErrClosed
		}
		picture := e.published.Load()
		if picture.view.Size() > p {
			return nil
		}
		if err := e.waitNext(ctx, picture); err != nil {
			return err
		}
	}
}

// Stats implements [engine.Engine].
func (e *Engine) Stats() engine.Stats {
	v := e.published.Load().view
	s := engine.Stats{
		IndexBytes:  e.index.Size(),
		Entries:     uint64(v.Size()),
		LogBytes:    v.Bytes(),
		Segments:    v.Segments(),
		Groups:      e.groups.Load(),
		Syncs:       e.syncCount.Load(),
		SlowestSync: time.Duration(e.slowest.Load()),
		SyncTime:    time.Duration(e.syncTime.Load()),
		DiskFull:    e.diskFull.Load(),
		Failed:      e.failed.Load(),
		Stalled:     e.stalled.Load(),
		ReadOnly:    e.log == nil || len(e.damage) > 0,
	}
	for level := range maxLevel + 1 {
		if info, err := e.fs.Stat(levelName(level)); err == nil {
			s.TreeBytes += info.Size
		}
	}
	if c := e.newestCheckpoint(); c != nil {
		s.Checkpoint = c.Size
	}
	if e.queue != nil {
		s.Waiting = e.queue.len()
	}
	return s
}

// Published returns the newest checkpoint that was made, as text and as size, or
// [engine.ErrNotFound].
func (e *Engine) Published() (note []byte, size uint64, err error) {
	c := e.newestCheckpoint()
	if e.keeper == nil {
		c, err = e.readCheckpoint()
	}
	switch {
	case err != nil:
		return nil, 0, err
	case c == nil:
		return nil, 0, fmt.Errorf("checkpoint: %w", engine.ErrNotFound)
	}
	return c.note, c.Size, nil
}

func (e *Engine) newestCheckpoint() *signed {
	if e.keeper == nil {
		return nil
	}
	c, _ := e.keeper.latest()
	return c
}

// Close implements [engine.Engine].
func (e *Engine) Close() error {
	var err error
	e.closing.Do(func() { err = e.close() })
	return err
}

func (e *Engine) close() error {
	if e.queue != nil {
		e.queue.close(engine.ErrClosed)
		select {
		case <-e.ended:
		case <-e.dead: // commitLoop hangs in a sync, and so would Close
			return e.closeHung()
		}
	}
	close(e.done)
	close(e.stopping)
	e.stop()
	if !e.loopsEnd() {
		return errHung
	}
	var errs []error
	if e.log != nil {
		errs = append(errs, e.closeLog())
	}
	e.closeIndex()
	if e.reader != nil {
		e.reader.Close()
	}
	errs = append(errs, e.tiles.close())
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	return errors.Join(errs...)
}

// loopsEnd waits for the loops, but not for ever: the checkpoint loop may hang in
// a sync of its own. What it holds is then left as it is.
func (e *Engine) loopsEnd() bool {
	ended := make(chan struct{})
	go func() { // ends with the loops
		e.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(hungSync):
		return false
	}
}

// closeHung leaves what a hanging sync holds as it is; the lock too, since that
// sync may still write.
func (e *Engine) closeHung() error {
	close(e.done)
	close(e.stopping)
	e.stop()
	return errHung
}

// closeLog leaves the log trimmed and vouched for by a last checkpoint and the
// state file. A failed log is left as it is: recovery decides.
func (e *Engine) closeLog() error {
	defer e.log.CloseReads()
	if e.failed.Load() || len(e.damage) > 0 {
		_, err := e.log.Close()
		if e.hung.Load() { // the sync that was given up may have returned since
			err = errors.Join(errHung, err)
		}
		return err
	}
	var p pause
	errs := []error{p.release(e.fs)}
	s, err := e.log.Close()
	if err != nil || s == nil {
		return errors.Join(append(errs, err)...)
	}
	if _, err := e.keeper.make(); err != nil {
		e.opts.Logger.Error("checkpoint at close", "error", err) // the log is sound without it
	}
	if e.before == nil || *s != *e.before {
		errs = append(errs, writeState(e.fs, s))
	}
	return errors.Join(errs...)
}

// ReadHashes implements [merkle.Levels] over what the newest checkpoint covers.
func (e *Engine) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	return e.tiles.ReadHashes(level, index, dst)
}

var _ engine.Engine = (*Engine)(nil)

// FS returns the file system that the journal is on.
func (e *Engine) FS() durable.FS { return e.fs }

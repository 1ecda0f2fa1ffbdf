package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
)

// A Visitor takes part in [Verify]. It may leave out either function.
type Visitor struct {
	// Entry is shown every readable entry, in order; its error is a problem of
	// that entry and ends nothing.
	Entry func(p engine.Position, entry []byte) error

	// Progress is told how many bytes of the log are checked.
	Progress func(bytes int64)
}

// A Report is what Verify found.
type Report struct {
	Entries    engine.Position
	Segments   int
	Problems   []*engine.CorruptError
	TornTail   int64  // bytes that recovery will set aside
	Unproven   uint64 // sound entries behind what is proven durable
	Checkpoint *merkle.Checkpoint
	Note       []byte // the checkpoint as signed; nil if there is none
}

// maxProblems bounds a report: one flipped bit is one problem, a wiped disk need
// not be a million.
const maxProblems = 1000

// Verify checks a journal's files against each other: the log's every byte, the
// tree and its tiles, the signed checkpoint, the state. It takes no lock beyond a
// moment's look whether a writer is at work, and changes nothing.
//
// The error is for what keeps it from reading; what it finds wrong is in the
// report. A later format is engine.ErrNewerFormat.
func Verify(ctx context.Context, fsys durable.FS, v Visitor) (*Report, error) {
	e := newEngine(Options{FS: fsys})
	defer e.tiles.close() // read-only: nothing to lose
	id, ok, err := readIdentity(fsys)
	if err = e.sortOut(err); err != nil {
		return nil, err
	}
	if len(e.damage) > 0 {
		return &Report{Problems: e.damage}, nil
	}
	if !ok {
		return nil, ErrNoJournal
	}
	e.identity = id
	live := isLive(fsys)
	if err := e.checkKeys(); err != nil {
		return nil, err
	}
	err = e.checkIndex(ctx)
	if e.index != nil {
		defer e.index.Abandon() // read-only: nothing to lose
	}
	if err != nil {
		return nil, err
	}
	c, opts, err := e.gather()
	if err = e.sortOut(err); err != nil {
		return nil, err
	}
	k := &checker{ctx: ctx, report: new(Report), visitor: v, tiles: e.tiles, checkpoint: c}
	if c != nil {
		k.vouched = c.Size
	}
	for _, d := range appendNew(nil, e.damage) {
		k.problem(d)
	}
	return k.report, k.run(fsys, opts, live)
}

// checkKeys checks that the two halves of the checkpoint key belong together.
func (e *Engine) checkKeys() error {
	s, err := readSigner(e.fs)
	if err = e.sortOut(err); err != nil || s == nil {
		return err
	}
	v, err := readVerifier(e.fs)
	if err = e.sortOut(err); err != nil || v == nil {
		return err
	}
	msg := []byte("annals key check")
	sig, err := s.Sign(msg)
	if err != nil || !v.Verify(msg, sig) || s.KeyHash() != v.KeyHash() || s.Name() != v.Name() {
		e.damage = append(e.damage, &engine.CorruptError{Path: verifierName, Offset: -1, Err: errors.Join(errors.New("key is not the public half of "+signerName), err)})
	}
	return nil
}

// checkIndex opens the index and checks its files.
func (e *Engine) checkIndex(ctx context.Context) error {
	raw, _, err := readSecret(e.fs)
	if err = e.sortOut(err); err != nil {
		return err
	}
	if e.secret = raw; raw == nil { // then no file of the index can be used
		e.secret = make([]byte, 32)
	}
	if err := e.openIndex(true); err != nil {
		return err
	}
	return e.index.Check(ctx, func(p index.Problem) {
		e.damage = append(e.damage, &engine.CorruptError{Path: p.File, Offset: -1, Err: p.Err})
	})
}

// A checker rebuilds the tree while the log is read, and compares.
type checker struct {
	ctx        context.Context
	report     *Report
	visitor    Visitor
	tiles      *tiles
	stored     [maxLevel + 1]uint64 // hashes in each tile file
	vouched    uint64               // entries whose tiles were synced: those of the checkpoint
	ahead      []merkle.Hash        // of level 0, from aheadAt on
	aheadAt    uint64
	checkpoint *signed
	tree       merkle.Tree
	broken     bool // an entry was unreadable: the tree cannot be compared any more
}

func (k *checker) problem(c *engine.CorruptError) {
	if len(k.report.Problems) < maxProblems {
		k.report.Problems = append(k.report.Problems, c)
	}
}

func (k *checker) run(fsys durable.FS, opts wal.Options, live bool) error {
	if err := k.measureTiles(fsys); err != nil {
		return err
	}
	sum, err := wal.Check(fsys, opts, live, wal.Visitor{
		Entry:    k.entry,
		Progress: k.visitor.Progress,
		Problem: func(c *engine.CorruptError) {
			k.broken = k.broken || c.Next > c.First
			k.problem(c)
		},
	})
	if err != nil {
		return err
	}
	k.report.Entries, k.report.Segments = sum.Entries, sum.Segments
	k.report.TornTail, k.report.Unproven = sum.TornTail, sum.Unproven
	if c := k.checkpoint; c != nil {
		k.report.Checkpoint, k.report.Note = &c.Checkpoint, c.note
		if c.Size == 0 && c.Root != merkle.EmptyRoot() {
			k.wrongRoot()
		}
	}
	k.endTiles(live)
	return nil
}

// measureTiles finds how much of the tree is stored.
func (k *checker) measureTiles(fsys durable.FS) error {
	for level := range k.stored {
		info, err := fsys.Stat(levelName(level))
		if isNotExist(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read tiles: %w", err)
		}
		k.stored[level] = uint64(info.Size) / merkle.HashBytes
	}
	return nil
}

// entry takes one entry of the log.
func (k *checker) entry(p engine.Position, b []byte) error {
	if err := k.ctx.Err(); err != nil {
		return err
	}
	if k.visitor.Entry != nil {
		if err := k.visitor.Entry(p, b); err != nil {
			k.problem(&engine.CorruptError{Path: wal.Dir, Offset: -1, First: p, Next: p + 1, Err: err})
		}
	}
	if uint64(p) != k.tree.Size() {
		k.broken = true
	}
	if k.broken {
		return nil
	}
	e := engine.Entry{Bytes: b}
	hash := merkle.Hash(e.Hash())
	if err := k.compare(0, uint64(p), hash); err != nil {
		return err
	}
	var err error
	k.tree.Append(merkle.LeafHash(hash[:]), func(level int, index uint64, h merkle.Hash) {
		err = errors.Join(err, k.compare(level, index, h))
	})
	if c := k.checkpoint; c != nil && k.tree.Size() == c.Size && k.tree.Root() != c.Root {
		k.wrongRoot()
	}
	return err
}

func (k *checker) wrongRoot() {
	k.problem(&engine.CorruptError{Path: checkpointName, Offset: -1, Err: fmt.Errorf("the log's first %d entries do not have the root that was signed", k.checkpoint.Size)})
}

// compare checks a hash against the tile file, as far as a checkpoint vouches
// for that: what lies behind may be an unfinished write.
func (k *checker) compare(level int, index uint64, h merkle.Hash) error {
	if index >= min(k.stored[level], below(k.vouched, level)) {
		return nil
	}
	got := []merkle.Hash{{}}
	if level == 0 {
		if index >= k.aheadAt+uint64(len(k.ahead)) || index < k.aheadAt {
			n := min(k.stored[0]-index, 1<<12)
			k.ahead, k.aheadAt = make([]merkle.Hash, n), index
			if err := k.tiles.ReadHashes(0, index, k.ahead); err != nil {
				return err
			}
		}
		got[0] = k.ahead[index-k.aheadAt]
	} else if err := k.tiles.ReadHashes(level, index, got); err != nil {
		return err
	}
	if got[0] != h {
		first := engine.Position(index << (8 * level))
		k.problem(&engine.CorruptError{Path: levelName(level), Offset: int64(index * merkle.HashBytes), First: first, Next: first, Err: errors.New("hash differs from the log's")})
	}
	return nil
}

// endTiles checks that the tiles hold what the checkpoint covers, and no more
// than the log.
func (k *checker) endTiles(live bool) {
	if k.broken {
		return
	}
	for level, n := range k.stored {
		if c := k.checkpoint; c != nil && n < below(c.Size, level) {
			k.problem(&engine.CorruptError{Path: levelName(level), Offset: int64(n * merkle.HashBytes), Err: fmt.Errorf("file has %d hashes, the checkpoint needs %d", n, below(c.Size, level))})
		}
		if has := below(k.tree.Size(), level); n > has && !live {
			k.problem(&engine.CorruptError{Path: levelName(level), Offset: int64(has * merkle.HashBytes), Err: fmt.Errorf("file has %d hashes, the log gives %d", n, has)})
		}
	}
}

package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
)

// A picture is what one call reads: a view of the log and one of the index that
// knows all its entries. Whoever took it releases it.
type picture struct {
	*Engine
	log       *wal.View
	index     *index.View
	unindexed unindexed // what last does with positions that the index does not know
}

// An unindexed says what a lookup does with positions that the index does not know.
type unindexed int

const (
	readUnindexed   unindexed = iota // read them
	refuseUnindexed                  // fail with errUnindexed
	skipUnindexed                    // take it that they have nothing of the kind
)

// errUnindexed reports a lookup that would have to read positions without an index.
var errUnindexed = errors.New("the index is being made anew")

// picture takes the newest picture. The log comes first: the index has an entry
// before it is published.
func (e *Engine) picture() picture {
	log := e.published.Load().view
	return picture{Engine: e, log: log, index: e.index.Acquire()}
}

func (p *picture) release() { p.index.Release() }

// read returns the bytes of an entry, appended to dst, checked.
func (p *picture) read(dst []byte, at engine.Position) ([]byte, error) {
	if p.log.Ready(at) {
		return p.log.Read(dst, at)
	}
	place := p.index.Place(at)
	if place == 0 {
		return p.log.Read(dst, at)
	}
	b, err := p.log.ReadNear(dst, at, place)
	if err != nil {
		return b, err
	}
	if !engine.EndsAt(b[len(dst):], at) {
		return p.log.Read(b[:len(dst)], at) // the index is wrong about the place
	}
	return b, nil
}

// A subject is what an identity stands for: an id, or an entity.
type subject struct {
	tenant string
	id     string // empty for an entity
	entity engine.Entity
}

func (s *subject) is(f *engine.Facts) bool {
	return f.Tenant == s.tenant && (s.id != "" && f.ID == s.id || s.id == "" && f.Entity == s.entity)
}

// last returns the newest entry from from up to to of a subject, and its sequence if
// the subject is an entity. If damage may hide it, or a newer one of an entity, that
// is the error.
func (p *picture) last(ctx context.Context, id index.Identity, s subject, from, to engine.Position) (at engine.Position, seq engine.Sequence, found bool, err error) {
	var buf []byte
	var hidden error // damage that may hide an id, which is elsewhere if it is not there
	p.index.Last(id, from, to, func(c index.Candidate) bool {
		switch {
		case c.Sure:
			at, seq, found = c.From, c.Sequence, true
		case c.Unknown && p.unindexed == refuseUnindexed:
			err = errUnindexed
		case c.Unknown && p.unindexed == skipUnindexed:
		case c.Unknown:
			at, seq, found, err = p.lastScanned(ctx, s, c.Span)
			if isCorrupt(err) && s.id != "" {
				hidden, err = err, nil
			}
		default:
			if buf, err = p.read(buf[:0], c.From); err == nil {
				at = c.From
				seq, found, err = p.describes(buf, at, s)
			}
		}
		return !found && err == nil
	})
	if !found && err == nil {
		err = hidden
	}
	return at, seq, found, err
}

// describes reports whether an entry is of a subject, and its sequence.
func (p *picture) describes(entry []byte, at engine.Position, s subject) (engine.Sequence, bool, error) {
	var f engine.Facts
	a, err := engine.ParseAssigned(entry)
	if err = errors.Join(err, p.opts.Describe(&f, entry)); err != nil {
		return 0, false, &engine.CorruptError{Path: wal.Dir, Offset: -1, First: at, Next: at + 1, Err: err}
	}
	return a.Sequence, s.is(&f), nil
}

// lastScanned is last where there is no index.
func (p *picture) lastScanned(ctx context.Context, s subject, span index.Span) (at engine.Position, seq engine.Sequence, found bool, err error) {
	const step = 1 << 12
	var hidden error
	for to := span.To; to > span.From && !found; {
		from := max(span.From, to-min(to, step))
		for raw, err := range p.log.Scan(ctx, from, to) {
			q, ok := engine.Sequence(0), false
			if err == nil {
				q, ok, err = p.describes(raw.Bytes, raw.Position, s)
			}
			switch {
			case isCorrupt(err):
				hidden, found = err, found && s.id != "" // an entity's newest may be here
			case err != nil:
				return 0, 0, false, err
			case ok:
				at, seq, found = raw.Position, q, true
			}
		}
		if to = from; hidden != nil && !found && s.id == "" {
			break // what is older is not the newest
		}
	}
	if found {
		hidden = nil
	}
	return at, seq, found, hidden
}

// Read implements [engine.Engine].
func (e *Engine) Read(_ context.Context, at engine.Position) (engine.Entry, error) {
	if e.isClosed() {
		return engine.Entry{}, engine.ErrClosed
	}
	p := e.picture()
	defer p.release()
	b, err := p.read(nil, at)
	if err != nil {
		return engine.Entry{}, e.closedOr(err)
	}
	return engine.Entry{Position: at, Bytes: b}, nil
}

// closedOr returns engine.ErrClosed if the engine was closed meanwhile, else err.
func (e *Engine) closedOr(err error) error {
	if err != nil && e.isClosed() {
		return engine.ErrClosed
	}
	return err
}

// Find implements [engine.Engine].
func (e *Engine) Find(ctx context.Context, tenant, id string) (engine.Position, error) {
	if e.isClosed() {
		return 0, engine.ErrClosed
	}
	p := e.picture()
	defer p.release()
	at, _, found, err := p.last(ctx, e.hasher.ID(tenant, id), subject{tenant: tenant, id: id}, 0, p.log.Size())
	if err != nil {
		return 0, e.closedOr(err)
	}
	if !found {
		return 0, engine.ErrNotFound
	}
	return at, nil
}

// LastSequence implements [engine.Engine].
func (e *Engine) LastSequence(ctx context.Context, tenant string, entity engine.Entity) (engine.Sequence, error) {
	if e.isClosed() {
		return 0, engine.ErrClosed
	}
	p := e.picture()
	defer p.release()
	_, seq, _, err := p.last(ctx, e.hasher.Entity(tenant, entity), subject{tenant: tenant, entity: entity}, 0, p.log.Size())
	return seq, e.closedOr(err)
}

// unavailable names a failed lookup to whoever appends. What the lookup has found
// out, a conflict or damage, is no failure.
func unavailable(err error) error {
	if _, conflict := errors.AsType[*engine.ConflictError](err); err == nil || conflict || isCorrupt(err) || errors.Is(err, engine.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
}

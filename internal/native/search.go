package native

import (
	"context"
	"iter"
	"slices"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
)

// Search implements [engine.Engine].
func (e *Engine) Search(ctx context.Context, q engine.Query) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		if e.isClosed() {
			yield(engine.Entry{}, engine.ErrClosed)
			return
		}
		p := e.picture()
		defer p.release()
		s := searcher{picture: &p, ctx: ctx, descending: q.Descending, yield: yield}
		for span, err := range p.index.Search(ctx, &q, p.log.Size()) {
			if err != nil {
				yield(engine.Entry{}, err)
				return
			}
			if !s.span(span) {
				return
			}
		}
	}
}

// A searcher reads what the index says a search has to look at.
type searcher struct {
	*picture
	ctx        context.Context
	descending bool
	yield      func(engine.Entry, error) bool
	buf        []byte
}

// span yields the entries of a span. It reports whether to go on.
func (s *searcher) span(x index.Span) bool {
	switch {
	case x.To-x.From == 1:
		return s.one(x.From)
	case s.descending:
		return s.backwards(x)
	}
	return s.scan(s.ctx, s.log, x.From, x.To, s.yield)
}

// one yields one entry.
func (s *searcher) one(at engine.Position) bool {
	err := s.ctx.Err()
	if err == nil {
		s.buf, err = s.read(s.buf[:0], at)
	}
	if err = s.closedOr(err); err != nil {
		return s.yield(engine.Entry{}, err) && isCorrupt(err)
	}
	return s.yield(engine.Entry{Position: at, Bytes: slices.Clip(s.buf)}, nil)
}

// Blocks of a scan towards the beginning: the first is small, since the newest
// entries are wanted most often, and none is large in memory.
const (
	firstBlock    = 32
	maxBlock      = 1024
	maxBlockBytes = 1 << 20
)

// A step is what a scan yielded: an entry in the block's bytes, or an error.
type step struct {
	at       engine.Position
	from, to int
	err      error
}

// backwards yields the entries of a span, the last one first.
func (s *searcher) backwards(x index.Span) bool {
	block := engine.Position(firstBlock)
	for to := x.To; to > x.From; {
		from := max(x.From, to-min(to, block))
		steps, complete := s.block(from, to)
		if !complete { // its entries are large: a smaller one
			block = max(1, block/8)
			continue
		}
		for _, st := range slices.Backward(steps) {
			if st.err != nil {
				if !s.yield(engine.Entry{}, st.err) || !isCorrupt(st.err) {
					return false
				}
				continue
			}
			if !s.yield(engine.Entry{Position: st.at, Bytes: s.buf[st.from:st.to:st.to]}, nil) {
				return false
			}
		}
		to, block = from, min(2*block, maxBlock)
	}
	return true
}

// block reads the entries from from up to to. It reports false if they are too
// many bytes.
func (s *searcher) block(from, to engine.Position) (steps []step, complete bool) {
	s.buf = s.buf[:0]
	s.scan(s.ctx, s.log, from, to, func(e engine.Entry, err error) bool {
		if err != nil {
			steps = append(steps, step{err: err})
			return true
		}
		at := len(s.buf)
		s.buf = append(s.buf, e.Bytes...)
		steps = append(steps, step{at: e.Position, from: at, to: len(s.buf)})
		return len(s.buf) <= maxBlockBytes || to-from == 1
	})
	return steps, len(s.buf) <= maxBlockBytes || to-from == 1
}

// Estimate implements [engine.Engine].
func (e *Engine) Estimate(_ context.Context, q engine.Query) (engine.Estimate, error) {
	if e.isClosed() {
		return engine.Estimate{}, engine.ErrClosed
	}
	p := e.picture()
	defer p.release()
	return p.index.Estimate(&q, p.log.Size())
}

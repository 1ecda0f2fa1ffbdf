package native

import (
	"context"
	"iter"
	"strings"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/index"
)

// Kinds implements [engine.Engine].
func (e *Engine) Kinds(ctx context.Context) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		if e.isClosed() {
			yield(engine.KindCount{}, engine.ErrClosed)
			return
		}
		p := e.picture()
		defer p.release()
		c := kindCounter{picture: &p, ctx: ctx, yield: yield}
		err := p.index.Kinds(p.log.Size(), c.known, c.unknown)
		if err == nil {
			err = c.err
		}
		if err != nil {
			yield(engine.KindCount{}, e.closedOr(err))
		}
	}
}

// maxCounted bounds the kinds of unindexed entries that are counted before they are
// yielded.
const maxCounted = 4 << 10

// A kindCounter yields counts of kinds.
type kindCounter struct {
	*picture
	ctx   context.Context
	yield func(engine.KindCount, error) bool
	steps int
	err   error // why it has ended
}

// known yields a count. It reports whether to go on.
func (c *kindCounter) known(k engine.KindCount) bool {
	if c.steps++; c.steps%1024 == 0 {
		if c.err = c.ctx.Err(); c.err != nil {
			return false
		}
	}
	return c.yield(k, nil)
}

// unknown counts the entries of a span and yields that. It reports whether to go on.
func (c *kindCounter) unknown(span index.Span) bool {
	counts := make(map[engine.KindCount]uint64)
	more := true
	err := c.facts(c.ctx, span, func(f *engine.Facts, _ engine.Sequence) bool {
		k := engine.KindCount{Tenant: f.Tenant, Kind: f.Kind}
		if counts[k] == 0 { // they are parts of what is read
			k = engine.KindCount{Tenant: strings.Clone(f.Tenant), Kind: strings.Clone(f.Kind)}
		}
		counts[k]++
		if len(counts) == maxCounted {
			more = c.flush(counts)
		}
		return more
	})
	if err != nil {
		c.err = err
		return false
	}
	return more && c.flush(counts)
}

// flush yields counts and forgets them.
func (c *kindCounter) flush(counts map[engine.KindCount]uint64) bool {
	for k, n := range counts {
		k.Count = n
		if !c.known(k) {
			return false
		}
	}
	clear(counts)
	return true
}

// facts calls each with the readable entries of a span that the index does not know,
// until it says no.
func (p *picture) facts(ctx context.Context, span index.Span, each func(f *engine.Facts, seq engine.Sequence) bool) error {
	var f engine.Facts
	for raw, err := range p.log.Scan(ctx, span.From, span.To) {
		if isCorrupt(err) {
			continue // whoever reads it is told
		}
		if err != nil {
			return err
		}
		a, err := engine.ParseAssigned(raw.Bytes)
		if err == nil && p.opts.Describe(&f, raw.Bytes) == nil && !each(&f, a.Sequence) {
			return nil
		}
	}
	return nil
}

// Entities implements [engine.Engine].
func (e *Engine) Entities(ctx context.Context) (uint64, error) {
	if e.isClosed() {
		return 0, engine.ErrClosed
	}
	p := e.picture()
	defer p.release()
	n, unknown := p.index.Entities(p.log.Size())
	for _, span := range unknown {
		err := p.facts(ctx, span, func(_ *engine.Facts, seq engine.Sequence) bool {
			if seq == 1 {
				n++
			}
			return true
		})
		if err != nil {
			return 0, e.closedOr(err)
		}
	}
	return n, nil
}

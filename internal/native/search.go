package native

import (
	"context"
	"iter"

	"github.com/annals-io/annals/engine"
)

// Search implements [engine.Engine].
func (e *Engine) Search(ctx context.Context, q engine.Query) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		to := e.Size()
		if q.To != 0 {
			to = min(to, q.To)
		}
		if !q.Descending {
			e.Scan(ctx, q.From, to)(yield)
			return
		}
		for to > q.From {
			from := max(q.From, to-min(to, 64))
			type item struct {
				e   engine.Entry
				err error
			}
			var items []item
			for x, err := range e.Scan(ctx, from, to) {
				x.Bytes = append([]byte(nil), x.Bytes...)
				items = append(items, item{x, err})
			}
			for i := len(items) - 1; i >= 0; i-- {
				if !yield(items[i].e, items[i].err) {
					return
				}
			}
			to = from
		}
	}
}

// Estimate implements [engine.Engine].
func (e *Engine) Estimate(_ context.Context, q engine.Query) (engine.Estimate, error) {
	n := uint64(e.Size())
	return engine.Estimate{Candidates: n, Unindexed: n}, nil
}

// Kinds implements [engine.Engine].
func (e *Engine) Kinds(ctx context.Context) ([]engine.KindCount, error) {
	counts := make(map[engine.KindCount]uint64)
	for x, err := range e.Scan(ctx, 0, e.Size()) {
		if err != nil {
			continue
		}
		var f engine.Facts
		if e.opts.Describe(&f, x.Bytes) == nil {
			counts[engine.KindCount{Tenant: f.Tenant, Kind: f.Kind}]++
		}
	}
	var all []engine.KindCount
	for k, n := range counts {
		k.Count = n
		all = append(all, k)
	}
	return all, nil
}

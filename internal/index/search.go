package index

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/annals-io/annals/engine"
)

// A Span is a range of positions that a search has to look at: one entry that
// the index found, or all of a range that it knows nothing of.
type Span struct{ From, To engine.Position }

// A part is a stretch of positions of which the index knows what is where, or
// that it does not: a run, a tail or a hole.
type part interface {
	// bounds returns the part's positions, next exclusive.
	bounds() (first, next engine.Position)

	// covers reports whether the part has all terms of a field.
	covers(field string) bool

	// find returns a cursor over the entries with a term, nil if there is none.
	// Of a tail only those below limit.
	find(c class, hash uint64, limit uint32, descending bool) (cursor, error)

	// times returns what the part knows of its entries' times.
	times() (timer, error)

	// tenants returns the tenants of the part's entries, and perhaps some of
	// entries that came later. It reports false if they are too many to be told.
	// They are not the caller's to change.
	tenants() (names []string, ok bool, err error)
}

// A plan is an engine.Query made ready for this index.
type plan struct {
	root       *node     // nil chooses every entry
	everyone   *everyone // in the place of root; nil if it is not
	span       span
	timed      bool // span is a bound
	from, to   engine.Position
	descending bool
}

// A node is a filter whose terms are hashed.
type node struct {
	op    op
	field string // of a term
	class class
	hash  uint64
	parts []*node
}

type op uint8

const (
	opTerm op = iota
	opAll
	opAny
)

// maxNodes bounds a plan.
const maxNodes = 1 << 20

// newPlan hashes a query's terms, for each of the tenants that it names.
func (h *Hasher) newPlan(q *engine.Query, size engine.Position) (*plan, error) {
	p := &plan{from: q.From, to: size, descending: q.Descending, span: span{math.MinInt64, math.MaxInt64}}
	if q.To != 0 {
		p.to = min(p.to, q.To)
	}
	if !q.Since.IsZero() {
		p.span.since, p.timed = nanos(q.Since), true
	}
	if !q.Until.IsZero() {
		p.span.last, p.timed = nanos(q.Until.Add(-1)), true
	}
	var err error
	switch {
	case len(q.Tenants) > 0:
		p.root, err = h.unite(q.Tenants, q.Filter)
	case q.Filter != nil:
		p.everyone, err = h.newEveryone(q.Filter)
	}
	return p, err
}

// node hashes a filter for a tenant.
func (h *Hasher) node(tenant string, f engine.Filter, left *int) (*node, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("filter has more than %d parts", maxNodes)
	}
	var parts []engine.Filter
	n := &node{op: opAll}
	switch f := f.(type) {
	case nil:
	case engine.Has:
		t := engine.Term(f)
		n = &node{op: opTerm, field: t.Field, class: classOf(t.Field), hash: h.Term(tenant, t)}
	case engine.All:
		parts = f
	case engine.Any:
		n.op, parts = opAny, f
	}
	for _, p := range parts {
		x, err := h.node(tenant, p, left)
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, x)
	}
	return n, nil
}

// classOf tells the fields of identities.
func classOf(field string) class {
	if field == engine.IDTerm("").Field || field == engine.EntityTerm(engine.Entity{}).Field {
		return identities
	}
	return terms
}

// A result is what a filter comes to in a part: a cursor, everything or nothing.
type result struct {
	cursor cursor // nil: every entry if all, else none
	all    bool
}

// eval finds out what a filter comes to in a part.
func (n *node) eval(p part, limit uint32, descending bool) (result, error) {
	switch n.op {
	case opTerm:
		if !p.covers(n.field) {
			return result{all: true}, nil
		}
		c, err := p.find(n.class, n.hash, limit, descending)
		if err != nil || c == nil {
			return result{}, err
		}
		return result{cursor: c}, nil
	case opAll:
		return n.evalAll(p, limit, descending)
	}
	return n.evalAny(p, limit, descending)
}

// evalAll joins the parts of an All. The tenant's own term comes last, and is
// left out where another part implies it: every hash has the tenant in it.
func (n *node) evalAll(p part, limit uint32, descending bool) (result, error) {
	var cursors []cursor
	for _, x := range n.parts {
		if x.op == opTerm && x.field == "" && len(cursors) > 0 {
			continue
		}
		r, err := x.eval(p, limit, descending)
		if err != nil || r.cursor == nil && !r.all {
			return result{}, err
		}
		if r.cursor != nil {
			cursors = append(cursors, r.cursor)
		}
	}
	if len(cursors) == 0 {
		return result{all: true}, nil
	}
	return result{cursor: newAndCursor(cursors)}, nil
}

// evalAny joins the parts of an Any.
func (n *node) evalAny(p part, limit uint32, descending bool) (result, error) {
	var cursors []cursor
	for _, x := range n.parts {
		r, err := x.eval(p, limit, descending)
		if err != nil || r.all {
			return r, err
		}
		if r.cursor != nil {
			cursors = append(cursors, r.cursor)
		}
	}
	switch len(cursors) {
	case 0:
		return result{}, nil
	case 1:
		return result{cursor: cursors[0]}, nil
	}
	return result{cursor: newOrCursor(cursors, descending)}, nil
}

// Search yields what a search for q among the first size entries has to look at,
// in the order that q asks for. It leaves out nothing: of a part that cannot be
// read it yields all positions, and has it made anew.
//
// The error is a filter that is too large, or that of ctx.
func (v *View) Search(ctx context.Context, q *engine.Query, size engine.Position) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		p, err := v.index.hasher.newPlan(q, size)
		if err != nil {
			yield(Span{}, err)
			return
		}
		if p.timed && p.span.since > p.span.last {
			return
		}
		for i := range v.parts {
			if p.descending {
				i = len(v.parts) - 1 - i
			}
			if !v.searchPart(ctx, p, &v.parts[i], yield) {
				return
			}
		}
	}
}

// searchPart searches one part. It reports whether to go on.
func (v *View) searchPart(ctx context.Context, p *plan, x *stretch, yield func(Span, error) bool) bool {
	from, to := x.clip(p.from, p.to)
	if from >= to {
		return true
	}
	if _, ok := x.part.(hole); ok {
		return yield(Span{from, to}, nil)
	}
	first, _ := x.bounds()
	w := walker{part: x.part, plan: p, first: first, from: uint32(from - first), to: uint32(to - first)}
	more, err := w.walk(ctx, yield)
	if err == nil {
		return more
	}
	if ctx.Err() != nil {
		yield(Span{}, ctx.Err())
		return false
	}
	v.index.condemn(x.part, err)
	if w.from >= w.to {
		return true
	}
	return yield(Span{first + engine.Position(w.from), first + engine.Position(w.to)}, nil)
}

// A walker searches a part. What is left of it is from from to to.
type walker struct {
	part     part
	plan     *plan
	first    engine.Position
	from, to uint32
}

// open returns the cursor over the part's candidates; nil is none, and all every
// position.
func (w *walker) open() (r result, err error) {
	r.all = true
	root := w.plan.root
	if w.plan.everyone != nil {
		if root, err = w.plan.everyone.root(w.part, w.to-w.from); err != nil {
			return r, err
		}
	}
	if root != nil {
		if r, err = root.eval(w.part, w.to, w.plan.descending); err != nil {
			return r, err
		}
	}
	if !w.plan.timed || r.cursor == nil && !r.all {
		return r, nil
	}
	t, err := w.part.times()
	if err != nil {
		return r, err
	}
	if r.all {
		r = result{cursor: &allCursor{n: w.to, descending: w.plan.descending}}
	}
	r.cursor = &timeCursor{inner: r.cursor, times: t, span: w.plan.span, down: w.plan.descending}
	return r, nil
}

// walk yields the part's candidates.
func (w *walker) walk(ctx context.Context, yield func(Span, error) bool) (more bool, err error) {
	r, err := w.open()
	if err != nil {
		return false, err
	}
	if r.all {
		from, to := w.first+engine.Position(w.from), w.first+engine.Position(w.to)
		w.from = w.to
		return yield(Span{from, to}, nil), nil
	}
	for n := 1; r.cursor != nil && w.from < w.to; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		at := w.from
		if w.plan.descending {
			at = w.to - 1
		}
		x, ok, err := r.cursor.seek(at)
		if err != nil {
			return false, err
		}
		if !ok || x < w.from || x >= w.to {
			break
		}
		if w.plan.descending {
			w.to = x
		} else {
			w.from = x + 1
		}
		p := w.first + engine.Position(x)
		if !yield(Span{p, p + 1}, nil) {
			return false, nil
		}
	}
	return true, nil
}

// Estimate returns how much a search for q among the first size entries looks at.
func (v *View) Estimate(q *engine.Query, size engine.Position) (e engine.Estimate, err error) {
	p, err := v.index.hasher.newPlan(q, size)
	if err != nil {
		return e, err
	}
	for i := range v.parts {
		x := &v.parts[i]
		from, to := x.clip(p.from, p.to)
		if from >= to || p.timed && p.span.since > p.span.last {
			continue
		}
		n := uint64(to - from)
		if _, ok := x.part.(hole); ok {
			e.Candidates, e.Unindexed = e.Candidates+n, e.Unindexed+n
			continue
		}
		first, _ := x.bounds()
		w := walker{part: x.part, plan: p, first: first, from: uint32(from - first), to: uint32(to - first)}
		switch r, err := w.open(); {
		case err != nil:
			v.index.condemn(x.part, err)
			e.Unindexed += n
		case r.cursor != nil:
			n = min(n, uint64(r.cursor.atMost()))
		case !r.all:
			n = 0
		}
		e.Candidates += n
	}
	return e, nil
}

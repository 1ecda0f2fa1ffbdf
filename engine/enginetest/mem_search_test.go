package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"iter"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/annals-io/annals/engine"
)

// rebuild makes the facts of all entries anew.
func (st *memStore) rebuild() {
	st.facts = make([]engine.Facts, len(st.entries))
	for i, entry := range st.entries {
		if st.fault != "asks for no terms" {
			st.facts[i].Terms = []engine.Term{}
		}
		if err := st.describe(&st.facts[i], entry); err != nil {
			panic(err)
		}
		if st.fault == "forgets times when reopened" {
			st.facts[i].Time = time.Time{}
		}
	}
}

// storeAll is store, or several.
func (e *memEngine) storeAll(b engine.Batch) []engine.Receipt {
	if !e.has("shows parts of batches") {
		return e.store(b)
	}
	var receipts []engine.Receipt
	for i := range b.Records {
		receipts = append(receipts, e.store(engine.Batch{Records: b.Records[i : i+1]})...)
		e.mu.Unlock()
		for range 50 {
			runtime.Gosched() // in a bubble, who only sleeps never meets who spins
		}
		e.mu.Lock()
	}
	return receipts
}

// keepFacts keeps what searches need of the newest entry.
func (e *memEngine) keepFacts(r *engine.Record) {
	f := r.Facts
	if !e.has("keeps the caller's terms") {
		f.Terms = slices.Clone(f.Terms)
	}
	f.Terms = slices.DeleteFunc(f.Terms, func(t engine.Term) bool {
		return t.Value == "" && e.has("drops terms without a value") ||
			t.Field == "" && e.has("drops terms without a field") ||
			len(t.Value) > 60_000 && e.has("drops long terms")
	})
	switch {
	case e.has("drops terms past the 256th"):
		f.Terms = f.Terms[:min(256, len(f.Terms))]
	case e.has("leaves records without terms out") && len(f.Terms) == 0:
		f.Tenant = ""
	}
	e.facts = append(e.facts, f)
	if e.has("changes the batch") && len(r.Terms) > 0 {
		r.Terms[0].Field = "~" + r.Terms[0].Field
	}
}

// Search reads everything there is, and leaves out what need not be given.
func (e *memEngine) Search(ctx context.Context, q engine.Query) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		if err := e.searchErr(ctx); err != nil {
			yield(engine.Entry{}, err)
			return
		}
		for i, p := range e.find(q) {
			err := e.searchErr(ctx)
			if i > 0 && e.has("searches on when its context has ended") {
				err = nil
			}
			if err != nil {
				yield(engine.Entry{}, err)
				return
			}
			if !yield(e.found(p), nil) {
				return
			}
		}
		if e.has("searches what comes later") {
			e.Scan(ctx, e.Size()-1, math.MaxUint64)(yield)
		}
	}
}

// searchErr returns why nothing can be searched.
func (e *memEngine) searchErr(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed && !e.has("searches when closed") {
		return engine.ErrClosed
	}
	return ctx.Err()
}

// found returns an entry for a search.
func (e *memEngine) found(p engine.Position) engine.Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := engine.Entry{Position: p, Bytes: bytes.Clone(e.entries[p])}
	switch {
	case e.has("gives its own memory away in searches"):
		x.Bytes = e.entries[p]
	case e.has("finds what is not stored"):
		x.Bytes = append(x.Bytes, '\n')
	}
	return x
}

// find returns the positions of an answer, with some that are not asked for.
func (e *memEngine) find(q engine.Query) []engine.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := truth{facts: e.facts}
	from, to := t.bounds(q)
	switch {
	case e.has("takes a to of zero for zero") && q.To == 0:
		to = 0
	case e.has("has no filter for every tenant") && len(q.Tenants) == 0 && q.Filter != nil:
		to = from
	case e.has("takes from exclusively") && q.From > 0:
		from = min(from+1, to)
	case e.has("takes to a position early") && q.To > 0 && to > from:
		to--
	case e.has("leaves the newest entry out of searches") && to > from && to == engine.Position(len(e.facts)):
		to--
	}
	var all []engine.Position
	for p := from; p < to; p++ {
		f := e.indexed(p)
		if e.timeFits(q, f.Time) && e.tenantFits(q.Tenants, f.Tenant) && e.chooses(q.Filter, f) || p%11 == 5 {
			all = append(all, p)
		}
	}
	if p := len(e.facts) - 1; p > 0 && e.has("finds an entry twice") {
		all = append(all, engine.Position(p/2))
		slices.Sort(all)
	}
	return e.arranged(q, all)
}

// arranged returns positions in the order of an answer.
func (e *memEngine) arranged(q engine.Query, all []engine.Position) []engine.Position {
	if parts, ok := q.Filter.(engine.Any); ok && e.has("yields one part after the other") {
		rank := func(p engine.Position) int {
			return slices.IndexFunc(parts, func(f engine.Filter) bool { return chooses(f, &e.facts[p]) })
		}
		slices.SortStableFunc(all, func(a, b engine.Position) int { return cmp.Compare(rank(a), rank(b)) })
	}
	if q.Descending && !e.has("ascends always") {
		slices.Reverse(all)
	}
	return all
}

// indexed returns what is known of an entry.
func (e *memEngine) indexed(p engine.Position) *engine.Facts {
	f := &e.facts[p]
	if e.has("indexes the first 2,048") && p >= 2048 {
		return &engine.Facts{}
	}
	return f
}

func (e *memEngine) tenantFits(tenants []string, tenant string) bool {
	switch {
	case len(tenants) == 0:
		return !e.has("takes no tenant for none")
	case e.has("searches the first tenant"):
		return tenants[0] == tenant
	}
	return slices.Contains(tenants, tenant)
}

func (e *memEngine) timeFits(q engine.Query, at time.Time) bool {
	since, until := q.Since, q.Until
	switch {
	case e.has("takes since exclusively"):
		since = since.Add(1)
	case e.has("takes until a nanosecond early") && !until.IsZero():
		until = until.Add(-1)
	case e.has("keeps times in seconds"):
		at = at.Truncate(time.Second)
	case e.has("keeps times as nanoseconds since 1970"):
		at = time.Unix(0, at.UnixNano())
	case e.has("takes position for time") && !since.IsZero() && e.facts[0].Time.Before(since):
		return false
	}
	return within(engine.Query{Since: since, Until: until}, &engine.Facts{Time: at})
}

// chooses is the suite's, less what an engine may have forgotten.
func (e *memEngine) chooses(filter engine.Filter, f *engine.Facts) bool {
	switch x := filter.(type) {
	case engine.Has:
		return e.hasTerm(f, engine.Term(x))
	case engine.All:
		if e.has("takes an empty all for nothing") && len(x) == 0 {
			return false
		}
		return !slices.ContainsFunc(x, func(part engine.Filter) bool { return !e.chooses(part, f) })
	case engine.Any:
		if e.has("takes any for all") {
			return !slices.ContainsFunc(x, func(part engine.Filter) bool { return !e.chooses(part, f) })
		}
		if e.has("searches the first part of any") {
			x = x[:min(1, len(x))]
		}
		return slices.ContainsFunc(x, func(part engine.Filter) bool { return e.chooses(part, f) })
	}
	return true
}

func (e *memEngine) hasTerm(f *engine.Facts, t engine.Term) bool {
	switch {
	case t == engine.IDTerm(f.ID) && e.has("gives no id term"),
		t == engine.EntityTerm(f.Entity) && e.has("gives no entity term"),
		t == engine.TenantTerm() && e.has("gives no tenant term"):
		return false
	case e.has("cuts what is asked at NUL"):
		t.Value, _, _ = strings.Cut(t.Value, "\x00")
	case e.has("lowers what is asked"):
		t.Value = strings.ToLower(t.Value)
	case e.has("trims what is asked"):
		t.Value = strings.TrimSpace(t.Value)
	}
	return chooses(engine.Has(t), f)
}

func (e *memEngine) Estimate(_ context.Context, q engine.Query) (engine.Estimate, error) {
	found := uint64(len(e.find(q)))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed && !e.has("estimates when closed"):
		return engine.Estimate{}, engine.ErrClosed
	case e.has("estimates nothing"):
		found = 0
	case e.has("estimates more than there is"):
		found = uint64(len(e.facts)) + 1
	case e.has("estimates outside of the bounds"):
		return engine.Estimate{Candidates: found, Unindexed: uint64(len(e.facts))}, nil
	}
	return engine.Estimate{Candidates: found}, nil
}

// Kinds counts the first half of the records and the second.
func (e *memEngine) Kinds(context.Context) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		e.mu.Lock()
		all := slices.Clone(e.facts)
		closed := e.closed
		e.mu.Unlock()
		if closed && !e.has("counts when closed") {
			yield(engine.KindCount{}, engine.ErrClosed)
			return
		}
		counts := e.counts(all[:len(all)/2])
		if !e.has("counts half of the records") {
			counts = append(counts, e.counts(all[len(all)/2:])...)
		}
		for _, k := range counts {
			if !yield(k, nil) {
				return
			}
		}
	}
}

// counts counts some records.
func (e *memEngine) counts(facts []engine.Facts) (all []engine.KindCount) {
	counts := make(map[engine.KindCount]uint64)
	for i := range facts {
		k := engine.KindCount{Tenant: facts[i].Tenant, Kind: facts[i].Kind}
		if e.has("counts tenants together") {
			k.Tenant = facts[0].Tenant
		}
		if e.has("counts what is to come") && i == 0 {
			counts[k]++
		}
		counts[k]++
		if i == 0 && e.has("lists kinds that there are not") {
			counts[engine.KindCount{Tenant: "~"}] = 0
		}
	}
	for k, n := range counts {
		k.Count = n
		all = append(all, k)
	}
	return all
}

func (e *memEngine) Entities(context.Context) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := uint64(len(e.sequences))
	switch {
	case e.closed && !e.has("counts when closed"):
		return 0, engine.ErrClosed
	case e.has("counts entities again"):
		n++
	}
	return n, nil
}

func (e *memEngine) Secret(purpose string) (secret [32]byte) {
	key := e.secret[:]
	switch {
	case e.has("has one secret everywhere"):
		key = []byte("secret")
	case e.has("has one secret for all purposes"):
		return e.secret
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Sum(secret[:0])
	return secret
}

package annals

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/query"
)

// A describer tells an engine what searches can ask for of an event. It may be
// used concurrently.
type describer struct {
	policy  *query.Policy // never changes
	readers sync.Pool     // of *query.Extractor
}

func newDescriber(indexData string) (*describer, error) {
	policy, err := query.ParsePolicy(indexData)
	if err != nil {
		return nil, err
	}
	d := &describer{policy: policy}
	if len(d.policyText()) > query.MaxPolicyBytes { // an index takes no more
		return nil, fmt.Errorf("index policy is longer than %d bytes", query.MaxPolicyBytes-len(termSet))
	}
	d.readers.New = func() any { return new(query.Extractor) }
	return d, nil
}

// describe is the [engine.Describe] of events. The entry may end before its
// recorded_at. A damaged entry may pass where no terms are wanted.
func (d *describer) describe(f *engine.Facts, entry []byte) error {
	if f.Terms == nil {
		tenant, id, typ, entity, err := describe(entry)
		*f = engine.Facts{Tenant: tenant, ID: id, Kind: typ, Entity: engine.Entity{Type: entity.Type, ID: entity.ID}}
		return err
	}
	x := d.readers.Get().(*query.Extractor)
	defer d.readers.Put(x)
	got, err := x.Read(entry, d.policy)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotEntry, err)
	}
	at, detail := parseTime([]byte(got.Time))
	if detail != "" || got.Tenant == "" || got.ID == "" || got.Type == "" {
		return errNotEntry
	}
	terms := slices.Grow(f.Terms[:0], len(got.Terms))
	for _, t := range got.Terms {
		terms = append(terms, engine.Term(t))
	}
	*f = engine.Facts{Tenant: got.Tenant, ID: got.ID, Entity: engine.Entity(got.Entity), Kind: got.Type, Time: at, Terms: terms}
	return nil
}

// termSet names the terms that this program takes of an entry under any policy.
// Another set has another name, so that none is taken for the other's.
const termSet = "1 "

// policyText returns what an engine keeps of how entries are indexed.
func (d *describer) policyText() string { return termSet + d.policy.String() }

// policies answer for the policies under which entries were indexed, which need
// not be today's.
type policies struct {
	mu     sync.Mutex
	parsed map[string]*query.Policy // guarded by mu; nil for what is no policy
}

// maxPolicies bounds how many are kept.
const maxPolicies = 100

// covers reports whether an entry that was indexed under a policy has every term
// of a field that it can have.
func (p *policies) covers(policy, field string) bool {
	known := p.policy(policy)
	return known != nil && known.Covers(field)
}

func (p *policies) policy(text string) *query.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.parsed[text]; ok {
		return known
	}
	var known *query.Policy // nil for a later program's: nothing is certain
	if rest, ok := strings.CutPrefix(text, termSet); ok && rest != "" {
		if parsed, err := query.ParsePolicy(rest); err == nil {
			known = parsed
		}
	}
	if p.parsed == nil || len(p.parsed) >= maxPolicies {
		p.parsed = make(map[string]*query.Policy)
	}
	p.parsed[text] = known
	return known
}

// A recordBuffer has room for the terms and bodies of the records of one append: a batch
// of a thousand would otherwise leave two megabytes behind.
type recordBuffer struct {
	terms  []engine.Term
	bodies []byte
}

var recordBuffers = sync.Pool{New: func() any { return &recordBuffer{terms: make([]engine.Term, 0, 32)} }}

// What is kept of the buffer of one append, at most.
const (
	maxTermBuffer = 64 << 10
	maxBodyBuffer = 2 << 20
)

func takeBuffer() *recordBuffer { return recordBuffers.Get().(*recordBuffer) }

// rest returns what is free for terms, which is not nil.
func (b *recordBuffer) rest() []engine.Term { return b.terms[len(b.terms):] }

// took keeps terms that were put where rest said, or makes room for more if they did
// not fit there.
func (b *recordBuffer) took(terms []engine.Term) {
	if len(terms) <= cap(b.terms)-len(b.terms) {
		b.terms = b.terms[:len(b.terms)+len(terms)]
		return
	}
	b.terms = make([]engine.Term, 0, max(2*cap(b.terms), 2*len(terms)))
}

// give takes back what nobody uses any more.
func (b *recordBuffer) give() {
	if cap(b.terms) > maxTermBuffer || cap(b.bodies) > maxBodyBuffer {
		return
	}
	clear(b.terms)
	b.terms, b.bodies = b.terms[:0], b.bodies[:0]
	recordBuffers.Put(b)
}

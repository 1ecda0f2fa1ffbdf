package enginetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
)

// An item is what the suite makes a record of: one event, in the canonical form
// of docs/format.md.
type item struct {
	tenant string // empty means "t"
	id     string
	entity engine.Entity
	kind   string        // empty means "test.happened"
	time   string        // in engine.TimeFormat; empty means moment
	terms  []engine.Term // nil means that there is one, of the kind
	data   string        // JSON; empty means none
}

// moment is when items happen that do not say when.
const moment = "2026-01-02T03:04:05.000000000Z"

// thing is the entity with an id.
func thing(id string) engine.Entity { return engine.Entity{Type: "thing", ID: id} }

func (x item) owner() string { return cmp.Or(x.tenant, "t") }

// same reports whether two items are the same event.
func (x item) same(y item) bool { return bytes.Equal(x.body(), y.body()) }

// facts returns what an engine is told of an item. The terms are a copy.
func (x item) facts() engine.Facts {
	f := engine.Facts{Tenant: x.owner(), ID: x.id, Entity: x.entity, Kind: cmp.Or(x.kind, "test.happened"), Terms: slices.Clone(x.terms)}
	if x.terms == nil {
		f.Terms = []engine.Term{kindTerm(f.Kind)}
	}
	var err error
	if f.Time, err = time.Parse(engine.TimeFormat, cmp.Or(x.time, moment)); err != nil {
		panic(err) // the suite's own text
	}
	return f
}

// kindTerm is the term of items that name none.
func kindTerm(kind string) engine.Term { return engine.Term{Field: "type", Value: kind} }

// What a body has between its strings.
const (
	idKey      = `{"id":`
	timeKey    = `,"time":`
	kindKey    = `,"type":`
	ownerKey   = `,"version":"1.0","tenant":`
	entityKey  = `,"entity":{"type":`
	entityID   = `,"id":`
	termsKey   = `,"snapshot":{"terms":[`
	termsEnd   = `]}`
	dataKey    = `,"data":`
	finishedBy = `,"recorded_at":`
)

// body returns the canonical entry up to recorded_at.
func (x item) body() []byte {
	b := make([]byte, 0, 400+2*len(x.id)+64*len(x.terms)+len(x.data)+len(spare))
	b = append(append(b, idKey...), quote(x.id)...)
	b = append(append(b, timeKey...), quote(cmp.Or(x.time, moment))...)
	b = append(append(b, kindKey...), quote(cmp.Or(x.kind, "test.happened"))...)
	b = append(append(b, ownerKey...), quote(x.owner())...)
	if x.entity != (engine.Entity{}) {
		b = append(append(b, entityKey...), quote(x.entity.Type)...)
		b = append(append(append(b, entityID...), quote(x.entity.ID)...), '}')
	}
	if x.terms != nil {
		b = append(b, termsKey...)
		for i, t := range x.terms {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, quote(t.Field)...), ','), quote(t.Value)...)
		}
		b = append(b, termsEnd...)
	}
	if x.data != "" {
		b = append(append(b, dataKey...), x.data...)
	}
	return b
}

// lineSeparators undoes the only escapes that package json makes and the
// canonical form does not.
var lineSeparators = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029")

// quote returns s as a canonical JSON string.
func quote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) < 0 {
		return `"` + s + `"` // most are, and a batch has thousands
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return lineSeparators.Replace(strings.TrimSuffix(b.String(), "\n"))
}

// record returns the record of an item. Its Same complains to t about anything
// that is not a finished entry with the same identity.
func (x item) record(t testing.TB) engine.Record {
	body := x.body()
	return engine.Record{
		Facts: x.facts(),
		Body:  append(body, spare...)[:len(body)],
		Same: func(stored []byte) bool {
			a, err := engine.ParseAssigned(stored)
			if err != nil {
				t.Errorf("Same of %q was called with what is no entry: %v: %.200q", x.id, err, stored)
				return false
			}
			var k engine.Facts
			if err := describe(&k, stored); err != nil || k.Tenant != x.owner() || k.ID != x.id {
				t.Errorf("Same of %s/%q was called with the entry of %s/%q (%v)", x.owner(), x.id, k.Tenant, k.ID, err)
			}
			return bytes.Equal(stored[:a.BodyBytes], x.body()) // the batch's memory may be another's by now
		},
	}
}

// spare lies behind each body in its memory, where an engine has no business.
const spare = "do not write here: this memory belongs to the caller, all of it"

// A key identifies a record, or an entity.
type key struct {
	Tenant string
	ID     string
	Entity engine.Entity
}

// batch returns the batch of some items.
func batch(t testing.TB, items []item, expect ...engine.Expect) engine.Batch {
	b := engine.Batch{Expect: expect}
	for _, x := range items {
		b.Records = append(b.Records, x.record(t))
	}
	return b
}

// scribble checks that an engine left a batch alone and then overwrites it, as a
// caller may that uses its memory again.
func scribble(b engine.Batch, items []item) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !bytes.Equal(r.Body, items[i].body()) || string(r.Body[:len(r.Body)+len(spare)][len(r.Body):]) != spare {
			return fmt.Errorf("record %d: append wrote to the body's memory", i)
		}
		if want := items[i].facts(); !sameFacts(&r.Facts, &want) {
			return fmt.Errorf("record %d: append changed the facts to %.300v", i, r.Facts)
		}
		clear(r.Body[:len(r.Body)+len(spare)])
		clear(r.Terms)
		*r = engine.Record{}
	}
	clear(b.Expect)
	return nil
}

// sameFacts reports whether two records have the same facts.
func sameFacts(a, b *engine.Facts) bool {
	return a.Tenant == b.Tenant && a.ID == b.ID && a.Entity == b.Entity && a.Kind == b.Kind &&
		a.Time.Equal(b.Time) && slices.Equal(a.Terms, b.Terms)
}

// describe is the suite's [engine.Describe]. It takes what item.body writes and
// nothing else.
func describe(f *engine.Facts, entry []byte) error {
	*f = engine.Facts{Terms: f.Terms[:0]}
	p := parser{rest: entry}
	f.ID = p.after(idKey)
	at, err := time.Parse(engine.TimeFormat, p.after(timeKey))
	f.Time, p.bad = at, p.bad || err != nil
	f.Kind = p.after(kindKey)
	f.Tenant = p.after(ownerKey)
	if p.at(entityKey) {
		f.Entity.Type = p.after(entityKey)
		f.Entity.ID = p.after(entityID)
		p.skip("}")
	}
	f.Terms = p.terms(f.Terms, f.Kind)
	if p.bad || !p.at(dataKey) && !p.at(finishedBy) {
		return fmt.Errorf("entry is none of the suite's: %.200q", entry)
	}
	return nil
}

// describeAsked is what engines get: describe, but without the terms and the time
// unless they are asked for.
func describeAsked(f *engine.Facts, entry []byte) error {
	asked := f.Terms != nil
	err := describe(f, entry)
	if !asked {
		f.Terms, f.Time = nil, time.Time{}
	}
	return err
}

// A parser takes a text apart.
type parser struct {
	rest []byte
	bad  bool // something was not there
}

// at reports whether a fixed text is next.
func (p *parser) at(text string) bool { return bytes.HasPrefix(p.rest, []byte(text)) }

// terms takes the terms that a body lists and appends them to all, or else the
// one that an item of a kind has.
func (p *parser) terms(all []engine.Term, kind string) []engine.Term {
	if !p.at(termsKey) {
		return append(all, kindTerm(kind))
	}
	p.skip(termsKey)
	for before := ""; !p.bad && !p.at(termsEnd); before = "," {
		all = append(all, engine.Term{Field: p.after(before), Value: p.after(",")})
	}
	p.skip(termsEnd)
	return all
}

// skip takes a fixed text.
func (p *parser) skip(text string) {
	rest, ok := bytes.CutPrefix(p.rest, []byte(text))
	p.rest, p.bad = rest, p.bad || !ok
}

// after takes a fixed text and the JSON string behind it, which it returns.
func (p *parser) after(text string) (s string) {
	p.skip(text)
	for i := 1; i < len(p.rest); i++ {
		n := bytes.IndexByte(p.rest[i:], '"')
		if i += n; n < 0 || p.rest[0] != '"' {
			break
		}
		before := bytes.TrimRight(p.rest[1:i], `\`)
		if (i-len(before))%2 == 0 {
			continue // an escaped quote
		}
		if s = string(before); bytes.IndexByte(p.rest[:i], '\\') >= 0 {
			p.bad = p.bad || json.Unmarshal(p.rest[:i+1], &s) != nil
		}
		p.rest = p.rest[i+1:]
		return s
	}
	p.bad = true
	return ""
}

package enginetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
)

// An item is what the suite makes a record of: one event, in the canonical form
// of docs/format.md.
type item struct {
	tenant string // empty means "t"
	id     string
	entity engine.Entity
	data   string // JSON; empty means none
}

// thing is the entity with an id.
func thing(id string) engine.Entity { return engine.Entity{Type: "thing", ID: id} }

func (x item) owner() string {
	if x.tenant == "" {
		return "t"
	}
	return x.tenant
}

// fixed is what every body has between its id and its tenant.
const fixed = `,"time":"2026-01-02T03:04:05.000000000Z","type":"test.happened","version":"1.0","tenant":`

// body returns the canonical entry up to recorded_at.
func (x item) body() []byte {
	b := make([]byte, 0, 400+2*len(x.id)+len(x.data)+len(spare))
	b = append(append(append(b, `{"id":`...), quote(x.id)...), fixed...)
	b = append(b, quote(x.owner())...)
	if x.entity != (engine.Entity{}) {
		b = append(append(b, `,"entity":{"type":`...), quote(x.entity.Type)...)
		b = append(append(append(b, `,"id":`...), quote(x.entity.ID)...), '}')
	}
	if x.data != "" {
		b = append(append(b, `,"data":`...), x.data...)
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
		Tenant: x.owner(), ID: x.id, Entity: x.entity,
		Body:  append(body, spare...)[:len(body)],
		Terms: []engine.Term{{Field: "id", Value: x.id}, {Field: "type", Value: "test.happened"}},
		Same: func(stored []byte) bool {
			a, err := engine.ParseAssigned(stored)
			if err != nil {
				t.Errorf("Same of %q was called with what is no entry: %v: %.200q", x.id, err, stored)
				return false
			}
			if k, err := describe(stored); err != nil || k.Tenant != x.owner() || k.ID != x.id {
				t.Errorf("Same of %s/%q was called with the entry of %s/%q (%v)", x.owner(), x.id, k.Tenant, k.ID, err)
			}
			return bytes.Equal(stored[:a.BodyBytes], x.body()) // the batch's memory may be another's by now
		},
	}
}

// spare lies behind each body in its memory, where an engine has no business.
const spare = "do not write here: this memory belongs to the caller, all of it"

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
		clear(r.Body[:len(r.Body)+len(spare)])
		clear(r.Terms)
		*r = engine.Record{}
	}
	clear(b.Expect)
	return nil
}

// describe is the suite's [engine.Describe]. It takes what item.body writes and
// nothing else.
func describe(entry []byte) (k engine.Key, err error) {
	p := parser{rest: entry}
	k.ID = p.after(`{"id":`)
	k.Tenant = p.after(fixed)
	if bytes.HasPrefix(p.rest, []byte(`,"entity":`)) {
		k.Entity.Type = p.after(`,"entity":{"type":`)
		k.Entity.ID = p.after(`,"id":`)
		p.skip("}")
	}
	if !bytes.HasPrefix(p.rest, []byte(`,"data":`)) && !bytes.HasPrefix(p.rest, []byte(`,"recorded_at":`)) {
		p.bad = true
	}
	if p.bad {
		return k, fmt.Errorf("entry is none of the suite's: %.200q", entry)
	}
	return k, nil
}

// A parser takes a text apart.
type parser struct {
	rest []byte
	bad  bool // something was not there
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
		if p.rest[i] == '\\' {
			i++
		} else if p.rest[i] == '"' {
			p.bad = p.bad || json.Unmarshal(p.rest[:i+1], &s) != nil
			p.rest = p.rest[i+1:]
			return s
		}
	}
	p.bad = true
	return ""
}

package enginetest

import (
	"bytes"
	"encoding/json"
	"errors"
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

// body returns the canonical entry up to recorded_at.
func (x item) body() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"id":%s,"time":"2026-01-02T03:04:05.000000000Z","type":"test.happened","version":"1.0","tenant":%s`, quote(x.id), quote(x.owner()))
	if x.entity != (engine.Entity{}) {
		fmt.Fprintf(&b, `,"entity":{"type":%s,"id":%s}`, quote(x.entity.Type), quote(x.entity.ID))
	}
	if x.data != "" {
		b.WriteString(`,"data":` + x.data)
	}
	return b.Bytes()
}

// lineSeparators undoes the only escapes that package json makes and the
// canonical form does not.
var lineSeparators = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029")

// quote returns s as a canonical JSON string.
func quote(s string) string {
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
		Body:  append(bytes.Clone(body), spare...)[:len(body)],
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
			return bytes.Equal(stored[:a.BodyBytes], body)
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
		whole := r.Body[:len(r.Body)+len(spare)]
		for j := range whole {
			whole[j] = '!'
		}
		clear(r.Terms)
		*r = engine.Record{}
	}
	clear(b.Expect)
	return nil
}

// describe is the suite's [engine.Describe]. It reads no further than it must.
func describe(entry []byte) (k engine.Key, err error) {
	d := json.NewDecoder(bytes.NewReader(entry))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return k, errors.Join(errors.New("entry is no object"), err)
	}
	for {
		name, err := d.Token()
		if err != nil {
			return k, fmt.Errorf("read entry: %w", err)
		}
		var into any
		switch name {
		case "id":
			into = &k.ID
		case "tenant":
			into = &k.Tenant
		case "entity":
			into = &k.Entity
		case "time", "type", "version":
			into = new(string)
		case "data", "recorded_at":
			if k.ID == "" || k.Tenant == "" {
				return k, errors.New("entry has no id or no tenant")
			}
			return k, nil
		default:
			return k, fmt.Errorf("entry has an unknown member %v", name)
		}
		if err := d.Decode(into); err != nil {
			return k, fmt.Errorf("read member %v: %w", name, err)
		}
	}
}

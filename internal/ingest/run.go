package ingest

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A run maps one value. It holds memory to reuse: take one from runs and give it
// back with release.
type run struct {
	m       *mapping
	values  [][]byte // what the paths lead to, by slot, from 1
	vars    []memo
	scratch []byte // texts made on the way
	omitted int
	badTime []byte // a source time that could not be used
}

// A memo is the value of a variable, once known.
type memo struct {
	known bool
	value value
	found found
}

// A value is a text that an expression came to.
type value struct {
	raw  []byte // the JSON string that says it; nil if none does yet
	text []byte
}

// found says what an expression came to.
type found uint8

const (
	nothing  found = iota
	unusable       // something that is not what the member takes
	usable
)

var runs = sync.Pool{New: func() any { return new(run) }}

// start readies r for a mapping.
func (r *run) start(m *mapping) {
	r.m = m
	r.values = sized(r.values, m.slots+1) // release cleared what was there
	r.vars = sized(r.vars, len(m.vars))
	r.omitted, r.badTime = 0, nil
}

// sized returns n elements, in the memory of s if it is enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// release gives r back; no value of it is to be used any more.
func (r *run) release() {
	clear(r.values)
	clear(r.vars)
	r.scratch = r.scratch[:0]
	if cap(r.scratch) > bufferBytes {
		r.scratch = nil
	}
	r.m, r.badTime = nil, nil
	runs.Put(r)
}

// read goes over the value at w's place and keeps what the paths from n lead to,
// the last if there are several. Something where a path should go on, but cannot,
// is counted.
func (r *run) read(w *walker, n *node) error {
	w.space()
	if w.pos == len(w.in) {
		return w.unexpected("a value")
	}
	from := w.pos
	var err error
	switch c := w.in[from]; {
	case c == '{' && n.edges != nil:
		err = r.readObject(w, n)
	case c == '[' && n.picks != nil:
		err = r.readArray(w, n)
	default:
		_, err = w.skip()
		if err == nil && len(n.slots) == 0 && !n.lax && says(w.in[from:w.pos]) {
			r.omitted++
		}
	}
	if err != nil {
		return err
	}
	for _, slot := range n.slots {
		r.values[slot] = w.in[from:w.pos]
	}
	return nil
}

func (r *run) readObject(w *walker, n *node) error {
	for first := true; ; first = false {
		name, done, err := w.member(first)
		if done || err != nil {
			return err
		}
		if to := n.member(name); to != nil {
			err = r.read(w, to)
		} else {
			_, err = w.skip()
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) readArray(w *walker, n *node) error {
	var taken [maxPicks]bool
	for i := 0; ; i++ {
		done, err := w.next(i == 0, ']')
		if done || err != nil {
			return err
		}
		from, err := w.skip()
		if err != nil {
			return err
		}
		end := w.pos
		for k := range n.picks {
			p := &n.picks[k]
			if taken[k] || !p.takes(i, w.in[from:end]) {
				continue
			}
			taken[k] = true
			w.pos = from
			if err := r.read(w, p.to); err != nil {
				return err
			}
		}
		w.pos = end
	}
}

// unquote returns what the JSON string raw says.
func (r *run) unquote(raw []byte) ([]byte, bool) {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	from := len(r.scratch)
	to, err := jsontext.AppendUnquote(r.scratch, raw)
	if err != nil {
		return nil, false
	}
	r.scratch = to
	return r.scratch[from:], true
}

// first sets v to what the first expression comes to that comes to something that m
// takes, and counts those before it that found something else.
func (r *run) first(exprs []expr, m *member, v *value) found {
	f := nothing
	for i := range exprs {
		e := &exprs[i]
		if e.need != 0 && r.values[e.need] == nil {
			continue
		}
		got := nothing
		if e.bare {
			got = r.source(r.values[e.need], e.parts[0].operand, v)
		} else {
			got = r.expr(e, v)
		}
		if got == usable && m != nil && !m.takes(v.text) {
			got = unusable
		}
		switch got {
		case usable:
			return usable
		case unusable:
			f = unusable
			r.omitted++
		}
	}
	return f
}

// expr sets v to what one alternative comes to.
func (r *run) expr(e *expr, v *value) found {
	if !r.holds(e.when) {
		return nothing
	}
	if len(e.parts) == 1 && e.parts[0].operand != nil {
		return r.steps(e.steps, r.operand(e.parts[0].operand, v), v)
	}
	return r.steps(e.steps, r.template(e, v), v)
}

// steps takes v through steps, as long as it is something.
func (r *run) steps(steps []step, f found, v *value) found {
	for i := range steps {
		if f != usable {
			break
		}
		f = r.step(&steps[i], v)
	}
	return f
}

// template joins the parts; if one of them is nothing the whole is.
func (r *run) template(e *expr, v *value) found {
	v.raw, v.text = nil, e.parts[0].literal
	if len(e.parts) == 1 {
		return usable
	}
	var texts [maxParts][]byte
	for i := range e.parts {
		p := &e.parts[i]
		texts[i] = p.literal
		if p.operand != nil {
			if f := r.operand(p.operand, v); f != usable {
				return f
			}
			texts[i] = v.text
		}
	}
	from := len(r.scratch)
	for i := range e.parts {
		r.scratch = append(r.scratch, texts[i]...)
	}
	v.raw, v.text = nil, r.scratch[from:]
	return usable
}

// operand sets v to the value of a path or variable after its steps.
func (r *run) operand(o *operand, v *value) found {
	f := nothing
	if o.slot == 0 {
		f = r.variable(o.variable, v)
	} else {
		f = r.source(r.values[o.slot], o, v)
	}
	return r.steps(o.steps, f, v)
}

func (r *run) variable(i int, v *value) found {
	m := &r.vars[i]
	if !m.known {
		m.found = r.first(r.m.vars[i], nil, &m.value)
		m.known = true
	}
	*v = m.value
	return m.found
}

// source sets v to a value of the source as a text.
func (r *run) source(raw []byte, o *operand, v *value) found {
	if !says(raw) {
		return nothing
	}
	v.raw, v.text = nil, raw
	switch raw[0] {
	case '"':
		text, ok := r.unquote(raw)
		if !ok {
			return unusable
		}
		v.raw, v.text = raw, text
	case '[':
		if o.join != nil {
			return r.join(raw, o.join, v)
		}
		return r.container(o)
	case '{':
		return r.container(o)
	default:
		if !o.numbers {
			return unusable
		}
	}
	if r.m.isEmpty(v.text) {
		return nothing
	}
	return usable
}

// container says what an object or array is where a text was expected: nothing to
// speak of if other paths go on from there.
func (r *run) container(o *operand) found {
	if r.m.inner[o.slot] {
		return nothing
	}
	return unusable
}

// join joins the strings, numbers and booleans of an array.
func (r *run) join(raw []byte, with []byte, v *value) found {
	w := walker{in: raw}
	var out []byte
	for first := true; ; first = false {
		done, err := w.next(first, ']')
		if err != nil {
			return unusable
		}
		if done {
			break
		}
		from, err := w.skip()
		if err != nil {
			return unusable
		}
		switch r.source(raw[from:w.pos], &operand{numbers: true}, v) {
		case unusable:
			return unusable
		case usable:
			if len(out) > 0 {
				out = append(out, with...)
			}
			out = append(out, v.text...)
		}
	}
	v.raw, v.text = nil, out
	if len(out) == 0 {
		return nothing
	}
	return usable
}

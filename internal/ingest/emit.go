package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// event appends the event that the values read stand for.
func (r *run) event(dst, raw []byte, in Input) ([]byte, Notes, error) {
	from := len(dst)
	if err := r.required(); err != nil {
		return nil, Notes{}, err
	}
	dst = r.appendID(dst)
	noID := len(dst) == from
	dst, err := r.appendTime(dst, in)
	if err != nil {
		return nil, Notes{}, err
	}
	if dst, err = r.appendType(dst); err != nil {
		return nil, Notes{}, err
	}
	for i := range r.m.outputs {
		o := &r.m.outputs[i]
		if o.kind == memberData {
			dst = append(appendName(dst, o.name), raw...)
			continue
		}
		dst = r.output(dst, o)
	}
	dst[from] = '{' // in place of the first comma
	return append(dst, '}'), Notes{Omitted: r.omitted, NoID: noID}, nil
}

// appendID appends the natural id, if there is one that can be used.
func (r *run) appendID(dst []byte) []byte {
	var v value
	if r.first(r.m.id, &members[0], &v) != usable {
		return dst
	}
	return appendValue(appendName(dst, nameID), &v)
}

func (r *run) appendTime(dst []byte, in Input) ([]byte, error) {
	omitted := r.omitted
	var v value
	f := r.first(r.m.time, nil, &v)
	switch {
	case f == usable:
		r.omitted = omitted // alternatives are forms, too
	case in.Time != "":
		if !isTime([]byte(in.Time)) {
			return nil, errBadInput(in)
		}
		v = value{text: []byte(in.Time)}
	case r.badTime != nil:
		return nil, fmt.Errorf("%w: %.40q, want %s", ErrNoTime, r.badTime, sourcesOf(r.m.time))
	default:
		return nil, fmt.Errorf("%w: want %s", ErrNoTime, sourcesOf(r.m.time))
	}
	return appendValue(appendName(dst, nameTime), &v), nil
}

func (r *run) appendType(dst []byte) ([]byte, error) {
	typ := &members[2]
	var v value
	switch f := r.first(r.m.typ, nil, &v); {
	case f != usable:
		return nil, fmt.Errorf("no type: want %s", sourcesOf(r.m.typ))
	case len(v.text) > typ.limit:
		return nil, fmt.Errorf("type would be %d bytes, limit %d", len(v.text), typ.limit)
	case !typ.takes(v.text):
		return nil, errors.New("type would contain a NUL")
	}
	return appendValue(appendName(dst, nameType), &v), nil
}

// sourcesOf says, in short, what the alternatives for a member are.
func sourcesOf(exprs []expr) string {
	var texts []string
	for _, e := range exprs {
		texts = append(texts, e.text)
	}
	return printable(strings.Join(texts, ", or "), 120)
}

// printable makes a text fit for an error: on one line, of printable characters,
// and of about limit bytes at most.
func printable(text string, limit int) string {
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// output appends one member, with a comma before, if there is a value for it.
func (r *run) output(dst []byte, o *output) []byte {
	switch o.kind {
	case memberObject:
		return r.object(dst, o)
	case memberObjects:
		return r.objects(dst, o)
	case memberTexts:
		return r.texts(dst, o)
	case memberTags:
		return r.fields(dst, o.name, o.fields)
	}
	var v value
	if r.first(o.exprs, &o.member, &v) != usable {
		return dst
	}
	dst = appendName(dst, o.name)
	if o.kind == memberNumber || o.kind == memberBool {
		return append(dst, v.text...)
	}
	return appendValue(dst, &v)
}

// object appends the first group that is complete. Of those that are not, what
// they found counts as one omitted member.
func (r *run) object(dst []byte, o *output) []byte {
	partial := false
	for i := range o.groups {
		g := &o.groups[i]
		if !r.holds(g.when) {
			continue
		}
		complete, some := r.complete(g, o.needs)
		if complete {
			if out := r.fields(dst, o.name, g.fields); len(out) > len(dst) {
				return out
			}
		}
		partial = partial || some
	}
	if partial {
		r.omitted++
	}
	return dst
}

// complete reports whether a group has all that it needs, and whether the source
// has some of it.
func (r *run) complete(g *group, needs []string) (all, some bool) {
	all = true
	omitted := r.omitted
	for i := range g.fields {
		o := &g.fields[i]
		if !slices.Contains(needs, o.name) {
			continue
		}
		var v value
		f := r.first(o.exprs, &o.member, &v)
		all = all && f == usable
		some = some || f == unusable || f == usable && fromSource(o.exprs)
	}
	r.omitted = omitted
	return all, some
}

// fromSource reports whether expressions read the source, beyond conditions.
func fromSource(exprs []expr) bool {
	for i := range exprs {
		for _, p := range exprs[i].parts {
			if p.operand != nil {
				return true
			}
		}
	}
	return false
}

// fields appends an object of the members that have values, unless none has.
func (r *run) fields(dst []byte, name string, fields []output) []byte {
	before := len(dst)
	dst = appendName(dst, name)
	from := len(dst)
	for i := range fields {
		dst = r.output(dst, &fields[i])
	}
	return closeList(dst, before, from, '{')
}

// closeList ends an object or array whose elements begin at from, each with a
// comma before; without any it takes back the name, too.
func closeList(dst []byte, before, from int, open byte) []byte {
	if len(dst) == from {
		return dst[:before]
	}
	dst[from] = open
	return append(dst, open+2) // the codes of { and }, and of [ and ], are two apart
}

// objects appends all groups that are complete.
func (r *run) objects(dst []byte, o *output) []byte {
	before := len(dst)
	dst = appendName(dst, o.name)
	from, n := len(dst), 0
	for i := range o.groups {
		g := &o.groups[i]
		switch {
		case !r.holds(g.when):
		case g.each == 0:
			dst = r.element(dst, o, g, &n)
		default:
			dst = r.each(dst, o, g, &n)
		}
	}
	return closeList(dst, before, from, '[')
}

// each appends an object for every element of an array.
func (r *run) each(dst []byte, o *output, g *group, n *int) []byte {
	raw := r.values[g.each]
	if !says(raw) {
		return dst
	}
	if raw[0] != '[' {
		r.omitted++
		return dst
	}
	w := walker{in: raw}
	for i := 0; ; i++ {
		if done, err := w.next(i == 0, ']'); done || err != nil {
			return dst
		}
		for _, slot := range g.slots {
			r.values[slot] = nil
		}
		if err := r.read(&w, g.trie); err != nil {
			return dst
		}
		if i >= g.skip {
			dst = r.element(dst, o, g, n)
		}
	}
}

// element appends one object of several.
func (r *run) element(dst []byte, o *output, g *group, n *int) []byte {
	complete, some := r.complete(g, o.needs)
	switch {
	case complete && *n < o.limit:
		*n++
		dst = append(dst, ',')
		from := len(dst)
		for i := range g.fields {
			dst = r.output(dst, &g.fields[i])
		}
		dst[from] = '{'
		return append(dst, '}')
	case complete || some:
		r.omitted++
	}
	return dst
}

// texts appends a list of strings, one for each expression that has a value.
func (r *run) texts(dst []byte, o *output) []byte {
	before := len(dst)
	dst = appendName(dst, o.name)
	from, n := len(dst), 0
	for i := range o.exprs {
		var v value
		switch f := r.first(o.exprs[i:i+1], &subjectMember, &v); {
		case f == usable && n < o.limit:
			dst = appendValue(append(dst, ','), &v)
			n++
		case f == usable:
			r.omitted++
		}
	}
	return closeList(dst, before, from, '[')
}

// appendName appends a comma and the name of a member, which needs no escapes.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendValue appends a text as a JSON string.
func appendValue(dst []byte, v *value) []byte {
	if v.raw != nil {
		return append(dst, v.raw...)
	}
	for _, c := range v.text {
		if c >= utf8.RuneSelf || !isPlain[c] {
			dst, _ = jsontext.AppendQuote(dst, v.text) // what is not valid the journal refuses in data
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, v.text...)
	return append(dst, '"')
}

package query

import "bytes"

// A JSONDocument is a [Document] over the canonical bytes of an entry: one
// compact JSON object with the members of the table of [Fields] in their order.
// It reads no further than the members that it is asked for, so a filter on the
// first ones does not touch a long payload.
//
// Values deeper than [MaxDepth], which no entry has, are not looked at.
//
// On bytes that are not canonical the answers mean nothing, but nothing panics
// and time and memory stay in proportion to the bytes.
//
// The zero JSONDocument is an entry without members. It may not be used
// concurrently. Reusing one with Reset saves its buffers.
type JSONDocument struct {
	entry []byte

	// What has been read so far: where members lie, and how far that goes.
	spans [len(members)]span
	known int // members of a lower index are in spans, or absent
	next  int // offset of the next member's name

	walker walker

	folded   []byte
	isFolded bool
}

// A span is where a value lies in an entry; the empty span is no value.
type span struct{ start, end int }

// Reset makes d the document of another entry, which must not change while d is
// in use.
func (d *JSONDocument) Reset(entry []byte) {
	clear(d.spans[:d.known])
	d.entry, d.known, d.next = entry, 0, 1
	d.folded, d.isFolded = d.folded[:0], false
	if len(entry) == 0 || entry[0] != '{' {
		d.known = len(members)
	}
}

// Any implements [Document].
func (d *JSONDocument) Any(m *Match) bool {
	at := d.member(m.Field.index)
	if at.start == at.end {
		return false
	}
	w := &d.walker
	w.text, w.pos, w.match = d.entry[:at.end], at.start, m
	if m.Field.Keys {
		return w.keys()
	}
	return w.value(m.Field.Sub, m.Path, 0)
}

// member returns where the value of a member lies.
func (d *JSONDocument) member(index int) span {
	for d.known <= index {
		d.read()
	}
	return d.spans[index]
}

// read reads one more member, and sets known to the index after it.
func (d *JSONDocument) read() {
	name, start, ok := memberName(d.entry, d.next)
	if !ok {
		d.known = len(members)
		return
	}
	end := skipValue(d.entry, start)
	for i := d.known; i < len(members); i++ {
		if members[i] == string(name) {
			d.spans[i] = span{start, end}
			d.known = i + 1
			break
		}
	}
	d.next = end + 1
}

// memberName returns the name at b[i], without its quotes, and where its value
// starts. ok is false when there is none.
func memberName(b []byte, i int) (name []byte, start int, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return nil, 0, false
	}
	end, _, ok := cutString(b, i)
	if !ok || end+1 >= len(b) || b[end] != ':' {
		return nil, 0, false
	}
	return b[i+1 : end-1], end + 1, true
}

// untold are the members that free text is not searched in: what every entry
// has, and what the journal added.
var untold = map[string]bool{
	"time": true, "version": true, "tenant": true, "recorded_by": true, "redacted": true, "recorded_at": true,
}

// toldMembers are the indexes of the members that free text is searched in.
var toldMembers = func() (told []int) {
	for i, name := range members {
		if !untold[name] {
			told = append(told, i)
		}
	}
	return told
}()

// FoldedText implements [Document]. It has every string value of the entry,
// names of members not included, but those of time, version, tenant,
// recorded_by, redacted and recorded_at.
func (d *JSONDocument) FoldedText() []byte {
	if d.isFolded {
		return d.folded
	}
	for _, i := range toldMembers {
		at := d.member(i)
		d.foldStrings(d.entry[at.start:at.end])
	}
	d.isFolded = true
	return d.folded
}

// textEnd follows each text in a document's folded text.
const textEnd = 0xFF

// foldStrings adds the string values of a JSON value.
func (d *JSONDocument) foldStrings(v []byte) {
	for {
		i := bytes.IndexByte(v, '"')
		if i < 0 {
			return
		}
		end, _ := skipString(v, i)
		if end == len(v) || v[end] != ':' {
			d.folded = append(Fold(d.folded, characters(v[i:end], &d.walker.scratch)), textEnd)
		}
		v = v[end:]
	}
}

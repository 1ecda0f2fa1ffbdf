package ingest

import "bytes"

// maxJoined limits the text of rows that are joined: no event is larger.
const maxJoined = 16 << 20

// Join returns a reader of the values that a format maps, which for journald are
// the rows of an event each, joined as [JoinRows] does. For others it is items.
func Join(f Format, items ItemReader) ItemReader {
	if _, ok := f.(journald); ok {
		return JoinRows(items)
	}
	return items
}

// JoinRows returns a reader that joins rows of the journald format that follow each
// other and belong to one event: they have the same id, and the same of whatever
// else the rows of an event have in common. Two and more become an array of up to
// 16 MiB.
func JoinRows(items ItemReader) ItemReader { return &joiner{items: items} }

// A joiner reads one row ahead.
type joiner struct {
	items ItemReader
	next  Item  // read and not used, with memory of its own
	ready bool  // there is a next
	err   error // why there is none behind it
	buf   []byte
	key   []byte // of what is in buf
	other []byte
}

// InputBytes is that of the rows.
func (j *joiner) InputBytes() int64 { return j.items.InputBytes() }

// Next returns the rows of the next event.
func (j *joiner) Next() (Item, error) {
	if !j.ready && !j.advance() {
		return Item{}, j.err
	}
	item := j.next
	j.ready = false
	if item.Err != nil {
		return item, nil
	}
	j.buf = append(append(j.buf[:0], '['), item.Raw...)
	j.key = appendRowKey(j.key[:0], item.Raw)
	for len(j.key) > 0 && j.advance() && j.belongs() {
		j.buf = append(append(j.buf, ','), j.next.Raw...)
		j.ready = false
		item.Joined++
	}
	item.Raw = j.buf[1:]
	if item.Joined > 0 {
		j.buf = append(j.buf, ']')
		item.Raw = j.buf
	}
	return item, nil
}

// advance reads the next row.
func (j *joiner) advance() bool {
	if j.err != nil {
		return false
	}
	raw := j.next.Raw[:0]
	if j.next, j.err = j.items.Next(); j.err != nil {
		j.next = Item{}
		return false
	}
	j.next.Raw = append(raw, j.next.Raw...)
	j.ready = true
	return true
}

// belongs reports whether the next row is one of the event in buf.
func (j *joiner) belongs() bool {
	if j.next.Err != nil || len(j.buf)+len(j.next.Raw) > maxJoined {
		return false
	}
	j.other = appendRowKey(j.other[:0], j.next.Raw)
	return bytes.Equal(j.key, j.other)
}

// appendRowKey appends what a row has in common with the others of its event, and
// nothing for one without an id, which is alone.
func appendRowKey(dst, raw []byte) []byte {
	var r row
	w := walker{in: raw}
	if r.read(&w) != nil || r.text(rowID).text == nil {
		return dst
	}
	for _, i := range eventMembers {
		dst = append(append(dst, r.raw[i]...), 0)
	}
	return dst
}

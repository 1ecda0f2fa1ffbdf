package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A source reads members out of one source event at a time. It holds memory to
// reuse: take one from sources and give it back with release.
type source struct {
	buf     bytes.Buffer // what dec reads
	dec     *jsontext.Decoder
	scratch []byte // texts that had escapes
	omitted int    // what optional left out
}

var sources = sync.Pool{New: func() any {
	return &source{dec: jsontext.NewDecoder(new(bytes.Buffer))}
}}

// release gives s back; what its methods returned is not to be used any more.
func (s *source) release() {
	s.open(nil)
	s.scratch, s.omitted = s.scratch[:0], 0
	if cap(s.scratch) > bufferBytes {
		s.scratch = nil
	}
	sources.Put(s)
}

// open points the decoder at raw. Repeated names pass here: the journal's parser
// sees the same bytes and refuses them, with the place.
func (s *source) open(raw []byte) {
	s.buf = *bytes.NewBuffer(raw)
	s.dec.Reset(&s.buf, jsontext.AllowDuplicateNames(true))
}

// members reads the object raw, checks the whole of it, and sets values[i] to
// the raw value of the member names[i], the last if there are several.
func (s *source) members(raw []byte, names []string, values [][]byte) error {
	s.open(raw)
	if k := s.dec.PeekKind(); k != '{' && k != 0 {
		return fmt.Errorf("event is not an object but %s", k)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return jsonError(err)
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.next(raw)
		if err != nil {
			return jsonError(err)
		}
		value, err := s.next(raw)
		if err != nil {
			return jsonError(err)
		}
		text, _ := s.text(name)
		for i := range names {
			if names[i] == string(text) {
				values[i] = value
			}
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return jsonError(err)
	}
	if _, err := s.dec.ReadToken(); err != io.EOF {
		return errors.New("something follows the event")
	}
	return nil
}

// object is members for a value within one that members has checked. It leaves
// values alone unless raw is an object.
func (s *source) object(raw []byte, names []string, values [][]byte) bool {
	return len(raw) > 0 && raw[0] == '{' && s.members(raw, names, values) == nil
}

// first returns the first element of the array raw, which has been checked; nil
// if raw is no array or has no elements.
func (s *source) first(raw []byte) []byte {
	if raw[0] != '[' {
		return nil
	}
	s.open(raw)
	if _, err := s.dec.ReadToken(); err != nil || s.dec.PeekKind() == ']' {
		return nil
	}
	elem, err := s.next(raw)
	if err != nil {
		return nil
	}
	return elem
}

// next returns the decoder's next value as a part of raw, which, unlike what the
// decoder returns, stays valid.
func (s *source) next(raw []byte) ([]byte, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(s.dec.InputOffset())
	return raw[end-len(v) : end], nil
}

// text returns what the JSON string raw says, valid until release; false if raw
// is no string.
func (s *source) text(raw []byte) ([]byte, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, false
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	from := len(s.scratch)
	to, err := jsontext.AppendUnquote(s.scratch, raw)
	if err != nil {
		return nil, false
	}
	s.scratch = to
	return to[from:len(to):len(to)], true
}

// optional returns raw if it is a string that the journal takes in a member of at
// most limit bytes; otherwise nil, and counts raw unless it is absent.
func (s *source) optional(raw []byte, limit int) []byte {
	if raw == nil {
		return nil
	}
	text, ok := s.text(raw)
	if !ok || len(text) == 0 || len(text) > limit || bytes.IndexByte(text, 0) >= 0 {
		s.omitted++
		return nil
	}
	return raw
}

// firstOptional returns the first of raws that optional returns.
func (s *source) firstOptional(limit int, raws ...[]byte) []byte {
	for _, raw := range raws {
		if raw = s.optional(raw, limit); raw != nil {
			return raw
		}
	}
	return nil
}

// required returns what the string raw, the member name, says.
func (s *source) required(name string, raw []byte) ([]byte, error) {
	if raw == nil || raw[0] == 'n' {
		return nil, fmt.Errorf("%s is missing", name)
	}
	text, ok := s.text(raw)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is not a string", name)
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	case bytes.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("%s contains a NUL", name)
	}
	return text, nil
}

// jsonError says where in the event a syntax error is.
func jsonError(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("byte %d: %w", e.ByteOffset, e.Err)
	}
	return err
}

// A member is one member of an object to write: a name that needs no escapes and
// a raw value.
type member struct {
	name string
	raw  []byte
}

// appendMembers appends the members that have a value, each with a comma before.
func appendMembers(dst []byte, members ...member) []byte {
	for _, m := range members {
		if m.raw != nil {
			dst = append(dst, `,"`...)
			dst = append(dst, m.name...)
			dst = append(dst, `":`...)
			dst = append(dst, m.raw...)
		}
	}
	return dst
}

// appendObject appends an object as a member, with a comma before, unless none of
// its members has a value.
func appendObject(dst []byte, name string, members ...member) []byte {
	before := len(dst)
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	from := len(dst)
	dst = appendMembers(dst, members...)
	if len(dst) == from {
		return dst[:before]
	}
	dst[from] = '{' // in place of the first comma
	return append(dst, '}')
}

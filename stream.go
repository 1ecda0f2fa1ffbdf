package annals

import (
	"bytes"
	"io"
)

// A Decoder splits a stream into its JSON values, as NDJSON has them one a line.
// Line breaks within a value are white space, and several values may share a
// line. It holds one value at a time, and is not for concurrent use.
type Decoder struct {
	r    io.Reader
	max  int
	buf  []byte
	from int   // first byte of buf not yet returned
	err  error // of r, returned once buf is used up

	line  int // of the value returned last, from 1
	lines int // line breaks before buf[from]
}

// NewDecoder returns a decoder of r for values of at most maxBytes bytes, white
// space within included. Zero means [MaxEventBytes].
func NewDecoder(r io.Reader, maxBytes int) *Decoder {
	if maxBytes <= 0 {
		maxBytes = MaxEventBytes
	}
	return &Decoder{r: r, max: maxBytes}
}

// Line returns the line, from 1, on which the value returned last begins.
func (d *Decoder) Line() int { return d.line }

// Next returns the text of the next value, which is valid until the next call,
// or [io.EOF]. It finds where the value ends and checks little else:
// [ParseEvent] does that.
//
// When a value does not end, or ends on a later line and is not valid, Next
// returns its first line with an [*InvalidError]; a value above the limit is an
// [ErrTooLarge], with its first line if that fits. The caller may go on: the
// next value is looked for on the next line. Any other error is the reader's.
func (d *Decoder) Next() ([]byte, error) {
	if err := d.skipSpace(); err != nil {
		return nil, err
	}
	d.line = d.lines + 1
	var v valueEnd
	for !v.find(d.buf[d.from:]) {
		switch {
		case len(d.buf)-d.from > d.max:
			return d.firstLine(ErrTooLarge)
		case !d.fill():
			return d.last(&v)
		}
	}
	text := d.buf[d.from : d.from+v.pos]
	switch {
	case v.broken:
		return d.firstLine(nil)
	case len(text) > d.max:
		return d.firstLine(ErrTooLarge)
	case bytes.IndexByte(text, '\n') >= 0 && checkValue(text) != nil:
		return d.firstLine(nil)
	}
	d.consume(v.pos)
	return text, nil
}

// last returns the value that the end of the stream ends, if it does.
func (d *Decoder) last(v *valueEnd) ([]byte, error) {
	if d.err != io.EOF {
		return nil, d.err
	}
	if !v.token {
		return d.firstLine(nil)
	}
	text := d.buf[d.from:]
	d.consume(len(text))
	return text, nil
}

// firstLine returns the line that begins at from with an error: the given one,
// or else what is wrong with the value.
func (d *Decoder) firstLine(err error) ([]byte, error) {
	if err == nil {
		err = checkValue(d.buf[d.from:])
	}
	dropped := false
	for seen := 0; ; {
		rest := d.buf[d.from:]
		if n := bytes.IndexByte(rest[seen:], '\n'); n >= 0 {
			return d.reject(seen+n, dropped, err)
		}
		if seen = len(rest); seen > d.max {
			d.consume(seen)
			seen, dropped, err = 0, true, ErrTooLarge
		}
		if !d.fill() {
			return d.reject(len(d.buf)-d.from, dropped, err)
		}
	}
}

// reject returns the next n bytes, the end of a line, with an error. Bytes of
// the line may have been dropped before.
func (d *Decoder) reject(n int, dropped bool, err error) ([]byte, error) {
	line := d.buf[d.from : d.from+n]
	d.consume(n)
	if dropped || n > d.max {
		return nil, ErrTooLarge
	}
	return line, err
}

// skipSpace goes to the first byte of the next value.
func (d *Decoder) skipSpace() error {
	for {
		for d.from < len(d.buf) {
			switch d.buf[d.from] {
			case '\n':
				d.lines++
				fallthrough
			case ' ', '\t', '\r':
				d.from++
			default:
				return nil
			}
		}
		if !d.fill() {
			return d.err
		}
	}
}

func (d *Decoder) consume(n int) {
	d.lines += bytes.Count(d.buf[d.from:d.from+n], []byte{'\n'})
	d.from += n
}

// minRead is the least room for one read.
const minRead = 32 << 10

// fill reads more and reports whether there was any.
func (d *Decoder) fill() bool {
	if d.err != nil {
		return false
	}
	if d.from > 0 {
		d.buf = d.buf[:copy(d.buf, d.buf[d.from:])]
		d.from = 0
	}
	if cap(d.buf)-len(d.buf) < minRead {
		d.buf = append(make([]byte, 0, 2*cap(d.buf)+minRead), d.buf...)
	}
	for range 100 {
		n, err := d.r.Read(d.buf[len(d.buf):cap(d.buf)])
		d.buf = d.buf[:len(d.buf)+n]
		if err != nil {
			d.err = err
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	d.err = io.ErrNoProgress
	return false
}

// checkValue says what is wrong with a text that should be one JSON value.
func checkValue(text []byte) error {
	s := newScanner(text, nil)
	defer s.release()
	err := s.verbatim(1)
	if err == nil {
		err = s.end()
	}
	return located(err, text)
}

// A valueEnd looks for the end of a value in a text that grows: it goes on
// where it stopped, so that its work is linear.
type valueEnd struct {
	pos    int  // bytes looked at
	depth  int  // open objects and arrays
	quoted bool // pos is inside a string
	token  bool // the value is neither string nor container, so the end ends it
	junk   bool // the token starts no value: it goes on to the end of the line
	broken bool // there is no end: a control character in a string, or too deep
}

// find reports whether the end of the value, or a proof that there is none, is
// within text; pos is then where.
func (v *valueEnd) find(text []byte) bool {
	for v.pos < len(text) {
		if v.quoted {
			if !v.skipQuoted(text) {
				return false
			}
			if v.broken || v.depth == 0 {
				return true
			}
			continue
		}
		c := text[v.pos]
		if v.token || v.depth == 0 && c != '{' && c != '[' && c != '"' {
			return v.skipToken(text)
		}
		v.pos++
		switch c {
		case '"':
			v.quoted = true
		case '{', '[':
			if v.depth++; v.depth > MaxDepth {
				v.broken = true
				return true
			}
		case '}', ']':
			if v.depth--; v.depth == 0 {
				return true
			}
		}
	}
	return false
}

// skipQuoted goes to the end of a string and reports whether text has it.
func (v *valueEnd) skipQuoted(text []byte) bool {
	for {
		v.pos, _ = plainText(text, v.pos, 0)
		if v.pos >= len(text) {
			return false
		}
		switch text[v.pos] {
		case '"':
			v.pos++
			v.quoted = false
			return true
		case '\\':
			if v.pos+1 >= len(text) {
				return false
			}
			v.pos += 2
		default:
			v.broken = true
			return true
		}
	}
}

// skipToken goes to the end of a number or literal and reports whether text has
// it.
func (v *valueEnd) skipToken(text []byte) bool {
	if !v.token {
		c := text[v.pos]
		v.token = true
		v.junk = c != '-' && (c < '0' || c > '9') && c != 't' && c != 'f' && c != 'n'
	}
	for ; v.pos < len(text); v.pos++ {
		switch text[v.pos] {
		case '\n':
			return true
		case ' ', '\t', '\r':
			if !v.junk {
				return true
			}
		}
	}
	return false
}

package ingest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
)

// badBytes is how much of a malformed value an [Item] keeps.
const badBytes = 32 << 10

// ErrAbandoned marks the error of an [Item] after which nothing more is read,
// because no later place is certain to begin a value. [Reader.Next] returns
// [io.EOF] after it.
var ErrAbandoned = errors.New("the rest of the input is not read")

var (
	errUnexpectedEnd = errors.New("unexpected end of input")
	errReadFailed    = errors.New("read failed") // stands for window.err
)

// Options configures a [Reader]. The zero value is ready to use.
type Options struct {
	// MaxValueBytes limits one value. A larger one is an [Item] with an error.
	// Zero means 16 MiB. It may not exceed 1 GiB.
	MaxValueBytes int

	// MaxWindowBytes limits the window that a zstd frame may ask for, which is
	// about the memory that decoding takes. Zero means 128 MiB, the most that the
	// zstd command decodes unasked. It may not exceed 1 GiB.
	MaxWindowBytes int

	// Containers are the names of members whose array, in an outermost object,
	// holds the values, such as Records or items. Without names, objects are values
	// themselves. At most 64.
	Containers []string
}

func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	const limit = 1 << 30
	d.MaxValueBytes = cmp.Or(d.MaxValueBytes, 16<<20)
	d.MaxWindowBytes = cmp.Or(d.MaxWindowBytes, 128<<20)
	if d.MaxValueBytes < 0 || d.MaxValueBytes > limit {
		return d, fmt.Errorf("MaxValueBytes is %d, want 0 to %d", d.MaxValueBytes, limit)
	}
	if d.MaxWindowBytes < 1<<10 || d.MaxWindowBytes > limit {
		return d, fmt.Errorf("MaxWindowBytes is %d, want 0 or %d to %d", d.MaxWindowBytes, 1<<10, limit)
	}
	if len(d.Containers) > maxContainers {
		return d, fmt.Errorf("%d Containers, at most %d", len(d.Containers), maxContainers)
	}
	return d, nil
}

// An Item is one value of the input, or a malformed part of it.
type Item struct {
	Line   int64  // where it starts, from 1, in the decompressed input
	Offset int64  // where it starts, in bytes of the decompressed input
	Raw    []byte // valid until the next call; if Err is set, at most its first 32 KiB
	Err    error  // why it cannot be used; nil if Raw is one JSON value
	Joined int    // values that follow it and are part of Raw
}

// An ItemReader reads the values of an input one after another, as [Reader] and
// [CSVReader] do.
type ItemReader interface {
	// Next returns the next value, whose bytes stay valid until it is called again,
	// or [io.EOF].
	Next() (Item, error)

	// InputBytes returns how many bytes were read of the input so far. It may be
	// called from any goroutine.
	InputBytes() int64
}

// A shape is what the first value says about the input.
type shape uint8

const (
	unknown   shape = iota
	sequence        // values after one another
	arrays          // arrays whose elements are the values
	envelopes       // objects with a container, an array whose elements are the values
)

// A place is where the reader stands between two values.
type place uint8

const (
	atTop   place = iota // outside any array
	atFirst              // behind the '[' of the array that is being streamed
	atElem               // behind a ',' of it
	atAfter              // behind an element of it
)

// A Reader splits a stream into JSON values. It takes, by what the stream begins
// with, one value a line or values in any other layout after one another; arrays
// of values; and objects with a container, an array of values under one of the names
// in [Options.Containers], whose other members it skips. Arrays and envelopes are read element by
// element and may follow one another. gzip (of any number of members) and zstd
// are decompressed; a UTF-8 byte order mark at the start is skipped.
//
// A malformed value is an [Item] with an error, and not the end: the reader goes
// on with the next line, as long as every value before began and ended on one
// line (before any, as long as the line is more than a lone bracket). Where that
// does not hold, and inside arrays and envelopes, the item is the last one and
// its error is [ErrAbandoned].
//
// Memory is bounded by about twice [Options.MaxValueBytes] and by
// [Options.MaxWindowBytes]. A Reader may not be used concurrently, except for
// InputBytes.
type Reader struct {
	input *counter
	win   window
	shape shape
	place place
	ended error // what Next returns from now on

	hunt   []string // names of containers
	outer  scanner  // of the object around the container
	nested bool     // outer is in use

	some   bool // a value was good
	spread bool // one of them spanned lines
}

// NewReader returns a reader of the values in r. It reads the beginning of r,
// and fails if that is a broken compression header, or UTF-16. A nil opts means
// the defaults.
func NewReader(r io.Reader, opts *Options) (*Reader, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	input, win, err := openWindow(r, &o)
	if err != nil {
		return nil, err
	}
	return &Reader{input: input, win: win, hunt: o.Containers}, nil
}

// openWindow returns a window on the plain text of r, behind a byte order mark.
func openWindow(r io.Reader, o *Options) (*counter, window, error) {
	input := &counter{r: r}
	plain, err := open(input, o.MaxWindowBytes)
	if err != nil {
		return nil, window{}, err
	}
	win := newWindow(plain, o.MaxValueBytes)
	for win.end < 3 && win.fill() {
	}
	switch head := win.ahead(); {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		win.skip(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, window{}, errors.New("input is UTF-16, want UTF-8")
	}
	return input, win, nil
}

// InputBytes returns how many bytes were read from the underlying reader, before
// decompression. It may be called at any time, from any goroutine.
func (r *Reader) InputBytes() int64 { return r.input.n.Load() }

// Next returns the next value, or [io.EOF] after the last one. Any other error
// is of the underlying reader or of the compression, after everything before it
// was returned; a value that it cuts off is not. Errors repeat.
func (r *Reader) Next() (Item, error) {
	for r.ended == nil {
		item, ok, err := r.step()
		if err != nil {
			r.ended = err
			break
		}
		if ok {
			return item, nil
		}
	}
	return Item{}, r.ended
}

// step consumes the next value or the next mark between values. It reports
// whether there is an item.
func (r *Reader) step() (item Item, ok bool, err error) {
	c, err := r.win.peek()
	switch {
	case err != nil:
		return r.atEnd(err)
	case r.place == atTop && c == '[' && (r.shape == unknown || r.shape == arrays):
		r.win.skip(1)
		r.shape, r.place = arrays, atFirst
		return Item{}, false, nil
	case (r.place == atFirst || r.place == atAfter) && c == ']':
		r.win.skip(1)
		r.place = atTop
		if !r.nested {
			return Item{}, false, nil
		}
		return r.leave()
	case r.place == atAfter && c == ',':
		r.win.skip(1)
		r.place = atElem
		return Item{}, false, nil
	case r.place == atAfter:
		return r.bad(r.mark(), nil, fmt.Errorf("unexpected %q after an element, want ',' or ']'", rune(c)))
	}
	return r.value(c)
}

// atEnd ends the reader, with an item if an array is still open.
func (r *Reader) atEnd(err error) (Item, bool, error) {
	if err != io.EOF {
		return Item{}, false, fmt.Errorf("line %d: %w", r.win.line, err)
	}
	if r.place == atTop {
		return Item{}, false, io.EOF
	}
	return r.bad(r.mark(), nil, fmt.Errorf("%w inside an array", errUnexpectedEnd))
}

// mark returns an item that starts here.
func (r *Reader) mark() Item {
	return Item{Line: r.win.line, Offset: r.win.offset()}
}

// value reads the value that starts with c.
func (r *Reader) value(c byte) (Item, bool, error) {
	item := r.mark()
	var s scanner
	if c == '{' && r.place == atTop && (r.shape == unknown || r.shape == envelopes) {
		s.hunt = r.hunt
	}
	head, st, err := r.walk(&s, nil)
	if err != nil {
		return r.bad(item, head, err)
	}
	if st == entered {
		return r.enter(s)
	}
	item.Raw = r.win.buf[r.win.start:r.win.pos]
	if head == nil && len(item.Raw) > r.win.max {
		head = r.win.head()
	}
	if head != nil {
		item.Raw, item.Err = head, fmt.Errorf("value is larger than %d bytes", r.win.max)
	}
	r.win.take()
	if r.place != atTop {
		r.place = atAfter
		return item, true, nil
	}
	r.some = true
	r.spread = r.spread || r.win.line > item.Line
	if r.shape == unknown {
		r.shape = sequence
	}
	return item, true, nil
}

// walk consumes one value. Once it is over the limit its head, the first bytes,
// is all that is kept of it; with a head to begin with, nothing is kept.
func (r *Reader) walk(s *scanner, head []byte) ([]byte, status, error) {
	w := &r.win
	for {
		n, st, err := s.scan(w.ahead(), w.err == io.EOF)
		w.pos += n
		if head == nil && st == more && w.pos-w.start > w.max {
			head = w.head()
		}
		if head != nil {
			w.take()
		}
		switch {
		case err != nil || st != more:
			return head, st, err
		case w.err == io.EOF:
			return head, st, errUnexpectedEnd
		case w.err != nil:
			return head, st, errReadFailed
		}
		w.fill()
	}
}

// enter goes into the container of the object that s has read so far.
func (r *Reader) enter(s scanner) (Item, bool, error) {
	r.win.take()
	r.outer, r.nested = s, true
	r.shape, r.place = envelopes, atFirst
	return Item{}, false, nil
}

// leave skips what follows the container in its object.
func (r *Reader) leave() (Item, bool, error) {
	item := r.mark()
	_, st, err := r.walk(&r.outer, []byte{})
	if err != nil {
		return r.bad(item, []byte{}, err)
	}
	r.win.take()
	if st == entered {
		r.place = atFirst
		return Item{}, false, nil
	}
	r.nested = false
	return Item{}, false, nil
}

// bad completes the item of a malformed value and moves to where reading goes
// on. The window starts at the value, or, when there is a head, behind what was
// read of it.
func (r *Reader) bad(item Item, head []byte, err error) (Item, bool, error) {
	w := &r.win
	at := w.base + int64(w.pos) - item.Offset
	line, whole := w.lineHead(badBytes)
	resume := r.place == atTop && !r.nested && !r.spread && w.line == item.Line &&
		(r.some || !isLoneBracket(line))
	if err == errReadFailed {
		if !resume || !whole {
			return Item{}, false, fmt.Errorf("line %d: %w", item.Line, w.err)
		}
		err = w.err
	}
	item.Err = fmt.Errorf("byte %d of the value: %w", at, err)
	if resume {
		line = w.restOfLine(badBytes)
	} else {
		item.Err = fmt.Errorf("%w; %w", item.Err, ErrAbandoned)
		r.ended = io.EOF
	}
	item.Raw = line
	if head != nil {
		item.Raw = head
	}
	return item, true, nil
}

// isLoneBracket reports whether a line only opens a value, as the first line of
// pretty-printed text does.
func isLoneBracket(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 1 && (line[0] == '{' || line[0] == '[')
}

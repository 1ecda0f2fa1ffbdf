package ingest

import (
	"bytes"
	"io"
)

// tokenBytes is more than what a scanner may leave of an incomplete token: the
// longest is an escape.
const tokenBytes = len(`\u0000`)

// A window is the part of the input that is in memory.
//
//	buf   | done | the current value, so far | unread | free |
//	      0    start                        pos      end
//
// The bytes before start may be overwritten by fill.
type window struct {
	src   io.Reader
	buf   []byte
	start int
	pos   int
	end   int
	max   int   // largest value
	base  int64 // offset of buf[0] in the input
	line  int64 // line of start, from 1
	err   error // why src gives no more; io.EOF at its end
}

func newWindow(src io.Reader, maxValue int) window {
	return window{src: src, buf: make([]byte, bufferBytes), max: maxValue, line: 1}
}

// ahead returns what is read but not consumed.
func (w *window) ahead() []byte { return w.buf[w.pos:w.end] }

// offset returns the offset of start in the input.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// head returns a copy of the first bytes of the current value, which is over the
// limit.
func (w *window) head() []byte {
	return bytes.Clone(w.buf[w.start : w.start+min(w.max, badBytes)])
}

// take moves start to pos and returns the number of line ends between.
func (w *window) take() int {
	n := bytes.Count(w.buf[w.start:w.pos], []byte{'\n'})
	w.line += int64(n)
	w.start = w.pos
	return n
}

// fill reads more and reports whether it did; if not, err says why. From start
// on there may be less than bufferBytes, or max and an incomplete token.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.end == len(w.buf) {
		w.makeRoom()
	}
	for range 100 {
		n, err := w.src.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// makeRoom moves the current value to the front, or doubles the buffer when the
// value fills more than half of it.
func (w *window) makeRoom() {
	to, limit := w.buf, max(w.max+tokenBytes+1, bufferBytes)
	if w.end-w.start > len(w.buf)/2 && len(w.buf) < limit {
		to = make([]byte, min(2*len(w.buf), limit))
	}
	copy(to, w.buf[w.start:w.end])
	w.buf = to
	w.base += int64(w.start)
	w.pos -= w.start
	w.end -= w.start
	w.start = 0
}

// peek skips white space and returns the byte after it.
func (w *window) peek() (byte, error) {
	for {
		for w.pos < w.end {
			if c := w.buf[w.pos]; !isSpace(c) {
				w.take()
				return c, nil
			}
			w.pos++
		}
		w.take()
		if !w.fill() {
			return 0, w.err
		}
	}
}

// skip consumes n bytes that are in memory.
func (w *window) skip(n int) {
	w.pos = w.start + n
	w.take()
}

// restOfLine consumes everything from start to the end of its line and returns
// the first bytes of it, at most limit, without the line end.
func (w *window) restOfLine(limit int) []byte {
	w.pos = w.start
	var head []byte // set once part of the line had to be given up
	for {
		i := bytes.IndexByte(w.ahead(), '\n')
		if i >= 0 || w.err != nil {
			if i < 0 {
				i = w.end - w.pos
			}
			line := w.buf[w.pos : w.pos+i]
			w.pos = min(w.pos+i+1, w.end)
			w.take()
			if head == nil {
				head = line
			}
			return bytes.TrimSuffix(head[:min(len(head), limit)], []byte{'\r'})
		}
		if w.end-w.start > limit {
			if head == nil {
				head = bytes.Clone(w.buf[w.start : w.start+limit])
			}
			w.pos = w.end
			w.take()
		}
		w.fill()
	}
}

// lineHead returns the beginning of the line at start, at most limit bytes,
// without consuming it, and whether the end of the line is in memory.
func (w *window) lineHead(limit int) ([]byte, bool) {
	for {
		line, _, whole := bytes.Cut(w.buf[w.start:w.end], []byte{'\n'})
		if whole || len(line) >= limit || !w.fill() {
			return line[:min(len(line), limit)], whole
		}
	}
}

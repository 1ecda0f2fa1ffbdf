package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/ingest"
)

// Bounds of what is appended at once, and twice of it is read ahead of each file. A
// value larger than them goes alone.
const (
	batchLines = 1000
	batchBytes = 2 << 20
)

// A line is one value of the input.
type line struct {
	number   int64
	from, to int   // its place in the chunk's text
	joined   int   // other values of the input that are part of it
	err      error // why it cannot be imported

	// Set by the parser.
	event   annals.Encoded
	omitted int
	foreign bool // another journal's own event
	unnamed bool // its id is derived
	renamed bool // other content had its id
}

// A chunk is a run of lines of one file, handed from its reader to a parser and then
// to its lane, which gets chunks in their order.
type chunk struct {
	file  *importFile
	text  []byte
	lines []line
	read  int64         // bytes of the input up to its end
	err   error         // why nothing follows; io.EOF at the end of the file
	done  chan struct{} // closed when it is parsed
}

// lineText returns the bytes of a line.
func (c *chunk) lineText(l *line) []byte { return c.text[l.from:l.to] }

// add adds a copy of an item.
func (c *chunk) add(item ingest.Item) {
	from := len(c.text)
	c.text = append(c.text, item.Raw...)
	c.lines = append(c.lines, line{number: item.Line, from: from, to: len(c.text), joined: item.Joined, err: item.Err})
}

// full reports whether a chunk takes no more.
func (c *chunk) full() bool { return len(c.lines) >= batchLines || len(c.text) >= batchBytes }

// chunks are reused, to spare their memory.
var chunks = sync.Pool{New: func() any { return &chunk{lines: make([]line, 0, batchLines)} }}

// newChunk returns an empty chunk.
func newChunk(file *importFile) *chunk {
	c := chunks.Get().(*chunk)
	c.file, c.done, c.err = file, make(chan struct{}), nil
	return c
}

// release gives a chunk back that no one uses any more.
func (c *chunk) release() {
	clear(c.lines)
	c.lines, c.text = c.lines[:0], c.text[:0]
	if cap(c.text) > 2*batchBytes {
		c.text = nil
	}
	chunks.Put(c)
}

// A parsing reads files, and parses what they hold, ahead of the lanes.
type parsing struct {
	work  chan *chunk // to the parsers
	loops sync.WaitGroup
}

// startParsing starts the parsers. They end with end.
func startParsing() *parsing {
	workers := runtime.GOMAXPROCS(0)
	p := &parsing{work: make(chan *chunk, workers)}
	for range workers {
		p.loops.Go(p.parseLoop)
	}
	return p
}

// end waits for the parsers, when no file is read any more.
func (p *parsing) end() {
	close(p.work)
	p.loops.Wait()
}

// readLoop splits a file into chunks, which it hands to the parsers and, in order,
// to the lane.
func (p *parsing) readLoop(ctx context.Context, f *importFile, in *input, ordered chan<- *chunk) {
	defer close(ordered)
	for {
		c := newChunk(f)
		for !c.full() && c.err == nil {
			var item ingest.Item
			if item, c.err = in.Next(); c.err == nil {
				c.add(item)
			}
		}
		if c.err != nil && c.err != io.EOF {
			c.err = &inputError{f.name, c.err}
		}
		c.read = in.InputBytes()
		last := c.err != nil // it is another's from here on
		for _, to := range []chan<- *chunk{p.work, ordered} {
			select {
			case to <- c:
			case <-ctx.Done():
				return
			}
		}
		if last {
			return
		}
	}
}

// parseLoop parses chunks until there are no more.
func (p *parsing) parseLoop() {
	var buf []byte
	for c := range p.work {
		for i := range c.lines {
			if l := &c.lines[i]; l.err == nil {
				buf = l.parse(c.file, c.lineText(l), buf)
			}
		}
		close(c.done)
	}
}

// noID is what an event begins with before its id is known.
var noID = `{"id":"` + hex.EncodeToString(make([]byte, len(lineKey{}))) + `"`

// parse makes a line's event, with buf as room for its text, which it returns.
func (l *line) parse(f *importFile, text, buf []byte) []byte {
	buf, notes, err := f.format.Map(append(buf[:0], noID...), text, f.time)
	if err != nil {
		l.err = err
		return buf
	}
	event := buf[len(noID):]
	if l.unnamed = notes.NoID; l.unnamed {
		event[0] = ',' // the event goes on behind the id
		event = buf
		putLineID(buf, text)
	}
	own := isOwn(f.format)
	l.event, l.err = annals.ParseOptions{DropAssigned: own}.ParseEvent(event)
	l.omitted = notes.Omitted
	switch {
	case l.err == nil && own:
		l.omitted += l.event.DroppedMembers()
		l.err = l.complete(f, text)
	case own && isForeign(text):
		l.err, l.foreign = nil, true
	}
	return buf
}

// putLineID sets the id at the start of an event to that of its line.
func putLineID(event, text []byte) {
	sum := sha256.Sum256(text)
	hex.Encode(event[len(`{"id":"`):], sum[:len(lineKey{})])
}

// complete gives an event of our own what it lacks.
func (l *line) complete(f *importFile, text []byte) error {
	var err error
	if _, ok := l.event.Member("id"); !ok {
		event := []byte(noID)
		putLineID(event, text)
		l.unnamed = true
		l.event, err = withID(&l.event, string(event[len(`{"id":"`):len(noID)-1]))
	}
	if _, ok := l.event.Member("time"); !ok && f.time.Time != "" && err == nil {
		l.event, err = annals.ParseEvent(append([]byte(`{"time":"`+f.time.Time+`",`), l.event.JSON()[1:]...))
	}
	return err
}

// isOwn reports whether a format is that of our own events.
func isOwn(f ingest.Format) bool { return f.Name() == "jsonl" }

// isForeign reports whether a text is an entry about a journal itself, as an
// export of another journal has them. Whatever is not exactly such an entry is
// an event that a producer sent.
func isForeign(text []byte) bool {
	entry := annals.Entry{JSON: text}
	return annals.CheckEntry(text) == nil && entry.Tenant() == annals.SystemTenant
}

// isAbandoned reports whether nothing behind a line is read.
func (l *line) isAbandoned() bool { return errors.Is(l.err, ingest.ErrAbandoned) }

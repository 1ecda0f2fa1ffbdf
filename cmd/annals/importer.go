package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/ingest"
)

// Bounds of what is read ahead and of what is appended at once. A value larger
// than them goes alone.
const (
	chunkLines = 256
	chunkBytes = 1 << 20
	batchLines = 1000
	batchBytes = 4 << 20
)

// A line is one value of the input. Parsers set what follows err.
type line struct {
	file   string
	number int64
	text   []byte // part of the chunk's buffer
	err    error  // why it cannot be imported

	event   annals.Encoded
	omitted int
	foreign bool // another journal's own event
}

// A chunk is a run of lines, handed from the reader to a parser and then to the
// importer, which gets chunks in their order.
type chunk struct {
	lines []line
	bytes int
	read  int64         // bytes of the input up to its end
	err   error         // why nothing follows; nil while something may
	done  chan struct{} // closed when it is parsed
}

// A pipeline reads and parses ahead of the importer.
type pipeline struct {
	env    *env
	format ingest.Format
	files  []string

	ordered chan *chunk // to the importer
	work    chan *chunk // to the parsers
	loops   sync.WaitGroup
}

// start starts the loops. They end when the input or ctx does.
func (p *pipeline) start(ctx context.Context) {
	workers := runtime.GOMAXPROCS(0)
	p.ordered, p.work = make(chan *chunk, 2*workers), make(chan *chunk, 2*workers)
	p.loops.Go(func() { p.readLoop(ctx) })
	for range workers {
		p.loops.Go(p.parseLoop)
	}
}

// readLoop splits the files into chunks of lines.
func (p *pipeline) readLoop(ctx context.Context) {
	defer close(p.ordered)
	defer close(p.work)
	var read int64
	for _, name := range p.files {
		n, ok := p.readFile(ctx, name, read)
		if !ok {
			return
		}
		read += n
	}
}

// readFile splits one file, before which read bytes came, and returns its size.
// It reports whether to go on.
func (p *pipeline) readFile(ctx context.Context, name string, read int64) (int64, bool) {
	var in io.Reader
	if name == stdinName {
		in, name = p.env.input(ctx), "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return 0, p.send(ctx, &chunk{err: err})
		}
		defer f.Close() // read-only: nothing to lose
		in = f
	}
	r, err := ingest.NewReader(in, nil)
	if err != nil {
		return 0, p.send(ctx, &chunk{err: &inputError{name, err}})
	}
	for c := new(chunk); ; {
		item, err := r.Next()
		if err == nil {
			c.add(name, item)
		}
		if err == nil && len(c.lines) < chunkLines && c.bytes < chunkBytes {
			continue
		}
		if err != nil && err != io.EOF {
			c.err = &inputError{name, err}
		}
		c.read = read + r.InputBytes()
		if !p.send(ctx, c) || err != nil {
			return r.InputBytes(), err == io.EOF
		}
		c = new(chunk)
	}
}

// An inputError is an input that cannot be read to its end.
type inputError struct {
	name string
	err  error
}

func (x *inputError) Error() string { return "read " + x.name + ": " + x.err.Error() }
func (x *inputError) Unwrap() error { return x.err }

// add adds a copy of an item.
func (c *chunk) add(name string, item ingest.Item) {
	c.lines = append(c.lines, line{file: name, number: item.Line, text: append([]byte(nil), item.Raw...), err: item.Err})
	c.bytes += len(item.Raw)
}

// send hands a chunk on. It reports whether to go on.
func (p *pipeline) send(ctx context.Context, c *chunk) bool {
	c.done = make(chan struct{})
	for _, to := range []chan *chunk{p.work, p.ordered} {
		select {
		case to <- c:
		case <-ctx.Done():
			return false
		}
	}
	return c.err == nil
}

// parseLoop parses chunks until there are no more.
func (p *pipeline) parseLoop() {
	var buf []byte
	for c := range p.work {
		for i := range c.lines {
			if l := &c.lines[i]; l.err == nil {
				buf = p.parse(l, buf[:0])
			}
		}
		close(c.done)
	}
}

// parse makes a line's event, with buf as room for its text.
func (p *pipeline) parse(l *line, buf []byte) []byte {
	buf, notes, err := p.format.Map(buf, l.text)
	if err != nil {
		l.err = err
		return buf
	}
	own := p.format.Name() == "jsonl"
	l.event, l.err = annals.ParseOptions{DropAssigned: own}.ParseEvent(buf)
	l.omitted = notes.Omitted
	if l.err == nil {
		l.omitted += l.event.DroppedMembers()
	} else if own && isForeign(l.text) {
		l.err, l.foreign = nil, true
	}
	return buf
}

// isForeign reports whether a text is an entry about a journal itself, as an
// export of another journal has them. Whatever is not exactly such an entry is
// an event that a producer sent.
func isForeign(text []byte) bool {
	entry := annals.Entry{JSON: text}
	return annals.CheckEntry(text) == nil && entry.Tenant() == annals.SystemTenant
}

// An importer appends what a pipeline delivers.
type importer struct {
	env     *env
	journal target
	rejects rejectsFile
	bar     progress

	report    importReport
	withoutID uint64 // imported events that a repeated import would add again
	foreign   uint64 // other journals' own events, left out
	badInput  bool   // the end was not reached because of the input
	last      *line  // the newest that is dealt with

	batch []*line
	bytes int
}

// run imports files until the end or an error that later lines cannot escape.
func (m *importer) run(ctx context.Context, format ingest.Format, files []string) error {
	ctx, cancel := context.WithCancel(ctx)
	p := &pipeline{env: m.env, format: format, files: files}
	p.start(ctx)
	err := m.consume(ctx, p)
	cancel()
	p.loops.Wait()
	return err
}

func (m *importer) consume(ctx context.Context, p *pipeline) error {
	for c := range p.ordered {
		<-c.done
		for i := range c.lines {
			if err := m.take(ctx, &c.lines[i]); err != nil {
				return err
			}
		}
		m.bar.set(c.read)
		if c.err != nil {
			_, m.badInput = errors.AsType[*inputError](c.err)
			return errors.Join(m.flush(ctx), c.err)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.flush(ctx)
}

// take adds a line to the batch, which it appends when it is full.
func (m *importer) take(ctx context.Context, l *line) error {
	switch {
	case l.err != nil:
		if errors.Is(l.err, ingest.ErrAbandoned) {
			m.env.note("%s, line %d: %s", l.file, l.number, errorText(l.err))
		}
		// Lines before it are appended first, so that their rejects come first.
		if err := m.flush(ctx); err != nil {
			return err
		}
		return m.reject(l, l.err)
	case l.foreign:
		m.foreign++
		return nil
	}
	m.batch = append(m.batch, l)
	if m.bytes += len(l.text); len(m.batch) < batchLines && m.bytes < batchBytes {
		return nil
	}
	return m.flush(ctx)
}

// flush appends the batch. A signal is heeded between batches: what has begun is
// finished.
func (m *importer) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := m.append(context.WithoutCancel(ctx), m.batch)
	clear(m.batch)
	m.batch, m.bytes = m.batch[:0], 0
	return err
}

// append appends lines all or none; if one of them is at fault, halves of them,
// until that one is alone and rejected.
func (m *importer) append(ctx context.Context, lines []*line) error {
	if len(lines) == 0 {
		return nil
	}
	events := make([]annals.Encoded, len(lines))
	for i, l := range lines {
		events[i] = l.event
	}
	receipts, err := m.journal.AppendEncoded(ctx, nil, events...)
	switch {
	case err == nil:
		m.count(lines, receipts)
		return nil
	case isCorrupt(err) || !isConflict(err) && !isInvalid(err):
		return fmt.Errorf("append %s: %w", plural(uint64(len(lines)), "event"), err)
	case len(lines) == 1:
		return m.reject(lines[0], err)
	}
	half := len(lines) / 2
	if err := m.append(ctx, lines[:half]); err != nil {
		return err
	}
	return m.append(ctx, lines[half:])
}

// count adds appended lines to the report.
func (m *importer) count(lines []*line, receipts []annals.Receipt) {
	for i, l := range lines {
		m.report.OmittedMembers += uint64(l.omitted)
		if receipts[i].Duplicate {
			m.report.Duplicates++
			continue
		}
		m.report.Imported++
		if _, ok := l.event.Member("id"); !ok {
			m.withoutID++
		}
	}
	m.last = lines[len(lines)-1]
}

// reject writes a line to the rejects file.
func (m *importer) reject(l *line, why error) error {
	m.report.Rejected++
	m.last = l
	return m.rejects.add(l, errorText(why))
}

// place says how far the import has come.
func (m *importer) place() string {
	if m.last == nil {
		return "nothing"
	}
	return fmt.Sprintf("line %d of %s", m.last.number, m.last.file)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/annals-io/annals"
)

// An importer appends what files hold to a journal, some files at a time.
type importer struct {
	// These never change while it runs.
	env     *env
	x       *importing
	journal target
	parsing *parsing
	files   chan *importFile // that no lane has begun
	cancel  context.CancelCauseFunc

	read atomic.Int64 // bytes of all files so far

	mu      sync.Mutex // guards what follows while lanes run
	rejects rejectsFile
	bar     progress
	places  []string // where lanes have stopped in files that they did not finish
	report  importReport
	foreign uint64 // other journals' own events, left out
	err     error  // the first of a lane
}

func newImporter(e *env, x *importing, j target, bar progress) *importer {
	return &importer{env: e, x: x, journal: j, rejects: rejectsFile{name: x.rejects}, bar: bar}
}

// run imports files until the end or an error that later lines cannot escape.
func (m *importer) run(ctx context.Context, files []*importFile) error {
	ctx, m.cancel = context.WithCancelCause(ctx)
	defer m.cancel(nil)
	m.files = make(chan *importFile, len(files))
	for _, f := range files {
		m.files <- f
	}
	close(m.files)
	m.parsing = startParsing()
	var lanes sync.WaitGroup
	for range min(m.x.jobs, len(files)) {
		lanes.Go(func() { m.laneLoop(ctx) })
	}
	lanes.Wait()
	m.parsing.end()
	return m.err
}

// laneLoop imports one file after another, until there are none or a lane fails.
func (m *importer) laneLoop(ctx context.Context) {
	for f := range m.files {
		l := &lane{importer: m, file: f, equal: newTally(tallyKeys)}
		err := errors.Join(l.run(ctx), l.equal.close())
		m.finish(l, err)
		if err != nil {
			return
		}
	}
}

// finish takes what a lane did with a file. The first error stops the others.
func (m *importer) finish(l *lane, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.add(&l.report)
	m.foreign += l.foreign
	if err == nil {
		return
	}
	place := "the start of " + l.file.name
	if l.last > 0 {
		place = fmt.Sprintf("line %d of %s", l.last, l.file.name)
	}
	m.places = append(m.places, place)
	if m.err == nil {
		m.err = err
		m.cancel(err)
	}
}

// note prints a line on standard error.
func (m *importer) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.env.note(format, args...)
}

// advance moves the bar.
func (m *importer) advance(bytes int64) {
	read := m.read.Add(bytes)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bar.set(read)
}

// incomplete says how far an import came that did not reach the end.
func (m *importer) incomplete(err error) error {
	r := &m.report
	m.env.note("stopped after %s: %d events imported, %d duplicates, %d rejected", cmp.Or(strings.Join(m.places, ", "), "the last line"), r.Imported, r.Duplicates, r.Rejected)
	hint := "repeat the command: what is in the journal is not added again"
	if isFull(err) {
		hint = "make room, then " + hint
	}
	return hinted(codeInput(err), "%s", hint)
}

// A lane imports one file, line by line in its order.
type lane struct {
	*importer
	file  *importFile
	equal *tally // of lines without ids

	report  importReport
	foreign uint64
	read    int64
	last    int64 // number of the newest line that is dealt with
	fresh   bool  // the newest batch had something new

	lines  []*line // those of a chunk that can be appended
	events []annals.Encoded
}

// run imports the file.
func (l *lane) run(ctx context.Context) error {
	if err := stopped(ctx); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, l.file.interrupt)() // a read that waits is not waited for
	in, err := l.file.open()
	if err != nil {
		return err
	}
	reading, cancel := context.WithCancel(ctx)
	ordered := make(chan *chunk, 1)
	var loop sync.WaitGroup
	loop.Go(func() { l.parsing.readLoop(reading, l.file, in, ordered) })
	err = l.consume(ctx, ordered)
	cancel()
	loop.Wait()
	return errors.Join(err, in.Close())
}

// consume imports chunks. A signal is heeded between them: what has begun is
// finished.
func (l *lane) consume(ctx context.Context, ordered <-chan *chunk) error {
	for c := range ordered {
		<-c.done
		if err := stopped(ctx); err != nil {
			return err
		}
		if err := l.take(context.WithoutCancel(ctx), c); err != nil {
			return err
		}
		l.advance(c.read - l.read)
		l.read = c.read
		if c.err != nil {
			if c.err == io.EOF {
				return nil
			}
			return c.err
		}
		c.release()
	}
	return stopped(ctx)
}

// take appends a chunk, and rejects what cannot be appended.
func (l *lane) take(ctx context.Context, c *chunk) error {
	l.lines = l.lines[:0]
	for i := range c.lines {
		x := &c.lines[i]
		if x.err == nil && x.unnamed {
			if err := x.derive(l.equal); err != nil {
				return err
			}
		}
		if x.err == nil && !x.foreign {
			l.lines = append(l.lines, x)
		}
	}
	if l.fresh || !l.repeats(ctx, l.lines) {
		before := l.report.Imported
		if err := l.append(ctx, c, l.lines); err != nil {
			return err
		}
		l.fresh = l.report.Imported > before
	}
	for i := range c.lines {
		x := &c.lines[i]
		l.report.JoinedRows += uint64(x.joined)
		if x.foreign {
			l.foreign++
		}
		if x.err != nil {
			if err := l.reject(c, x); err != nil {
				return err
			}
		}
		l.last = x.number
	}
	return nil
}

// append appends lines all or none; if one of them is at fault, halves of them,
// until that one is alone and rejected.
func (l *lane) append(ctx context.Context, c *chunk, lines []*line) error {
	if len(lines) == 0 {
		return nil
	}
	l.events = l.events[:0]
	for _, x := range lines {
		l.events = append(l.events, x.event)
	}
	receipts, err := l.journal.AppendEncoded(ctx, nil, l.events...)
	switch {
	case err == nil:
		for i, x := range lines {
			l.count(x, receipts[i].Duplicate)
		}
		return nil
	case isCorrupt(err) || !isConflict(err) && !isInvalid(err):
		return fmt.Errorf("append %s: %w", plural(uint64(len(lines)), "event"), err)
	}
	renamed, other := l.renameTaken(ctx, c, lines, err)
	switch {
	case other != nil:
		return other
	case renamed: // each line at most once, so this ends
		return l.append(ctx, c, lines)
	case len(lines) > 1:
		half := len(lines) / 2
		if err := l.append(ctx, c, lines[:half]); err != nil {
			return err
		}
		return l.append(ctx, c, lines[half:])
	}
	lines[0].err = err
	return nil
}

// repeats reports whether entries that follow each other in the journal are the
// events of lines, as after an import that was stopped or is repeated. Reading them
// takes a fraction of what appending duplicates does. If they are, it counts them;
// errors are for append to meet. A server is not asked: it may not let everybody read.
func (l *lane) repeats(ctx context.Context, lines []*line) bool {
	j, local := l.journal.(*annals.Journal)
	if !local || len(lines) == 0 {
		return false
	}
	first, err := j.GetTenant(ctx, l.tenantOf(&lines[0].event), lines[0].event.ID())
	if err != nil {
		return false
	}
	n := 0
	for entry, err := range j.Scan(ctx, first.Position, first.Position+annals.Position(len(lines))) {
		if err != nil || !l.isEntry(&entry, &lines[n].event) {
			return false
		}
		n++
	}
	if n < len(lines) {
		return false
	}
	for _, x := range lines {
		l.count(x, true)
	}
	return true
}

// isEntry reports whether an entry is that of an event.
func (l *lane) isEntry(entry *annals.Entry, e *annals.Encoded) bool {
	stored, err := annals.ParseOptions{DropAssigned: true}.ParseEvent(entry.JSON)
	tenant := l.tenantOf(e)
	return err == nil && stored.ID() == e.ID() && (tenant == "" || stored.Tenant() == tenant) && isRetry(&stored, e)
}

// tenantOf returns the tenant that an event belongs to, "" if it is that of a token.
func (l *lane) tenantOf(e *annals.Encoded) string {
	return cmp.Or(e.Tenant(), l.env.ownTenant())
}

// count adds a line that is in the journal to the report.
func (l *lane) count(x *line, duplicate bool) {
	l.report.OmittedMembers += uint64(x.omitted)
	if duplicate {
		l.report.Duplicates++
	} else {
		l.report.Imported++
	}
	if x.renamed {
		l.report.RenamedIDs++
	}
	l.last = x.number
}

// reject writes a line to the rejects file.
func (l *lane) reject(c *chunk, x *line) error {
	l.report.Rejected++
	if x.isAbandoned() {
		l.note("%s, line %d: %s", l.file.name, x.number, errorText(x.err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rejects.add(&reject{x.number, l.file.name, errorText(x.err), string(c.lineText(x))})
}

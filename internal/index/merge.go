package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A runError is what is wrong with one of the runs of a merge.
type runError struct {
	run *run
	err error
}

func (e *runError) Error() string { return e.run.fail(e.err).Error() }
func (e *runError) Unwrap() error { return e.err }

// mergeRuns makes one run of several that follow each other and have one policy,
// as writeRun does: m is what it is about. Of the runs' sections it holds a few
// hundred KiB each in memory, besides directories and filter. When one of the runs
// cannot be read the error is a *runError. It ends early with ctx.
func mergeRuns(ctx context.Context, fsys durable.FS, name string, m meta, runs []*run) error {
	at := m.first
	for _, r := range runs {
		if r.meta.first != at || r.meta.policy != m.policy || r.meta.owner != m.owner {
			return errors.New("runs to merge do not follow each other")
		}
		at = r.meta.next
	}
	if at != m.next {
		return errors.New("runs to merge are not all of the run")
	}
	return create(fsys, name, m, func(w *runWriter) error {
		w.out.stop = ctx.Err
		for _, r := range runs {
			w.foot.entities += r.foot.entities
		}
		return inOrder(
			func() error { return mergeDictionaries(w, identities, runs) },
			func() error { return mergeDictionaries(w, terms, runs) },
			func() error { return mergeTimes(w, runs) },
			func() error { return mergeRows(w, runs) },
			func() error { return w.kinds(mergeKinds(runs)) },
		)
	})
}

// A mergeSource is a dictionary that is merged.
type mergeSource struct {
	*dictReader
	run  *run
	base uint64 // position of the run's first entry in the merged run
}

// mergeDictionaries writes the dictionary that has the terms of all runs.
func mergeDictionaries(w *runWriter, c class, runs []*run) error {
	bound := 0
	var sources []*mergeSource
	for _, r := range runs {
		bound += int(r.foot.distinct[c])
		d, err := r.newDictReader(c)
		if err == nil {
			err = d.step()
		}
		if err != nil {
			return &runError{r, err}
		}
		sources = append(sources, &mergeSource{d, r, uint64(r.meta.first - runs[0].meta.first)})
	}
	return w.dictionary(c, bound, func(d *dictWriter) error {
		for {
			key := uint64(noKey)
			for _, s := range sources {
				key = min(key, s.key)
			}
			if key == noKey {
				return nil
			}
			if err := mergeTerm(d, key, sources); err != nil {
				return err
			}
		}
	})
}

// mergeTerm writes the term with a key, which is the next one of some sources.
func mergeTerm(d *dictWriter, key uint64, sources []*mergeSource) error {
	if err := d.begin(key); err != nil {
		return err
	}
	for _, s := range sources {
		if s.key != key {
			continue
		}
		err := s.each(func(positions []uint32) error { return d.list.add(positions, s.base) })
		if err == nil {
			err = s.step()
		}
		if err != nil {
			return &runError{s.run, err}
		}
	}
	return d.end()
}

// An entryReader gives a value of each entry of several runs, which follow each
// other.
type entryReader[T any] struct {
	runs   []*run
	open   func(*run) (at func(i uint32) (T, error), err error)
	at     func(i uint32) (T, error) // of runs[0], nil before it is opened
	passed uint32                    // entries of the runs before
}

// next returns entry i's value. From call to call i is one more.
func (e *entryReader[T]) next(i uint32) (value T, err error) {
	if i-e.passed == uint32(e.runs[0].meta.entries()) {
		e.passed, e.runs, e.at = i, e.runs[1:], nil
	}
	if e.at == nil {
		e.at, err = e.open(e.runs[0])
	}
	if err == nil {
		value, err = e.at(i - e.passed)
	}
	if err != nil {
		return value, &runError{e.runs[0], err}
	}
	return value, nil
}

func mergeTimes(w *runWriter, runs []*run) error {
	e := entryReader[span]{runs: runs, open: func(r *run) (func(uint32) (span, error), error) {
		z, err := r.zones.get(r.readZones)
		return r.newTimes(r.newWindow(), z).at, err
	}}
	return w.times(e.next)
}

func mergeRows(w *runWriter, runs []*run) error {
	e := entryReader[row]{runs: runs, open: func(r *run) (func(uint32) (row, error), error) {
		return newRowReader(r.newWindow(), r.foot.sections[entryColumn]).at, nil
	}}
	return w.rows(e.next)
}

// mergeKinds yields the kinds of all runs in order, with their counts added up.
func mergeKinds(runs []*run) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		sources := make([]kindSource, len(runs))
		for i, r := range runs {
			s := &sources[i]
			next, stop := iter.Pull2(r.newKinds(r.file).all())
			defer stop()
			s.run, s.next = r, next
			s.step()
		}
		for {
			k, ok, err := nextKind(sources)
			if err != nil || !ok {
				if err != nil {
					yield(k, err)
				}
				return
			}
			if !yield(k, nil) {
				return
			}
		}
	}
}

// A kindSource is a kind table that is merged.
type kindSource struct {
	run  *run
	next func() (engine.KindCount, error, bool)
	head engine.KindCount // valid if has
	has  bool
	err  error
}

func (s *kindSource) step() {
	s.head, s.err, s.has = s.next()
	if s.err != nil {
		s.err = &runError{s.run, s.err}
	}
}

// nextKind returns the next kind of all sources.
func nextKind(sources []kindSource) (k engine.KindCount, ok bool, err error) {
	for i := range sources {
		s := &sources[i]
		if s.err != nil {
			return k, false, s.err
		}
		if s.has && (!ok || compareKinds(s.head, k) < 0) {
			k, ok = s.head, true
		}
	}
	k.Count = 0
	for i := range sources {
		for s := &sources[i]; s.has && s.err == nil && compareKinds(s.head, k) == 0; s.step() {
			k.Count += s.head.Count
		}
	}
	return k, ok, nil
}

// newDictReader returns what reads all of a dictionary, from its start. Buckets,
// lists and skip tables are at three places that all move through the section.
func (r *run) newDictReader(c class) (*dictReader, error) {
	directory, err := r.directory(c)
	if err != nil {
		return nil, err
	}
	n := r.meta.entries()
	return &dictReader{
		shape: newShape(r.foot.bits[c], n), directory: directory, section: r.foot.sections[c.lists()],
		buckets: r.newWindow(), lists: &blockReader{r: r.newWindow(), table: r.newWindow(), n: n}, key: noKey,
	}, nil
}

// windowBytes is how much of a file is read at once where all of it is read.
const windowBytes = 256 << 10

// A window reads a file in large pieces for someone who needs small ones, in about
// their order.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	buf  []byte
	off  int64 // of buf
}

func (r *run) newWindow() *window { return &window{r: r.file, size: r.bytes} }

// ReadAt implements [io.ReaderAt].
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	if off < w.off || off+int64(len(p)) > w.off+int64(len(w.buf)) {
		n := min(windowBytes, w.size-off)
		if n < int64(len(p)) {
			return w.r.ReadAt(p, off)
		}
		if w.buf == nil {
			w.buf = make([]byte, 0, min(windowBytes, w.size))
		}
		w.buf = w.buf[:n]
		w.off = off
		if err := readFull(w.r, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return 0, fmt.Errorf("read ahead: %w", err)
		}
	}
	return copy(p, w.buf[off-w.off:]), nil
}

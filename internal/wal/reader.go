package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A Reader reads a log beside the process that writes it, or a log on which
// nothing may be changed. It takes no lock, changes nothing, and shows only what
// is known to be durable. Refresh is for one goroutine at a time; views may be
// used from anywhere.
type Reader struct {
	fs      durable.FS
	journal [16]byte
	view    *View
	state   func() *State
	header  header // of the newest segment
	at      mark   // how far it was read
	offsets []uint32
	damage  []*engine.CorruptError
}

// OpenReader opens the log for reading. Set live if a writer may be at work: an
// unsound end of the newest segment that nothing vouches for then is a write in
// progress, no torn tail.
// Of a damaged log it shows all that is sound.
func OpenReader(fsys durable.FS, opts Options, live bool) (*Reader, error) {
	a, err := analyze(fsys, opts.Journal, opts.Evidence, live)
	if err != nil {
		return nil, err
	}
	if !live && (opts.Salvage || len(a.damage) > 0) { // no recovery will come and keep it
		a.proven, a.visible = a.good, max(a.visible, a.good.next, a.seen.next)
	}
	r := &Reader{fs: fsys, journal: opts.Journal, state: opts.State, header: a.header, at: a.proven, damage: a.damage}
	if len(a.segments) == 0 {
		r.at = mark{}
	}
	st := newStore(fsys, opts.Journal)
	if r.view, err = a.view(st); err != nil {
		st.close()
		return nil, err
	}
	r.offsets = r.view.tail.offsets
	return r, nil
}

// View returns the newest view.
func (r *Reader) View() *View { return r.view }

// Damage returns what was found damaged.
func (r *Reader) Damage() []*engine.CorruptError { return r.damage }

// Close closes the files that views read from.
func (r *Reader) Close() { r.view.store.close() }

// Refresh looks for entries that became durable since and returns the newest
// view. Damage that it meets ends the reader's progress: it is returned once, and
// kept in Damage.
func (r *Reader) Refresh() (*View, error) {
	if len(r.damage) > 0 {
		return r.view, nil
	}
	for {
		next, err := r.successor()
		if err != nil {
			return r.view, err
		}
		if err := r.advance(next); err != nil {
			if c, ok := errors.AsType[*engine.CorruptError](err); ok {
				r.damage = append(r.damage, c) // told once; nothing behind it can be followed
			}
			return r.view, err
		}
		if next == nil {
			return r.view, nil
		}
		r.enter(next)
	}
}

// A successor is the segment after the newest known one.
type successor struct {
	segment *segment
	header  header
}

// successor looks for a segment that follows the newest known one.
func (r *Reader) successor() (*successor, error) {
	ordinal := uint32(0)
	if n := len(r.view.segments); n > 0 {
		ordinal = r.view.segments[n-1].ordinal + 1
	}
	infos, err := r.fs.ReadDir(Dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	for _, info := range infos {
		o, first, ok := parseSegmentName(info.Name)
		if !ok || o != ordinal {
			continue
		}
		s := &segment{ordinal: o, first: first, name: info.Name}
		f, err := r.fs.Open(s.path())
		if err != nil {
			return nil, fmt.Errorf("open segment %s: %w", s.name, err)
		}
		defer f.Close() // read-only: nothing to lose
		var a analysis
		h, ok, err := a.readHeader(f, s, first, r.journal)
		if err == nil && !ok {
			err = a.damage[0]
		}
		if err != nil {
			return nil, err
		}
		return &successor{s, h}, nil
	}
	return nil, nil
}

// advance reads on in the newest known segment: to its end if there is a
// successor, else as far as its records say that they are durable.
func (r *Reader) advance(next *successor) error {
	if len(r.view.segments) == 0 {
		return nil
	}
	s := r.view.segments[len(r.view.segments)-1]
	o, err := r.view.store.open(s)
	if err != nil {
		return err
	}
	defer r.view.store.release(o)
	end := int64(0)
	if next != nil {
		end = next.header.prevEnd
	} else if end, err = o.file.Size(); err != nil {
		return fmt.Errorf("read size of %s: %w", s.name, err)
	}
	return r.read(o.file, s, end, next != nil)
}

// read takes up the records between r.at and end, those that are durable.
func (r *Reader) read(f io.ReaderAt, s *segment, end int64, sealed bool) error {
	w := newWalker(f, r.at.off, end, r.at.next, true)
	b := tableBuilder{segment: s, table: table{offsets: r.offsets}}
	at, durable := r.at, r.at.off
	var seen []mark // boundaries that wait for a later record to vouch for them
	for {
		rec, err := w.step()
		if err != nil {
			trimmed := !sealed && errors.Is(err, io.ErrUnexpectedEOF) // by the writer, meanwhile
			if !errors.Is(err, io.EOF) && !errors.Is(err, errNoRecord) && !isDamage(err) && !trimmed {
				return fmt.Errorf("read segment %s: %w", s.name, err)
			}
			if sealed && !errors.Is(err, io.EOF) {
				return &engine.CorruptError{Path: s.path(), Offset: w.off, First: w.next, Next: w.next, Err: err}
			}
			break
		}
		b.add(&rec)
		at = mark{rec.end(), rec.nextPos(), at.chain.next(&rec.hash)}
		seen = append(seen, at)
		durable = max(durable, rec.durable)
	}
	switch {
	case sealed:
		durable = end
	case at.off > durable && r.state != nil: // the writer may have closed before it left a marker
		if st := r.state(); st != nil && st.Ordinal == s.ordinal {
			durable = max(durable, st.End)
		}
	}
	for _, m := range seen {
		if m.off <= durable {
			r.at = m
		}
	}
	r.offsets = b.table.offsets[:r.at.next-s.first]
	r.publish(r.view.segments)
	return nil
}

// enter moves on to the next segment.
func (r *Reader) enter(next *successor) {
	segments := append([]*segment(nil), r.view.segments...)
	if n := len(segments); n > 0 {
		sealed := *segments[n-1]
		sealed.end = next.header.prevEnd
		segments[n-1] = &sealed
	}
	r.header, r.offsets = next.header, nil
	r.at = mark{off: headerBytes, next: next.header.first, chain: next.header.chain}
	r.publish(append(segments, next.segment))
}

func (r *Reader) publish(segments []*segment) {
	r.view = &View{
		store:    r.view.store,
		segments: segments,
		size:     r.at.next,
		end:      r.at.off,
		tail:     &table{offsets: r.offsets[:len(r.offsets):len(r.offsets)]},
	}
}

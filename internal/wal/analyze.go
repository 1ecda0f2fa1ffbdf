package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// Evidence is what the rest of the journal knows to be durable. A log that holds
// less has lost acknowledged data.
type Evidence struct {
	// Entries is the largest number of entries that anything vouches for:
	// checkpoint, tree, index. By names what does.
	Entries engine.Position
	By      string

	// State is where the log ended when it was last closed cleanly, if it was.
	State *State
}

// State is the end of a log at a clean close.
type State struct {
	Ordinal uint32
	End     int64
	Chain   [32]byte
	Entries engine.Position
}

// An analysis is what a log's files say, before anything is changed. Opening,
// verifying and reading beside a writer all start from it.
type analysis struct {
	segments []*segment
	damage   []*engine.CorruptError

	// Of the newest segment:
	header  header
	size    int64 // of the file
	good    mark  // up to here every record is sound
	proven  mark  // up to here everything is known durable
	tornEnd int64 // end of the bytes behind good that are not zero; good.off if none
	clean   bool  // the log ends exactly where State says

	behind mark // the first sound record behind the damage; off is 0 if there is none
	seen   mark // the end of the last one

	// visible is the number of entries that a reader may see, unreadable ones
	// included.
	visible engine.Position

	proof    int64  // largest offset that anything vouches for
	provenBy string // what does
}

// A mark is a record boundary in the newest segment.
type mark struct {
	off   int64
	next  engine.Position
	chain chain
}

func (a *analysis) newest() *segment { return a.segments[len(a.segments)-1] }

func (a *analysis) corrupt(path string, off int64, first, next engine.Position, err error) {
	a.damage = append(a.damage, &engine.CorruptError{Path: path, Offset: off, First: first, Next: max(first, next), Err: err})
}

// analyze reads the names of all segments and the contents of the last two.
// With live set a writer is at work, so whatever does not check out behind the
// proven offset of the newest segment is no concern.
func analyze(fsys durable.FS, journal [16]byte, ev Evidence, live bool) (*analysis, error) {
	a := new(analysis)
	if err := a.list(fsys); err != nil {
		return nil, err
	}
	if len(a.segments) == 0 {
		a.header = header{journal: journal, chain: firstChain(journal)}
		a.proven = mark{chain: a.header.chain}
		a.clean = true
		if lost := max(ev.Entries, ev.stateEntries()); lost > 0 {
			a.corrupt(Dir, -1, 0, lost, fmt.Errorf("log is empty, but %s says that it holds %d entries", ev.by(), lost))
			a.visible = lost
		}
		return a, nil
	}
	if err := a.readNewest(fsys, journal, ev, live); err != nil {
		return nil, err
	}
	return a, a.readSealed(fsys, journal)
}

func (ev *Evidence) stateEntries() engine.Position {
	if ev.State == nil {
		return 0
	}
	return ev.State.Entries
}

func (ev *Evidence) by() string {
	if ev.stateEntries() > ev.Entries {
		return "state"
	}
	return ev.By
}

// list finds the segments by their names.
func (a *analysis) list(fsys durable.FS) error {
	infos, err := fsys.ReadDir(Dir)
	if isNotExist(err) { // the journal was made with it
		a.corrupt(Dir, -1, 0, 0, errors.New("directory is missing"))
	} else if err != nil {
		return fmt.Errorf("list log: %w", err)
	}
	for _, info := range infos { // sorted by name, so by ordinal
		ordinal, first, ok := parseSegmentName(info.Name)
		if !ok {
			continue
		}
		s := &segment{ordinal: ordinal, first: first, name: info.Name}
		if len(a.segments) == 0 {
			if ordinal != 0 {
				a.corrupt(Dir, -1, 0, first, fmt.Errorf("segments before %s are missing", s.name))
			}
			a.segments = append(a.segments, s)
			continue
		}
		prev := a.newest()
		switch {
		case ordinal == prev.ordinal:
			a.corrupt(s.path(), -1, first, first, fmt.Errorf("segment %s has the same ordinal", prev.name))
			continue
		case first < prev.first:
			a.corrupt(s.path(), -1, first, first, fmt.Errorf("segment starts before its predecessor %s", prev.name))
			continue
		case ordinal != prev.ordinal+1:
			prev.lost = fmt.Sprintf("segments %08x to %08x are missing", prev.ordinal+1, ordinal-1)
			a.corrupt(Dir, -1, first, first, errors.New(prev.lost))
		}
		a.segments = append(a.segments, s)
	}
	return nil
}

// readHeader reads and checks a segment's header. Damage is recorded and
// reported as false; it hides the positions up to next.
func (a *analysis) readHeader(f durable.File, s *segment, next engine.Position, journal [16]byte) (header, bool, error) {
	var b [headerBytes]byte
	n, err := f.ReadAt(b[:], 0)
	if n < len(b) && !errors.Is(err, io.EOF) {
		return header{}, false, fmt.Errorf("read header of %s: %w", s.name, err)
	}
	h, err := parseHeader(b[:n])
	switch {
	case errors.Is(err, engine.ErrNewerFormat):
		return h, false, fmt.Errorf("%s: %w", s.path(), err)
	case err == nil:
		if err = h.mustBe(s, journal); err == nil {
			err = h.mustStart()
		}
	}
	if err != nil {
		a.corrupt(s.path(), 0, s.first, next, err)
		return h, false, nil
	}
	return h, true, nil
}

// readNewest reads the newest segment and finds where the good and the proven
// part end.
func (a *analysis) readNewest(fsys durable.FS, journal [16]byte, ev Evidence, live bool) error {
	s := a.newest()
	a.visible = max(s.first, ev.Entries)
	f, err := fsys.Open(s.path())
	if err != nil {
		return fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	if a.size, err = f.Size(); err != nil {
		return fmt.Errorf("read size of %s: %w", s.name, err)
	}
	h, ok, err := a.readHeader(f, s, s.first, journal)
	if err != nil {
		return err
	}
	if !ok && h != (header{}) { // sound, but not what belongs here
		a.damage[len(a.damage)-1].Next = a.visible
		return nil
	}
	if !ok { // the records may be sound all the same, and the name says which they are
		h = header{journal: journal, ordinal: s.ordinal, first: s.first}
	}
	a.header = h
	t := tail{analysis: a, ev: ev, unchained: !ok, w: newWalker(f, headerBytes, a.size, s.first, true)}
	if err := t.read(live); err != nil {
		return fmt.Errorf("read segment %s: %w", s.name, err)
	}
	if err := t.prove(); err != nil {
		return fmt.Errorf("read segment %s: %w", s.name, err)
	}
	t.judge()
	return nil
}

// A tail is the reading of the newest segment.
type tail struct {
	*analysis
	ev Evidence
	w  *walker

	// unchained says that the header is damaged, so that nobody knows the chain.
	unchained bool

	why error // why the record at good.off is none; nil at the end of the data
}

// vouch takes one piece of evidence that the segment is durable up to off.
func (t *tail) vouch(off int64, by string) {
	if off > t.proof {
		t.proof, t.provenBy = off, by
	}
}

// read walks the sound records, then looks for sound ones behind the damage.
func (t *tail) read(live bool) error {
	c := t.header.chain
	t.vouch(headerBytes, "segment header")
	var err error
	for {
		var r record
		if r, err = t.w.step(); err != nil {
			break
		}
		t.vouch(r.durable, "a later record")
		if t.ev.Entries > r.first {
			t.vouch(r.end(), t.ev.By)
		}
		c = c.next(&r.hash)
	}
	t.good = mark{off: t.w.off, next: t.w.next, chain: c}
	t.tornEnd = t.good.off
	if errors.Is(err, io.EOF) || live && errors.Is(err, io.ErrUnexpectedEOF) { // the writer trimmed the file meanwhile
		return nil
	}
	if !isDamage(err) && !errors.Is(err, errNoRecord) {
		return err
	}
	t.why = err
	if err := t.readBehind(); err != nil || !live || t.proof <= t.good.off {
		return err
	}
	// Beside a writer this may be a record that was being written when it was read,
	// while those behind it were read later. A second look tells.
	again := newWalker(t.w.r, t.good.off, t.w.end, t.good.next, true)
	if _, err := again.step(); !isDamage(err) && !errors.Is(err, errNoRecord) {
		t.proof = t.good.off
	}
	return nil
}

// readBehind looks at what follows the first place that is no record.
func (t *tail) readBehind() error {
	var err error
	if t.tornEnd, err = dataEnd(t.w, t.good.off); err != nil || t.tornEnd == t.good.off {
		return err
	}
	for off := t.good.off + alignBytes; ; {
		r, ok, err := t.w.resync(off)
		if err != nil || !ok {
			return err
		}
		t.vouch(r.durable, "a later record")
		if t.behind.off == 0 {
			t.behind = mark{off: r.offset, next: r.first}
		}
		t.seen = mark{off: r.end(), next: max(t.seen.next, r.nextPos())}
		off = r.end()
	}
}

// dataEnd returns the end of the bytes from off on that are not zero.
func dataEnd(w *walker, off int64) (int64, error) {
	end := off
	for at := off; at < w.end; {
		n := int(min(windowBytes, w.end-at))
		b, err := w.at(at, n)
		if err != nil {
			return 0, err
		}
		if !isZero(b) {
			for n > 0 && b[n-1] == 0 {
				n--
			}
			end = at + int64(n)
		}
		at += int64(len(b))
	}
	return end, nil
}

// prove weighs the state file and finds the chain at the proven offset.
func (t *tail) prove() error {
	if st := t.ev.State; st != nil && st.Ordinal > t.header.ordinal {
		t.vouch(t.good.off, "state")
	} else if st != nil && st.Ordinal == t.header.ordinal {
		t.vouch(st.End, "state")
		if st.End <= t.good.off {
			m, err := t.markAt(st.End)
			if err != nil {
				return err
			}
			if !t.unchained && (m.chain != st.Chain || m.next != st.Entries) {
				t.corrupt(t.newest().path(), st.End, m.next, m.next, errors.New("log is not the one that was closed: chain hash differs from state"))
			}
			t.clean = st.End == t.size && st.End == t.good.off
		}
	}
	var err error
	t.proven, err = t.markAt(min(t.proof, t.good.off))
	return err
}

// markAt returns the record boundary at off, which lies in the good part.
func (t *tail) markAt(off int64) (mark, error) {
	if off == t.good.off {
		return t.good, nil
	}
	m := mark{off: headerBytes, next: t.header.first, chain: t.header.chain}
	w := newWalker(t.w.r, headerBytes, t.good.off, t.header.first, false)
	for m.off < off {
		r, err := w.step()
		if err != nil {
			return m, err
		}
		m = mark{off: r.end(), next: r.nextPos(), chain: m.chain.next(&r.hash)}
	}
	if m.off != off {
		t.corrupt(t.newest().path(), off, m.next, m.next, errors.New("durable offset is inside a record"))
	}
	return m, nil
}

// judge tells a torn tail from damage.
func (t *tail) judge() {
	s := t.newest()
	t.visible = t.proven.next
	if st := t.ev.State; st != nil && st.Ordinal > s.ordinal {
		t.corrupt(Dir, -1, t.good.next, st.Entries, fmt.Errorf("segments after %s are missing: the log ended in segment %08x when it was closed", s.name, st.Ordinal))
		t.visible = max(t.good.next, st.Entries)
	}
	if t.proof > t.good.off {
		t.visible = max(t.good.next, t.ev.Entries, t.seen.next)
		why := t.why
		if why == nil || errors.Is(why, errNoRecord) {
			why = errors.New("records end early")
		}
		next := t.visible
		if t.behind.off > 0 && t.good.next <= t.behind.next && t.behind.next <= next {
			next = t.behind.next
		}
		t.corrupt(s.path(), t.good.off, t.good.next, next, fmt.Errorf("%w; durable up to byte %d by %s", why, t.proof, t.provenBy))
		return
	}
	if t.ev.Entries > t.good.next {
		t.visible = t.ev.Entries
		t.corrupt(s.path(), t.good.off, t.good.next, t.ev.Entries,
			fmt.Errorf("log ends at position %d, but %s covers %d entries: rolled back by %d", t.good.next, t.ev.By, t.ev.Entries, t.ev.Entries-t.good.next))
	}
}

// readSealed checks the segment before the newest in full.
func (a *analysis) readSealed(fsys durable.FS, journal [16]byte) error {
	if len(a.segments) < 2 || a.header.prevEnd == 0 {
		return nil
	}
	s, next := a.segments[len(a.segments)-2], a.newest()
	if s.ordinal+1 != next.ordinal {
		return nil // reported by list
	}
	s.end = a.header.prevEnd
	f, err := fsys.Open(s.path())
	if err != nil {
		return fmt.Errorf("open segment %s: %w", s.name, err)
	}
	defer f.Close() // read-only: nothing to lose
	h, ok, err := a.readHeader(f, s, next.first, journal)
	if err != nil || !ok {
		return err
	}
	_, err = a.checkSealed(f, s, h, a.header, nil)
	return err
}

// checkSealed checks every record of a sealed segment against the header of the
// next one, calling each (if not nil) for every sound record. It returns the
// number of entries it saw.
func (a *analysis) checkSealed(f durable.File, s *segment, h, next header, each func(*record) error) (uint64, error) {
	size, err := f.Size()
	if err != nil {
		return 0, fmt.Errorf("read size of %s: %w", s.name, err)
	}
	if size < next.prevEnd {
		a.corrupt(s.path(), size, next.first, next.first, fmt.Errorf("segment has %d bytes, its successor says %d", size, next.prevEnd))
	}
	w := newWalker(f, headerBytes, min(size, next.prevEnd), s.first, true)
	c, n, whole := h.chain, uint64(0), true
	for {
		r, err := w.step()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !isDamage(err) && !errors.Is(err, errNoRecord) {
				return n, fmt.Errorf("read segment %s: %w", s.name, err)
			}
			from, off, why := w.next, w.off, err
			var ok bool
			if r, ok, err = w.resync(w.off + alignBytes); err != nil {
				return n, fmt.Errorf("read segment %s: %w", s.name, err)
			}
			if whole = false; !ok || r.first < from || r.first > next.first {
				a.corrupt(s.path(), off, from, next.first, why)
				return n, nil
			}
			a.corrupt(s.path(), off, from, r.first, why)
			w.off, w.next = r.end(), r.nextPos()
		}
		c = c.next(&r.hash)
		n += uint64(r.count)
		if each != nil {
			if err := each(&r); err != nil {
				return n, err
			}
		}
	}
	if whole && (w.next != next.first || c != next.chain) {
		a.corrupt(s.path(), w.off, w.next, next.first, errors.New("segment does not lead to its successor: chain hash or position differs"))
	}
	return n, nil
}

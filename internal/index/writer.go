package index

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"path"
	"slices"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// An input is what a run is made of. Everything is asked for once, in the order of
// the fields; the functions once for each entry.
type input struct {
	// Terms by their hashes, which ascend, each with the ascending positions of its
	// entries relative to the run's first. A slice is used until the next step.
	identities, terms iter.Seq2[uint64, []uint32]

	// How many identities and terms there are, or somewhat more.
	identityBound, termBound int

	time func(i uint32) int64 // Unix nanoseconds
	row  func(i uint32) row

	kinds    iter.Seq2[engine.KindCount, error] // sorted by tenant and kind
	entities uint64                             // whose first record is among the entries
}

// writeRun writes a run, durably and in one step: when it returns nil the file
// name is there; after an error, or a power cut, it is there whole or not at all.
// Only one call for a name may run at a time.
func writeRun(fsys durable.FS, name string, m meta, in input) error {
	return create(fsys, name, m, func(w *runWriter) error {
		w.foot.entities = in.entities
		return inOrder(
			func() error { return w.dictionary(identities, in.identityBound, listsOf(in.identities)) },
			func() error { return w.dictionary(terms, in.termBound, listsOf(in.terms)) },
			func() error {
				return w.times(func(i uint32) (span, error) { t := in.time(i); return span{t, t}, nil })
			},
			func() error { return w.rows(func(i uint32) (row, error) { return in.row(i), nil }) },
			func() error { return w.kinds(in.kinds) },
		)
	})
}

// inOrder does one step after the other, until one has an error.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// listsOf returns what adds all terms to a dictionary. Those that differ in the
// bits that are left out only become one.
func listsOf(all iter.Seq2[uint64, []uint32]) func(*dictWriter) error {
	return func(d *dictWriter) error {
		var list []uint32
		key := uint64(noKey)
		for hash, positions := range all {
			if k := keyOf(hash); k != key {
				if err := d.put(key, list); err != nil {
					return err
				}
				key, list = k, append(list[:0], positions...)
				continue
			}
			list = append(list, positions...)
			slices.Sort(list)
			list = slices.Compact(list)
		}
		return d.put(key, list)
	}
}

// put adds a term with its positions.
func (w *dictWriter) put(key uint64, positions []uint32) error {
	if key == noKey {
		return nil
	}
	if err := w.begin(key); err != nil {
		return err
	}
	if err := w.list.add(positions, 0); err != nil {
		return err
	}
	return w.end()
}

// create makes a run file of the sections that fill writes, up to the kinds.
func create(fsys durable.FS, name string, m meta, fill func(*runWriter) error) error {
	if err := m.valid(); err != nil {
		return err
	}
	temp := name + durable.TempSuffix
	err := writeTemp(fsys, temp, m, fill)
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		fsys.Remove(temp) // best effort: the next call removes what stays behind
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// writeTemp makes a durable file, except for its name.
func writeTemp(fsys durable.FS, temp string, m meta, fill func(*runWriter) error) error {
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	w := &runWriter{out: &output{file: f, buf: make([]byte, 0, outputBytes)}, n: m.entries(), foot: footer{policy: m.policy}}
	w.out.write(m.appendHeader(nil))
	if err = fill(w); err == nil {
		err = w.finish()
	}
	return errors.Join(err, f.Close())
}

// A runWriter writes the sections of a run. Its methods come in the order of the
// sections.
type runWriter struct {
	out  *output
	n    uint64 // entries
	foot footer

	// for sections that come later
	filter      *filter
	directories [2][]byte // by class
	zones       zones
}

// section notes where what write writes is.
func (w *runWriter) section(s section, write func() error) error {
	at := w.out.pos()
	err := write()
	w.foot.sections[s] = extent{off: at, len: w.out.pos() - at, sum: w.foot.sections[s].sum}
	return err
}

// whole writes a section that has one checksum.
func (w *runWriter) whole(s section, b []byte) error {
	return w.section(s, func() error {
		w.foot.sections[s].sum = w.out.sum(0, b)
		return w.out.err
	})
}

// dictionary writes the buckets and lists of a dictionary of at most bound terms,
// which fill adds.
func (w *runWriter) dictionary(c class, bound int, fill func(*dictWriter) error) error {
	d := newDictWriter(w.out, bitsFor(uint64(bound)), w.n)
	if c == identities {
		w.filter = newFilter(bound)
		d.filter = w.filter
	}
	err := w.section(c.lists(), func() error {
		if err := fill(d); err != nil {
			return err
		}
		return d.close()
	})
	w.directories[c], w.foot.bits[c], w.foot.distinct[c] = d.directory, d.bits, d.distinct
	return err
}

// times writes the time column. Of an entry a span is known, in which its time is.
func (w *runWriter) times(at func(i uint32) (span, error)) error {
	all := span{math.MaxInt64, math.MinInt64}
	var times [blockEntries]span
	err := w.section(timeColumn, func() error {
		return column(w, times[:], at, func(dst []byte, times []span) []byte {
			dst, zone := appendTimeBlock(dst, times)
			w.zones = appendZone(w.zones, zone)
			all = span{min(all.since, zone.since), max(all.last, zone.last)}
			return dst
		})
	})
	w.foot.times = all
	return err
}

// rows writes the entry column.
func (w *runWriter) rows(at func(i uint32) (row, error)) error {
	var rows [blockEntries]row
	return w.section(entryColumn, func() error { return column(w, rows[:], at, appendRowBlock) })
}

// column writes the values of all entries in blocks, gathering each in block.
func column[T any](w *runWriter, block []T, at func(i uint32) (T, error), encode func(dst []byte, block []T) []byte) (err error) {
	var buf []byte
	for from := uint64(0); from < w.n; from += blockEntries {
		block = block[:min(blockEntries, w.n-from)]
		for i := range block {
			if block[i], err = at(uint32(from) + uint32(i)); err != nil {
				return err
			}
		}
		buf = encode(buf[:0], block)
		if w.out.write(buf); w.out.err != nil {
			return w.out.err
		}
	}
	return nil
}

// kinds writes the kind table.
func (w *runWriter) kinds(all iter.Seq2[engine.KindCount, error]) error {
	return w.section(kindTable, func() error {
		var buf []byte
		order := kindOrder{n: w.n}
		sum := uint32(0)
		for k, err := range all {
			if err == nil {
				err = order.add(k)
			}
			if err != nil {
				return err
			}
			buf = appendKind(buf[:0], k)
			if sum = w.out.sum(sum, buf); w.out.err != nil {
				return w.out.err
			}
		}
		w.foot.kinds, w.foot.sections[kindTable].sum = order.rows, sum
		return nil
	})
}

// finish writes the remaining sections, the footer and the trailer, and syncs.
func (w *runWriter) finish() error {
	return inOrder(
		func() error { return w.whole(filterBits, w.filter.blocks) },
		func() error { return w.whole(identityDirectory, w.directories[identities]) },
		func() error { return w.whole(termDirectory, w.directories[terms]) },
		func() error { return w.whole(zoneTable, w.zones) },
		func() error {
			foot := w.foot.append(nil)
			w.out.write(foot)
			w.out.write(appendTrailer(nil, foot))
			return w.out.close()
		},
	)
}

// Sizes of writing.
const (
	outputBytes = 256 << 10 // written at once
	syncBytes   = 2 << 20   // synced at once, so that no sync takes long
)

// An output writes a file from its start. After an error it does nothing more.
type output struct {
	file     durable.File
	stop     func() error // asked before each write; nil if there is no need to
	buf      []byte
	off      int64 // of buf
	unsynced int
	err      error
}

// pos returns the offset of the next byte.
func (o *output) pos() int64 { return o.off + int64(len(o.buf)) }

// write writes b.
func (o *output) write(b []byte) {
	for len(b) > 0 && o.err == nil {
		n := copy(o.buf[len(o.buf):cap(o.buf)], b)
		o.buf, b = o.buf[:len(o.buf)+n], b[n:]
		if len(o.buf) == cap(o.buf) {
			o.flush()
		}
	}
}

// sum writes b and returns the checksum of it behind the bytes that sum is of.
func (o *output) sum(sum uint32, b []byte) uint32 {
	o.write(b)
	return updateChecksum(sum, b)
}

// flush writes the buffer to the file, and now and then syncs.
func (o *output) flush() {
	if o.stop != nil {
		o.err = o.stop()
	}
	if o.err != nil {
		return
	}
	n := len(o.buf)
	if _, o.err = o.file.WriteAt(o.buf, o.off); o.err != nil {
		return
	}
	o.off, o.buf = o.off+int64(n), o.buf[:0]
	if o.unsynced += n; o.unsynced >= syncBytes {
		o.err, o.unsynced = o.file.Sync(), 0
	}
}

// close writes and syncs what is left.
func (o *output) close() error {
	if o.flush(); o.err == nil {
		o.err = o.file.Sync()
	}
	if o.err != nil {
		return fmt.Errorf("write run: %w", o.err)
	}
	return nil
}

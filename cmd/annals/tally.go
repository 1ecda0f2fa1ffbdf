package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sort"
)

// Bounds of a tally.
const (
	tallyKeys = 1 << 17 // keys in memory
	tallyFan  = 8       // runs of one level that become one of the next
)

// A lineKey stands for a line: half of its SHA-256.
type lineKey [16]byte

// A tally counts how often each key came, exactly, in memory that stays bounded
// however many keys there are: what does not fit goes to sorted temporary files,
// which have no names where the system allows it, and are gone after close.
type tally struct {
	most   int                // keys in recent before they go to a file
	recent map[lineKey]uint64 // how often the keys that came last came in all
	runs   []*tallyRun        // oldest first, levels never rise; the last that has a key knows best
}

func newTally(most int) *tally {
	return &tally{most: most, recent: make(map[lineKey]uint64)}
}

// add counts a key, and returns how often it came before.
func (t *tally) add(k lineKey) (before uint64, err error) {
	before, known := t.recent[k]
	for i := len(t.runs) - 1; i >= 0 && !known && err == nil; i-- {
		before, known, err = t.runs[i].find(k)
	}
	if err != nil {
		return 0, fmt.Errorf("count equal lines: %w", err)
	}
	t.recent[k] = before + 1
	if len(t.recent) >= t.most {
		if err := t.spill(); err != nil {
			return 0, fmt.Errorf("count equal lines: %w", err)
		}
	}
	return before, nil
}

// spill writes what is in memory to a file, and merges files that have become many.
func (t *tally) spill() error {
	w, err := newTallyWriter(0, len(t.recent))
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(t.recent), func(a, b lineKey) int { return bytes.Compare(a[:], b[:]) })
	for _, k := range keys {
		w.add(k, t.recent[k])
	}
	clear(t.recent)
	if err := t.take(w); err != nil {
		return err
	}
	for t.crowded() {
		if err := t.merge(); err != nil {
			return err
		}
	}
	return nil
}

// take adds the run that w has written.
func (t *tally) take(w *tallyWriter) error {
	t.runs = append(t.runs, w.run) // close closes it whatever happens
	return w.out.Flush()
}

// crowded reports whether the newest runs are as many of one level as may be.
func (t *tally) crowded() bool {
	n := len(t.runs)
	return n >= tallyFan && t.runs[n-tallyFan].level == t.runs[n-1].level
}

// merge makes the newest runs one.
func (t *tally) merge() error {
	old := slices.Clone(t.runs[len(t.runs)-tallyFan:])
	total := 0
	var heads []*tallyCursor
	for _, r := range slices.Backward(old) { // of equal keys the newest comes first
		total += r.keys
		heads = append(heads, newTallyCursor(r))
	}
	w, err := newTallyWriter(old[0].level+1, total)
	if err != nil {
		return err
	}
	err = mergeRuns(w, heads)
	t.runs = t.runs[:len(t.runs)-tallyFan]
	err = errors.Join(err, t.take(w))
	for _, r := range old {
		err = errors.Join(err, r.close())
	}
	return err
}

// mergeRuns writes the keys of heads, each once, with the count of the first of
// heads that has it.
func mergeRuns(w *tallyWriter, heads []*tallyCursor) error {
	for {
		var next *tallyCursor
		for _, h := range heads {
			if h.err != nil && h.err != io.EOF {
				return h.err
			}
			if h.err == nil && (next == nil || bytes.Compare(h.key[:], next.key[:]) < 0) {
				next = h
			}
		}
		if next == nil {
			return nil
		}
		key, count := next.key, next.count
		w.add(key, count)
		for _, h := range heads {
			if h.err == nil && h.key == key {
				h.next()
			}
		}
	}
}

// close removes the files.
func (t *tally) close() error {
	var err error
	for _, r := range t.runs {
		err = errors.Join(err, r.close())
	}
	t.runs = nil
	return err
}

// tallyRecord is the size of a key and its count in a file.
const tallyRecord = len(lineKey{}) + 8

// A tallyRun is a file of keys and counts, sorted by key.
type tallyRun struct {
	level int
	keys  int
	file  *os.File
	seen  bloom
}

// find looks a key up.
func (r *tallyRun) find(k lineKey) (count uint64, found bool, err error) {
	if !r.seen.mayHave(k) {
		return 0, false, nil
	}
	var record [tallyRecord]byte
	i := sort.Search(r.keys, func(i int) bool {
		if err != nil {
			return true
		}
		_, err = r.file.ReadAt(record[:], int64(i)*int64(tallyRecord))
		return bytes.Compare(record[:len(k)], k[:]) >= 0
	})
	if err != nil || i == r.keys {
		return 0, false, err
	}
	if _, err = r.file.ReadAt(record[:], int64(i)*int64(tallyRecord)); err != nil || lineKey(record[:len(k)]) != k {
		return 0, false, err
	}
	return binary.LittleEndian.Uint64(record[len(k):]), true, nil
}

func (r *tallyRun) close() error {
	err := r.file.Close()
	_ = os.Remove(r.file.Name()) // unless that was possible while it was open
	return err
}

// A tallyWriter writes a run.
type tallyWriter struct {
	run *tallyRun
	out *bufio.Writer // its errors stay until the flush
}

// newTallyWriter makes the file of a run of at most some keys.
func newTallyWriter(level, keys int) (*tallyWriter, error) {
	file, err := os.CreateTemp("", "annals-import-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // where an open file can be, it is gone even if this process is killed
	return &tallyWriter{&tallyRun{level: level, file: file, seen: newBloom(keys)}, bufio.NewWriterSize(file, 64<<10)}, nil
}

// add writes the next key.
func (w *tallyWriter) add(k lineKey, count uint64) {
	w.run.keys++
	w.run.seen.add(k)
	_, _ = w.out.Write(k[:])
	_, _ = w.out.Write(binary.LittleEndian.AppendUint64(nil, count))
}

// A tallyCursor reads a run from its start.
type tallyCursor struct {
	in    *bufio.Reader
	key   lineKey
	count uint64
	err   error // io.EOF behind the last key
}

func newTallyCursor(r *tallyRun) *tallyCursor {
	c := &tallyCursor{in: bufio.NewReaderSize(io.NewSectionReader(r.file, 0, int64(r.keys)*int64(tallyRecord)), 64<<10)}
	c.next()
	return c
}

func (c *tallyCursor) next() {
	var record [tallyRecord]byte
	if _, c.err = io.ReadFull(c.in, record[:]); c.err == nil {
		c.key, c.count = lineKey(record[:len(c.key)]), binary.LittleEndian.Uint64(record[len(c.key):])
	}
}

// A bloom knows of most keys that were not added that they were not.
type bloom []uint64

// Sizes of a bloom. Above the most, more lookups go to the file.
const (
	bloomBits     = 10 // a key
	bloomProbes   = 6
	mostBloomBits = 64 << 20
)

func newBloom(keys int) bloom {
	bits := min(uint64(keys)*bloomBits, mostBloomBits)
	return make(bloom, cmp.Or(bits/64, 1))
}

// each passes the places of a key's bits to do, until that returns false.
func (b bloom) each(k lineKey, do func(word *uint64, bit uint64) bool) bool {
	at, step := binary.LittleEndian.Uint64(k[:]), binary.LittleEndian.Uint64(k[8:])|1
	for range bloomProbes {
		place := at % (uint64(len(b)) * 64)
		if !do(&b[place/64], 1<<(place%64)) {
			return false
		}
		at += step
	}
	return true
}

func (b bloom) add(k lineKey) {
	b.each(k, func(word *uint64, bit uint64) bool {
		*word |= bit
		return true
	})
}

func (b bloom) mayHave(k lineKey) bool {
	return b.each(k, func(word *uint64, bit uint64) bool { return *word&bit != 0 })
}

package wal_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
)

// seedSegments are sound segments and damaged ones.
func seedSegments(t testing.TB) [][]byte {
	one := newTestLog(t, 64<<10)
	one.append([]byte(`{"n":0}`))
	check(t, one.log.Mark())
	many := newTestLog(t, 64<<10)
	many.append([]byte(`{"n":0}`), []byte(`{"n":1}`))
	many.fill(6)
	check(t, many.log.Mark())
	var seeds [][]byte
	for _, l := range []*testLog{one, many} {
		l.close()
		b := []byte(files(t, l.fs)[wal.SegmentName(0, 0)])
		filled := append(bytes.Clone(b), make([]byte, 600)...) // as before closing
		seeds = append(seeds, b, filled, b[:len(b)-1], b[:len(b)/2], b[:wal.HeaderBytes], append(bytes.Clone(b), b...))
		for _, at := range []int{8, 40, 128, 132, 168, 200, 208, len(b) - 40} {
			flipped := bytes.Clone(b)
			flipped[at] ^= 0x10
			seeds = append(seeds, flipped)
		}
	}
	for _, tt := range headerFaults {
		b := bytes.Clone(seeds[0])
		tt.change(b)
		sumHeader(b)
		seeds = append(seeds, b)
	}
	for _, tt := range recordFaults {
		rec := testRecord()
		tt.change(rec)
		sumRecord(rec)
		seeds = append(seeds, append(bytes.Clone(seeds[0][:wal.HeaderBytes]), rec...))
	}
	return append(seeds, nil, make([]byte, 600))
}

// addSeeds adds seeds, of which there must be some.
func addSeeds(f *testing.F, seeds [][]byte) {
	if len(seeds) == 0 {
		f.Fatal("there are no seeds")
	}
	for _, b := range seeds {
		f.Add(b)
	}
}

// FuzzSegment takes any bytes for the newest segment (fault 52). Whatever they
// are, reading them neither panics nor takes memory out of proportion, yields only
// bytes that are there, and changes nothing that is called damaged.
func FuzzSegment(f *testing.F) {
	addSeeds(f, seedSegments(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		fuzzSegment(t, b)
		if first := wal.HeaderBytes; len(b) >= first+wal.RecordBytes { // past the checksums
			b = bytes.Clone(b)
			sumHeader(b)
			sumRecord(b[first:])
			fuzzSegment(t, b)
		}
	})
}

func fuzzSegment(t *testing.T, b []byte) {
	fsys := withFiles(t, map[string]string{wal.SegmentName(0, 0): string(b)})
	opts := wal.Options{Journal: journalID, SegmentBytes: 64 << 10}
	before := allocated()
	entries := fuzzRead(t, fsys, opts, b)
	if used := allocated() - before; used > 32<<20+64*uint64(len(b)) {
		t.Fatalf("reading %d bytes took %d bytes of memory", len(b), used)
	}
	fuzzOpen(t, fsys, opts, b, entries)
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// fuzzRead reads a log of one segment in every way, and returns what Check saw.
func fuzzRead(t *testing.T, fsys durable.FS, opts wal.Options, b []byte) (entries []string) {
	problem, gap := false, false
	_, err := wal.Check(fsys, opts, false, wal.Visitor{Problem: func(*engine.CorruptError) { problem = true }, Entry: func(p engine.Position, e []byte) error {
		if int(p) < len(entries) || int(p) > len(entries) && !problem {
			t.Fatalf("Check shows entry %d after %d", p, len(entries))
		}
		if int(p) > len(entries) {
			gap = true
		}
		if !gap { // what lies behind a gap is compared by the views below
			entries = append(entries, string(e))
		}
		return nil
	}})
	if err != nil && !errors.Is(err, engine.ErrNewerFormat) {
		t.Fatalf("Check: %v", err)
	}
	for _, live := range []bool{true, false} {
		r, err := wal.OpenReader(fsys, opts, live)
		if errors.Is(err, engine.ErrNewerFormat) {
			return nil
		}
		check(t, err)
		defer r.Close()
		got, _ := readable(t, r.View())
		for p, text := range got {
			if !bytes.Contains(b, []byte(text)) {
				t.Fatalf("entry %d is %q, which is not in the file", p, text)
			}
			if one, err := r.View().Read(nil, p); err != nil || string(one) != text {
				t.Fatalf("read of %d gives %q, %v; scan %q", p, one, err, text)
			}
		}
		if _, err := r.Refresh(); err != nil {
			t.Fatalf("refresh: %v", err)
		}
	}
	return entries
}

// fuzzOpen opens a log of one segment for writing. What is damaged stays as it
// is; what is taken can be appended to and is sound afterwards.
func fuzzOpen(t *testing.T, fsys durable.FS, opts wal.Options, b []byte, entries []string) {
	all := files(t, fsys)
	log, _, damage, err := wal.Open(fsys, opts)
	if errors.Is(err, engine.ErrNewerFormat) {
		return
	}
	check(t, err)
	defer log.CloseReads()
	if len(damage) > 0 {
		log.Close()
		if !maps.Equal(all, files(t, fsys)) {
			t.Fatal("opening changed what is damaged")
		}
		return
	}
	l := testLog{t: t, fs: fsys, opts: opts, log: log}
	for raw, err := range log.View().Scan(context.Background(), 0, log.View().Size()) {
		check(t, err)
		l.want = append(l.want, bytes.Clone(raw.Bytes))
	}
	for i, e := range entries { // proven before, so kept
		if string(l.want[i]) != e {
			t.Fatalf("entry %d was %q, is %q", i, e, l.want[i])
		}
	}
	l.fill(1)
	l.check(log.View())
	l.close()
	if n := problems(t, fsys, l.opts); n > 0 {
		t.Fatalf("%d problems after opening and closing", n)
	}
	l.open()
	l.check(l.log.View())
	l.close()
}

// FuzzSealed takes any bytes for a segment that has a successor.
func FuzzSealed(f *testing.F) {
	addSeeds(f, seedSegments(f))
	l := newTestLog(f, 512)
	l.fill(6)
	l.close()
	sound := files(f, l.fs)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		all := maps.Clone(sound)
		name := wal.SegmentName(1, 3)
		if _, ok := all[name]; !ok {
			t.Fatalf("no segment %s", name)
		}
		all[name] = string(b)
		fsys := withFiles(t, all)
		before := allocated()
		r, err := wal.OpenReader(fsys, l.opts, false)
		if errors.Is(err, engine.ErrNewerFormat) {
			return
		}
		check(t, err)
		defer r.Close()
		got, _ := readable(t, r.View())
		for p, text := range got {
			if !bytes.Contains(b, []byte(text)) && text != string(l.want[p]) {
				t.Fatalf("entry %d is %q, which is in no file", p, text)
			}
		}
		if n := problems(t, fsys, l.opts); n == 0 && string(b[:min(len(b), len(sound[name]))]) != sound[name] {
			t.Fatal("Check found nothing")
		}
		if used := allocated() - before; used > 64<<20+64*uint64(len(b)) {
			t.Fatalf("reading %d bytes took %d bytes of memory", len(b), used)
		}
	})
}

// FuzzHeader parses any bytes as a segment header: what is taken is what the
// writer would have written.
func FuzzHeader(f *testing.F) {
	seeds := [][]byte{testHeader().AppendTo(nil), make([]byte, wal.HeaderBytes), nil}
	for _, tt := range headerFaults {
		b := testHeader().AppendTo(nil)
		tt.change(b)
		sumHeader(b)
		seeds = append(seeds, b)
	}
	addSeeds(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := wal.ParseHeader(b)
		if err == nil && !bytes.Equal(h.AppendTo(nil), b[:wal.HeaderBytes]) {
			t.Fatalf("%x was taken as %+v", b, h)
		}
		if len(b) >= wal.HeaderBytes { // past the checksum
			b = bytes.Clone(b)
			sumHeader(b)
			if h, err := wal.ParseHeader(b); err == nil && !bytes.Equal(h.AppendTo(nil), b[:wal.HeaderBytes]) {
				t.Fatalf("%x was taken as %+v", b, h)
			}
		}
	})
}

// FuzzRecord reads any bytes as a record, as they are and with their checksum and
// hash made right: what is taken is what the writer would have written.
func FuzzRecord(f *testing.F) {
	seeds := [][]byte{testRecord(), wal.PutRecord(2, 128, 128, 5), make([]byte, wal.RecordBytes), nil}
	for _, tt := range recordFaults {
		b := testRecord()
		tt.change(b)
		seeds = append(seeds, b)
	}
	addSeeds(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzRecord(t, b)
		if len(b) >= wal.RecordBytes {
			b = bytes.Clone(b)
			sumRecord(b)
			fuzzRecord(t, b)
		}
	})
}

func fuzzRecord(t *testing.T, b []byte) {
	for _, full := range []bool{false, true} {
		r, err := wal.ReadRecord(at(128, b), 128, 128+int64(len(b)), full)
		if err != nil || !full {
			continue
		}
		if want := wal.PutRecord(r.Kind, r.Offset, r.Durable, r.First, r.Entries...); !bytes.Equal(want, b[:r.Size]) {
			t.Fatalf("%x was taken as %+v", b, r)
		}
	}
}

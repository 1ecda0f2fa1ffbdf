package wal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
	"github.com/zeebo/blake3"
)

var le = binary.LittleEndian

// sumHeader makes a header's checksum right again.
func sumHeader(b []byte) { le.PutUint32(b[124:], sumOf(b[:124])) }

// sumRecord makes a record's checksum and hash right again, whatever its head and
// entries say.
func sumRecord(b []byte) {
	h := blake3.New()
	h.Write(b[40:80])
	end := max(80, min(40+int(le.Uint32(b)), len(b)))
	for rest := b[80:end]; len(rest) >= 8; {
		n := min(int(le.Uint32(rest)), len(rest)-8)
		sum := sha256.Sum256(rest[8 : 8+n])
		h.Write(sum[:])
		rest = rest[8+n:]
	}
	copy(b[8:40], h.Sum(nil))
	sumHead(b)
}

// sumHead makes a record's checksum right again.
func sumHead(b []byte) {
	le.PutUint32(b[4:], sumOf(slices.Concat(b[:4], b[8:40])))
}

// headerFaults are headers that must not be taken, each with its reason.
var headerFaults = []struct {
	name   string
	change func(b []byte)
	resum  bool
	want   string
}{
	{"magic", func(b []byte) { b[0] = 'A' }, true, "unknown magic"},
	{"magic in text mode", func(b []byte) { b[7] = '\r' }, true, "unknown magic"},
	{"newer version", func(b []byte) { b[8] = 3 }, true, "newer"},
	{"older version", func(b []byte) { b[8] = 1 }, true, "version 1 is unknown"},
	{"no version", func(b []byte) { b[8] = 0 }, true, "version 0 is unknown"},
	{"version flipped", func(b []byte) { b[8] = 3 }, false, "checksum"},
	{"checksum", func(b []byte) { b[127] ^= 1 }, false, "checksum"},
	{"journal flipped", func(b []byte) { b[16] ^= 1 }, false, "checksum"},
	{"header size", func(b []byte) { b[12] = 127 }, true, "reserved"},
	{"reserved behind the ordinal", func(b []byte) { b[36] = 1 }, true, "reserved"},
	{"reserved, first byte", func(b []byte) { b[88] = 1 }, true, "reserved"},
	{"reserved, last byte", func(b []byte) { b[123] = 1 }, true, "reserved"},
	{"previous end", func(b []byte) { b[55] = 0x80 }, true, "previous end"},
}

func testHeader() wal.Header {
	return wal.Header{Journal: journalID, Ordinal: 7, First: 1234, PrevEnd: 4096, Chain: sha256.Sum256([]byte("x"))}
}

func TestHeaderFaults(t *testing.T) {
	for _, tt := range headerFaults {
		t.Run(tt.name, func(t *testing.T) {
			b := testHeader().AppendTo(nil)
			tt.change(b)
			if tt.resum {
				sumHeader(b)
			}
			_, err := wal.ParseHeader(b)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want one with %q", err, tt.want)
			}
			if got := errors.Is(err, engine.ErrNewerFormat); got != (tt.want == "newer") {
				t.Errorf("ErrNewerFormat is %v: %v", got, err)
			}
		})
	}
	for n := range wal.HeaderBytes {
		if _, err := wal.ParseHeader(testHeader().AppendTo(nil)[:n]); err == nil {
			t.Fatalf("a header of %d bytes was taken", n)
		}
	}
	got, err := wal.ParseHeader(append(testHeader().AppendTo(nil), 1))
	if err != nil || got != testHeader() {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestHeaderFlips flips every bit of a header: each is noticed, and none makes
// the program claim that the segment is of a later format.
func TestHeaderFlips(t *testing.T) {
	for bit := range wal.HeaderBytes * 8 {
		b := testHeader().AppendTo(nil)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := wal.ParseHeader(b); err == nil || errors.Is(err, engine.ErrNewerFormat) {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
}

// recordFaults are records that must not be taken, each with its reason. All have
// checksum and hash right, unless the reason is one of them.
var recordFaults = []struct {
	name   string
	change func(b []byte)
	resum  func(b []byte)
	want   string
}{
	{"length flipped", func(b []byte) { b[1] ^= 1 }, nil, "checksum"},
	{"checksum flipped", func(b []byte) { b[4] ^= 1 }, nil, "checksum"},
	{"hash flipped", func(b []byte) { b[39] ^= 1 }, nil, "checksum"},
	{"hash wrong", func(b []byte) { b[39] ^= 1 }, sumHead, "record hash"},
	{"too short for a head", func(b []byte) { le.PutUint32(b, 39) }, sumHead, "past the end"},
	{"past the end", func(b []byte) { le.PutUint32(b, 1<<20) }, sumHead, "past the end"},
	{"longest length", func(b []byte) { le.PutUint32(b, 1<<32-1) }, sumHead, "past the end"},
	{"kind zero", func(b []byte) { b[40] = 0 }, sumRecord, "kind 0"},
	{"kind unknown", func(b []byte) { b[40] = 3 }, sumRecord, "kind 3"},
	{"marker with entries", func(b []byte) { b[40] = 2 }, sumRecord, "marker has entries"},
	{"flags", func(b []byte) { b[44] = 1 }, sumRecord, "reserved"},
	{"reserved", func(b []byte) { b[79] = 1 }, sumRecord, "reserved"},
	{"own offset", func(b []byte) { b[48] = 136 }, sumRecord, "belongs at byte 136"},
	{"durable behind itself", func(b []byte) { b[56] = 129 }, sumRecord, "durable offset"},
	{"durable negative", func(b []byte) { b[63] = 0x80 }, sumRecord, "durable offset"},
	{"count zero", func(b []byte) { b[72] = 0 }, sumRecord, "no room"},
	{"count too large", func(b []byte) { le.PutUint32(b[72:], 1<<32-1) }, sumRecord, "no room"},
	{"one entry too many", func(b []byte) { b[72] = 3 }, sumRecord, "its head says 3"},
	{"one entry too few", func(b []byte) { b[72] = 1 }, sumRecord, "its head says 1"},
	{"entry length too large", func(b []byte) { b[80] = 0xff }, sumRecord, "its head says 2"},
	{"entry checksum", func(b []byte) { b[84] ^= 1 }, sumRecord, "entry 5: checksum"},
	{"entry flipped", func(b []byte) { b[88] ^= 1 }, nil, "entry 5: checksum"},
	{"second entry flipped", func(b []byte) { b[len(b)-8] ^= 1 }, nil, "entry 6: checksum"},
	{"entry replaced", func(b []byte) { b[88] ^= 1; le.PutUint32(b[84:], sumOf(b[88:95])) }, nil, "record hash"},
	{"padding", func(b []byte) { b[len(b)-1] = 1 }, nil, "padding"},
}

// testRecord is a record of two entries for offset 128, with padding.
func testRecord() []byte {
	return wal.PutRecord(1, 128, 128, 5, []byte(`{"a":1}`), []byte(`{"b":2}...`))
}

// at returns a file that has b at an offset and zeros before.
func at(off int64, b []byte) *bytes.Reader {
	return bytes.NewReader(append(make([]byte, off), b...))
}

func TestRecordFaults(t *testing.T) {
	for _, tt := range recordFaults {
		t.Run(tt.name, func(t *testing.T) {
			b := testRecord()
			tt.change(b)
			if tt.resum != nil {
				tt.resum(b)
			}
			_, err := wal.ReadRecord(at(128, b), 128, 128+int64(len(b)), true)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !wal.IsDamage(err) {
				t.Fatalf("%v, want damage with %q", err, tt.want)
			}
		})
	}
	b := testRecord()
	got, err := wal.ReadRecord(at(128, b), 128, 128+int64(len(b)), true)
	check(t, err)
	if got.Size != int64(len(b)) || got.First != 5 || len(got.Entries) != 2 || string(got.Entries[1]) != `{"b":2}...` {
		t.Errorf("%+v", got)
	}
}

// TestFault15RecordFlips flips every bit of a record: a flip in the length or in
// the hash is caught by the head's checksum before the length is used, the others
// by the hash.
func TestFault15RecordFlips(t *testing.T) {
	for bit := range len(testRecord()) * 8 {
		b := testRecord()
		b[bit/8] ^= 1 << (bit % 8)
		_, err := wal.ReadRecord(at(128, b), 128, 128+int64(len(b)), true)
		if !wal.IsDamage(err) {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
		if bit < 40*8 && !strings.Contains(err.Error(), "record checksum") {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
}

// TestRecordCutOff reads a record of which only the first n bytes are there.
func TestRecordCutOff(t *testing.T) {
	b := testRecord()
	for n := range len(b) {
		_, err := wal.ReadRecord(at(128, b[:n]), 128, 128+int64(n), true)
		if n == 0 && !errors.Is(err, io.EOF) || n > 0 && !wal.IsDamage(err) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
		// The file is shorter than the reader was told: never zeros in its place.
		if _, err := wal.ReadRecord(at(128, b[:n]), 128, 128+int64(len(b)), true); err == nil {
			t.Fatalf("%d of %d bytes were taken for the whole", n, len(b))
		}
	}
	for _, zeros := range []int{1, 79, 80, 81, 4096} {
		_, err := wal.ReadRecord(at(0, make([]byte, 128+zeros)), 128, 128+int64(zeros), true)
		if err == nil || wal.IsDamage(err) || errors.Is(err, io.EOF) {
			t.Errorf("%d zeros: %v", zeros, err)
		}
	}
}

// TestResync finds the next sound record behind damage of every length, and none
// where there is none.
func TestResync(t *testing.T) {
	for gap := int64(0); gap < 64; gap++ {
		off := (128 + gap + 7) / 8 * 8
		next := wal.PutRecord(1, off, 128, 9, []byte("next"))
		file := append(bytes.Repeat([]byte{0xA5}, int(off)), next...)
		got, ok, err := wal.Resync(bytes.NewReader(file), 128, int64(len(file)))
		check(t, err)
		if !ok || got.Offset != off || string(got.Entries[0]) != "next" {
			t.Fatalf("gap %d: %v %+v", gap, ok, got)
		}
		file[len(file)-8] ^= 1
		if got, ok, err := wal.Resync(bytes.NewReader(file), 128, int64(len(file))); ok || err != nil {
			t.Fatalf("gap %d: %+v, %v", gap, got, err)
		}
	}
}

// TestResyncIgnoresCopies looks for records where stale or misdirected ones lie:
// they name another place as theirs.
func TestResyncIgnoresCopies(t *testing.T) {
	old := wal.PutRecord(1, 128, 128, 9, []byte("copy"))
	file := slices.Concat(make([]byte, 136), old, old, old)
	if got, ok, err := wal.Resync(bytes.NewReader(file), 128, int64(len(file))); ok || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestResyncIsBounded plants heads with a right checksum that claim all the rest
// of the file, each as costly as can be. Looking at each in full would take time
// with the square of the file's size, so the search gives up: it finds the sound
// record behind one of them, and not behind thousands.
func TestResyncIsBounded(t *testing.T) {
	for _, forged := range []int{1, 8 << 10} {
		size := int64(128 + forged*96 + 96)
		file := make([]byte, 128, size)
		for off := int64(128); off+96 < size; off += 96 {
			b := wal.PutRecord(1, off, 128, 9, []byte("12345678"))
			le.PutUint32(b, uint32(size-off-40))
			le.PutUint32(b[80:], uint32(size-off-88))
			le.PutUint32(b[84:], 0)
			sumHead(b)
			file = append(file, b...)
		}
		file = append(file, wal.PutRecord(1, int64(len(file)), 128, 9, []byte("12345678"))...)
		got, ok, err := wal.Resync(bytes.NewReader(file), 128, size)
		check(t, err)
		if ok != (forged == 1) {
			t.Errorf("behind %d forged heads: found %v %+v", forged, ok, got)
		}
	}
}

// TestSegmentFaults puts each kind of damage of a header or a record into a log
// of three segments and opens it: the log is readable around the gap, nothing can
// be appended, and no file changes.
func TestSegmentFaults(t *testing.T) {
	l := newTestLog(t, 512)
	l.fill(12)
	l.close()
	sound := files(t, l.fs)
	names := slices.Sorted(maps.Keys(sound))
	if len(names) < 3 {
		t.Fatalf("%d segments", len(names))
	}
	damage := func(t *testing.T, name string, change func(b []byte)) {
		all := maps.Clone(sound)
		b := []byte(all[name])
		change(b)
		all[name] = string(b)
		openDamaged(t, withFiles(t, all), l)
	}
	for _, name := range names {
		for _, tt := range headerFaults {
			if tt.want == "newer" {
				continue
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				damage(t, name, func(b []byte) {
					tt.change(b)
					if tt.resum {
						sumHeader(b)
					}
				})
			})
		}
		for what, change := range map[string]func(b []byte){
			"ordinal":       func(b []byte) { b[32]++; sumHeader(b) },
			"position":      func(b []byte) { b[40]++; sumHeader(b) },
			"journal":       func(b []byte) { b[16]++; sumHeader(b) },
			"chain":         func(b []byte) { b[56]++; sumHeader(b) },
			"previous end":  func(b []byte) { b[48] += 8; sumHeader(b) },
			"record length": func(b []byte) { b[128]++ },
			"record":        func(b []byte) { b[216]++ },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				damage(t, name, change)
			})
		}
	}
}

// openDamaged checks that a log with some damage is reported by Check, and either
// opens for reading or, where Open reads no more than names, as sound.
func openDamaged(t *testing.T, fsys durable.FS, l *testLog) {
	t.Helper()
	before := files(t, fsys)
	var problems []*engine.CorruptError
	_, err := wal.Check(fsys, l.opts, false, wal.Visitor{Problem: func(c *engine.CorruptError) { problems = append(problems, c) }})
	check(t, err)
	if len(problems) == 0 {
		t.Fatal("Check found nothing")
	}
	log, rec, damage, err := wal.Open(fsys, l.opts)
	check(t, err)
	defer log.CloseReads()
	if rec != nil {
		t.Fatalf("recovered: %+v", rec)
	}
	got, gaps := readable(t, log.View())
	for p, text := range got {
		if text != string(l.want[p]) {
			t.Fatalf("entry %d is %q, want %q", p, text, l.want[p])
		}
	}
	t.Logf("%v; Open: %v; gaps: %v", problems[0], damage, gaps)
	if len(damage) > 0 {
		if err := log.Start(1, 1); !errors.As(err, new(*engine.CorruptError)) {
			t.Fatalf("Start: %v", err)
		}
	}
	log.Close()
	if !maps.Equal(before, files(t, fsys)) {
		t.Fatal("files changed")
	}
}

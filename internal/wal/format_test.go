package wal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/wal"
	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"
)

var update = flag.Bool("update", false, "rewrite golden files")

// A decoded is a segment as docs/format.md describes it, read without the
// package's own code.
type decoded struct {
	Ordinal, First, PrevEnd uint64
	Chain                   string // before the first record
	Records                 []decodedRecord
	After                   string // chain behind the last
}

type decodedRecord struct {
	Kind, Offset, Durable, First uint64
	Entries                      []string
}

func sumOf(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// decode reads a segment that has no damage and nothing behind its records.
func decode(b []byte) (*decoded, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < 128 || string(b[:8]) != "\x89ANNALS\n" || le.Uint32(b[8:]) != 2 || le.Uint32(b[12:]) != 128:
		return nil, fmt.Errorf("not a segment of version 2: % x", b[:min(len(b), 16)])
	case string(b[16:32]) != string(journalID[:]):
		return nil, fmt.Errorf("journal is %x", b[16:32])
	case strings.Trim(string(b[36:40])+string(b[88:124]), "\x00") != "":
		return nil, fmt.Errorf("reserved bytes are set")
	case sumOf(b[:124]) != le.Uint32(b[124:]):
		return nil, fmt.Errorf("header checksum")
	}
	d := &decoded{Ordinal: uint64(le.Uint32(b[32:])), First: le.Uint64(b[40:]), PrevEnd: le.Uint64(b[48:]), Chain: hex.EncodeToString(b[56:88])}
	chain := [32]byte(b[56:88])
	for at := 128; at < len(b); {
		r := b[at:]
		n := int(le.Uint32(r)) // everything after the hash
		if sumOf(append(append([]byte(nil), r[:4]...), r[8:40]...)) != le.Uint32(r[4:]) {
			return nil, fmt.Errorf("record checksum at %d", at)
		}
		rec := decodedRecord{
			Kind: uint64(le.Uint32(r[40:])), Offset: le.Uint64(r[48:]), Durable: le.Uint64(r[56:]), First: le.Uint64(r[64:]),
		}
		hashed := bytes.Clone(r[40:80])
		rest := r[80 : 40+n]
		for range le.Uint32(r[72:]) {
			size := le.Uint32(rest)
			text := rest[8 : 8+size]
			if sumOf(text) != le.Uint32(rest[4:]) {
				return nil, fmt.Errorf("entry checksum at %d", at)
			}
			sum := sha256.Sum256(text)
			hashed = append(hashed, sum[:]...)
			rec.Entries = append(rec.Entries, string(text))
			rest = rest[8+size:]
		}
		hash := blake3.Sum256(hashed)
		if len(rest) != 0 || rec.Offset != uint64(at) || !bytes.Equal(hash[:], r[8:40]) {
			return nil, fmt.Errorf("record at %d: %d bytes left, own offset %d, hash %x", at, len(rest), rec.Offset, hash)
		}
		chain = blake3.Sum256(append(chain[:], hash[:]...))
		end := (at + 40 + n + 7) / 8 * 8
		if bytes.Count(b[at+40+n:end], []byte{0}) != end-at-40-n {
			return nil, fmt.Errorf("padding at %d", at)
		}
		d.Records = append(d.Records, rec)
		at = end
	}
	d.After = hex.EncodeToString(chain[:])
	return d, nil
}

// decodeFile decodes one file of a log.
func decodeFile(t testing.TB, all map[string]string, name string) *decoded {
	t.Helper()
	d, err := decode([]byte(all[name]))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// goldenLogs are the logs whose bytes never change.
var goldenLogs = map[string]func(*testLog){
	"empty": func(*testLog) {},
	"one":   func(l *testLog) { l.append([]byte(`{"n":0}`)) },
	"marker": func(l *testLog) {
		l.append([]byte(`{"n":0}`))
		check(l.t, l.log.Mark())
	},
	"many": func(l *testLog) {
		l.append([]byte(`{"n":0}`), []byte(`{"n":1,"text":"a longer one"}`), []byte(`{}`))
	},
	"group": func(l *testLog) {
		a, b := []byte(`{"n":0}`), []byte(`{"n":1}`)
		check(l.t, l.log.Start(1, int64(len(a))))
		l.record(a)
		l.record(b)
		l.commit()
		l.append([]byte(`{"n":2}`))
	},
	"rotated": func(l *testLog) { l.fill(5) },
}

func goldenLog(t *testing.T, name string) map[string]string {
	size := int64(64 << 10)
	if name == "rotated" {
		size = 512
	}
	l := newTestLog(t, size)
	goldenLogs[name](l)
	l.close()
	l.open()
	l.check(l.log.View())
	l.close()
	return files(t, l.fs)
}

// TestGolden pins the bytes of segments, and reads them with a decoder of its own.
func TestGolden(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(goldenLogs)) {
		t.Run(name, func(t *testing.T) {
			all := goldenLog(t, name)
			var dump strings.Builder
			for _, file := range slices.Sorted(maps.Keys(all)) {
				fmt.Fprintf(&dump, "%s\n%s", file, hex.Dump([]byte(all[file])))
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				check(t, os.WriteFile(path, []byte(dump.String()), 0o644))
			}
			want, err := os.ReadFile(path)
			check(t, err)
			if diff := cmp.Diff(dump.String(), string(want)); diff != "" {
				t.Errorf("bytes differ (-got +want):\n%s", diff)
			}
			checkDecoded(t, all)
		})
	}
}

// checkDecoded decodes all segments and checks how they follow each other.
func checkDecoded(t *testing.T, all map[string]string) {
	t.Helper()
	first := blake3.Sum256(journalID[:])
	chain, end, position := hex.EncodeToString(first[:]), uint64(0), uint64(0)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		d := decodeFile(t, all, name)
		if d.Ordinal != uint64(i) || d.First != position || d.PrevEnd != end || d.Chain != chain {
			t.Fatalf("%s does not follow: %+v; want chain %s, end %d, position %d", name, d, chain, end, position)
		}
		if name != fmt.Sprintf("%08x-%016x.wal", d.Ordinal, d.First) {
			t.Fatalf("%s holds segment %d from position %d", name, d.Ordinal, d.First)
		}
		for _, r := range d.Records {
			if r.First != position || r.Durable > r.Offset {
				t.Fatalf("%s: record %+v, want position %d", name, r, position)
			}
			position += uint64(len(r.Entries))
		}
		chain, end = d.After, uint64(len(all[name]))
	}
}

// TestDecoded checks figures that the golden dumps do not show at a glance.
func TestDecoded(t *testing.T) {
	all := goldenLog(t, "group")
	d := decodeFile(t, all, wal.SegmentName(0, 0))
	want := []decodedRecord{
		{Kind: 1, Offset: 128, Durable: 0, First: 0, Entries: []string{`{"n":0}`}},
		{Kind: 1, Offset: 224, Durable: 0, First: 1, Entries: []string{`{"n":1}`}},
		{Kind: 1, Offset: 320, Durable: 320, First: 2, Entries: []string{`{"n":2}`}},
	}
	if diff := cmp.Diff(d.Records, want); diff != "" {
		t.Errorf("group (-got +want):\n%s", diff)
	}
	d = decodeFile(t, goldenLog(t, "marker"), wal.SegmentName(0, 0))
	want = []decodedRecord{
		{Kind: 1, Offset: 128, First: 0, Entries: []string{`{"n":0}`}},
		{Kind: 2, Offset: 224, Durable: 224, First: 1},
	}
	if diff := cmp.Diff(d.Records, want); diff != "" {
		t.Errorf("marker (-got +want):\n%s", diff)
	}
}

// TestPadding appends entries of every length modulo 8, alone and in pairs.
func TestPadding(t *testing.T) {
	l := newTestLog(t, 1<<20)
	for n := 1; n < 18; n++ {
		e := []byte(strings.Repeat("y", n))
		l.append(e)
		l.append(e, []byte("z"))
	}
	l.check(l.log.View())
	l.close()
	d := decodeFile(t, files(t, l.fs), wal.SegmentName(0, 0))
	if len(d.Records) != 34 {
		t.Fatalf("%d records", len(d.Records))
	}
	l.open()
	l.check(l.log.View())
	l.close()
}

// TestRotationBoundary fills a segment up to n-1, n and n+1 bytes of its size.
func TestRotationBoundary(t *testing.T) {
	const size = 1024
	overhead := int64(wal.HeaderBytes + 2*(wal.RecordBytes+8))
	for _, tt := range []struct {
		name     string
		bytes    int64 // of the second entry, beside a first one of 8 bytes
		segments int
	}{
		{"one byte short", size - overhead - 8 - 1, 1},
		{"exactly full", size - overhead - 8, 1},
		{"one byte over", size - overhead - 8 + 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(t, size)
			l.append([]byte("12345678"))
			l.append(bytes.Repeat([]byte{'a'}, int(tt.bytes)))
			if got := l.log.View().Segments(); got != tt.segments {
				t.Errorf("%d segments, want %d", got, tt.segments)
			}
			l.check(l.log.View())
			l.close()
			l.open()
			l.check(l.log.View())
			l.append([]byte("more"))
			l.check(l.log.View())
			l.close()
		})
	}
}

// TestFits compares what Fits says before with the group's size after.
func TestFits(t *testing.T) {
	const size = 1024
	for n := int64(700); n < 800; n++ {
		l := newTestLog(t, size)
		check(t, l.log.Start(1, 8))
		l.record([]byte("12345678"))
		fits := l.log.Fits(1, n)
		l.record(bytes.Repeat([]byte{'a'}, int(n)))
		if got := l.log.GroupBytes() <= size; got != fits {
			t.Fatalf("an entry of %d bytes: group has %d bytes, Fits said %v", n, l.log.GroupBytes(), fits)
		}
		l.commit()
		l.check(l.log.View())
		l.close()
	}
}

// TestLargeEntry appends entries larger than a segment, than what a point read
// guesses and than what a scan reads at once.
func TestLargeEntry(t *testing.T) {
	l := newTestLog(t, 4096)
	for _, n := range []int{2<<10 - 9, 2<<10 - 8, 2<<10 - 7, 4096, 1 << 20, 3<<20 + 1} {
		l.append(bytes.Repeat([]byte{'b'}, n))
		l.fill(1)
	}
	l.check(l.log.View())
	l.close()
	l.open()
	l.check(l.log.View())
	l.close()
}

// TestBytes compares View.Bytes with the files' lengths.
func TestBytes(t *testing.T) {
	l := newTestLog(t, 1024)
	l.fill(30)
	l.close()
	want := int64(0)
	for _, b := range files(t, l.fs) {
		want += int64(len(b))
	}
	l.open()
	if got := l.log.View().Bytes(); got != want {
		t.Errorf("the view has %d bytes, the files %d", got, want)
	}
	l.close()
	r, err := wal.OpenReader(l.fs, l.opts, false)
	check(t, err)
	defer r.Close()
	if got := r.View().Bytes(); got != want {
		t.Errorf("a reader's view has %d bytes, the files %d", got, want)
	}
	if r.View().Size() != engine.Position(len(l.want)) {
		t.Errorf("size is %d", r.View().Size())
	}
}

// TestWorkedExample reads the segment in docs/format.md, which is the golden one
// with a marker, and what its table says of it.
func TestWorkedExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format.md"))
	check(t, err)
	_, rest, ok := strings.Cut(string(doc), "\n## Worked example of a segment\n")
	if !ok {
		t.Fatal("docs/format.md has no worked example of a segment")
	}
	_, rest, ok = strings.Cut(rest, "```hex\n")
	dump, rest, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("the worked example has no block of hex")
	}
	var b []byte
	for line := range strings.Lines(dump) {
		digits := strings.Join(strings.Fields(line[10:58]), "")
		part, err := hex.DecodeString(digits)
		check(t, err)
		b = append(b, part...)
	}
	name := wal.SegmentName(0, 0)
	if want := goldenLog(t, "marker")[name]; string(b) != want {
		t.Fatalf("the worked example is\n%swant\n%s", hex.Dump(b), hex.Dump([]byte(want)))
	}
	d := decodeFile(t, map[string]string{name: string(b)}, name)
	if len(d.Records) != 2 || d.Records[0].Entries[0] != `{"n":0}` || d.Records[1].Kind != 2 {
		t.Fatalf("%+v", d)
	}
	checkExampleTable(t, b, rest)
}

// checkExampleTable compares the bytes that the example's table names with those
// at its offsets: the first ones before an ellipsis, the last ones behind it.
func checkExampleTable(t *testing.T, b []byte, table string) {
	t.Helper()
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "0x") {
			continue
		}
		rows++
		var off int
		_, err := fmt.Sscanf(strings.TrimSpace(cells[1]), "0x%x", &off)
		check(t, err)
		first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(cells[2]), "`"), "`")
		first, _, _ = strings.Cut(first, "…")
		want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(first, "zeros"), " ", ""))
		check(t, err)
		if !bytes.HasPrefix(b[off:], want) {
			t.Errorf("at %#x the table has % x, the segment % x", off, want, b[off:off+max(1, len(want))])
		}
	}
	if rows != 13 {
		t.Errorf("the table has %d rows, want 13", rows)
	}
}

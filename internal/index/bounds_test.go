package index

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// A sparseFile is all zeros but for its ends.
type sparseFile struct {
	durable.File // nil: nothing else may be called
	head, tail   []byte
	size         int64
}

func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), f.size-off)))
	clear(p[:n])
	if off < int64(len(f.head)) {
		copy(p[:n], f.head[off:])
	}
	if at := f.size - int64(len(f.tail)); off+int64(n) > at {
		copy(p[max(0, at-off):n], f.tail[max(0, off-at):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *sparseFile) Size() (int64, error) { return f.size, nil }
func (f *sparseFile) Close() error         { return nil }

// A sparseFS has one file under every name.
type sparseFS struct {
	durable.FS
	file *sparseFile
}

func (s sparseFS) Open(string) (durable.File, error) { return s.file, nil }

// craft returns a file that says what foot says, of a run of n entries. Its sections
// have the lengths in foot.
func craft(n uint64, foot footer) sparseFS {
	m := meta{owner: testOwner, first: 0, next: engine.Position(n)}
	at := int64(headerBytes)
	for i := range foot.sections {
		foot.sections[i].off = at
		at += foot.sections[i].len
	}
	b := foot.append(nil)
	tail := append(b, appendTrailer(nil, b)...)
	return sparseFS{file: &sparseFile{head: m.appendHeader(nil), tail: tail, size: at + int64(len(tail))}}
}

// claim returns the footer of a run of n entries, with so many terms of each class in
// so many buckets as go with them, and a filter for as many.
func claim(n, distinct uint64) footer {
	var f footer
	f.sections[timeColumn].len = int64(blocksOf(n)) * timeBlockBytes
	f.sections[entryColumn].len = int64(blocksOf(n)) * rowBlockBytes
	f.sections[zoneTable].len = int64(blocksOf(n)) * zoneBytes
	f.sections[filterBits].len = filterBytes(distinct)
	for _, c := range []class{identities, terms} {
		f.bits[c], f.distinct[c] = bitsFor(distinct), distinct
		f.sections[c.directory()].len = directoryBytes << f.bits[c]
		f.sections[c.lists()].len = int64(distinct) * 16
	}
	return f
}

// sumOfZeros is the checksum of so many zeros.
func sumOfZeros(n int64) (sum uint32) {
	zeros := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(zeros)) {
		sum = updateChecksum(sum, zeros[:min(n, int64(len(zeros)))])
	}
	return sum
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// mostWasted is what a crafted file may make its reader allocate in vain: the first
// pieces of a directory and the filter, and buffers.
const mostWasted = 16 << 20

// TestSparseFile: files of a few hundred bytes on disk that say that they are
// gigabytes. What the numbers in the footer do not call for is refused at opening,
// and the rest when it turns out to be zeros.
func TestSparseFile(t *testing.T) {
	const n = 10_000_000
	few := func(edit func(f *footer)) footer {
		f := claim(n, 1000)
		edit(&f)
		return f
	}
	for _, tt := range []struct {
		name  string
		foot  footer
		opens bool
	}{
		{"identities in too many buckets", few(func(f *footer) {
			f.bits[identities] = bitsFor(1000*mergeMost) + 1
			f.sections[identityDirectory].len = directoryBytes << f.bits[identities]
		}), false},
		{"terms in gigabytes of buckets", few(func(f *footer) {
			f.bits[terms] = 30
			f.sections[termDirectory].len = directoryBytes << 30
		}), false},
		{"filter of gigabytes", few(func(f *footer) { f.sections[filterBits].len = 4 << 30 }), false},
		{"filter a block too long", few(func(f *footer) { f.sections[filterBits].len = filterBytes(1000*mergeMost) + filterBlockBytes }), false},
		{"as many buckets and as long a filter as there may be", few(func(f *footer) {
			f.sections[filterBits].len = filterBytes(1000 * mergeMost)
			for _, c := range []class{identities, terms} {
				f.bits[c] = bitsFor(1000 * mergeMost)
				f.sections[c.directory()].len = directoryBytes << f.bits[c]
			}
		}), true},
		{"more identities than entries have", func() footer { return claim(n, 2*n+1) }(), false},
		{"as many identities as there may be", func() footer { return claim(n, 2*n) }(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for s := range sectionCount {
				if s.summed() && tt.opens {
					tt.foot.sections[s].sum = sumOfZeros(tt.foot.sections[s].len)
				}
			}
			fsys := craft(n, tt.foot)
			var r *run
			var err error
			size := allocated(func() { r, err = openRun(fsys, "run", testOwner) })
			if size > mostWasted || tt.opens && err != nil || !tt.opens && !errors.Is(err, errDamaged) {
				t.Fatalf("open: %v, %d bytes allocated", err, size)
			}
			if !tt.opens {
				return
			}
			defer r.release()
			for name, f := range map[string]func() error{
				"filter":    func() error { _, err := r.mayHave(1); return err },
				"directory": func() error { _, err := r.find(terms, 1, 0, true); return err },
				"check":     func() error { return r.check(context.Background()) },
				"merge":     func() error { return mergeRuns(context.Background(), durable.NewMem(), "merged", r.meta, []*run{r}) },
			} {
				size := allocated(func() { err = f() })
				if tt.foot.distinct[terms] > 1000 && !errors.Is(err, errDamaged) {
					t.Errorf("%s: %v", name, err)
				}
				if size > mostWasted {
					t.Errorf("%s: %d bytes allocated, %v", name, size, err)
				}
			}
		})
	}
}

// TestReadSection reads sections of sizes around those of its pieces.
func TestReadSection(t *testing.T) {
	b := make([]byte, 5<<20)
	rand.NewChaCha8([32]byte{}).Read(b)
	clear(b[4<<20-zeroStretch : 4<<20])
	fsys := durable.NewMem()
	fsys.SetBytes("section", b)
	f, err := fsys.Open("section")
	check(t, err)
	defer f.Close()
	for _, size := range []int64{0, 1, firstPiece - 1, firstPiece, firstPiece + 1, 2 * firstPiece, 4<<20 - 1, 4 << 20, 5 << 20} {
		for _, hashed := range []bool{false, true} {
			got, err := readSection(f, extent{len: size}, hashed)
			if zeros := hashed && size >= 4<<20; zeros != errors.Is(err, errDamaged) || !zeros && (err != nil || string(got) != string(b[:size]) || int64(cap(got)) != size) {
				t.Errorf("%d bytes, hashed %v: %d bytes, %v", size, hashed, len(got), err)
			}
		}
		if _, err := readSection(f, extent{off: int64(len(b)) - size, len: size + 1}, false); !errors.Is(err, errDamaged) {
			t.Errorf("%d bytes and one that is not there: %v", size, err)
		}
	}
}

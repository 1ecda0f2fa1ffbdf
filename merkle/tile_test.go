package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/merkle"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
)

// tilePaths are paths and the tiles that they name, one to one.
var tilePaths = []struct {
	path string
	tile merkle.Tile
}{
	{"tile/0/000", merkle.Tile{Width: 256}},
	{"tile/0/000.p/1", merkle.Tile{Width: 1}},
	{"tile/0/999.p/255", merkle.Tile{Index: 999, Width: 255}},
	{"tile/0/x001/000", merkle.Tile{Index: 1_000, Width: 256}},
	{"tile/1/x001/067", merkle.Tile{Level: 1, Index: 1_067, Width: 256}},
	{"tile/3/x001/x234/067.p/10", merkle.Tile{Level: 3, Index: 1_234_067, Width: 10}},
	{"tile/7/000.p/64", merkle.Tile{Level: 7, Width: 64}},
	{"tile/63/000", merkle.Tile{Level: 63, Width: 256}},
	{"tile/entries/000.p/5", merkle.Tile{Entries: true, Width: 5}},
	{"tile/entries/x999/999", merkle.Tile{Entries: true, Index: 999_999, Width: 256}},
	{"tile/entries/x018/x014/x398/x509/x481/983.p/255", merkle.Tile{Entries: true, Index: merkle.MaxSize/256 - 1, Width: 255}},
}

func TestTilePath(t *testing.T) {
	for _, c := range tilePaths {
		if got := c.tile.Path(); got != c.path {
			t.Errorf("%+v has path %q, want %q", c.tile, got, c.path)
		}
		got, err := merkle.ParseTilePath(c.path)
		if err != nil || got != c.tile {
			t.Errorf("ParseTilePath(%q) = %+v, %v; want %+v", c.path, got, err, c.tile)
		}
	}
}

func TestParseTilePathRefuses(t *testing.T) {
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tiles/0/000", "TILE/0/000", "tile//000",
		"tile/00/000", "tile/01/000", "tile/+1/000", "tile/-1/000", "tile/64/000", "tile/x/000", "tile/0 /000",
		"tile/99999999999999999999/000", "tile/Entries/000", "tile/data/000", "tile/entries", "tile/entries/",
		"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/0a0", "tile/0/+00", "tile/0/-01", "tile/0/０00", "tile/0/x000",
		"tile/0/000/000", "tile/0/x000/000", "tile/0/x000/x001/000", "tile/0/x001", "tile/0/x001/", "tile/0/x001/x067",
		"tile/0/001/067", "tile/0/X001/067", "tile/0/x001//067", "tile/0/xx01/067", "tile/0/../000",
		"tile/0/000/", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/+1",
		"tile/0/000.p/256", "tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000.p/1.p/1", "tile/0/.p/1", "tile/0/000.P/1",
		"tile/0/000.p/99999999999999999999", "tile/0/000\n", "tile/0/000?x", "tile/0/000\x00",
		"tile/0/x018/x014/x398/x509/x481/984",           // 2^62 / 256
		"tile/0/x018/x446/x744/x073/x709/x551/616",      // 2^64
		"tile/0/x999/x999/x999/x999/x999/x999/x999/999", // beyond any integer
		"tile/0/" + strings.Repeat("x999/", 100_000) + "999",
	} {
		if got, err := merkle.ParseTilePath(path); err == nil {
			t.Errorf("ParseTilePath(%.80q) = %+v, want an error", path, got)
		}
	}
}

func FuzzParseTilePath(f *testing.F) {
	if len(tilePaths) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range tilePaths {
		f.Add(c.path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := merkle.ParseTilePath(path)
		if err != nil {
			return
		}
		if got := tile.Path(); got != path {
			t.Errorf("%q parses to %+v, whose path is %q", path, tile, got)
		}
		if tile.Level <= 7 && !tile.In(merkle.MaxSize) && tile.Index < merkle.MaxSize>>(8*tile.Level+8) {
			t.Errorf("%q is in no tree", path)
		}
	})
}

// TestReadTile compares every tile of a tree, and every width of the first, with
// the oracle's.
func TestReadTile(t *testing.T) {
	l := bigLog()
	const size = 199_999
	for level := range 3 {
		full := uint64(size) >> (8 * level) / 256
		for index := uint64(0); index <= full; index++ {
			width := int(min(256, uint64(size)>>(8*level)-index*256))
			checkTile(t, l, size, merkle.Tile{Level: level, Index: index, Width: width})
		}
		for width := 1; width < min(256, size>>(8*level)); width++ {
			checkTile(t, l, size, merkle.Tile{Level: level, Width: width})
		}
	}
}

func checkTile(t *testing.T, l *testLog, size uint64, tile merkle.Tile) {
	t.Helper()
	got, err := merkle.ReadTile(l, size, tile)
	check(t, err)
	want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: tile.Level, N: int64(tile.Index), W: tile.Width}, &l.oracle)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has other hashes than the oracle's", tile.Path())
	}
}

func TestReadEntryBundle(t *testing.T) {
	l := bigLog()
	for _, c := range []struct {
		index uint64
		width int
	}{{0, 1}, {0, 2}, {0, 256}, {780, 255}, {780, 256}, {781, 63}} {
		tile := merkle.Tile{Entries: true, Index: c.index, Width: c.width}
		got, err := merkle.ReadTile(l, 199_999, tile)
		check(t, err)
		var want []byte
		for i := range uint64(c.width) {
			e := entry(c.index*256 + i)
			want = append(append(want, 0, 32), e[:]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has other bytes", tile.Path())
		}
	}
}

// TestTilesInTree walks the example of the tlog-tiles text and the limits.
func TestTilesInTree(t *testing.T) {
	for _, c := range []struct {
		size uint64
		tile merkle.Tile
		want bool
	}{
		{70_000, merkle.Tile{Index: 272, Width: 256}, true},
		{70_000, merkle.Tile{Index: 273, Width: 112}, true},
		{70_000, merkle.Tile{Index: 273, Width: 113}, false},
		{70_000, merkle.Tile{Index: 273, Width: 256}, false},
		{70_000, merkle.Tile{Index: 274, Width: 1}, false},
		{70_000, merkle.Tile{Level: 1, Width: 256}, true},
		{70_000, merkle.Tile{Level: 1, Index: 1, Width: 17}, true},
		{70_000, merkle.Tile{Level: 1, Index: 1, Width: 18}, false},
		{70_000, merkle.Tile{Level: 2, Width: 1}, true},
		{70_000, merkle.Tile{Level: 2, Width: 2}, false},
		{70_000, merkle.Tile{Level: 3, Width: 1}, false},
		{70_000, merkle.Tile{Entries: true, Index: 273, Width: 112}, true},
		{70_000, merkle.Tile{Entries: true, Index: 273, Width: 113}, false},
		{70_000, merkle.Tile{Entries: true, Level: 1, Width: 1}, false},
		{256, merkle.Tile{Level: 1, Width: 1}, true},
		{255, merkle.Tile{Level: 1, Width: 1}, false},
		{0, merkle.Tile{Width: 1}, false},
		{10, merkle.Tile{}, false},
		{10, merkle.Tile{Width: -1}, false},
		{1 << 20, merkle.Tile{Width: 257}, false},
		{1 << 20, merkle.Tile{Level: -1, Width: 1}, false},
		{merkle.MaxSize, merkle.Tile{Index: merkle.MaxSize/256 - 1, Width: 256}, true},
		{merkle.MaxSize, merkle.Tile{Index: merkle.MaxSize / 256, Width: 1}, false},
		{merkle.MaxSize, merkle.Tile{Level: 7, Width: 64}, true},
		{merkle.MaxSize, merkle.Tile{Level: 7, Width: 65}, false},
		{merkle.MaxSize, merkle.Tile{Level: 8, Width: 1}, false},
		{merkle.MaxSize, merkle.Tile{Level: 63, Width: 1}, false},
		{merkle.MaxSize, merkle.Tile{Index: 1<<64 - 1, Width: 256}, false},
		{1<<64 - 1, merkle.Tile{Width: 1}, false},
	} {
		if got := c.tile.In(c.size); got != c.want {
			t.Errorf("%+v in a tree of %d: %t, want %t", c.tile, c.size, got, c.want)
		}
		b, err := merkle.ReadTile(newUniform(), c.size, c.tile)
		if (err == nil) != c.want || (err != nil && !errors.Is(err, merkle.ErrOutOfRange)) {
			t.Errorf("ReadTile of %+v in a tree of %d: %d bytes, %v", c.tile, c.size, len(b), err)
		}
	}
}

// TestTesseraLog rebuilds a log that transparency-dev/tessera wrote: its tiles,
// its roots, its signatures.
func TestTesseraLog(t *testing.T) {
	var tree merkle.Tree
	checkTesseraCheckpoint(t, "checkpoint.0", &tree)
	var leaves []byte
	for width := 1; width <= 15; width++ {
		data := testFile(t, tesseraDir, merkle.Tile{Entries: true, Width: width}.Path())
		entries := splitBundle(t, data)
		if len(entries) != width {
			t.Fatalf("bundle of width %d has %d entries", width, len(entries))
		}
		leaf := merkle.LeafHash(entries[width-1])
		tree.Append(leaf, nil)
		leaves = append(leaves, leaf[:]...)
		if diff := cmp.Diff(testFile(t, tesseraDir, merkle.Tile{Width: width}.Path()), leaves); diff != "" {
			t.Errorf("tile of width %d: %s", width, diff)
		}
		checkTesseraCheckpoint(t, fmt.Sprintf("checkpoint.%d", width), &tree)
	}
	checkTesseraCheckpoint(t, "checkpoint", &tree)
}

// splitBundle parses a bundle whose entries are shorter than 256 bytes.
func splitBundle(t *testing.T, b []byte) (entries [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := 2 + int(b[1])
		if b[0] != 0 || len(b) < n {
			t.Fatal("bad entry bundle")
		}
		entries = append(entries, slices.Clone(b[2:n]))
		b = b[n:]
	}
	return entries
}

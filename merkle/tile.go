package merkle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TileWidth is the number of hashes of a full tile, and of entries of a full
// entry bundle.
const TileWidth = 1 << tileHeight

// MaxTileLevel is the highest level that a tile path can name. No tree up to
// [MaxSize] has a tile above level 7.
const MaxTileLevel = 63

// maxTilePathBytes bounds what [ParseTilePath] looks at. No path of a tree up to
// [MaxSize] is longer than 47 bytes.
const maxTilePathBytes = 64

// maxTiles is the number of tiles of level 0 at [MaxSize], so no index reaches it.
const maxTiles = MaxSize / TileWidth

// A Tile names one tile of hashes or one entry bundle of C2SP tlog-tiles.
type Tile struct {
	// Entries marks the bundle of the entries below a tile of level 0. Level is
	// then 0.
	Entries bool

	Level int    // 0 to MaxTileLevel; 0 has the leaf hashes
	Index uint64 // place within the level
	Width int    // hashes or entries, 1 to TileWidth; less is a partial tile
}

// Path returns the resource's path below a log's prefix, such as
// "tile/0/x001/067" or "tile/entries/000.p/5".
func (t Tile) Path() string {
	b := make([]byte, 0, maxTilePathBytes)
	b = append(b, "tile/"...)
	if t.Entries {
		b = append(b, "entries"...)
	} else {
		b = strconv.AppendInt(b, int64(t.Level), 10)
	}
	b = appendIndex(b, t.Index)
	if t.Width < TileWidth {
		b = append(b, ".p/"...)
		b = strconv.AppendInt(b, int64(t.Width), 10)
	}
	return string(b)
}

// appendIndex appends the path elements of an index: three digits each, the
// highest first, and an x before all but the last.
func appendIndex(b []byte, index uint64) []byte {
	div := uint64(1)
	for index/div >= 1000 {
		div *= 1000
	}
	for ; div > 0; div /= 1000 {
		b = append(b, '/')
		if div > 1 {
			b = append(b, 'x')
		}
		n := index / div % 1000
		b = append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	}
	return b
}

// ParseTilePath is the inverse of [Tile.Path]. It takes no other spelling, so
// every resource has one path.
func ParseTilePath(path string) (Tile, error) {
	t, err := parseTilePath(path)
	if err != nil {
		return Tile{}, fmt.Errorf("parse tile path: %w", err)
	}
	return t, nil
}

func parseTilePath(path string) (Tile, error) {
	if len(path) > maxTilePathBytes {
		return Tile{}, fmt.Errorf("has %d bytes, more than %d", len(path), maxTilePathBytes)
	}
	rest, ok := strings.CutPrefix(path, "tile/")
	level, rest, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return Tile{}, fmt.Errorf("%q does not name a tile", path)
	}
	t := Tile{Width: TileWidth}
	var err error
	if t.Entries = level == "entries"; !t.Entries {
		if t.Level, err = parseSmall(level, 0, MaxTileLevel); err != nil {
			return Tile{}, fmt.Errorf("level: %w", err)
		}
	}
	index, width, partial := strings.Cut(rest, ".p/")
	if partial {
		if t.Width, err = parseSmall(width, 1, TileWidth-1); err != nil {
			return Tile{}, fmt.Errorf("width: %w", err)
		}
	}
	if t.Index, err = parseIndex(index); err != nil {
		return Tile{}, fmt.Errorf("index: %w", err)
	}
	return t, nil
}

// parseIndex is the inverse of [appendIndex], without the first slash.
func parseIndex(s string) (uint64, error) {
	var index uint64
	elems := strings.Split(s, "/")
	for i, e := range elems {
		last := i == len(elems)-1
		digits, marked := strings.CutPrefix(e, "x")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || len(digits) != 3 || marked == last {
			return 0, fmt.Errorf("bad element %q", e)
		}
		if i == 0 && !last && digits == "000" {
			return 0, errors.New("leading zero element")
		}
		// The limit at each step keeps the next one from overflowing.
		if index = index*1000 + n; index >= maxTiles {
			return 0, fmt.Errorf("beyond any tree of %d entries", uint64(MaxSize))
		}
	}
	return index, nil
}

// parseSmall parses a decimal number without sign or leading zeros.
func parseSmall(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s || n < low || n > high {
		return 0, fmt.Errorf("%q is not a number from %d to %d", s, low, high)
	}
	return n, nil
}

// In reports whether the tree of the given size has the tile: whether that many
// of its hashes are there. A partial tile remains in the tree when it fills up.
// It is false for a Tile that is none, whatever its fields.
func (t Tile) In(size uint64) bool {
	if t.Level < 0 || t.Level > maxHeight/tileHeight || t.Entries && t.Level != 0 {
		return false
	}
	if t.Width < 1 || t.Width > TileWidth || t.Index >= maxTiles || size > MaxSize {
		return false
	}
	return t.Index*TileWidth+uint64(t.Width) <= size>>(t.Level*tileHeight)
}

// ReadTile returns the bytes that are published for a tile of the tree that has
// size entries, at most 8,704. A tile is its hashes, one after the other; in
// level 0 these are leaf hashes. An entry bundle is its entries, the 32-byte
// entry hashes, each after its length as a big-endian uint16.
//
// The size is that of the published checkpoint: what the tree has beyond it is
// refused. Errors: ErrOutOfRange, those of levels.
func ReadTile(levels Levels, size uint64, t Tile) ([]byte, error) {
	if !t.In(size) {
		return nil, fmt.Errorf("%s at size %d: %w", t.Path(), size, ErrOutOfRange)
	}
	hashes := make([]Hash, t.Width)
	if err := levels.ReadHashes(t.Level, t.Index*TileWidth, hashes); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Path(), err)
	}
	b := make([]byte, 0, t.Width*(2+HashBytes))
	for _, h := range hashes {
		switch {
		case t.Entries:
			b = binary.BigEndian.AppendUint16(b, HashBytes)
		case t.Level == 0:
			h = LeafHash(h[:])
		}
		b = append(b, h[:]...)
	}
	return b, nil
}

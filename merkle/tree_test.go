package merkle_test

import (
	"errors"
	"testing"

	"github.com/annals-io/annals/merkle"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// edges are sizes around the powers of 256, and some with many peaks.
var edges = []uint64{
	1, 2, 3, 127, 128, 129, 254, 255, 256, 257, 511, 512, 513, 1023, 4095, 4096,
	65_279, 65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 131_071, 131_072, 199_999, 200_000,
}

func TestRootsMatchOracle(t *testing.T) {
	small := newTestLog(0)
	for size := range uint64(601) {
		want := small.oracle.root(t, size)
		if size == 0 {
			want = merkle.EmptyRoot()
		}
		if got := small.tree.Root(); got != want {
			t.Fatalf("Root at size %d = %v, want %v", size, got, want)
		}
		checkRootAt(t, small, size, want)
		small.add()
	}
	big := bigLog()
	for _, size := range edges {
		checkRootAt(t, big, size, big.oracle.root(t, size))
	}
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Uint64Range(1, big.tree.Size()).Draw(rt, "size")
		checkRootAt(rt, big, size, big.oracle.root(rt, size))
	})
}

func checkRootAt(t rapid.TB, l *testLog, size uint64, want merkle.Hash) {
	t.Helper()
	got, err := merkle.RootAt(l, size)
	check(t, err)
	if got != want {
		t.Fatalf("RootAt(%d) = %v, want %v", size, got, want)
	}
}

// TestAppendEmitsLevels compares what Append reports with the oracle's subtrees.
func TestAppendEmitsLevels(t *testing.T) {
	l := bigLog()
	for level, want := range []int{200_000, 781, 3, 0, 0, 0, 0, 0} {
		if got := len(l.levels[level]); got != want {
			t.Errorf("level %d has %d hashes, want %d", level, got, want)
		}
		for i, h := range l.levels[level] {
			if level == 0 {
				break // the entries themselves
			}
			if want := l.oracle.hashes[tlog.StoredHashIndex(8*level, int64(i))]; h != merkle.Hash(want) {
				t.Fatalf("hash %d of level %d = %v, want %v", i, level, h, want)
			}
		}
	}
}

// TestNewTreeGoesOn rebuilds the tree at many sizes and appends to it: it must
// emit and end like the tree that never stopped.
func TestNewTreeGoesOn(t *testing.T) {
	big := bigLog()
	for _, size := range append([]uint64{0}, edges...) {
		tree, err := merkle.NewTree(big, size)
		check(t, err)
		for tree.Size() < min(size+300, big.tree.Size()) {
			e := big.levels[0][tree.Size()]
			tree.Append(merkle.LeafHash(e[:]), func(level int, index uint64, h merkle.Hash) {
				if h != big.levels[level][index] {
					t.Fatalf("from size %d: emitted %v as hash %d of level %d", size, h, index, level)
				}
			})
		}
		checkRootAt(t, big, tree.Size(), tree.Root())
	}
}

func TestTreeIsAValue(t *testing.T) {
	var tree merkle.Tree
	for i := range uint64(300) {
		e := entry(i)
		tree.Append(merkle.LeafHash(e[:]), nil)
	}
	size, root := tree.Size(), tree.Root()
	assigned, clone := tree, tree.Clone()
	for i := range uint64(300) {
		tree.Append(entry(i), nil)
		clone.Append(entry(i+1), nil)
	}
	if assigned.Size() != size || assigned.Root() != root {
		t.Error("an append to the original changed the copy")
	}
	if clone.Size() != tree.Size() || clone.Root() == tree.Root() {
		t.Error("the clone did not go its own way")
	}
}

func TestNewTreeHuge(t *testing.T) {
	u := newUniform()
	for _, size := range []uint64{merkle.MaxSize - 1, merkle.MaxSize} {
		tree, err := merkle.NewTree(u, size)
		check(t, err)
		if tree.Size() != size {
			t.Errorf("size %d, want %d", tree.Size(), size)
		}
	}
	if limit := 2 * 8 * merkle.TileWidth; u.reads > limit {
		t.Errorf("read %d hashes, want at most %d", u.reads, limit)
	}
	for _, size := range []uint64{merkle.MaxSize + 1, 1 << 63, 1<<64 - 1} {
		if _, err := merkle.NewTree(u, size); !errors.Is(err, merkle.ErrOutOfRange) {
			t.Errorf("NewTree(%d): %v, want ErrOutOfRange", size, err)
		}
		if _, err := merkle.RootAt(u, size); !errors.Is(err, merkle.ErrOutOfRange) {
			t.Errorf("RootAt(%d): %v, want ErrOutOfRange", size, err)
		}
	}
}

func TestAppendToFullTree(t *testing.T) {
	u := newUniform()
	tree, err := merkle.NewTree(u, merkle.MaxSize-1)
	check(t, err)
	tree.Append(merkle.LeafHash(u.levels[0][:]), nil)
	full, err := merkle.RootAt(u, merkle.MaxSize)
	check(t, err)
	if got := tree.Root(); got != full {
		t.Errorf("root of the full tree = %v, want %v", got, full)
	}
	defer func() {
		if recover() == nil {
			t.Error("append to a full tree did not panic")
		}
	}()
	tree.Append(full, nil)
}

// A broken is storage whose reads of one level fail.
type broken struct {
	merkle.Levels
	level int
}

var errBroken = errors.New("no such hash")

func (b broken) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	if level == b.level {
		return errBroken
	}
	return b.Levels.ReadHashes(level, index, dst)
}

func TestReadErrorsAreReturned(t *testing.T) {
	for level := range 3 {
		b := broken{bigLog(), level}
		_, rootErr := merkle.RootAt(b, 199_999)
		_, inclusionErr := merkle.InclusionProof(b, 4_711, 199_999)
		_, consistencyErr := merkle.ConsistencyProof(b, 4_711, 199_999)
		_, tileErr := merkle.ReadTile(b, 199_999, merkle.Tile{Level: level, Width: 1})
		got := []bool{
			errors.Is(rootErr, errBroken), errors.Is(inclusionErr, errBroken),
			errors.Is(consistencyErr, errBroken), errors.Is(tileErr, errBroken),
		}
		if diff := cmp.Diff([]bool{true, true, true, true}, got); diff != "" {
			t.Errorf("level %d: errors are not those of the storage: %s", level, diff)
		}
	}
}

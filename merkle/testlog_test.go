package merkle_test

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// bigLog is a log of a size that has three tile levels, built once.
var bigLog = sync.OnceValue(func() *testLog { return newTestLog(200_000) })

// A testLog keeps a tree as a journal does, in one array a level, and the same
// tree as golang.org/x/mod/sumdb/tlog keeps it, for comparison.
type testLog struct {
	tree   merkle.Tree
	levels [][]merkle.Hash
	oracle oracle
}

func newTestLog(size uint64) *testLog {
	l := &testLog{levels: make([][]merkle.Hash, 8)}
	for l.tree.Size() < size {
		l.add()
	}
	return l
}

// entry returns the entry hash at index i of every testLog.
func entry(i uint64) merkle.Hash {
	return merkle.LeafHash(binary.BigEndian.AppendUint64(nil, i))
}

func (l *testLog) add() {
	e := entry(l.tree.Size())
	l.oracle.add(e[:])
	l.levels[0] = append(l.levels[0], e)
	l.tree.Append(merkle.LeafHash(e[:]), func(level int, index uint64, h merkle.Hash) {
		if level < 1 || index != uint64(len(l.levels[level])) {
			panic(fmt.Sprintf("emitted hash %d of level %d, want %d", index, level, len(l.levels[level])))
		}
		l.levels[level] = append(l.levels[level], h)
	})
}

// ReadHashes implements [merkle.Levels], and insists on its promises.
func (l *testLog) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	if err := checkRead(level, index, dst); err != nil {
		return err
	}
	if index+uint64(len(dst)) > uint64(len(l.levels[level])) {
		return fmt.Errorf("level %d has %d hashes", level, len(l.levels[level]))
	}
	copy(dst, l.levels[level][index:])
	return nil
}

func checkRead(level int, index uint64, dst []merkle.Hash) error {
	if level < 0 || level > 7 || len(dst) == 0 || index%merkle.TileWidth+uint64(len(dst)) > merkle.TileWidth {
		return fmt.Errorf("read of %d hashes of level %d from %d is not within a tile", len(dst), level, index)
	}
	return nil
}

// An oracle is the storage of golang.org/x/mod/sumdb/tlog.
type oracle struct {
	size   int64
	hashes []tlog.Hash
}

func (o *oracle) add(data []byte) {
	hashes, err := tlog.StoredHashes(o.size, data, o)
	if err != nil {
		panic(err)
	}
	o.hashes = append(o.hashes, hashes...)
	o.size++
}

func (o *oracle) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = o.hashes[index]
	}
	return hashes, nil
}

func (o *oracle) root(t rapid.TB, size uint64) merkle.Hash {
	t.Helper()
	h, err := tlog.TreeHash(int64(size), o)
	check(t, err)
	return merkle.Hash(h)
}

// A uniform log has one and the same entry everywhere, so that its tree can have
// any size. It counts what is read.
type uniform struct {
	levels [8]merkle.Hash // the hash that fills each level
	reads  int
}

func newUniform() *uniform {
	u := new(uniform)
	u.levels[0] = entry(0)
	h := merkle.LeafHash(u.levels[0][:])
	for level := 1; level < len(u.levels); level++ {
		for range 8 {
			h = merkle.NodeHash(h, h)
		}
		u.levels[level] = h
	}
	return u
}

func (u *uniform) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	u.reads += len(dst)
	if err := checkRead(level, index, dst); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = u.levels[level]
	}
	return nil
}

// check ends a test, a fuzz target or a rapid property on an error.
func check(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

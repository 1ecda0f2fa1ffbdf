package merkle_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/merkle"
)

// TestFault87Vectors runs the vectors of transparency-dev/merkle, good proofs
// and corrupted ones.
func TestFault87Vectors(t *testing.T) {
	inclusion := eachVector(t, "inclusion", func(v vector) error {
		return merkle.VerifyInclusion(hashOf(v.LeafHash), v.LeafIdx, v.TreeSize, hashesOf(v.Proof), hashOf(v.Root))
	})
	consistency := eachVector(t, "consistency", func(v vector) error {
		return merkle.VerifyConsistency(v.Size1, v.Size2, hashesOf(v.Proof), hashOf(v.Root1), hashOf(v.Root2))
	})
	if inclusion != 65 || consistency != 57 {
		t.Errorf("ran %d inclusion and %d consistency vectors, want 65 and 57", inclusion, consistency)
	}
}

// A vector is one file of either kind.
type vector struct {
	LeafIdx, TreeSize uint64
	LeafHash, Root    []byte
	Size1, Size2      uint64
	Root1, Root2      []byte
	Proof             [][]byte
	Desc              string
	WantErr           bool
}

func eachVector(t *testing.T, kind string, verify func(vector) error) (count int) {
	t.Helper()
	dir := filepath.Join("testdata", "rfc6962-merkle", kind)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".json") {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		count++
		if err := verify(v); (err != nil) != v.WantErr {
			t.Errorf("%s (%s): %v, want error: %v", name, v.Desc, err, v.WantErr)
		}
		return nil
	})
	check(t, err)
	return count
}

// fillers counts the stand-ins that hashOf has made up.
var fillers uint64

// hashOf makes a Hash of a vector's. Some vectors have values of other lengths,
// which a Hash cannot be: the empty ones become a hash that nothing has, and the
// others, placeholders of a few letters, are padded.
func hashOf(b []byte) merkle.Hash {
	if len(b) == 0 || len(b) > merkle.HashBytes {
		fillers++
		return entry(1<<60 + fillers)
	}
	var h merkle.Hash
	copy(h[:], b)
	return h
}

func hashesOf(list [][]byte) []merkle.Hash {
	var all []merkle.Hash
	for _, b := range list {
		all = append(all, hashOf(b))
	}
	return all
}

// TestFault87HugeSizes verifies proofs in the largest tree, where arithmetic
// would overflow first, and refuses those beyond.
func TestFault87HugeSizes(t *testing.T) {
	u := newUniform()
	leaf := merkle.LeafHash(u.levels[0][:])
	const size = merkle.MaxSize
	root, err := merkle.RootAt(u, size)
	check(t, err)
	oldRoot, err := merkle.RootAt(u, size-1)
	check(t, err)
	inclusion, err := merkle.InclusionProof(u, size-1, size)
	check(t, err)
	consistency, err := merkle.ConsistencyProof(u, size-1, size)
	check(t, err)
	if len(inclusion) != 62 || len(consistency) != 63 {
		t.Fatalf("proofs of %d and %d hashes, want 62 and 63", len(inclusion), len(consistency))
	}
	check(t, merkle.VerifyInclusion(leaf, size-1, size, inclusion, root))
	check(t, merkle.VerifyConsistency(size-1, size, consistency, oldRoot, root))

	for _, huge := range []uint64{size + 1, 1<<63 - 1, 1 << 63, 1<<63 + 1, 1<<64 - 1} {
		if inclusionVerdict(t, leaf, huge-1, huge, inclusion, root) || inclusionVerdict(t, leaf, 0, huge, inclusion, root) {
			t.Errorf("inclusion accepted at size %d", huge)
		}
		if consistencyVerdict(t, 1, huge, consistency, leaf, root) || consistencyVerdict(t, huge, huge, nil, root, root) {
			t.Errorf("consistency accepted at size %d", huge)
		}
	}
}

// TestFault87Lengths gives proofs that are too long by one and by far.
func TestFault87Lengths(t *testing.T) {
	l := newTestLog(8)
	root, oldRoot := l.oracle.root(t, 8), l.oracle.root(t, 6)
	leaf := merkle.LeafHash(l.levels[0][5][:])
	inclusion, err := merkle.InclusionProof(l, 5, 8)
	check(t, err)
	consistency, err := merkle.ConsistencyProof(l, 6, 8)
	check(t, err)
	for _, extra := range []int{1, 2, 59, 60, 61, 62, 63, 1 << 16} {
		more := slices.Repeat([]merkle.Hash{entry(0)}, extra)
		for _, p := range [][]merkle.Hash{slices.Concat(inclusion, more), slices.Concat(more, inclusion)} {
			if inclusionVerdict(t, leaf, 5, 8, p, root) {
				t.Errorf("inclusion accepted with %d hashes more", extra)
			}
		}
		for _, p := range [][]merkle.Hash{slices.Concat(consistency, more), slices.Concat(more, consistency)} {
			if consistencyVerdict(t, 6, 8, p, oldRoot, root) {
				t.Errorf("consistency accepted with %d hashes more", extra)
			}
		}
	}
}

// TestFault87SizeZero refuses to prove anything about the empty tree, even what
// is true.
func TestFault87SizeZero(t *testing.T) {
	empty, leaf := merkle.EmptyRoot(), merkle.LeafHash(nil)
	for _, to := range []uint64{0, 1, 2, 1<<64 - 1} {
		for _, p := range [][]merkle.Hash{nil, {empty}, {leaf}} {
			if consistencyVerdict(t, 0, to, p, empty, leaf) || consistencyVerdict(t, 0, to, p, empty, empty) {
				t.Errorf("consistency accepted from size 0 to %d", to)
			}
		}
	}
	if inclusionVerdict(t, leaf, 0, 0, nil, leaf) || inclusionVerdict(t, empty, 0, 0, nil, empty) {
		t.Error("inclusion accepted at size 0")
	}
}

func TestVerifyDoesNotAllocate(t *testing.T) {
	l := newTestLog(300)
	root, oldRoot := l.oracle.root(t, 300), l.oracle.root(t, 257)
	leaf := merkle.LeafHash(l.levels[0][5][:])
	inclusion, err := merkle.InclusionProof(l, 5, 300)
	check(t, err)
	consistency, err := merkle.ConsistencyProof(l, 257, 300)
	check(t, err)
	n := testing.AllocsPerRun(10, func() {
		if merkle.VerifyInclusion(leaf, 5, 300, inclusion, root) != nil ||
			merkle.VerifyConsistency(257, 300, consistency, oldRoot, root) != nil {
			t.Fatal("refused")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// proofSeeds are pairs of sizes whose proofs seed the fuzz tests.
var proofSeeds = []struct{ from, to uint64 }{{1, 1}, {1, 2}, {3, 4}, {6, 8}, {7, 300}, {256, 257}, {257, 300}}

func FuzzVerifyInclusion(f *testing.F) {
	l := newTestLog(300)
	for _, s := range proofSeeds {
		p, err := merkle.InclusionProof(l, s.from-1, s.to)
		check(f, err)
		leaf, root := merkle.LeafHash(l.levels[0][s.from-1][:]), l.oracle.root(f, s.to)
		if !inclusionVerdict(f, leaf, s.from-1, s.to, p, root) {
			f.Fatal("a seed does not verify")
		}
		f.Add(s.from-1, s.to, slices.Concat(toBytes(p)...), leaf[:], root[:])
	}
	f.Add(uint64(1<<64-2), uint64(1<<64-1), make([]byte, 65*merkle.HashBytes), make([]byte, 32), make([]byte, 32))
	f.Fuzz(func(t *testing.T, index, size uint64, proof, leaf, root []byte) {
		inclusionVerdict(t, hashOf(leaf), index, size, hashesOf(slices.Collect(slices.Chunk(proof, merkle.HashBytes))), hashOf(root))
	})
}

func FuzzVerifyConsistency(f *testing.F) {
	l := newTestLog(300)
	for _, s := range proofSeeds {
		p, err := merkle.ConsistencyProof(l, s.from, s.to)
		check(f, err)
		fromRoot, toRoot := l.oracle.root(f, s.from), l.oracle.root(f, s.to)
		if !consistencyVerdict(f, s.from, s.to, p, fromRoot, toRoot) {
			f.Fatal("a seed does not verify")
		}
		f.Add(s.from, s.to, slices.Concat(toBytes(p)...), fromRoot[:], toRoot[:])
	}
	f.Add(uint64(1<<63), uint64(1<<64-1), make([]byte, 65*merkle.HashBytes), make([]byte, 32), make([]byte, 32))
	f.Fuzz(func(t *testing.T, from, to uint64, proof, fromRoot, toRoot []byte) {
		consistencyVerdict(t, from, to, hashesOf(slices.Collect(slices.Chunk(proof, merkle.HashBytes))), hashOf(fromRoot), hashOf(toRoot))
	})
}

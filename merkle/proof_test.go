package merkle_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/annals-io/annals/merkle"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestProofsMatchOracle(t *testing.T) {
	small := newTestLog(600)
	for size := uint64(1); size <= small.tree.Size(); size++ {
		first, step := size/3, size // every pair of sizes up to 30, then one a size
		if size <= 30 {
			first, step = 0, 1
		}
		for i := first; i < size; i += step {
			checkInclusion(t, small, i, size)
			checkConsistency(t, small, i+1, size)
		}
	}
	big := bigLog()
	for i, to := range edges {
		// From each to itself and its neighbours, and some far ones.
		for j := i; j >= 0; j -= 1 + (i-j)*(i-j)/2 {
			checkConsistency(t, big, edges[j], to)
			checkInclusion(t, big, edges[j]-1, to)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Uint64Range(1, big.tree.Size()).Draw(rt, "size")
		index := rapid.Uint64Range(0, size-1).Draw(rt, "index")
		checkInclusion(rt, big, index, size)
		checkConsistency(rt, big, index+1, size)
	})
}

// checkInclusion makes a proof, compares it with tlog's, and has both verifiers
// accept it and refuse its mutations.
func checkInclusion(t rapid.TB, l *testLog, index, size uint64) {
	t.Helper()
	got, err := merkle.InclusionProof(l, index, size)
	check(t, err)
	want, err := tlog.ProveRecord(int64(size), int64(index), &l.oracle)
	check(t, err)
	if want := fromTlog(want); !slices.Equal(got, want) {
		t.Fatalf("entry %d at size %d: got %v, want %v", index, size, got, want)
	}
	leaf, root := merkle.LeafHash(l.levels[0][index][:]), l.oracle.root(t, size)
	if !inclusionVerdict(t, leaf, index, size, got, root) {
		t.Fatalf("entry %d at size %d: proof refused", index, size)
	}
	for _, bad := range mutations(got) {
		if inclusionVerdict(t, leaf, index, size, bad, root) {
			t.Fatalf("entry %d at size %d: accepted %v for %v", index, size, bad, got)
		}
	}
	for _, i := range []uint64{index ^ 1, index + 1, index / 2, 0} {
		if i != index && inclusionVerdict(t, leaf, i, size, got, root) {
			t.Fatalf("entry %d at size %d: accepted for entry %d", index, size, i)
		}
	}
	// The size decides only the shape of the proof, so other sizes may pass.
	// What counts is that both verifiers agree.
	for _, s := range []uint64{size - 1, size + 1, size * 2, size / 2, size ^ 1} {
		inclusionVerdict(t, leaf, index, s, got, root)
	}
	if inclusionVerdict(t, entry(size), index, size, got, root) || inclusionVerdict(t, leaf, index, size, got, leaf) != (size == 1) {
		t.Fatalf("entry %d at size %d: accepted another leaf or root", index, size)
	}
}

func checkConsistency(t rapid.TB, l *testLog, from, to uint64) {
	t.Helper()
	got, err := merkle.ConsistencyProof(l, from, to)
	check(t, err)
	want, err := tlog.ProveTree(int64(to), int64(from), &l.oracle)
	check(t, err)
	if want := fromTlog(want); !slices.Equal(got, want) {
		t.Fatalf("size %d to %d: got %v, want %v", from, to, got, want)
	}
	fromRoot, toRoot := l.oracle.root(t, from), l.oracle.root(t, to)
	if !consistencyVerdict(t, from, to, got, fromRoot, toRoot) {
		t.Fatalf("size %d to %d: proof refused", from, to)
	}
	for _, bad := range mutations(got) {
		if consistencyVerdict(t, from, to, bad, fromRoot, toRoot) {
			t.Fatalf("size %d to %d: accepted %v for %v", from, to, bad, got)
		}
	}
	for _, s := range []uint64{from - 1, from + 1, to - 1, to + 1, 0, to * 2} {
		consistencyVerdict(t, s, to, got, fromRoot, toRoot)
		consistencyVerdict(t, from, s, got, fromRoot, toRoot)
	}
	if consistencyVerdict(t, from, to, got, entry(from), toRoot) || consistencyVerdict(t, from, to, got, fromRoot, entry(to)) {
		t.Fatalf("size %d to %d: accepted another root", from, to)
	}
}

// mutations returns proofs that differ from a good one: each hash with a bit
// flipped, one less at either end, one more, two swapped.
func mutations(good []merkle.Hash) [][]merkle.Hash {
	var all [][]merkle.Hash
	for i := range good {
		flipped := slices.Clone(good)
		flipped[i][i] ^= 0x10
		all = append(all, flipped)
	}
	all = append(all, append(slices.Clone(good), entry(0)), append([]merkle.Hash{entry(0)}, good...))
	if n := len(good); n > 0 {
		all = append(all, good[1:], good[:n-1])
	}
	if len(good) > 1 && good[0] != good[1] {
		swapped := slices.Clone(good)
		swapped[0], swapped[1] = swapped[1], swapped[0]
		all = append(all, swapped)
	}
	return all
}

// inclusionVerdict asks our verifier and transparency-dev's, which must agree up
// to MaxSize. Above it, and from size 0, which the oracle lets pass, ours must
// refuse.
func inclusionVerdict(t rapid.TB, leaf merkle.Hash, index, size uint64, p []merkle.Hash, root merkle.Hash) bool {
	t.Helper()
	got := merkle.VerifyInclusion(leaf, index, size, p, root)
	want := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], toBytes(p), root[:])
	return verdict(t, got, want, size > merkle.MaxSize)
}

func consistencyVerdict(t rapid.TB, from, to uint64, p []merkle.Hash, fromRoot, toRoot merkle.Hash) bool {
	t.Helper()
	got := merkle.VerifyConsistency(from, to, p, fromRoot, toRoot)
	want := proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, toBytes(p), fromRoot[:], toRoot[:])
	return verdict(t, got, want, from == 0 || to > merkle.MaxSize)
}

// verdict compares two verifiers' answers. Where ours is the stricter one, refuse
// says that it must refuse, whatever the oracle says.
func verdict(t rapid.TB, got, want error, refuse bool) bool {
	t.Helper()
	switch {
	case got != nil && !errors.Is(got, merkle.ErrInvalidProof):
		t.Fatalf("error is %v, want ErrInvalidProof", got)
	case refuse && got == nil:
		t.Fatal("accepted at an impossible size")
	case !refuse && (got == nil) != (want == nil):
		t.Fatalf("verdict is %v, the oracle's is %v", got, want)
	}
	return got == nil
}

func toBytes(hashes []merkle.Hash) [][]byte {
	var all [][]byte
	for _, h := range hashes {
		all = append(all, h[:])
	}
	return all
}

func fromTlog(hashes []tlog.Hash) []merkle.Hash {
	var all []merkle.Hash
	for _, h := range hashes {
		all = append(all, merkle.Hash(h))
	}
	return all
}

func TestProofsOfImpossibleSizes(t *testing.T) {
	u := newUniform()
	for _, c := range []struct{ index, size uint64 }{
		{0, 0}, {1, 0}, {1, 1}, {8, 8}, {9, 8}, {1<<64 - 1, 8}, {0, merkle.MaxSize + 1}, {0, 1 << 63}, {1<<64 - 2, 1<<64 - 1},
	} {
		if p, err := merkle.InclusionProof(u, c.index, c.size); !errors.Is(err, merkle.ErrOutOfRange) {
			t.Errorf("InclusionProof(%d, %d) = %v, %v; want ErrOutOfRange", c.index, c.size, p, err)
		}
	}
	for _, c := range []struct{ from, to uint64 }{
		{0, 0}, {0, 8}, {2, 1}, {1, 0}, {1, merkle.MaxSize + 1}, {1 << 63, 1 << 63}, {1, 1<<64 - 1}, {1<<64 - 1, 1<<64 - 1},
	} {
		if p, err := merkle.ConsistencyProof(u, c.from, c.to); !errors.Is(err, merkle.ErrOutOfRange) {
			t.Errorf("ConsistencyProof(%d, %d) = %v, %v; want ErrOutOfRange", c.from, c.to, p, err)
		}
	}
}

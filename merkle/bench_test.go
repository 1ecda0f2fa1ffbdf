package merkle_test

import (
	"testing"

	"github.com/annals-io/annals/merkle"
)

// BenchmarkAppend hashes a leaf and appends it.
func BenchmarkAppend(b *testing.B) {
	var tree merkle.Tree
	e := entry(0)
	emitted := 0
	b.ReportAllocs()
	for b.Loop() {
		tree.Append(merkle.LeafHash(e[:]), func(int, uint64, merkle.Hash) { emitted++ })
	}
}

func BenchmarkRoot(b *testing.B) {
	tree := bigLog().tree
	b.ReportAllocs()
	for b.Loop() {
		tree.Root()
	}
}

// proofSize has a partial tile at every level.
const proofSize = 199_999

func BenchmarkInclusionProof(b *testing.B) {
	l := bigLog()
	index := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		index = (index + 7_919) % proofSize
		if _, err := merkle.InclusionProof(l, index, proofSize); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConsistencyProof(b *testing.B) {
	l := bigLog()
	from := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		from = (from + 7_919) % proofSize
		if _, err := merkle.ConsistencyProof(l, from+1, proofSize); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyInclusion(b *testing.B) {
	l := bigLog()
	p, err := merkle.InclusionProof(l, 4_711, proofSize)
	check(b, err)
	leaf, root := merkle.LeafHash(l.levels[0][4_711][:]), l.oracle.root(b, proofSize)
	b.ReportAllocs()
	for b.Loop() {
		if err := merkle.VerifyInclusion(leaf, 4_711, proofSize, p, root); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewTree is what opening a journal costs.
func BenchmarkNewTree(b *testing.B) {
	l := bigLog()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := merkle.NewTree(l, proofSize); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadTile(b *testing.B) {
	l := bigLog()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := merkle.ReadTile(l, proofSize, merkle.Tile{Index: 17, Width: merkle.TileWidth}); err != nil {
			b.Fatal(err)
		}
	}
}

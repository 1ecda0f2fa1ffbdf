package merkle_test

import (
	"crypto/sha256"
	"fmt"
	"log"

	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// A memory keeps entry hashes only, which is enough below 256 entries.
type memory []merkle.Hash

func (m memory) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	if level != 0 || index+uint64(len(dst)) > uint64(len(m)) {
		return fmt.Errorf("no hash %d of level %d", index, level)
	}
	copy(dst, m[index:])
	return nil
}

// A journal keeps a tree, signs its root and proves an entry; somebody else
// checks the proof with nothing but the public key.
func Example() {
	var entries memory
	var tree merkle.Tree
	for _, s := range []string{"one", "two", "three"} {
		hash := merkle.Hash(sha256.Sum256([]byte(s)))
		entries = append(entries, hash)
		tree.Append(merkle.LeafHash(hash[:]), nil)
	}

	const origin = "example.com/journal"
	skey, vkey, err := merkle.GenerateKey(nil, origin)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := merkle.Sign(merkle.Checkpoint{Origin: origin, Size: tree.Size(), Root: tree.Root()}, signer)
	if err != nil {
		log.Fatal(err)
	}
	proof, err := merkle.InclusionProof(entries, 1, tree.Size())
	if err != nil {
		log.Fatal(err)
	}

	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		log.Fatal(err)
	}
	c, err := merkle.Open(checkpoint, verifier)
	if err != nil {
		log.Fatal(err)
	}
	hash := sha256.Sum256([]byte("two"))
	fmt.Println(c.Size, c.Root)
	fmt.Println(merkle.VerifyInclusion(merkle.LeafHash(hash[:]), 1, c.Size, proof, c.Root))
	fmt.Println(merkle.VerifyInclusion(merkle.LeafHash(hash[:]), 2, c.Size, proof, c.Root) != nil)
	// Output:
	// 3 IPTuUtHhoQGAWGGHZWmoUuj13+7SIdqHrqRGeIoS9Mg=
	// <nil>
	// true
}

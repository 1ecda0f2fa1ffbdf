package annals_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// An auditor, who trusts nobody but a public key, checks that an entry is in the
// journal as its checkpoint signs it: the entry's bytes, a proof of some hashes
// and the checkpoint are enough, and no journal is needed.
func ExampleJournal_Checkpoint() {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	e, err := gather(filepath.Join(dir, "journal"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d hashes prove the entry: %t\n", len(e.proof), e.check() == nil)
	e.entry = []byte(strings.Replace(string(e.entry), "alice", "mallory", 1))
	fmt.Printf("and another one: %t\n", !errors.Is(e.check(), merkle.ErrInvalidProof))
	// Output:
	// 2 hashes prove the entry: true
	// and another one: false
}

// evidence is what an auditor gets.
type evidence struct {
	key        string // public, and known long before
	checkpoint []byte // a signed note
	entry      []byte
	position   annals.Position
	proof      []merkle.Hash
}

// check checks the evidence. It needs nothing else.
func (e *evidence) check() error {
	verifier, err := note.NewVerifier(e.key)
	if err != nil {
		return err
	}
	c, err := merkle.Open(e.checkpoint, verifier)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(e.entry)
	return merkle.VerifyInclusion(merkle.LeafHash(hash[:]), uint64(e.position), c.Size, e.proof, c.Root)
}

// gather makes a journal of a few events and the evidence for one of them.
func gather(dir string) (e evidence, err error) {
	ctx := context.Background()
	j, err := annals.Open(dir, &annals.Options{Origin: "example.com/audit"})
	if err != nil {
		return e, err
	}
	defer j.Close()
	for _, name := range []string{"bob", "alice", "carol"} {
		if _, err := j.Append(ctx, annals.Event{ID: name, Type: "user.added", Message: name + " was added"}); err != nil {
			return e, err
		}
	}
	entry, err := j.Get(ctx, "alice")
	if err != nil {
		return e, err
	}
	e.entry, e.position = entry.JSON, entry.Position
	if e.checkpoint, err = j.Checkpoint(ctx); err != nil {
		return e, err
	}
	key, err := os.ReadFile(filepath.Join(dir, "keys", "checkpoint.vkey"))
	if err != nil {
		return e, err
	}
	e.key = strings.TrimSpace(string(key))

	// The proof comes from the entries' hashes; those of a small journal fit in
	// memory.
	var hashes entryHashes
	for entry, err := range j.Scan(ctx, 0, j.Size()) {
		if err != nil {
			return e, err
		}
		hashes = append(hashes, merkle.Hash(entry.Hash()))
	}
	e.proof, err = merkle.InclusionProof(hashes, uint64(e.position), uint64(len(hashes)))
	return e, err
}

// entryHashes are the hashes of fewer than 256 entries, so that there is one
// level of them.
type entryHashes []merkle.Hash

// ReadHashes implements [merkle.Levels].
func (h entryHashes) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	if level != 0 || index+uint64(len(dst)) > uint64(len(h)) {
		return fmt.Errorf("no hash %d of level %d", index, level)
	}
	copy(dst, h[index:])
	return nil
}

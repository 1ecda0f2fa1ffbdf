package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// Prove returns the proof of the entry at a position, of a tenant of the token, under the
// newest checkpoint. It is the server's word until [merkle.Open] has checked the signature
// and [merkle.VerifyInclusion] the rest, as [Client.VerifyReceipt] does. Errors: those of
// [Client.Get].
func (c *Client) Prove(ctx context.Context, p annals.Position) (annals.Proof, error) {
	e, err := c.At(ctx, p)
	if err != nil {
		return annals.Proof{}, err
	}
	id := url.PathEscape(e.ID())
	if id == "." || id == ".." {
		id = strings.ReplaceAll(id, ".", "%2E") // else it is another path
	}
	text, err := c.do(ctx, get(eventsPath+"/"+id+"/proof", url.Values{"tenant": {e.Tenant()}}))
	if err != nil {
		return annals.Proof{}, err
	}
	return parseProof(text)
}

// parseProof reads a proof.
func parseProof(text []byte) (annals.Proof, error) {
	var a struct {
		Position   annals.Position `json:"position"`
		Hash       annals.Hash     `json:"hash"`
		Size       uint64          `json:"tree_size"`
		Path       []annals.Hash   `json:"path"`
		Checkpoint string          `json:"checkpoint"`
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return annals.Proof{}, fmt.Errorf("%w: proof: %w", errAnswer, err)
	}
	p := annals.Proof{Position: a.Position, Hash: a.Hash, Size: a.Size, Checkpoint: []byte(a.Checkpoint)}
	for _, h := range a.Path {
		p.Path = append(p.Path, merkle.Hash(h))
	}
	return p, nil
}

// VerifyReceipt asks the server to prove that the entry of a receipt is still in the journal,
// and checks it: the entry's hash is that of the receipt, and it is in the tree whose
// checkpoint has been signed by the verifiers ([annals.Journal.VerifierKey] is the key of the
// journal itself). Keep receipts, and the key, away from the server.
//
// The error is a *[annals.CorruptError] where the proof does not check out, which is evidence,
// [annals.ErrNotFound] where there is no such entry any more, and that of any read where the
// server cannot be asked.
func (c *Client) VerifyReceipt(ctx context.Context, r annals.Receipt, verifiers ...note.Verifier) error {
	p, err := c.Prove(ctx, r.Position)
	if err != nil {
		return err
	}
	if err := checkProof(&p, &r, verifiers); err != nil {
		return &annals.CorruptError{Path: serverPath, Offset: -1, First: r.Position, Next: r.Position + 1, Err: err}
	}
	return nil
}

// checkProof returns what is wrong with the proof of a receipt.
func checkProof(p *annals.Proof, r *annals.Receipt, verifiers []note.Verifier) error {
	if p.Hash != r.Hash || p.Position != r.Position {
		return errors.New("the entry is another than that of the receipt")
	}
	tree, err := merkle.Open(p.Checkpoint, verifiers...)
	if err != nil {
		return fmt.Errorf("check checkpoint: %w", err)
	}
	if tree.Size != p.Size {
		return errors.New("the checkpoint is of another tree than the proof")
	}
	return merkle.VerifyInclusion(merkle.LeafHash(p.Hash[:]), uint64(p.Position), p.Size, p.Path, tree.Root)
}

package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
)

// getProof answers with what shows that an entry is in the journal: the path from its
// hash to the root of the tree, and the signed checkpoint that has this root.
func getProof(x *exchange) error {
	e, err := x.entry()
	if err != nil {
		return err
	}
	p, err := x.server.journal.Prove(x.r.Context(), e.Position)
	if err != nil {
		return err
	}
	out := strconv.AppendUint([]byte(`{"position":`), uint64(p.Position), 10)
	out = append(append(append(out, `,"hash":"`...), p.Hash.String()...), '"')
	out = strconv.AppendUint(append(out, `,"tree_size":`...), p.Size, 10)
	out = append(out, `,"path":[`...)
	for i, h := range p.Path {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), h.Hex()...), '"')
	}
	out = appendText(append(out, `],"checkpoint":`...), string(p.Checkpoint))
	x.w.Header()["Cache-Control"] = []string{"no-store"}
	x.send(http.StatusOK, "application/json", append(out, '}'))
	return nil
}

// getCheckpoint answers with the newest checkpoint, as C2SP tlog-tiles has it.
func getCheckpoint(x *exchange) error {
	note, err := x.server.journal.PublishedCheckpoint(x.r.Context())
	if err != nil {
		return err
	}
	x.w.Header()["Cache-Control"] = []string{"no-cache"}
	x.send(http.StatusOK, "text/plain; charset=utf-8", note)
	return nil
}

// getTile answers with a tile of hashes, or a bundle of entry hashes.
func getTile(x *exchange) error {
	t, err := merkle.ParseTilePath("tile/" + x.r.PathValue("path"))
	if err != nil {
		return fmt.Errorf("%w: %w", annals.ErrNotFound, err)
	}
	b, err := x.server.journal.Tile(t)
	if err != nil {
		return err
	}
	return x.sendImmutable("application/octet-stream", x.server.journal.ID()+"/"+strings.TrimPrefix(t.Path(), "tile/"), b)
}

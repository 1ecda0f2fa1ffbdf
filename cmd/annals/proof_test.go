package main

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

const corpus = "../../testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst"

// TestRootFromExport computes the root of the tree from what export prints, with
// other code than the journal's: the SHA-256 of each line is an entry of an
// RFC 6962 tree.
func TestRootFromExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, "", "import", "--data", dir, "--format", "cloudtrail", corpus)

	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			hashes[i] = stored[x]
		}
		return hashes, nil
	})
	var size int64
	hostNames := 0
	for line := range strings.Lines(runOK(t, "", "export", "--data", dir)) {
		entry := strings.TrimSuffix(line, "\n")
		hash := sha256.Sum256([]byte(entry))
		more, err := tlog.StoredHashes(size, hash[:], reader)
		check(t, err)
		stored = append(stored, more...)
		size++
		if isHostName(t, entry) {
			hostNames++
		}
	}
	root, err := tlog.TreeHash(size, reader)
	check(t, err)

	var c checkpointReport
	check(t, json.Unmarshal([]byte(runOK(t, "", "checkpoint", "--data", dir, "--output", "json")), &c))
	if c.Size != uint64(size) || c.Root != root.String() {
		t.Errorf("checkpoint says %d entries, root %s; the export has %d, root %s", c.Size, c.Root, size, root)
	}
	if size != 2864 || hostNames != 327 {
		t.Errorf("%d entries, %d addresses that are names; want 2864 and 327", size, hostNames)
	}
	if note := runOK(t, "", "checkpoint", "--data", dir); note != c.Note {
		t.Errorf("checkpoint printed %q, as JSON %q", note, c.Note)
	}
}

// isHostName reports whether an entry's actor has an address that is no IP
// address.
func isHostName(t *testing.T, entry string) bool {
	var e struct {
		Actor struct{ Address string }
	}
	check(t, json.Unmarshal([]byte(entry), &e))
	_, err := netip.ParseAddr(e.Actor.Address)
	return e.Actor.Address != "" && err != nil
}

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenBesideWriter makes and revokes a token while another process holds the journal.
func TestTokenBesideWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	w := start(t, "append", "--data", dir)
	w.send(`{"type":"a"}` + "\n")
	w.line()
	runOK(t, "", "token", "create", "--data", dir, "--permissions", "read")
	id, _, _ := strings.Cut(strings.TrimPrefix(runOK(t, "", "token", "list", "--data", dir), `{"id":"`), `"`)
	if got := runOK(t, "", "token", "revoke", "--data", dir, id); !strings.Contains(got, `"state":"revoked"`) {
		t.Errorf("revoke printed %s", got)
	}
	check(t, w.stdin.Close())
	if status := w.status(); status != 0 {
		t.Errorf("writer: exit status %d, standard error:\n%s", status, w.stderr.String())
	}
}

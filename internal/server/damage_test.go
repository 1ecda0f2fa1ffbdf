package server_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/annals-io/annals"
)

// damagedServer serves a journal of three entries, the second of which was changed.
func damagedServer(t *testing.T) *testServer {
	t.Helper()
	dir := t.TempDir()
	j, err := annals.Open(dir, nil)
	check(t, err)
	for i := range 3 {
		_, err := j.Append(context.Background(), annals.Event{ID: fmt.Sprint(i), Type: "x", Data: fmt.Sprintf("canary-%d", i)})
		check(t, err)
	}
	check(t, j.Close())
	files, err := filepath.Glob(filepath.Join(dir, "log", "*.wal"))
	check(t, err)
	text, err := os.ReadFile(files[0])
	check(t, err)
	at := bytes.Index(text, []byte("canary-1"))
	text[at] ^= 1
	check(t, os.WriteFile(files[0], text, 0o600))
	j, err = annals.Open(dir, nil)
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	return serveJournal(t, j, nil)
}

// TestDamage reads around damage: every answer says that something is missing, none has
// the names of files, and nothing is appended.
func TestDamage(t *testing.T) {
	s := damagedServer(t)
	for _, tt := range []struct {
		method, target string
		status         int
		has            string
	}{
		{"GET", "/api/v1/audit/events/0", 200, `"id":"0"`},
		{"GET", "/api/v1/audit/events/1", 500, `"code":"corrupt"`},
		{"GET", "/api/v1/audit/events/2", 200, `"id":"2"`},
		{"GET", "/api/v1/audit/events", 200, `"complete":false,"damage":[{"first":1,"next":2}]}`},
		{"GET", "/journal/recent", 200, `"damage":[{"first":1,"next":2}]`},
		{"GET", "/api/v1/audit/gaps", 200, `"complete":false`},
		{"GET", "/api/v1/audit/export", 500, `"code":"corrupt"`},
		{"GET", "/api/v1/audit/export?q=position:>=2", 200, `"id":"2"`},
		{"POST", "/api/v1/audit/events", 500, `"code":"corrupt"`},
		{"GET", "/readyz", 503, `"damaged"`},
		{"GET", "/healthz", 200, "ok"},
	} {
		status, text := s.call(t, tt.method, tt.target, `{"type":"x"}`)
		if status != tt.status || !strings.Contains(text, tt.has) || strings.Contains(text, ".wal") {
			t.Errorf("%s %s: answer is %d %s", tt.method, tt.target, status, text)
		}
	}
	if log := s.log.String(); !strings.Contains(log, ".wal") || strings.Contains(log, "canary") {
		t.Errorf("log is %s", log)
	}
}

// TestDamageStream follows across damage: it is named, and the stream goes on.
func TestDamageStream(t *testing.T) {
	s := damagedServer(t)
	sub := subscribe(t, s.listen(t), "?from=0")
	if got := sub.entry(); got != "0" {
		t.Errorf("first entry is at %s", got)
	}
	if got := sub.frame(); got != `event: damage|data: {"first":1,"next":2}` {
		t.Errorf("damage is told as %q", got)
	}
	if got := sub.entry(); got != "2" {
		t.Errorf("entry behind the damage is at %s", got)
	}
}

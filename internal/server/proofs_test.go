package server_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/server"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// TestPublicProofs mirrors a log as anybody may: the checkpoint's signature holds, and
// the tiles have its root.
func TestPublicProofs(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Auth, o.PublicProofs = newTestAuth(t), true })
	s.fill(t, 300)
	status, text := s.call(t, "GET", "/checkpoint", "")
	if status != 200 {
		t.Fatal(status, text)
	}
	key, err := s.journal.VerifierKey()
	check(t, err)
	verifier, err := note.NewVerifier(key)
	check(t, err)
	c, err := merkle.Open([]byte(text), verifier)
	check(t, err)
	tree, err := merkle.NewTree(mirror{t, s}, c.Size)
	check(t, err)
	if tree.Root() != c.Root {
		t.Errorf("tiles have the root %v, the checkpoint %v", tree.Root(), c.Root)
	}
	if status, text := s.call(t, "GET", eventsPath, ""); status != 401 {
		t.Errorf("events are answered by %d %s", status, text)
	}
}

// A mirror reads tiles over HTTP.
type mirror struct {
	t *testing.T
	s *testServer
}

func (m mirror) ReadHashes(level int, index uint64, dst []merkle.Hash) error {
	first := index % merkle.TileWidth
	tile := merkle.Tile{Level: level, Index: index / merkle.TileWidth, Width: int(first) + len(dst), Entries: level == 0}
	status, text := m.s.call(m.t, "GET", "/"+tile.Path(), "")
	size := merkle.HashBytes
	if tile.Entries {
		size += 2 // the length before each
	}
	if status != 200 || len(text) != tile.Width*size {
		m.t.Fatalf("%s: answer is %d, %d bytes", tile.Path(), status, len(text))
	}
	for i := range dst {
		end := (int(first) + i + 1) * size
		copy(dst[i][:], text[end-merkle.HashBytes:end])
	}
	return nil
}

// TestTileScope lets proxies keep tiles only where they are for everybody.
func TestTileScope(t *testing.T) {
	for _, public := range []bool{true, false} {
		s := newTestServer(t, func(o *server.Options) { o.PublicProofs = public })
		s.fill(t, 1)
		s.call(t, "GET", "/checkpoint", "")
		r := httptest.NewRequest("GET", "/tile/0/000.p/1", nil)
		if got := s.do(r).Header.Get("Cache-Control"); strings.HasPrefix(got, "public") != public {
			t.Errorf("public %t: %s", public, got)
		}
	}
}

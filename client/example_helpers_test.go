package client_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
)

// serveExample serves a new journal, as annals serve does, and returns its address.
func serveExample() (address string, stop func()) {
	dir, err := os.MkdirTemp("", "annals")
	if err != nil {
		panic(err)
	}
	j, err := annals.Open(filepath.Join(dir, "journal"), nil)
	if err != nil {
		panic(err)
	}
	s, err := server.New(server.Options{Journal: j})
	if err != nil {
		panic(err)
	}
	web := httptest.NewServer(s.Handler())
	return web.URL, func() {
		web.Close()
		j.Close()
		os.RemoveAll(dir)
	}
}

package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
)

// moment is the time of tests.
var moment = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// check ends a test that an error makes pointless.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A testServer is a server of a new journal.
type testServer struct {
	*server.Server
	journal *annals.Journal
	log     *testLog
}

// newTestServer serves a new journal. Without a change it has no authentication.
func newTestServer(t testing.TB, change func(*server.Options)) *testServer {
	t.Helper()
	j, err := annals.Open(t.TempDir(), &annals.Options{Now: func() time.Time { return moment }, CheckpointInterval: -1, Origin: "example.org/log"})
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	return serveJournal(t, j, change)
}

// serveJournal serves a journal. Without a change no reads are journalled.
func serveJournal(t testing.TB, j *annals.Journal, change func(*server.Options)) *testServer {
	t.Helper()
	log := new(testLog)
	o := server.Options{Journal: j, Logger: slog.New(slog.NewJSONHandler(log, nil)), AuditReads: server.AuditNone}
	if change != nil {
		change(&o)
	}
	s, err := server.New(o)
	check(t, err)
	return &testServer{s, j, log}
}

// do answers a request without a connection.
func (s *testServer) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

// call is do for a text; it returns the status and the answer's text.
func (s *testServer) call(t testing.TB, method, target, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res := s.do(r)
	text, err := io.ReadAll(res.Body)
	check(t, err)
	return res.StatusCode, string(text)
}

// listen serves on a port of this machine until the test ends, and returns the address.
func (s *testServer) listen(t testing.TB) string {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.Config = s.HTTP()
	web.Start()
	t.Cleanup(web.Close)
	return web.URL
}

// A testLog holds what was logged.
type testLog struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// testAuth knows credentials by name: their permissions, then their tenants.
type testAuth map[string]*access.Grant

// newTestAuth returns the credentials of tests, such as "append:acme".
func newTestAuth(t testing.TB) testAuth {
	t.Helper()
	auth := make(testAuth)
	for _, permissions := range []string{"append", "read", "export", "admin", "append,read", "append,read,export,admin"} {
		for _, tenants := range []string{"acme", "beta", "acme,beta", "*"} {
			p, err := access.ParsePermissions(permissions)
			check(t, err)
			name := permissions + ":" + tenants
			g, err := access.NewGrant(name, annals.Identity{Type: "token", ID: name}, strings.Split(tenants, ","), p)
			check(t, err)
			auth[name] = g
		}
	}
	return auth
}

func (a testAuth) Authenticate(r *http.Request) (*access.Grant, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if g := a[name]; ok && g != nil {
		return g, nil
	}
	return nil, access.ErrUnauthenticated
}

package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
)

// A fixture is a server of a new journal and a client of it.
type fixture struct {
	*client.Client
	journal *annals.Journal
	web     *httptest.Server
}

// tokens knows tokens by their text, such as "append,read:acme": what they may do, and
// for which tenants.
type tokens struct{}

func (tokens) Authenticate(r *http.Request) (*access.Grant, error) {
	name, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	may, tenants, ok := strings.Cut(name, ":")
	p, err := access.ParsePermissions(may)
	if !ok || err != nil {
		return nil, access.ErrUnauthenticated
	}
	return access.NewGrant(name, annals.Identity{Type: "token", ID: name}, strings.Split(tenants, ","), p)
}

// newFixture serves a new journal to a client with a token, or, without one, to a client
// that is not asked for any.
func newFixture(t testing.TB, token string) *fixture {
	t.Helper()
	j, err := annals.Open(t.TempDir(), &annals.Options{ScrubInterval: -1})
	check(t, err)
	o := server.Options{Journal: j, AuditReads: server.AuditNone}
	if token != "" {
		o.Auth = tokens{}
	}
	s, err := server.New(o)
	check(t, err)
	web := httptest.NewUnstartedServer(nil)
	web.Config = s.HTTP()
	web.Start()
	f := &fixture{journal: j, web: web, Client: newClient(t, web.URL, client.Options{Token: token})}
	t.Cleanup(func() {
		web.Close()
		check(t, j.Close())
	})
	return f
}

// newClient returns a client that is closed at the test's end.
func newClient(t testing.TB, address string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(address, &o)
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

package client_test

import (
	"crypto/x509"
	"errors"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/annals-io/annals/internal/server"
)

// TestTLS uses a server over TLS, with HTTP/2 and with HTTP/1.1.
func TestTLS(t *testing.T) {
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			j, err := annals.Open(t.TempDir(), nil)
			check(t, err)
			s, err := server.New(server.Options{Journal: j})
			check(t, err)
			web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != protocol {
					t.Errorf("request came over %s", r.Proto)
				}
				s.Handler().ServeHTTP(w, r)
			}))
			web.EnableHTTP2 = protocol == "HTTP/2.0"
			web.StartTLS()
			t.Cleanup(func() {
				web.Close()
				check(t, j.Close())
			})
			exercise(t, newClient(t, web.URL, client.Options{HTTP: web.Client(), Token: "t"}))
		})
	}
}

// exercise appends and reads in each way.
func exercise(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	_, err := c.Append(ctx, annals.Event{ID: "1", Type: "a"})
	check(t, err)
	_, err = c.Append(ctx, annals.Event{ID: "2", Type: "a"}, annals.Event{ID: "3", Type: "a"})
	check(t, err)
	s := c.Stream(ctx, nil)
	for _, id := range []string{"4", "5"} {
		check(t, s.Send(ctx, annals.Event{ID: id, Type: "a"}))
		a, err := s.Receive(ctx) // before the next is sent
		check(t, err)
		if a.Err != nil || a.Receipt.ID != id {
			t.Errorf("answer is %v, %v", a.Receipt, a.Err)
		}
	}
	check(t, s.Close())
	n := 0
	for e, err := range c.Follow(ctx, 0) {
		check(t, err)
		if n++; e.ID() == "5" {
			break
		}
	}
	for _, err := range c.Export(ctx, annals.Query{}) {
		check(t, err)
		n++
	}
	if n != 10 {
		t.Errorf("%d entries were read, want 5 twice", n)
	}
}

// TestTLSStranger does not speak to a server whose certificate nobody vouches for, nor try
// again.
func TestTLSStranger(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	c := newClient(t, web.URL, client.Options{})
	_, err := c.Append(t.Context(), annals.Event{Type: "a"})
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok || errors.Is(err, annals.ErrUnknown) || !errors.Is(err, annals.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}

package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
)

func TestNewWithoutJournal(t *testing.T) {
	if _, err := server.New(server.Options{}); err == nil {
		t.Error("a server of nothing was made")
	}
}

// authFunc is an authenticator.
type authFunc func(*http.Request) (*access.Grant, error)

func (f authFunc) Authenticate(r *http.Request) (*access.Grant, error) { return f(r) }

// TestPanic has a handler that panics with what a client sent.
func TestPanic(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) {
		o.Auth = authFunc(func(r *http.Request) (*access.Grant, error) { panic(r.Header.Get("Authorization")) })
	})
	status, text := s.call(t, "GET", "/api/v1/audit/limits", "", "Authorization: canary")
	if status != 500 || !strings.Contains(text, `"code":"internal"`) {
		t.Errorf("answer is %d %s", status, text)
	}
	if log := s.log.String(); strings.Contains(log+text, "canary") || !strings.Contains(log, "handler panicked") {
		t.Errorf("log is %s", log)
	}
	if status, _ := s.call(t, "GET", "/healthz", ""); status != 200 {
		t.Errorf("after the panic /healthz answers %d", status)
	}
}

// TestAuthUnavailable has an authenticator that cannot find out.
func TestAuthUnavailable(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) {
		o.Auth = authFunc(func(*http.Request) (*access.Grant, error) { return nil, errors.New("canary") })
	})
	status, text := s.call(t, "GET", "/api/v1/audit/limits", "")
	if status != 503 || !strings.Contains(text, `"retryable":true`) || strings.Contains(text, "canary") {
		t.Errorf("answer is %d %s", status, text)
	}
}

func TestDrain(t *testing.T) {
	s := newTestServer(t, nil)
	check(t, s.Drain(context.Background()))
	check(t, s.Drain(context.Background())) // again
	status, text := s.call(t, "GET", "/healthz", "")
	if status != 503 || !strings.Contains(text, `"code":"unavailable"`) {
		t.Errorf("answer is %d %s", status, text)
	}
}

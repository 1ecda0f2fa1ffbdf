package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/server"
)

// TestRevokedStreams ends streams whose credential is revoked while they are open.
func TestRevokedStreams(t *testing.T) {
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/api/v1/audit/events/stream?from=0", "event: problem\ndata: {"},
		{"POST", "/api/v1/audit/events/stream", ""},
	} {
		t.Run(tt.method, func(t *testing.T) {
			auth := newTestAuth(t)
			const name = "append,read:acme"
			granted, revoke := context.WithCancel(t.Context())
			auth[name] = auth[name].WithEnd(granted)
			s := newTestServer(t, func(o *server.Options) { o.Auth = auth })
			address := s.listen(t)
			body, send := io.Pipe()
			defer send.Close()
			r, err := http.NewRequest(tt.method, address+tt.path, body)
			check(t, err)
			if tt.method == "GET" {
				r.Body = nil
			}
			r.Header.Set("Authorization", "Bearer "+name)
			r.Header.Set("Content-Type", "application/x-ndjson")
			res, err := http.DefaultClient.Do(r)
			check(t, err)
			defer res.Body.Close()
			revoke()
			text, err := io.ReadAll(res.Body)
			if err != nil || !strings.Contains(string(text), tt.want) || tt.want != "" && !strings.Contains(string(text), `"code":"unauthenticated"`) {
				t.Errorf("the stream ends with %q, error %v", text, err)
			}
		})
	}
}

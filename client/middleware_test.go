package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

func TestMiddleware(t *testing.T) {
	who := func(r *http.Request) (annals.Actor, map[string]string) {
		return annals.Actor{ID: r.Header.Get("X-User")}, map[string]string{"path": r.URL.Path}
	}
	tests := []struct {
		name   string
		who    client.Who
		header http.Header
		want   string
	}{
		{"somebody", who, http.Header{"X-User": {"alice"}}, `{"id":"1","type":"a","actor":{"id":"alice"},"tags":{"more":"m","path":"/x"}}`},
		{"nobody", who, nil, `{"id":"1","type":"a","tags":{"more":"m","path":"/x"}}`},
		{"anybody", nil, http.Header{"User-Agent": {"curl\x80/8"}},
			`{"id":"1","type":"a","actor":{"type":"anonymous","address":"192.0.2.1","user_agent":"curl` + "\uFFFD" + `/8"},"tags":{"more":"m"}}`},
		{"long user agent", nil, http.Header{"User-Agent": {strings.Repeat("é", 3000)}},
			`{"id":"1","type":"a","actor":{"type":"anonymous","address":"192.0.2.1","user_agent":"` + strings.Repeat("é", 2048) + `"},"tags":{"more":"m"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &standIn{}
			c := newTripped(t, client.Options{}, s.RoundTrip)
			h := client.Middleware(tt.who, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				annals.Tag(r.Context(), "more", "m")
				if _, err := c.Append(r.Context(), annals.Event{ID: "1", Type: "a"}); err != nil {
					t.Error(err)
				}
			}))
			r := httptest.NewRequest("GET", "/x", nil)
			if tt.header != nil {
				r.Header = tt.header
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if diff := cmp.Diff([]string{tt.want}, s.bodies.all()); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/server"
	"pgregory.net/rapid"
)

// words are what random requests are made of.
var words = []string{
	"", "x", "a", "0", "1", "-1", "1e9", "18446744073709551615", "18446744073709551616", "true", "false", "asc", "desc", "ndjson", "json", "csv",
	"now", "24h", "2026-01-01T00:00:00Z", "2026", "*", "a*", "..", "/", "a/b", "%", "\x00", "\xff", "é", "\u202e", "\"", "(", "type:x", "-type:x",
	"position:>=0", "data.x", "default", "_annals", "acme", "integrated", "durable", "application/json", "application/x-ndjson",
	"application/cloudevents+json", "application/cloudevents-batch+json", "text/plain", "a b", "1.0", "gzip", "zstd", "br",
	`{"type":"x"}`, `[{"type":"x"}]`, `{"events":[{"type":"x"}],"expect":[]}`, `{"events":[],"expect":[{"entity":{"type":"a","id":"b"},"sequence":1}]}`,
	`{"id":"a","type":"y"}`, `{"specversion":"1.0","id":"1","source":"s","type":"t"}`, `[]`, `{}`, `null`, `{"type":`, `[[[`, "\n\n",
	`{"type":"x","entity":{"type":"o","id":"1"}}` + "\n" + `{"type":"x"}`,
}

// names are of parameters and headers, known ones and others.
var (
	paramNames = []string{
		"id", "type", "q", "since", "until", "limit", "offset", "cursor", "order", "total", "tenant", "from", "to", "field", "format", "wait", "atomic",
		"expected_sequence", "entity_id", "data.x", "data.", "actor", "position", "nonsense", "", "outcome",
	}
	headerNames = []string{
		"Content-Type", "Content-Encoding", "Accept-Encoding", "Idempotency-Key", "X-Event-Type", "X-Outcome", "X-Resource-Type", "X-Resource-Id",
		"Ce-Specversion", "Ce-Id", "Ce-Source", "Ce-Type", "Ce-Time", "If-None-Match", "Last-Event-ID", "X-Request-Id", "Authorization",
	}
)

// TestRandomRequests makes requests of random parts: none is a fault of the server.
func TestRandomRequests(t *testing.T) {
	s := newTestServer(t, nil)
	s.fill(t, 20)
	routes := server.Routes()
	rapid.Check(t, func(r *rapid.T) {
		word := rapid.SampledFrom(words)
		route := rapid.SampledFrom(routes).Draw(r, "route")
		path := route.Pattern
		for _, name := range []string{"{path...}", "{id}", "{type}", "{entity_id}"} {
			path = strings.ReplaceAll(path, name, url.PathEscape(word.Draw(r, "element")))
		}
		params := make(url.Values)
		for range rapid.IntRange(0, 3).Draw(r, "params") {
			params.Add(rapid.SampledFrom(paramNames).Draw(r, "name"), word.Draw(r, "value"))
		}
		body := word.Draw(r, "body")
		req, err := http.NewRequest(route.Method, "http://x"+path+"?"+params.Encode(), strings.NewReader(body))
		if err != nil {
			r.Skip(err)
		}
		for range rapid.IntRange(0, 3).Draw(r, "headers") {
			req.Header.Add(rapid.SampledFrom(headerNames).Draw(r, "header"), word.Draw(r, "text"))
		}
		s.try(r, route, req)
	})
}

// try makes a request and looks at its status.
func (s *testServer) try(r *rapid.T, route server.TestRoute, req *http.Request) {
	if route.Method == "GET" && strings.HasSuffix(route.Pattern, "/stream") {
		ctx, cancel := endedContext() // or it would not end
		defer cancel()
		req = req.WithContext(ctx)
	} else {
		req = req.WithContext(context.Background())
	}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		s.Handler().ServeHTTP(w, req)
	}()
	if w.Code >= 500 {
		text, _ := io.ReadAll(w.Body)
		r.Fatalf("%s %s answers %d %s", req.Method, req.URL, w.Code, text)
	}
}

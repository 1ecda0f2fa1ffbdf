package server_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
)

// scrape returns the server's metrics.
func (s *testServer) scrape(t testing.TB) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Result().Body)
	check(t, err)
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, text)
	}
	return string(text)
}

// wantLine reports a metric that is not there, or has another value.
func wantLine(t testing.TB, metrics, line string) {
	t.Helper()
	if !strings.Contains("\n"+metrics, "\n"+line+"\n") {
		name, _, _ := strings.Cut(line, "{")
		name, _, _ = strings.Cut(name, " ")
		t.Errorf("metrics lack %q; there is\n%s", line, strings.Join(regexp.MustCompile("(?m)^"+name+".*$").FindAllString(metrics, 20), "\n"))
	}
}

// TestMetrics counts what a server did.
func TestMetrics(t *testing.T) {
	server.AddTestRoutes(t)
	s := newTestServer(t, func(o *server.Options) { o.Auth = newTestAuth(t) })
	headers := []string{"Authorization: Bearer append:acme", "Content-Type: application/json"}
	for _, body := range []string{
		`[{"id":"1","type":"a","source":"shop","action":"insert","outcome":"success"},{"id":"2","type":"a","source":"shop","action":"insert","outcome":"success"}]`,
		`{"id":"1","type":"a","source":"shop","action":"insert","outcome":"success"}`,
		`{"id":"3","type":"a"}`, `{"id":"3"`, `{"id":"1","type":"b"}`,
	} {
		s.call(t, "POST", "/api/v1/audit/events", body, headers...)
	}
	s.get("read:acme", "/test/read")
	s.get("append:acme", "/test/read")
	s.get("", "/no/such/route")
	m := s.scrape(t)
	for _, line := range []string{
		`audit_events_total{operation="insert",outcome="success",service="shop"} 2`,
		`audit_events_total{operation="",outcome="",service=""} 1`,
		`annals_duplicate_events_total 1`,
		`audit_write_duration_seconds_count 3`,
		`annals_append_events_sum 4`,
		`audit_query_duration_seconds_count 2`,
		`annals_http_requests_total{route="POST /api/v1/audit/events",status="2xx"} 3`,
		`annals_http_requests_total{route="POST /api/v1/audit/events",status="4xx"} 2`,
		`annals_http_requests_total{route="none",status="4xx"} 1`,
		`annals_http_problems_total{code="conflict"} 1`,
		`annals_http_problems_total{code="forbidden"} 1`,
		`annals_http_problems_total{code="rate_limited"} 0`,
		`annals_http_requests_in_progress 0`,
		`annals_events 3`,
		`annals_system_events 1`,
		`annals_disk_full 0`, `annals_failed 0`, `annals_read_only 0`, `annals_damage 0`, `annals_queue_appends 0`,
		`annals_reads_unaudited_total 0`,
	} {
		wantLine(t, m, line)
	}
}

// TestMetricsAreBounded has senders choose more labels than are told apart.
func TestMetricsAreBounded(t *testing.T) {
	s := newTestServer(t, nil)
	var body strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&body, `{"type":"a","source":"s%d","action":"a%d","outcome":"failure"}`+"\n", i, i)
	}
	body.WriteString(`{"type":"a","source":"` + strings.Repeat("x", 255) + `"}`)
	if status, text := s.call(t, "POST", "/api/v1/audit/events", body.String(), "Content-Type: application/x-ndjson"); status != 201 {
		t.Fatalf("status %d: %s", status, text)
	}
	m := s.scrape(t)
	if n := strings.Count(m, "\naudit_events_total{"); n > 110 {
		t.Errorf("%d series of events", n)
	}
	wantLine(t, m, `audit_events_total{operation="other",outcome="failure",service="other"} 900`)
	if n := strings.Count(m, "\n"); n > 3000 {
		t.Errorf("%d lines of metrics", n)
	}
}

// TestMetricsRoute asks for the permission to read, and says nothing of contents.
func TestMetricsRoute(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Auth, o.AuditReads = newTestAuth(t), server.AuditAll })
	for credential, want := range map[string]int{"": 401, "append:acme": 403, "read:acme": 200} {
		if got, _ := s.get(credential, "/metrics"); got != want {
			t.Errorf("%q: status %d, want %d", credential, got, want)
		}
	}
	if got := own(t, s.journal); len(got) != 2 { // the refusals alone: a scrape is no read
		t.Errorf("events are %v", got)
	}
}

// TestReady says why no appends are taken.
func TestReady(t *testing.T) {
	s := newTestServer(t, nil)
	if status, text := s.call(t, "GET", "/readyz", ""); status != 200 || text != `{"status":"ready"}` {
		t.Errorf("status %d: %s", status, text)
	}
	check(t, s.Drain(t.Context()))
	if status, text := s.call(t, "GET", "/readyz", ""); status != 503 || !strings.Contains(text, "going down") {
		t.Errorf("draining: status %d: %s", status, text)
	}

	dir := t.TempDir()
	j, err := annals.Open(dir, nil)
	check(t, err)
	check(t, j.Close())
	j, err = annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer j.Close()
	s = serveJournal(t, j, nil)
	if status, text := s.call(t, "GET", "/readyz", ""); status != 503 || text != `{"status":"not_ready","reason":"read_only"}` {
		t.Errorf("read only: status %d: %s", status, text)
	}
	if status, _ := s.call(t, "GET", "/healthz", ""); status != 200 {
		t.Errorf("read only: not alive, status %d", status)
	}
}

package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
	"github.com/google/go-cmp/cmp"
)

// own returns the journal's own events, as far as tests compare them.
func own(t testing.TB, j *annals.Journal) (events []string) {
	t.Helper()
	for e, err := range j.Scan(t.Context(), 0, j.Size()) {
		check(t, err)
		if e.Tenant() != annals.SystemTenant {
			continue
		}
		event, err := e.Event()
		check(t, err)
		data, err := json.Marshal(event.Data)
		check(t, err)
		events = append(events, fmt.Sprintf("%s by %s %s %s", event.Type, event.Actor.Type, event.Actor.ID, data))
	}
	return events
}

// get reads as a credential.
func (s *testServer) get(credential, target string) (int, string) {
	r := httptest.NewRequest("GET", target, nil)
	r.RemoteAddr = "192.0.2.7:5000"
	r.Header.Set("User-Agent", "test\xff agent")
	r.Header.Set("X-Request-Id", "test")
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	res := s.do(r)
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// withRoutes serves a new journal with a route that reads and one that exports.
func withRoutes(t *testing.T, change func(*server.Options)) *testServer {
	t.Helper()
	server.AddTestRoutes(t)
	return newTestServer(t, func(o *server.Options) {
		o.Auth, o.AuditReads = newTestAuth(t), server.AuditAll
		if change != nil {
			change(o)
		}
	})
}

// TestAuditReads reads, exports and is refused under each policy.
func TestAuditReads(t *testing.T) {
	read := `annals.events.read by token read:acme {"route":"GET /test/read","path":"/test/read","parameters":{"q":["a"]},"tenants":["acme"],"request_id":"test"}`
	exported := `annals.events.exported by token export:* {"route":"GET /test/export","path":"/test/export","tenants":["*"],"request_id":"test"}`
	refused := `annals.request.refused by token append:acme {"route":"GET /test/read","request_id":"test"}`
	unknown := `annals.request.refused by anonymous  {"route":"GET /test/read","request_id":"test"}`
	for _, tt := range []struct {
		policy string
		want   []string
	}{
		{server.AuditAll, []string{read, exported, refused, unknown}},
		{server.AuditExports, []string{exported, refused, unknown}},
		{server.AuditNone, []string{refused, unknown}},
	} {
		t.Run(tt.policy, func(t *testing.T) {
			s := withRoutes(t, func(o *server.Options) { o.AuditReads = tt.policy })
			for _, step := range []struct {
				credential, target string
				want               int
			}{
				{"read:acme", "/test/read?q=a", 200},
				{"export:*", "/test/export", 200},
				{"append:acme", "/test/read", 403},
				{"nobody", "/test/read", 401},
				{"read:acme", "/test/figures", 200}, // tells of no event
				{"read:acme", "/api/v1/audit/limits", 200},
				{"", "/healthz", 200},
			} {
				if got, text := s.get(step.credential, step.target); got != step.want {
					t.Errorf("%s by %q: status %d, want %d: %s", step.target, step.credential, got, step.want, text)
				}
			}
			if diff := cmp.Diff(tt.want, own(t, s.journal)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFault99AuditPolicy refuses other words.
func TestFault99AuditPolicy(t *testing.T) {
	s := newTestServer(t, nil)
	if err := s.SetAudit("some", false); err == nil {
		t.Error("it is taken")
	}
	if _, err := server.New(server.Options{Journal: s.journal, AuditReads: "never"}); err == nil {
		t.Error("a server is made with it")
	}
}

// TestFault98AuditBeforeAnswer sees the event when the handler runs.
func TestFault98AuditBeforeAnswer(t *testing.T) {
	s := withRoutes(t, nil)
	if _, text := s.get("read:acme", "/test/read"); text != "size 1" {
		t.Errorf("when the answer begins: %s", text)
	}
}

// TestAuditKeepsNoSecret sends a token where none belongs, and what no event may hold.
func TestAuditKeepsNoSecret(t *testing.T) {
	s := withRoutes(t, nil)
	const secret = "annals_abcdefgh2345_0000000000000000abcdefghij0000004Zcie9"
	for _, target := range []string{
		"/test/read?q=" + secret, "/test/read?q=actor:" + strings.ToUpper(secret), "/test/read?q=" + secret[:30] + "&q=x", "/test/read?q=%00%ff%ed%a0%80",
		"/test/read?q=" + strings.Repeat("x", 100_000), "/nothing/" + secret + "?token=" + secret, "/test/read?" + secret + "=1",
	} {
		s.get("read:acme", target)
		s.get(secret, target)
	}
	s.Drain(t.Context())
	for e, err := range s.journal.Scan(t.Context(), 0, s.journal.Size()) {
		check(t, err)
		if text := strings.ToLower(string(e.JSON)); strings.Contains(text, strings.ToLower(secret[36:46])) || len(text) > 4000 {
			t.Errorf("entry is %.500s", text)
		}
	}
	if strings.Contains(s.log.String(), secret[36:46]) {
		t.Errorf("log is\n%s", s.log.String())
	}
	if n := len(own(t, s.journal)); n != 4+1+7 { // reads that were admitted; refusals of the token that is none
		t.Errorf("%d events", n)
	}
}

// TestFault98AuditUnwritable reads a journal that takes no events: reads go on and are counted,
// unless they must be journalled.
func TestFault98AuditUnwritable(t *testing.T) {
	dir := t.TempDir()
	j, err := annals.Open(dir, nil)
	check(t, err)
	check(t, j.Close())
	j, err = annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer j.Close()
	server.AddTestRoutes(t)
	s := serveJournal(t, j, func(o *server.Options) { o.Auth, o.AuditReads = newTestAuth(t), server.AuditAll })
	for range 3 {
		if status, _ := s.get("read:acme", "/test/read"); status != 200 {
			t.Errorf("status %d", status)
		}
	}
	if got := s.UnauditedReads(); got != 3 {
		t.Errorf("%d unaudited reads, want 3", got)
	}
	check(t, s.SetAudit(server.AuditAll, true))
	if status, text := s.get("read:acme", "/test/read"); status != 503 || !strings.Contains(text, "cannot be journalled") {
		t.Errorf("required: status %d: %s", status, text)
	}
	if status, _ := s.get("nobody", "/test/read"); status != 401 {
		t.Errorf("refused: status %d", status)
	}
}

// TestAuditCatchesUp lets the journal take no events for a while: how many reads there were
// without one follows, when it does again and the latest at the end.
func TestAuditCatchesUp(t *testing.T) {
	server.AddTestRoutes(t)
	auth := newTestAuth(t)
	synctest.Test(t, func(t *testing.T) {
		j, err := annals.Open(t.TempDir(), &annals.Options{CheckpointInterval: -1, ScrubInterval: -1})
		check(t, err)
		defer func() { check(t, j.Close()) }()
		s := serveJournal(t, j, func(o *server.Options) { o.Auth, o.AuditReads = auth, server.AuditAll })
		fail := s.FailingAudit()
		fail(errors.New("no room"))
		for range 5 {
			s.get("read:acme", "/test/read")
		}
		time.Sleep(25 * time.Second) // it is tried, and fails
		synctest.Wait()
		fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		events := own(t, j)
		if len(events) != 1 || !strings.HasPrefix(events[0], "annals.reads.unaudited by") || !strings.Contains(events[0], `"count":5`) {
			t.Errorf("events are %v", events)
		}
		fail(errors.New("no room"))
		s.get("read:acme", "/test/read")
		fail(nil)
		check(t, s.Drain(t.Context()))
		if events := own(t, j); len(events) != 2 || !strings.Contains(events[1], `"count":1`) {
			t.Errorf("at the end: events are %v", events)
		}
	})
}

// TestAuditFlood refuses more than anybody wants to read of: the journal gets some events,
// then counts; callers without a credential do not use up those of others.
func TestAuditFlood(t *testing.T) {
	server.AddTestRoutes(t)
	auth := newTestAuth(t)
	synctest.Test(t, func(t *testing.T) {
		j, err := annals.Open(t.TempDir(), &annals.Options{CheckpointInterval: -1, ScrubInterval: -1})
		check(t, err)
		defer func() { check(t, j.Close()) }()
		s := serveJournal(t, j, func(o *server.Options) {
			o.Auth, o.Rates = auth, server.Rates{WriteRequests: 1}
		})
		for range 1000 {
			s.get("nobody", "/test/read")
		}
		s.get("append:acme", "/test/read")
		s.post("append:acme", 1)
		s.post("append:acme", 1)
		check(t, s.Drain(t.Context()))
		events := own(t, j)
		if len(events) != 100+1+1 || !strings.Contains(events[100], "by token append:acme") ||
			!strings.Contains(events[101], `"count":901,"codes":{"rate_limited":1,"unauthenticated":900},"credentials":{"append:acme":1}`) {
			t.Errorf("%d events, the last %v", len(events), events[len(events)-2:])
		}
	})
}

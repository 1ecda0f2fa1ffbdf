package server_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/server"
)

// target returns a request target of a route.
func target(r server.TestRoute) string {
	return strings.NewReplacer("{path...}", "0/000.p/1", "{id}", "a", "{type}", "o", "{entity_id}", "1").Replace(r.Pattern)
}

// TestFault95Permissions asks every route with every credential: each does what its
// permission allows and no more, and docs/api.md says so. A new route fails until it is
// listed there.
func TestFault95Permissions(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Auth = newTestAuth(t) })
	page, err := os.ReadFile(apiPage)
	check(t, err)
	for _, r := range server.Routes() {
		row := "\n| `" + shortName(r.Name) + "` |"
		for _, p := range []access.Permission{access.Append, access.Read, access.Export, access.Admin} {
			status := s.ask(t, r, "Bearer "+p.String()+":acme")
			allowed := r.Open || r.Needs&p == r.Needs
			if refused := status == 403; refused == allowed || status == 401 {
				t.Errorf("%s with the permission %s: status %d", r.Name, p, status)
			}
			row += yes(allowed)
		}
		for _, credential := range []string{"", "Bearer", "Bearer nobody", "Basic YTpi", "Bearer append:acme x"} {
			if status := s.ask(t, r, credential); (status == 401) == r.Open {
				t.Errorf("%s with the credential %q: status %d", r.Name, credential, status)
			}
		}
		row += yes(r.Open)
		if !bytes.Contains(page, []byte(row+"\n")) {
			t.Errorf("docs/api.md does not have the line %s", row[1:])
		}
	}
}

// ask makes a request of a route and returns the status.
func (s *testServer) ask(t *testing.T, r server.TestRoute, credential string) int {
	t.Helper()
	req := httptest.NewRequest(r.Method, target(r), strings.NewReader(""))
	if credential != "" {
		req.Header.Set("Authorization", credential)
	}
	if strings.HasSuffix(r.Pattern, "/stream") && r.Method == "GET" {
		ctx, cancel := endedContext()
		defer cancel()
		req = req.WithContext(ctx) // or it would not end
	}
	w := httptest.NewRecorder()
	func() {
		defer func() { recover() }() // a stream that breaks off
		s.Handler().ServeHTTP(w, req)
	}()
	return w.Code
}

// TestFault96Tenants guesses what another tenant has: the answer is that for what there
// is not, byte for byte.
func TestFault96Tenants(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Auth = newTestAuth(t) })
	status, text := s.call(t, "POST", "/api/v1/audit/events", `[{"id":"secret","type":"x","tenant":"beta","entity":{"type":"o","id":"secret"}},{"id":"other","type":"y","tenant":"acme"}]`,
		"Authorization: Bearer append:*")
	if status != 201 {
		t.Fatal(status, text)
	}
	for _, path := range []string{
		"/api/v1/audit/events/%s", "/api/v1/audit/events/%s/proof", "/api/v1/audit/events?id=%s", "/api/v1/audit/events?entity_id=%s", "/api/v1/audit/events?q=%s",
		"/api/v1/audit/entities/o/%s/history", "/api/v1/audit/entities/history?type=o&id=%s", "/journal/history/%s",
		"/api/v1/audit/events?tenant=beta&id=%s", "/api/v1/audit/events?tenant=beta&tenant=acme&id=%s", "/api/v1/audit/events/%s?tenant=beta",
		"/api/v1/audit/events?total=true&q=id:%s+OR+tenant:beta", "/api/v1/audit/events?tenant=*&id=%s",
	} {
		answer := func(id string) string {
			status, text := s.call(t, "GET", fmt.Sprintf(path, id), "", "Authorization: Bearer read:acme", "X-Request-Id: r")
			return fmt.Sprint(status, " ", strings.ReplaceAll(text, id, "ID"))
		}
		if there, not := answer("secret"), answer("absent"); there != not {
			t.Errorf("%s: what another has is answered by\n%s\nand what nobody has by\n%s", path, there, not)
		}
	}
	// A cursor of one tenant's search is none of another's.
	_, page := s.call(t, "GET", "/api/v1/audit/events?limit=1&tenant=*", "", "Authorization: Bearer read:*")
	_, cursor, _ := strings.Cut(page, `"next_cursor":"`)
	cursor, _, ok := strings.Cut(cursor, `"`)
	if status, text := s.call(t, "GET", "/api/v1/audit/events?limit=1&tenant=*&cursor="+cursor, "", "Authorization: Bearer read:acme"); !ok || status != 400 {
		t.Errorf("a cursor %q of others is answered by %d %s", cursor, status, text)
	}
	// Nor does a conflict tell: the id is free in the sender's own tenant.
	status, text = s.call(t, "POST", "/api/v1/audit/events", `{"id":"secret","type":"z"}`, "Authorization: Bearer append:acme")
	if status != 201 {
		t.Errorf("an id that another has is answered by %d %s", status, text)
	}
}

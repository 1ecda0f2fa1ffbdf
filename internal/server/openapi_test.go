package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals/internal/server"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"
)

// An apiChecker holds requests and answers against the document of the API.
type apiChecker struct {
	doc *openapi3.T
	mux *http.ServeMux // finds the path of the document
}

// apiDocument reads the document of the API once.
var apiDocument = sync.OnceValues(func() (*apiChecker, error) {
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	for _, media := range []string{"application/x-ndjson", "text/event-stream", "text/html", "image/png"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	for _, media := range []string{"application/cloudevents+json", "application/cloudevents-batch+json"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.JSONBodyDecoder)
	}
	c := &apiChecker{doc, http.NewServeMux()}
	for path := range doc.Paths.Map() {
		c.mux.HandleFunc(strings.Replace(path, "{path}", "{path...}", 1), func(http.ResponseWriter, *http.Request) {})
	}
	return c, nil
})

// route returns the operation of a request, nil if the document has none.
func (c *apiChecker) route(r *http.Request) (*routers.Route, map[string]string) {
	copied := r.Clone(context.Background())
	c.mux.ServeHTTP(httptest.NewRecorder(), copied) // which sets the values of the path
	path := strings.Replace(copied.Pattern, "...", "", 1)
	item := c.doc.Paths.Value(path)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if item == nil || item.GetOperation(method) == nil {
		return nil, nil
	}
	values := make(map[string]string)
	for _, p := range item.GetOperation(method).Parameters {
		if p.Value.In == "path" {
			values[p.Value.Name] = copied.PathValue(p.Value.Name)
		}
	}
	return &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)}, values
}

// validate checks a request, if it was taken, and its answer against the document of the
// API.
func (s *testServer) validate(t *testing.T, r *http.Request, body string, res *http.Response, answer []byte) {
	t.Helper()
	c, err := apiDocument()
	check(t, err)
	route, values := c.route(r)
	if route == nil || strings.Contains(string(answer), "there is no such route") {
		if res.StatusCode != 404 && res.StatusCode != 405 {
			t.Errorf("%s %s is not in the document, and answers %d", r.Method, r.URL, res.StatusCode)
		}
		return
	}
	media := res.Header.Get("Content-Type")
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: values, QueryParams: r.URL.Query(), Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true,
			ExcludeRequestBody:    r.Header.Get("Content-Type") == "" || res.StatusCode == http.StatusMultiStatus || r.Header.Get("Content-Encoding") != "",
			ExcludeResponseBody:   r.Method == http.MethodHead || media == "application/octet-stream",
		},
	}
	if res.StatusCode < 400 {
		r.Body = io.NopCloser(strings.NewReader(body))
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("%s %s was taken, but the document refuses it: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options,
	}
	out.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s: the document refuses the answer: %v", r.Method, r.URL, err)
	}
}

// TestOpenAPI checks that the document is one, its examples included, and that it has
// the routes of the server, with their permissions and parameters, and no others.
func TestOpenAPI(t *testing.T) {
	c, err := apiDocument()
	check(t, err)
	if err := c.doc.Validate(context.Background(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Error(err)
	}
	got := make(map[string]string)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			var params []string
			for _, p := range op.Parameters {
				if p.Value.In == "query" {
					params = append(params, p.Value.Name)
				}
			}
			slices.Sort(params)
			got[method+" "+path] = fmt.Sprint(op.Extensions["x-permission"], params)
		}
	}
	want := make(map[string]string)
	for _, r := range server.Routes() {
		name := strings.Replace(r.Name, "...", "", 1)
		params := slices.Sorted(slices.Values(r.Params))
		if slices.Contains(params, "*") { // the journal's to know: whatever the document has
			_, documented, _ := strings.Cut(got[name], "[")
			params = strings.Fields(strings.TrimSuffix(documented, "]"))
		}
		want[name] = fmt.Sprint(r.Permission, params)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations of the document (-routes +document):\n%s", diff)
	}
}

// TestOpenAPIPages asks for the documents themselves.
func TestOpenAPIPages(t *testing.T) {
	s := newTestServer(t, nil)
	for path, want := range map[string]string{"/openapi.json": `"openapi": "3.1.0"`, "/docs": `<code>get /healthz</code>`} {
		r := httptest.NewRequest("GET", path, nil)
		res := s.do(r)
		text, err := io.ReadAll(res.Body)
		check(t, err)
		s.validate(t, r, "", res, text)
		if res.StatusCode != 200 || !strings.Contains(string(text), want) {
			t.Errorf("%s answers %d %.200s", path, res.StatusCode, text)
		}
		for _, outside := range []string{"<script", "src=", "@import"} {
			if path == "/docs" && strings.Contains(string(text), outside) {
				t.Errorf("the page has %s", outside)
			}
		}
		if status, _ := s.call(t, "GET", path, "", "If-None-Match: "+res.Header.Get("ETag")); status != 304 {
			t.Errorf("%s answers %d to its own tag", path, status)
		}
	}
}

// TestOpenAPISearchParams sends every parameter that the document has for a search.
func TestOpenAPISearchParams(t *testing.T) {
	c, err := apiDocument()
	check(t, err)
	s := newTestServer(t, nil)
	values := map[string]string{
		"since": "24h", "until": "2026-01-01T00:00:00Z", "outcome": "success", "severity": "info", "order": "asc", "limit": "1",
		"offset": "1", "total": "true", "tenant": "default", "cursor": "", "format": "json", "from": "0", "more": "",
		"redact": "", // goes with some formats: testdata/export.txt has it
	}
	sent := 0
	for _, path := range []string{"/api/v1/audit/events", "/api/v1/audit/export", "/api/v1/audit/events/stream"} {
		for _, p := range c.doc.Paths.Value(path).Get.Parameters {
			value, special := values[p.Value.Name]
			if !special {
				value = "x"
			}
			if p.Value.In != "query" || value == "" || strings.HasSuffix(path, "stream") {
				continue
			}
			sent++
			target := path + "?" + url.Values{p.Value.Name: {value}}.Encode()
			if status, text := s.call(t, "GET", target, ""); status != 200 {
				t.Errorf("%s answers %d %s", target, status, text)
			}
		}
	}
	if sent < 30 {
		t.Errorf("only %d parameters, of %v", sent, slices.Sorted(maps.Keys(values)))
	}
}

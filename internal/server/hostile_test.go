package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const eventsPath = "/api/v1/audit/events"

// endedContext returns a context that ends at once.
func endedContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}

// TestFault55Times sends times that are absurd or none: they are kept as they are, or
// refused, and never replaced.
func TestFault55Times(t *testing.T) {
	s := newTestServer(t, nil)
	for i, tt := range []struct {
		time string
		want int
	}{
		{"0000-01-01T00:00:00Z", 201}, {"9999-12-31T23:59:59.999999999Z", 201}, {"1969-12-31T23:59:59Z", 201},
		{"tomorrow", 400}, {"2026-02-30T00:00:00Z", 400}, {"10000-01-01T00:00:00Z", 400}, {"1767225600", 400}, {"2026-01-01", 400},
	} {
		status, text := s.call(t, "POST", eventsPath, fmt.Sprintf(`{"id":"%d","type":"x","time":%q}`, i, tt.time))
		if status != tt.want {
			t.Errorf("%s: answer is %d %s", tt.time, status, text)
		}
		if status != 201 {
			continue
		}
		if _, entry := s.call(t, "GET", eventsPath+fmt.Sprintf("/%d", i), ""); !strings.Contains(entry, `"time":"`+tt.time[:19]) {
			t.Errorf("%s is kept as %s", tt.time, entry)
		}
	}
}

// TestFault56ExpectedSequence has writers that expect the same sequence: one wins each.
func TestFault56ExpectedSequence(t *testing.T) {
	s := newTestServer(t, nil)
	for n := range 5 {
		var writers sync.WaitGroup
		statuses := make([]int, 64)
		for i := range statuses {
			writers.Go(func() {
				r := httptest.NewRequest("POST", fmt.Sprintf("%s?expected_sequence=%d", eventsPath, n),
					strings.NewReader(fmt.Sprintf(`{"id":"%d-%d","type":"x","entity":{"type":"o","id":"1"}}`, n, i)))
				statuses[i] = s.do(r).StatusCode
			})
		}
		writers.Wait()
		won := 0
		for _, status := range statuses {
			if status == 201 {
				won++
			} else if status != 409 {
				t.Errorf("status %d", status)
			}
		}
		if won != 1 {
			t.Errorf("%d writers won sequence %d", won, n+1)
		}
	}
}

// TestFault57Retry repeats an append: the receipt is the first one, also after the
// journal was opened again.
func TestFault57Retry(t *testing.T) {
	dir := t.TempDir()
	var first string
	for i, want := range []int{201, 200, 200} {
		j, err := annals.Open(dir, nil)
		check(t, err)
		s := serveJournal(t, j, nil)
		status, text := s.call(t, "POST", eventsPath, `{"id":"a","type":"x"}`)
		text = strings.Replace(text, `"duplicate":true`, `"duplicate":false`, 1)
		if i == 0 {
			first = text
		}
		if status != want || text != first {
			t.Errorf("attempt %d is answered by %d %s, want %d %s", i, status, text, want, first)
		}
		check(t, j.Close())
	}
}

// TestFault100Names has control characters and line breaks wherever a client can put
// them: a request is one line of the log, and of a stream.
func TestFault100Names(t *testing.T) {
	s := newTestServer(t, nil)
	hostile := "a\r\nb\x1b[31m\u2028\u202e\x00"
	body := fmt.Sprintf(`{"id":"x","type":"x","message":%q,"data":%q}`, "a\u2028\u202e\u001b", "\u0000")
	body = strings.NewReplacer(`\x1b`, `\u001b`, `\x00`, `\u0000`).Replace(body)
	status, text := s.call(t, "POST", eventsPath, body)
	if status != 201 {
		t.Fatal(status, text)
	}
	if _, text := s.call(t, "GET", "/api/v1/audit/export", ""); strings.Count(text, "\n") != 1 || strings.Contains(text, "\x1b") {
		t.Errorf("export is %q", text)
	}
	r := httptest.NewRequest("GET", "/healthz", nil)
	r.Header.Set("X-Request-Id", hostile)
	res := s.do(r)
	if id := res.Header.Get("X-Request-Id"); strings.ContainsAny(id, "\r\n\x1b") || id == "" {
		t.Errorf("request id is %q", id)
	}
	r = httptest.NewRequest("GET", "/healthz", nil)
	r.URL.Path, r.URL.RawQuery = "/"+hostile, ""
	res = s.do(r)
	answer, err := io.ReadAll(res.Body)
	check(t, err)
	if res.StatusCode != 404 || bytes.ContainsAny(answer, "\r\n\x1b\x00") {
		t.Errorf("answer is %d %q", res.StatusCode, answer)
	}
}

// An endless reader never ends, and counts what was read.
type endless struct {
	text string
	n    int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.n%int64(len(e.text)):])
	e.n += int64(n)
	return n, nil
}

// TestFault103Bodies sends bodies without an end, bombs, and texts that are deep or wide:
// each has the right status, and takes no more than the limit.
func TestFault103Bodies(t *testing.T) {
	const limit = 1 << 20
	s := newTestServer(t, func(o *server.Options) { o.Limits.BodyBytes = limit })
	for _, tt := range []struct {
		name, text, encoding string
		want                 int
	}{
		{"endless spaces", " ", "", 413},
		{"endless array", `[{"type":"x"},`, "", 413},
		{"endless string", `x`, "", 413},
		{"endless gzip", string(compressed(t, "gzip", nil)), "gzip", 413},
		{"endless zstd", string(compressed(t, "zstd", nil)), "zstd", 413},
	} {
		in := &endless{text: tt.text}
		r := httptest.NewRequest("POST", eventsPath, in)
		r.ContentLength = -1
		r.Header.Set("Content-Encoding", tt.encoding)
		if got := s.do(r).StatusCode; got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
		}
		if in.n > 2*limit {
			t.Errorf("%s: %d bytes were read", tt.name, in.n)
		}
	}
	huge := bytes.Repeat([]byte(" "), 64<<20)
	for _, encoding := range []string{"gzip", "zstd"} {
		if status, text := s.call(t, "POST", eventsPath, string(compressed(t, encoding, huge)), "Content-Encoding: "+encoding); status != 413 {
			t.Errorf("a bomb in %s: answer is %d %s", encoding, status, text)
		}
		cut := compressed(t, encoding, []byte(`{"type":"x"}`))
		if status, text := s.call(t, "POST", eventsPath, string(cut[:len(cut)-3]), "Content-Encoding: "+encoding); status != 400 {
			t.Errorf("half of a body in %s: answer is %d %s", encoding, status, text)
		}
	}
	for name, body := range map[string]string{
		"deep":           `{"type":"x","data":` + strings.Repeat("[", 300_000),
		"wide":           `{"type":"x","data":{` + strings.Repeat(`"a":1,`, 100_000) + `"a":1}}`,
		"duplicate":      `{"type":"x","type":"x"}`,
		"UTF-8":          `{"type":"` + "\xff" + `"}`,
		"lone surrogate": `{"type":"\ud800"}`,
		"two values":     `{"type":"x"}{"type":"x"}`,
		"null":           `null`, "number": `1e400`, "cut": `{"type":"x","data":{"a":`,
	} {
		if status, text := s.call(t, "POST", eventsPath, body); status != 400 {
			t.Errorf("%s: answer is %d %.300s", name, status, text)
		}
	}
	if s.journal.Size() != 0 {
		t.Errorf("journal has %d entries", s.journal.Size())
	}
}

// compressed compresses a body.
func compressed(t testing.TB, encoding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&b)
	if encoding == "zstd" {
		var err error
		z, err = zstd.NewWriter(&b)
		check(t, err)
	}
	_, err := z.Write(body)
	check(t, err)
	check(t, z.Close())
	return b.Bytes()
}

// TestFault103Counts sends one event more than an append takes, and one less.
func TestFault103Counts(t *testing.T) {
	s := newTestServer(t, nil)
	for n, want := range map[int]int{annals.MaxBatchEvents: 201, annals.MaxBatchEvents + 1: 413} {
		events := strings.Repeat(`{"type":"x"},`, n)
		for path, body := range map[string]string{
			eventsPath:            "[" + events[:len(events)-1] + "]",
			eventsPath + "/batch": strings.ReplaceAll(events, ",", "\n"),
		} {
			contentType := "application/json"
			if path != eventsPath {
				contentType = "application/x-ndjson"
			}
			if status, text := s.call(t, "POST", path, body, "Content-Type: "+contentType); status != want {
				t.Errorf("%d events to %s: answer is %d %.300s", n, path, status, text)
			}
		}
	}
}

// TestFault103SlowHeaders opens connections that never finish their headers: the server
// has a time for them, whatever it is, and answers others meanwhile.
func TestFault103SlowHeaders(t *testing.T) {
	s := newTestServer(t, nil)
	web := s.HTTP()
	if web.ReadHeaderTimeout <= 0 || web.ReadTimeout <= 0 || web.WriteTimeout <= 0 || web.IdleTimeout <= 0 || web.MaxHeaderBytes > 16<<10 {
		t.Errorf("limits are %+v", web)
	}
	web.ReadHeaderTimeout = 10 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	go serveLoop(web, l)
	defer web.Close()
	for range 50 {
		c, err := net.Dial("tcp", l.Addr().String())
		check(t, err)
		defer c.Close()
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nX: ")
		if _, err := io.ReadAll(c); err != nil { // until the server closes it
			t.Error(err)
		}
	}
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	check(t, err)
	if res.Body.Close(); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func serveLoop(s *http.Server, l net.Listener) { _ = s.Serve(l) }

// TestFault103Headers sends headers above their limit.
func TestFault103Headers(t *testing.T) {
	s := newTestServer(t, nil)
	url := s.listen(t)
	for size, want := range map[int]int{8 << 10: 200, 20 << 10: 431} {
		req, err := http.NewRequest("GET", url+"/healthz", nil)
		check(t, err)
		req.Header.Set("X-Long", strings.Repeat("x", size))
		res, err := http.DefaultTransport.RoundTrip(req)
		check(t, err)
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", size, res.StatusCode, want)
		}
	}
}

// TestFault104Filters sends filters that are made to be slow, or to be something else.
func TestFault104Filters(t *testing.T) {
	s := newTestServer(t, nil)
	s.fill(t, 100)
	for name, q := range map[string]string{
		"parentheses": strings.Repeat("(", 100_000), "stars": "type:" + strings.Repeat("*", 5000), "ors": strings.Repeat("a OR ", 5000) + "a",
		"not": strings.Repeat("-", 5000) + "a", "quote": `"' OR 1=1 --`, "path": "data." + strings.Repeat("a.", 5000) + "a:1", "NUL": "type:\x00", "bytes": "\xff",
	} {
		r := httptest.NewRequest("GET", eventsPath, nil)
		r.URL.RawQuery = "q=" + strings.NewReplacer("%", "%25", " ", "+", "\x00", "%00", "\xff", "%ff", `"`, "%22").Replace(q)
		if status := s.do(r).StatusCode; status != 200 && status != 400 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// TestFault105Paths sends names that try to leave where they are.
func TestFault105Paths(t *testing.T) {
	s := newTestServer(t, nil)
	for _, path := range []string{
		"/tile/../journal.json", "/tile/entries/%2e%2e/%2e%2e/keys/secret", "/tile/0/..%2f..%2fkeys%2fsecret", "/tile/%00", "/docs/../keys",
		"/api/v1/audit/events/..%2F..%2Fkeys", "/api/v1/audit/events/%2e%2e", "/journal.json", "/keys/checkpoint.key",
	} {
		if status, text := s.call(t, "GET", path, ""); status != 404 || strings.Contains(text, "PRIVATE") {
			t.Errorf("%s: answer is %d %s", path, status, text)
		}
	}
}

// TestFault106Secrets has secrets in what clients send: what the server logs has none.
func TestFault106Secrets(t *testing.T) {
	s := newTestServer(t, func(o *server.Options) { o.Auth = newTestAuth(t) })
	for _, body := range []string{`{"type":"canary","data":"canary"}`, `{"canary":1}`, `{"type":"x","id":"canary"`, "canary"} {
		for _, auth := range []string{"Bearer canary", "Bearer append:acme"} {
			s.call(t, "POST", eventsPath, body, "Authorization: "+auth, "X-Canary: canary")
			s.call(t, "GET", eventsPath+"/canary?tenant=canary", "", "Authorization: "+auth)
		}
	}
	if log := s.log.String(); strings.Contains(log, "canary") {
		t.Errorf("log is %s", log)
	}
}

// TestFault108Admin asks for what an administrator's listener has.
func TestFault108Admin(t *testing.T) {
	s := newTestServer(t, nil)
	for _, path := range []string{"/debug/pprof/", "/debug/vars", "/admin", "/config", "/tokens"} {
		if status, _ := s.call(t, "GET", path, ""); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

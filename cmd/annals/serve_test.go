package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A served is a running annals serve.
type served struct {
	*process
	serveReport
	dir    string
	token  string // the first one, "" if it was not shown
	client *http.Client
}

// startServe starts a server on a free port and waits for its first line.
func startServe(t *testing.T, dir string, args ...string) *served {
	t.Helper()
	args = append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "none"}, args...)
	_, err := os.Stat(dir)
	s := &served{process: start(t, args...), dir: dir, client: new(http.Client)}
	check(t, json.Unmarshal([]byte(s.line()), &s.serveReport))
	if err != nil && !slices.Contains(args, "--insecure-no-auth") {
		s.stderr.waitFor("not shown again: annals_")
	}
	s.token = regexp.MustCompile(`annals_[a-z2-7]{12}_\w{38}`).FindString(s.stderr.String())
	return s
}

// do sends a request and returns the answer's status and body.
func (s *served) do(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	check(s.t, err)
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(r)
	check(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(s.t, err)
	return answer.StatusCode, string(text)
}

// want is do with a status that it must have.
func (s *served) want(status int, method, path, body string) string {
	s.t.Helper()
	got, text := s.do(method, path, body)
	if got != status {
		s.t.Errorf("%s %s: status %d, want %d: %s", method, path, got, status, text)
	}
	return text
}

// stop ends the server with a signal.
func (s *served) stop(signal syscall.Signal) {
	s.t.Helper()
	check(s.t, s.cmd.Process.Signal(signal))
	if status := s.status(); status != 0 {
		s.t.Errorf("%v: exit status %d, standard error:\n%s", signal, status, s.stderr.String())
	}
}

const limitsPath = "/api/v1/audit/limits"

// TestServe starts a server, stops it and starts it again: the first token is shown once.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := startServe(t, dir, "--log-level", "debug")
	if s.Data != dir || !strings.HasPrefix(s.URL, "http://127.0.0.1:") || s.token == "" {
		t.Fatalf("first line says %+v, token %q", s.serveReport, s.token)
	}
	s.want(200, "GET", "/healthz", "")
	s.want(200, "GET", limitsPath, "")
	first := s.token
	s.token = ""
	s.want(401, "GET", limitsPath, "")
	s.token = first[:len(first)-1] + "!"
	s.want(401, "GET", limitsPath, "")
	s.want(404, "GET", "/"+first+"?token="+first, "")
	s.stop(syscall.SIGTERM)
	if log := s.stderr.String(); strings.Count(log, first[20:]) != 1 || !strings.Contains(log, "route=\"GET "+limitsPath+"\" status=200") {
		t.Errorf("the log shows the token again, or no requests:\n%s", log)
	}

	s = startServe(t, dir)
	if s.token != "" {
		t.Error("the second start shows a token")
	}
	s.token = first
	s.want(200, "GET", limitsPath, "")
	s.stop(syscall.SIGINT)
	got := runOK(t, "", "export", "--data", dir)
	if n := strings.Count(got, `"type":"annals.token.created"`); n != 1 || strings.Contains(got, first) {
		t.Errorf("%d events of tokens, want 1, without the token's text:\n%s", n, got)
	}
	runOK(t, "", "verify", "--data", dir)
}

// TestServeTokens makes and revokes a token beside the server, which journals both.
func TestServeTokens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := startServe(t, dir)
	var made newTokenReport
	check(t, json.Unmarshal([]byte(runOK(t, "", "token", "create", "--data", dir, "--permissions", "read")), &made))
	admin := s.token
	s.token = made.Token
	for status := 0; status != 200; { // as soon as the server reads the folder
		status, _ = s.do("GET", limitsPath, "")
	}
	runOK(t, "", "token", "revoke", "--data", dir, made.ID)
	for status := 0; status != 401; {
		status, _ = s.do("GET", limitsPath, "")
	}
	s.token = admin
	s.stop(syscall.SIGTERM)
	got := runOK(t, "", "history", "--data", dir, "--tenant", "_annals", "--output", "ndjson", "annals.token", made.ID)
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "annals.token.revoked") {
		t.Errorf("history of the token:\n%s", got)
	}
	if got := runOK(t, "", "token", "list", "--data", dir); !strings.Contains(got, `"last_used_at":"2`) {
		t.Errorf("no last use in\n%s", got)
	}
}

// TestServeNoAuth serves this machine without tokens, and keeps web pages out.
func TestServeNoAuth(t *testing.T) {
	s := startServe(t, filepath.Join(t.TempDir(), "journal"), "--insecure-no-auth")
	if s.token != "" {
		t.Error("a token is shown")
	}
	s.want(200, "GET", limitsPath, "")
	for _, tt := range []struct{ name, method, host, header, value string }{
		{"rebound name", "GET", "evil.example:7300", "", ""},
		{"page of another origin", "POST", "", "Sec-Fetch-Site", "cross-site"},
		{"page of another origin, older browser", "POST", "", "Origin", "https://evil.example"},
	} {
		r, err := http.NewRequest(tt.method, s.URL+limitsPath, nil)
		check(t, err)
		if tt.host != "" {
			r.Host = tt.host
		}
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		answer, err := s.client.Do(r)
		check(t, err)
		answer.Body.Close()
		if answer.StatusCode != 403 && answer.StatusCode != 421 {
			t.Errorf("%s: status %d", tt.name, answer.StatusCode)
		}
	}
	s.stop(syscall.SIGTERM)
}

// TestServeDrain stops a server while a stream is open and a request is half sent: what has
// a receipt is there, the stream ends, and nothing needs recovery.
func TestServeDrain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := startServe(t, dir)
	body, send := io.Pipe()
	r, err := http.NewRequest("POST", s.URL+"/api/v1/audit/events/stream", body)
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/x-ndjson")
	go sendLoop(send, `{"id":"1","type":"a","tenant":"acme"}`+"\n")
	answer, err := s.client.Do(r)
	check(t, err)
	defer answer.Body.Close()
	in := bufio.NewReader(answer.Body)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, `"durable":true`) {
		t.Fatalf("receipt is %q, error %v", line, err)
	}
	check(t, s.cmd.Process.Signal(syscall.SIGTERM))
	if rest, err := io.ReadAll(in); err != nil || len(rest) != 0 {
		t.Errorf("after the signal: %q, error %v", rest, err)
	}
	check(t, send.Close())
	if status := s.status(); status != 0 {
		t.Errorf("exit status %d, standard error:\n%s", status, s.stderr.String())
	}
	got := runOK(t, "", "export", "--data", dir)
	if !strings.Contains(got, `"id":"1"`) || strings.Contains(got, "annals.journal.recovered") {
		t.Errorf("journal holds\n%s", got)
	}
}

// sendLoop writes a text and leaves the pipe open.
func sendLoop(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// TestServeSecondSignal ends a server at once whose drain waits for a request. The next
// start recovers what it must.
func TestServeSecondSignal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := startServe(t, dir)
	s.want(201, "POST", "/api/v1/audit/events", `{"id":"1","type":"a","tenant":"acme"}`)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	check(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST /api/v1/audit/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", s.token)
	check(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") { // the handler reads the body
		t.Fatalf("answer is %q, error %v", line, err)
	}
	check(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.stderr.waitFor("going down")
	check(t, s.cmd.Process.Signal(syscall.SIGTERM))
	if status := s.status(); status != -1 {
		t.Errorf("exit status %d, want the end by a signal", status)
	}
	token := s.token
	s = startServe(t, dir)
	s.token = token
	s.want(200, "POST", "/api/v1/audit/events", `{"id":"1","type":"a","tenant":"acme"}`)
	s.stop(syscall.SIGTERM)
}

// TestServeAdmin has metrics and profiles on the admin address, and not on the other.
func TestServeAdmin(t *testing.T) {
	s := startServe(t, filepath.Join(t.TempDir(), "journal"), "--admin-listen", "127.0.0.1:0")
	s.stderr.waitFor("metrics and profiles")
	admin := regexp.MustCompile(`metrics and profiles" url=(\S+)`).FindStringSubmatch(s.stderr.String())[1]
	token, api := s.token, s.URL
	s.token, s.URL = "", admin
	if got := s.want(200, "GET", "/metrics", ""); !strings.Contains(got, "\nannals_events 0\n") {
		t.Errorf("metrics are\n%s", got)
	}
	s.want(200, "GET", "/debug/pprof/goroutine?debug=1", "")
	s.want(404, "GET", limitsPath, "")
	s.URL = api
	s.want(404, "GET", "/debug/pprof/", "")
	s.want(401, "GET", "/metrics", "")
	s.token = token
	s.want(200, "GET", "/metrics", "")
	s.stop(syscall.SIGTERM)
}

// TestServeLocked starts a second server on a journal.
func TestServeLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := startServe(t, dir)
	second := start(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "none")
	if status := second.status(); status != statusUnavailable || !strings.Contains(second.stderr.String(), "perhaps another server") {
		t.Errorf("exit status %d, standard error:\n%s", status, second.stderr.String())
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	check(t, err)
	third := start(t, "serve", "--data", filepath.Join(t.TempDir(), "other"), "--listen", "127.0.0.1:"+port, "--admin-listen", "none")
	if status := third.status(); status != 1 || !strings.Contains(third.stderr.String(), "another process has this port") {
		t.Errorf("taken port: exit status %d, standard error:\n%s", status, third.stderr.String())
	}
	s.stop(syscall.SIGTERM)
}

// writeCertificate writes a new certificate for this machine and returns it.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "annals"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	var cert, pkcs8 bytes.Buffer
	check(t, pem.Encode(&cert, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	check(t, pem.Encode(&pkcs8, &pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	check(t, os.WriteFile(certFile, cert.Bytes(), 0o600))
	check(t, os.WriteFile(keyFile, pkcs8.Bytes(), 0o600))
	parsed, err := x509.ParseCertificate(der)
	check(t, err)
	return parsed
}

// trusting returns a client of one connection a request that trusts certificates.
func trusting(certs ...*x509.Certificate) *http.Client {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// TestServeTLS serves other machines with TLS, and takes up a new certificate and new
// settings at a hang-up signal. A broken one changes nothing.
func TestServeTLS(t *testing.T) {
	tmp := t.TempDir()
	certFile, keyFile, settings := filepath.Join(tmp, "tls.crt"), filepath.Join(tmp, "tls.key"), filepath.Join(tmp, "annals.yaml")
	check(t, os.WriteFile(settings, []byte("log_level: warn\n"), 0o600))
	one := writeCertificate(t, certFile, keyFile, 1)
	s := startServe(t, filepath.Join(tmp, "journal"), "--listen", "0.0.0.0:0", "--tls-cert", certFile, "--tls-key", keyFile, "--config", settings)
	if !strings.HasPrefix(s.URL, "https://127.0.0.1:") {
		t.Fatalf("URL is %s", s.URL)
	}
	s.client = trusting(one)
	answer, err := s.client.Get(s.URL + "/healthz")
	check(t, err)
	answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != 200 {
		t.Errorf("%s %s, want HTTP/2 and 200", answer.Proto, answer.Status)
	}

	two := writeCertificate(t, certFile, keyFile, 2)
	check(t, os.WriteFile(settings, []byte("log_level: info\nmax_streams: 5\naudit_reads: exports\n"), 0o600))
	check(t, s.cmd.Process.Signal(syscall.SIGHUP))
	s.client = trusting(one, two)
	serial := int64(1)
	for serial == 1 { // until the signal has arrived
		answer, err := s.client.Get(s.URL + "/healthz")
		check(t, err)
		answer.Body.Close()
		serial = answer.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	s.stderr.waitFor("settings are read again")
	if !strings.Contains(s.stderr.String(), "a changed setting needs a restart") {
		t.Errorf("log:\n%s", s.stderr.String())
	}

	check(t, os.WriteFile(certFile, []byte("broken"), 0o600))
	check(t, os.WriteFile(settings, []byte("log_levell: info\n"), 0o600))
	check(t, s.cmd.Process.Signal(syscall.SIGHUP))
	s.stderr.waitFor("settings are not taken up")
	s.stderr.waitFor("certificate is not taken up")
	s.want(200, "GET", "/healthz", "")
	s.stop(syscall.SIGTERM)

	// Starts, stops and changes are in the journal.
	got := runOK(t, "", "query", "--data", s.dir, "--tenant", "_annals", "--order", "asc", "--output", "ndjson", "type:annals.service.*")
	for i, want := range []string{
		`"type":"annals.service.started".*"audit_reads":"all".*"tls_key":"[^"]+/tls.key"`,
		`"type":"annals.service.reloaded".*"changes":{"audit_reads":\["all","exports"\],"log_level":\["warn","info"\]}`,
		`"type":"annals.service.stopped".*"reason":"stopped by signal: terminated"`,
	} {
		if line, rest, _ := strings.Cut(got, "\n"); !regexp.MustCompile(want).MatchString(line) {
			t.Errorf("event %d is %s, want %s", i, line, want)
		} else {
			got = rest
		}
	}
	if got != "" {
		t.Errorf("more events: %s", got)
	}
}

// TestIsLocalName tells this machine's names from others.
func TestIsLocalName(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:7300": true, "127.0.0.1": true, "127.0.0.1:7300": true, "[::1]:7300": true, "[::1]": true, "::1": true,
		"": false, "evil.example": false, "localhost.evil.example:7300": false, "10.0.0.1:7300": false, "0.0.0.0:7300": false, "127.0.0.1.evil.example": false,
	} {
		if got := isLocalName(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runBoth returns what a command prints, and its exit status.
func runBoth(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	e := newTestEnv(stdin)
	status := run(t.Context(), &e.env, args)
	return fmt.Sprintf("exit status %d\n%s\n%s", status, e.out.String(), e.err.String())
}

// varying are parts of output that depend on the time and on who appends.
var varying = regexp.MustCompile(`"(recorded_at|hash|seconds)":("[^"]*"|[0-9.e-]+)|("position":|at position )\d+`)

// TestRemoteAppends runs commands on a directory and on a server: they print the same and
// end with the same status.
func TestRemoteAppends(t *testing.T) {
	dir := t.TempDir()
	s := startServe(t, filepath.Join(dir, "served"), "--insecure-no-auth")
	events := filepath.Join(dir, "events.ndjson")
	check(t, os.WriteFile(events, []byte(lines(2500)+`{"id":"e1","type":"other"}`+"\nnonsense\n"), 0o600))
	rejects := filepath.Join(dir, "rejects")
	tests := []struct {
		name, stdin string
		args        []string
	}{
		{"append", `{"id":"a1","type":"a"}` + "\n" + `[{"id":"a2","type":"a"},{"id":"a3","type":"b"}]`, []string{"append"}},
		{"append again", `{"id":"a1","type":"a"}`, []string{"append"}},
		{"append other content", `{"id":"a1","type":"b"}`, []string{"append"}},
		{"append an invalid event", `{"id":"a4","typ":"b"}`, []string{"append"}},
		{"append for a tenant", `{"id":"t1","type":"a"}`, []string{"append", "--tenant", "acme"}},
		{"append for a tenant, expecting", `{"events":[{"type":"a","id":"t2"}],"expect":[{"entity":{"type":"x","id":"1"},"sequence":0}]}`, []string{"append", "--tenant", "acme"}},
		{"append what is not expected", `{"events":[{"type":"a"}],"expect":[{"entity":{"type":"x","id":"1"},"sequence":7}]}`, []string{"append"}},
		{"import", "", []string{"import", "--format", "jsonl", "--rejects", rejects, events}},
		{"import again", "", []string{"import", "--format", "jsonl", "--rejects", rejects, events}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := runBoth(t, tt.stdin, append(tt.args, "--data", filepath.Join(dir, "local"))...)
			got := runBoth(t, tt.stdin, append(tt.args, "--url", s.URL)...)
			if diff := cmp.Diff(varying.ReplaceAllString(want, "$1$3"), varying.ReplaceAllString(got, "$1$3")); diff != "" {
				t.Errorf("(-directory +server):\n%s", diff)
			}
		})
	}
	var stats struct{ Events uint64 }
	check(t, json.Unmarshal([]byte(runOK(t, "", "stats", "--url", s.URL)), &stats))
	if stats.Events != 2500+5 {
		t.Errorf("stats say %d events", stats.Events)
	}
	s.stop(syscall.SIGTERM)
}

// TestRemoteReads reads a journal over its server and beside it: the output is the same.
func TestRemoteReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(2500)+`{"id":"t1","type":"b","tenant":"acme"}{"id":"b1","type":"b","changes":{"f":[1,2]},"entity":{"type":"u","id":"1"}}`, "append", "--data", dir)
	s := startServe(t, dir, "--insecure-no-auth", "--audit-reads", "none")
	cursor := regexp.MustCompile(`cursor [\w-]+|"next_cursor":"[^"]*"`)
	for _, args := range [][]string{
		{"get", "e3"}, {"get", "e3", "--output", "table"}, {"get", "--tenant", "acme", "t1"}, {"get", "t1", "--tenant", "none"},
		{"query"}, {"query", "type:a", "--limit", "1500", "--total"}, {"query", "type:b", "--output", "csv"}, {"query", "type:b", "--output", "table"},
		{"query", "--param", "type=b", "--param", "type=other", "--order", "asc", "--output", "json"}, {"query", "--limit", "3", "--output", "json"},
		{"query", "type:(("}, {"query", "--tenant", "acme"}, {"query", "--offset", "2400"},
		{"history", "t", "3"}, {"history", "t", "3", "--from", "5", "--limit", "2"}, {"history", "u", "1", "--field", "f", "--output", "csv"},
		{"history", "u", "1", "--output", "table"}, {"history", "u", "1", "--tenant", "acme"}, {"history", "t", "3", "--order", "desc"},
		{"tail", "-n", "3"}, {"tail", "--from", "2400", "type:a"},
		{"export"}, {"export", "--from", "3", "--to", "9", "type:a"}, {"export", "--tenant", "acme"}, {"export", "--order", "desc"},
		{"export", "--format", "csv", "type:b"}, {"export", "--format", "json", "--redact", "id", "type:b"},
		{"checkpoint"}, {"checkpoint", "--output", "json"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			got, want := "", "x"
			for tries := 0; got != want && tries < 10; tries++ { // the newest checkpoint may be another by then
				got = cursor.ReplaceAllString(runBoth(t, "", append(args, "--url", s.URL)...), "cursor")
				want = cursor.ReplaceAllString(runBoth(t, "", append(args, "--data", dir)...), "cursor")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-directory +server):\n%s", diff)
			}
		})
	}
	s.stop(syscall.SIGTERM)
}

// TestServedExports exports over HTTP and with a command: the bytes are the same in every
// format.
func TestServedExports(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	var events strings.Builder
	for i, text := range outputSeeds {
		quoted, err := json.Marshal(text)
		check(t, err)
		message, err := json.Marshal(strings.ReplaceAll(text, "\x00", ""))
		check(t, err)
		fmt.Fprintf(&events, `{"id":"h%d","type":"t.x","message":%s,"actor":{"id":"u%d","name":"secret"},"changes":{"f":[%s,%d]},"data":{"text":%s}}`+"\n", i, message, i, quoted, i, quoted)
	}
	runOK(t, events.String()+lines(1200), "append", "--data", dir)
	s := startServe(t, dir, "--insecure-no-auth", "--audit-reads", "none")
	for _, tt := range []struct {
		params string
		flags  []string
	}{
		{"format=ndjson", nil},
		{"format=json", nil},
		{"format=csv", nil},
		{"format=journald", nil},
		{"format=json&type=none", []string{"type:none"}},
		{"format=csv&order=desc&type=t.*", []string{"--order", "desc", "type:t.*"}},
		{"format=json&redact=actor.name&redact=data.text", []string{"--redact", "actor.name", "--redact", "data.text"}},
		{"format=csv&redact=actor.name&redact=changes.f", []string{"--redact", "actor.name", "--redact", "changes.f"}},
		{"format=journald&redact=changes.f", []string{"--redact", "changes.f"}},
	} {
		t.Run(tt.params, func(t *testing.T) {
			params, err := url.ParseQuery(tt.params)
			check(t, err)
			args := append([]string{"export", "--data", dir, "--tenant", "*", "--format", params.Get("format")}, tt.flags...)
			want := runOK(t, "", args...)
			res, err := http.Get(s.URL + "/api/v1/audit/export?" + tt.params)
			check(t, err)
			got, err := io.ReadAll(res.Body)
			check(t, errors.Join(err, res.Body.Close()))
			if diff := cmp.Diff(want, string(got)); diff != "" || res.StatusCode != http.StatusOK || want == "" {
				t.Errorf("status %d (-command +server):\n%s", res.StatusCode, diff)
			}
		})
	}
	s.stop(syscall.SIGTERM)
}

// TestRemoteRefused ends commands on a server that refuses them, or is not there.
func TestRemoteRefused(t *testing.T) {
	dir := t.TempDir()
	s := startServe(t, filepath.Join(dir, "journal"))
	token, bad, two := filepath.Join(dir, "token"), filepath.Join(dir, "bad"), filepath.Join(dir, "two")
	check(t, os.WriteFile(token, []byte(s.token+"\n"), 0o600))
	check(t, os.WriteFile(bad, []byte("annals_nonsense"), 0o600))
	check(t, os.WriteFile(two, []byte("a b"), 0o600))
	event := `{"id":"1","type":"a","tenant":"default"}`
	tests := []struct {
		name   string
		args   []string
		env    map[string]string
		status int
		says   string
	}{
		{"token of a file", []string{"append", "--url", s.URL, "--token-file", token}, nil, 0, ""},
		{"token of a flag", []string{"append", "--url", s.URL, "--token", s.token}, nil, 0, ""},
		{"token of the environment", []string{"append", "--url", s.URL}, map[string]string{"ANNALS_TOKEN": s.token}, 0, ""},
		{"all of the environment", []string{"append"}, map[string]string{"ANNALS_URL": s.URL, "ANNALS_TOKEN_FILE": token}, 0, ""},
		{"flag before the environment", []string{"append", "--url", s.URL, "--token-file", token}, map[string]string{"ANNALS_DATA": dir}, 0, ""},
		{"no token", []string{"append", "--url", s.URL}, nil, 1, "annals: hint: give a token"},
		{"bad token", []string{"append", "--url", s.URL, "--token-file", bad}, nil, 1, "annals: hint: give a token"},
		{"two words in the file", []string{"append", "--url", s.URL, "--token-file", two}, nil, 1, "does not hold one token"},
		{"no such file", []string{"append", "--url", s.URL, "--token-file", dir + "/none"}, nil, 1, "read token: open "},
		{"two tokens", []string{"append", "--url", s.URL, "--token-file", token, "--token", "x"}, nil, 2, "token does not go with token-file"},
		{"directory and server", []string{"append", "--url", s.URL, "--data", dir}, nil, 2, "both a directory and a server"},
		{"both in the environment", []string{"append"}, map[string]string{"ANNALS_URL": s.URL, "ANNALS_DATA": dir}, 2, "both a directory and a server"},
		{"not an address", []string{"append", "--url", "127.0.0.1:7300"}, nil, 2, "want http://HOST:PORT"},
		{"token in the clear", []string{"append", "--url", "http://192.0.2.1", "--token-file", token}, nil, 2, "without TLS"},
		{"index-data", []string{"append", "--url", s.URL, "--index-data", "none"}, nil, 2, "index-data does not go with a server"},
		{"explain", []string{"query", "--url", s.URL, "--explain", "type:a"}, nil, 2, "explain does not go with a server"},
		{"command without a server", []string{"verify", "--url", s.URL}, nil, 2, "unknown flag"},
		{"nobody there", []string{"query", "--url", "http://127.0.0.1:1"}, nil, 5, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newTestEnv(event)
			e.getenv = func(name string) string { return tt.env[name] }
			if status := run(t.Context(), &e.env, tt.args); status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			if says := e.err.String(); !strings.Contains(says, tt.says) || tt.status == 0 && says != "" || strings.Contains(says, s.token) {
				t.Errorf("it says %q, want %q", says, tt.says)
			}
		})
	}
	s.stop(syscall.SIGTERM)
}

// TestRemoteImportUnread imports with a token that may append and not read.
func TestRemoteImportUnread(t *testing.T) {
	dir := t.TempDir()
	s := startServe(t, filepath.Join(dir, "journal"))
	var made newTokenReport
	check(t, json.Unmarshal([]byte(runOK(t, "", "token", "create", "--data", s.Data, "--permissions", "append", "--tenant", "default")), &made))
	s.token = made.Token
	for status := 0; status != 200; { // as soon as the server reads the folder
		status, _ = s.do("GET", limitsPath, "")
	}
	rejects := filepath.Join(dir, "rejects")
	args := []string{"import", "--url", s.URL, "--token", made.Token, "--format", "jsonl", "--rejects", rejects}
	runOK(t, lines(20), args...)
	got := runBoth(t, lines(30)+`{"id":"e1","type":"other"}`+"\n", args...)
	if !strings.Contains(got, "exit status 2") || !strings.Contains(got, `{"imported":10,"duplicates":20,"rejected":1,`) {
		t.Errorf("the import says %s", got)
	}
	text, err := os.ReadFile(rejects)
	check(t, err)
	if !strings.Contains(string(text), "taken by other content") {
		t.Errorf("the file of rejects is %s", text)
	}
	s.stop(syscall.SIGTERM)
}

// TestRemoteFollow follows a server until the command is interrupted.
func TestRemoteFollow(t *testing.T) {
	s := startServe(t, filepath.Join(t.TempDir(), "journal"), "--insecure-no-auth")
	tail := start(t, "tail", "-f", "--from", "start", "type:a", "--url", s.URL)
	for i := range 3 {
		runOK(t, fmt.Sprintf(`{"id":"%d","type":"a"}`, i), "append", "--url", s.URL)
		if line := tail.line(); !strings.HasPrefix(line, fmt.Sprintf(`{"id":"%d",`, i)) {
			t.Errorf("tail printed %s", line)
		}
	}
	check(t, tail.cmd.Process.Signal(syscall.SIGINT))
	if status := tail.status(); status != 0 {
		t.Errorf("tail: exit status %d, standard error:\n%s", status, tail.stderr.String())
	}
	s.stop(syscall.SIGTERM)
}

package server_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/annals-io/annals/internal/server"
)

var update = flag.Bool("update", false, "rewrite the expected answers of scripts")

// A step is a request of a script and the answer that it expects.
//
//	# comments and blank lines before it
//	> METHOD TARGET
//	> Header: value
//	body
//	< STATUS
//	< Header: value
//	body, where … stands for any text
type step struct {
	before  []string
	request []string // without the mark
	body    []string
	answer  []string // without the mark
	want    []string
}

// TestScripts runs each script of testdata against a server of its own. A script whose
// first line is "# auth" is of a server with authentication.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("there are no scripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			check(t, err)
			s := newTestServer(t, func(o *server.Options) {
				if bytes.HasPrefix(text, []byte("# auth\n")) {
					o.Auth = newTestAuth(t)
				}
			})
			steps := parseScript(t, string(text))
			for i := range steps {
				s.step(t, &steps[i])
			}
			if *update {
				check(t, os.WriteFile(file, []byte(scriptText(steps)), 0o644))
			}
		})
	}
}

// parseScript reads a script.
func parseScript(t *testing.T, text string) (steps []step) {
	t.Helper()
	const (
		before = iota
		request
		body
		answer
		want
	)
	state, s := before, step{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		starts := strings.HasPrefix(line, "> ")
		if state >= answer && (starts || line == "" || strings.HasPrefix(line, "#")) {
			steps, s, state = append(steps, s), step{}, before
		}
		switch {
		case starts:
			s.request, state = append(s.request, line[2:]), request
		case strings.HasPrefix(line, "< "):
			s.answer, state = append(s.answer, line[2:]), answer
		case state == before:
			s.before = append(s.before, line)
		case state <= body:
			s.body, state = append(s.body, line), body
		default:
			s.want, state = append(s.want, line), want
		}
	}
	if len(s.request) == 0 || len(s.answer) == 0 {
		t.Fatalf("script ends in half a step: %+v", s)
	}
	return append(steps, s)
}

// scriptText is the inverse of parseScript.
func scriptText(steps []step) string {
	var b strings.Builder
	lines := func(mark string, lines []string) {
		for _, line := range lines {
			b.WriteString(mark + line + "\n")
		}
	}
	for _, s := range steps {
		lines("", s.before)
		lines("> ", s.request)
		lines("", s.body)
		lines("< ", s.answer)
		lines("", s.want)
	}
	return b.String()
}

// step makes a request and compares the answer.
func (s *testServer) step(t *testing.T, step *step) {
	t.Helper()
	method, target, _ := strings.Cut(step.request[0], " ")
	r := httptest.NewRequest(method, target, strings.NewReader(strings.Join(step.body, "\n")))
	r.Header.Set("X-Request-Id", "test")
	for _, h := range step.request[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res := s.do(r)
	text, err := io.ReadAll(res.Body)
	check(t, err)
	s.validate(t, r, strings.Join(step.body, "\n"), res, text)
	got := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	switch {
	case len(text) == 0:
		got = nil
	case !utf8.Valid(text):
		got = []string{fmt.Sprintf("(%d bytes)", len(text))}
	}
	answer := answerLines(res, step.answer[1:])
	if *update {
		step.answer, step.want = updated(step.answer, answer), updated(step.want, got)
		return
	}
	if !matches(step.answer, answer) {
		t.Errorf("%s: answer is\n%s\nwant\n%s\nbody\n%s", step.request[0], strings.Join(answer, "\n"), strings.Join(step.answer, "\n"), text)
	}
	if !matches(step.want, got) {
		t.Errorf("%s: body is\n%s\nwant\n%s", step.request[0], text, strings.Join(step.want, "\n"))
	}
}

// answerLines returns the status and the headers that a script names.
func answerLines(res *http.Response, named []string) []string {
	lines := []string{fmt.Sprint(res.StatusCode)}
	for _, h := range named {
		name, _, _ := strings.Cut(h, ":")
		lines = append(lines, name+": "+strings.Join(res.Header.Values(name), ", "))
	}
	return lines
}

// updated returns what a script is to expect.
func updated(want, got []string) []string {
	if matches(want, got) {
		return want
	}
	return got
}

// matches reports whether lines are as expected.
func matches(want, got []string) bool {
	if len(want) == 1 && want[0] == "…" {
		return true
	}
	return slices.EqualFunc(want, got, func(want, got string) bool {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
		return regexp.MustCompile("^" + pattern + "$").MatchString(got)
	})
}

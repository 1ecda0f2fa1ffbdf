package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// A step is what becomes of one try.
type step struct {
	answer *http.Response // nil: the event is stored
	err    error
}

// TestAppendTries appends one event through a server and a network that misbehave.
func TestAppendTries(t *testing.T) {
	unavailable := func() step { return step{answer: problem(503, "unavailable")} }
	tests := []struct {
		name    string
		steps   []step // the last one repeats
		tries   int    // zero: as many as the time allows
		want    error  // nil: the event is stored
		unknown bool   // the error says so
	}{
		{"stored", []step{{}}, 1, nil, false},
		{"stored after a refused connection", []step{{err: errDial}, {}}, 2, nil, false},
		{"stored after a lost connection", []step{{err: errCut}, {}}, 2, nil, false},
		{"stored after 503, 429, 502 and 504", []step{unavailable(), {answer: problem(429, "rate_limited")}, {answer: answer(502, "bad gateway")}, {answer: answer(504, "")}, {}}, 5, nil, false},
		{"stored after an unknown outcome", []step{{answer: problem(503, "outcome_unknown")}, {}}, 2, nil, false},
		{"never reached", []step{{err: errDial}}, 0, annals.ErrUnavailable, false},
		{"always lost", []step{{err: errCut}}, 0, annals.ErrUnavailable, true},
		{"lost once, then never reached", []step{{err: errCut}, {err: errDial}}, 0, annals.ErrUnavailable, true},
		{"unavailable", []step{unavailable()}, 0, annals.ErrUnavailable, false},
		{"disk full", []step{{answer: problem(503, "disk_full")}}, 0, annals.ErrDiskFull, false},
		{"unauthenticated", []step{{answer: problem(401, "unauthenticated")}}, 1, client.ErrUnauthenticated, false},
		{"forbidden", []step{{answer: problem(403, "forbidden")}}, 1, client.ErrForbidden, false},
		{"forbidden after it was lost", []step{{err: errCut}, {answer: problem(403, "forbidden")}}, 2, client.ErrForbidden, true},
		{"invalid after it was lost", []step{{err: errCut}, {answer: problem(400, "invalid")}}, 2, annals.ErrInvalid, false},
		{"rate limited", []step{{answer: problem(429, "rate_limited", "Retry-After", "7")}}, 9, client.ErrRateLimited, false},
		{"rate limited for too long", []step{{answer: problem(429, "rate_limited", "Retry-After", "61")}}, 1, client.ErrRateLimited, false},
		{"a fault", []step{{answer: problem(500, "internal")}}, 1, nil, false},
		{"a redirect", []step{{answer: answer(302, "", "Location", "http://127.0.0.1:1/")}}, 1, nil, false},
		{"damaged", []step{{answer: problem(500, "corrupt")}}, 1, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, seen := 0, map[string]bool{}
				c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
					s := tt.steps[min(tries, len(tt.steps)-1)]
					tries++
					got := ids(r)
					seen[fmt.Sprint(got)] = true
					if s.answer == nil && s.err == nil {
						return each(got, stored), nil
					}
					return fresh(s.answer), s.err
				})
				_, err := c.Append(t.Context(), annals.Event{Type: "a"})
				stored := tt.steps[len(tt.steps)-1] == step{}
				if (err == nil) != stored || tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("error is %v, want %v", err, tt.want)
				}
				if got := errors.Is(err, annals.ErrUnknown); got != tt.unknown {
					t.Errorf("that the outcome is unknown is %t in %q", got, err)
				}
				if tt.tries != 0 && tries != tt.tries || tt.tries == 0 && tries < 10 {
					t.Errorf("%d tries, want %d", tries, tt.tries)
				}
				if len(seen) != 1 {
					t.Errorf("tries had ids %v, want the same one", seen)
				}
			})
		})
	}
}

// fresh returns an answer that can be read again.
func fresh(a *http.Response) *http.Response {
	if a == nil {
		return nil
	}
	text := make([]byte, a.ContentLength)
	_, _ = a.Body.Read(text)
	*a = *answer(a.StatusCode, string(text), flat(a.Header)...)
	return answer(a.StatusCode, string(text), flat(a.Header)...)
}

func flat(h http.Header) (out []string) {
	for name := range h {
		out = append(out, name, h.Get(name))
	}
	return out
}

// TestAppendNoRetry repeats nothing where that is the setting.
func TestAppendNoRetry(t *testing.T) {
	tries := 0
	c := newTripped(t, client.Options{RetryFor: -1}, func(*http.Request) (*http.Response, error) {
		tries++
		return nil, errDial
	})
	if _, err := c.Append(t.Context(), annals.Event{Type: "a"}); !errors.Is(err, annals.ErrUnavailable) || tries != 1 {
		t.Errorf("%d tries, error %v", tries, err)
	}
}

// TestAppendContext ends appends by their context: while they are under way, and between
// tries.
func TestAppendContext(t *testing.T) {
	for _, n := range []int{1, 2} { // shared and alone
		t.Run(fmt.Sprint(n, " events"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				for name, f := range map[string]tripper{"under way": hang, "between tries": func(*http.Request) (*http.Response, error) { return nil, errCut }} {
					c := newTripped(t, client.Options{}, f)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					_, err := c.Append(ctx, plainEvents(n)...)
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, annals.ErrUnknown) {
						t.Errorf("%s: error is %v", name, err)
					}
					synctest.Wait()
				}
			})
		})
	}
}

// plainEvents returns n events.
func plainEvents(n int) []annals.Event {
	events := make([]annals.Event, n)
	for i := range events {
		events[i].Type = "a"
	}
	return events
}

// TestAppendTimeout gives up a server that does not answer, and tries again.
func TestAppendTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := newTripped(t, client.Options{Timeout: time.Second}, func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return each(ids(r), stored), nil
		})
		if _, err := c.Append(t.Context(), annals.Event{Type: "a"}); err != nil || tries != 2 {
			t.Errorf("%d tries, error %v", tries, err)
		}
	})
}

// TestProblems reads problem documents as the errors that they stand for.
func TestProblems(t *testing.T) {
	tests := []struct {
		name, code string
		status     int
		more       string
		is         error
		as         func(error) string // renders what AsType finds
		want       string
	}{
		{"invalid", "invalid", 400, `,"errors":[{"pointer":"/type","detail":"is required; name it"}]`, annals.ErrInvalid, func(err error) string {
			e, _ := errors.AsType[*annals.InvalidError](err)
			return e.Pointer + "|" + e.Detail + "|" + e.Hint
		}, "/type|is required|name it"},
		{"id conflict", "conflict", 409, `,"position":7`, nil, conflictText, `id "e1" is taken by other content at position 7`},
		{"corrupt", "corrupt", 500, ``, nil, func(err error) string {
			_, ok := errors.AsType[*annals.CorruptError](err)
			return fmt.Sprint(ok)
		}, "true"},
		{"gone", "gone", 410, ``, client.ErrGone, nil, ""},
		{"too large", "too_large", 413, ``, annals.ErrTooLarge, nil, ""},
		{"media type", "unsupported_media_type", 415, ``, annals.ErrInvalid, nil, ""},
		{"schema", "schema_violation", 422, `,"errors":[{"pointer":"/data/a","detail":"wrong"}]`, annals.ErrInvalid, nil, ""},
		{"of a later version", "novelty", 418, ``, nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
				return answer(tt.status, problemText(tt.status, tt.code, tt.more), "Content-Type", "application/problem+json; charset=utf-8"), nil
			})
			_, err := c.Append(t.Context(), annals.Event{ID: "e1", Type: "a"})
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Status != tt.status || e.Code != tt.code || e.RequestID != "r" || tt.name != "id conflict" && err.Error() != "it is "+tt.code {
				t.Fatalf("error is %#v: %v", e, err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
			if tt.as != nil {
				if diff := cmp.Diff(tt.want, tt.as(err)); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func conflictText(err error) string {
	c, ok := errors.AsType[*annals.ConflictError](err)
	if !ok {
		return err.Error()
	}
	return c.Error()
}

// TestNotProblems reads answers that no server of ours has given.
func TestNotProblems(t *testing.T) {
	for _, a := range []*http.Response{
		answer(500, `{"status":500}`, "Content-Type", "application/problem+json"), answer(404, "<html>", "Content-Type", "text/html"),
		answer(200, "<html>"), answer(200, `{"receipts":[]}`), answer(207, `{"results":[{},{}]}`),
		answer(207, `{"results":[{"receipt":`+receiptText("other", 1)+`}]}`),
	} {
		c := newTripped(t, client.Options{RetryFor: -1}, func(*http.Request) (*http.Response, error) { return fresh(a), nil })
		if _, err := c.Append(t.Context(), annals.Event{Type: "a"}); err == nil || a.StatusCode/100 != 4 && !errors.Is(err, annals.ErrUnknown) {
			t.Errorf("%d: error is %v", a.StatusCode, err)
		}
	}
}

func TestNewErrors(t *testing.T) {
	tests := []struct {
		name, url string
		opts      client.Options
		ok        bool
	}{
		{"plain", "http://127.0.0.1:7300", client.Options{Token: "t"}, true},
		{"name of this machine", "http://localhost:7300/", client.Options{Token: "t"}, true},
		{"TLS", "https://example.com/annals/", client.Options{Token: "t"}, true},
		{"without a token", "http://example.com", client.Options{}, true},
		{"token in the clear", "http://example.com", client.Options{Token: "t"}, false},
		{"token in the clear, allowed", "http://example.com", client.Options{Token: "t", InsecureHTTP: true}, true},
		{"no scheme", "127.0.0.1:7300", client.Options{}, false},
		{"other scheme", "ftp://example.com", client.Options{}, false},
		{"no host", "http:///x", client.Options{}, false},
		{"user", "http://a:b@example.com", client.Options{}, false},
		{"query", "http://example.com?a=b", client.Options{}, false},
		{"header in the token", "http://127.0.0.1:1", client.Options{Token: "t\r\nX: y"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := client.New(tt.url, &tt.opts); (err == nil) != tt.ok {
				t.Errorf("error is %v", err)
			}
		})
	}
}

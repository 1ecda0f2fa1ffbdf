package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// entryText returns an entry.
func entryText(p int) string {
	return fmt.Sprintf(`{"id":"%d","time":"2026-01-31T08:00:00.000000000Z","type":"a","version":"1.0","tenant":"t","recorded_at":"2026-01-31T08:00:00.000000000Z","position":%d}`, p, p)
}

// frame returns an entry as a server-sent event.
func frame(p int) string { return fmt.Sprintf("id: %d\ndata: %s\n\n", p, entryText(p)) }

// TestFollowConnections follows over connections that end: none is left out or comes twice.
func TestFollowConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []func() *http.Response{
			func() *http.Response { return answer(200, ": stream of entries\n\n"+frame(5)+frame(6)) },
			func() *http.Response { return problem(503, "unavailable") },
			func() *http.Response {
				return answer(200, ": alive\r\n\r\n"+frame(7)+"id: 8\ndata: "+entryText(8)+"\n")
			}, // cut off
			func() *http.Response { return answer(200, frame(8)+"event: novelty\ndata: x\n\n"+frame(9)[:30]) },
			func() *http.Response {
				return answer(200, "event: damage\ndata: {\"first\":9,\"next\":11}\n\n"+frame(11))
			},
			func() *http.Response {
				return answer(200, "event: problem\ndata: "+problemText(503, "unavailable", "")+"\n\n")
			},
			func() *http.Response {
				return answer(200, "event: problem\ndata: "+problemText(400, "invalid", "")+"\n\n")
			},
		}
		var asked, got log
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			asked.add(r.URL.RawQuery)
			return answers[len(asked.all())-1](), nil
		})
		var last error
		for e, err := range c.FollowMatching(t.Context(), 5, annals.Query{Filter: "type:a"}) {
			if d, ok := errors.AsType[*annals.CorruptError](err); ok {
				got.add(fmt.Sprintf("damage from %d to %d", d.First, d.Next))
				continue
			}
			if last = err; err == nil {
				got.add(fmt.Sprintf("%d %s", e.Position, e.ID()))
			}
		}
		if !errors.Is(last, annals.ErrInvalid) {
			t.Errorf("it ends with %v", last)
		}
		if diff := cmp.Diff([]string{"5 5", "6 6", "7 7", "8 8", "damage from 9 to 11", "11 11"}, got.all()); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		want := []string{"5", "7", "7", "8", "9", "12", "12"}
		for i := range want {
			want[i] = "from=" + want[i] + "&q=type%3Aa"
		}
		if diff := cmp.Diff(want, asked.all()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// TestFollowEnds ends with the context, with a server that stays away, and with answers that
// make no sense.
func TestFollowEnds(t *testing.T) {
	silent := func() *http.Response {
		a := answer(200, "")
		r, _ := io.Pipe()
		a.Body = r
		return a
	}
	tests := []struct {
		name   string
		answer func() (*http.Response, error)
		want   string
		tries  int // 0: more than ten
	}{
		{"away", func() (*http.Response, error) { return nil, errDial }, "GET /api/v1/audit/events/stream: dial tcp: connection refused", 0},
		{"forbidden", func() (*http.Response, error) { return problem(403, "forbidden"), nil }, "it is forbidden", 1},
		{"no entry", func() (*http.Response, error) { return answer(200, "data: {}\n\n"), nil }, "the server's answer is not understood", 1},
		{"no damage", func() (*http.Response, error) { return answer(200, "event: damage\ndata: [\n\n"), nil }, "the server's answer is not understood", 1},
		{"endless line", func() (*http.Response, error) { return answer(200, strings.Repeat("x", 18<<20)), nil }, "longer than any entry", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := newTripped(t, client.Options{}, func(*http.Request) (*http.Response, error) {
					tries++
					return tt.answer()
				})
				n := 0
				for _, err := range c.Follow(t.Context(), 0) {
					if n++; err == nil || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("error is %v, want %s", err, tt.want)
					}
				}
				if n != 1 || tries != tt.tries && (tt.tries != 0 || tries < 10) {
					t.Errorf("%d errors, %d tries", n, tries)
				}
			})
		})
	}
	t.Run("the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
				a := silent()
				context.AfterFunc(r.Context(), func() { a.Body.Close() }) // as a connection would
				return a, nil
			})
			for _, err := range c.Follow(ctx, 0) {
				if err != context.DeadlineExceeded {
					t.Errorf("error is %v", err)
				}
			}
		})
	})
}

// TestExportBreaks reports an export that breaks off, and what is no entry.
func TestExportBreaks(t *testing.T) {
	for body, want := range map[string]string{
		entryText(0) + "\n" + entryText(1)[:40]: "unexpected EOF",
		entryText(0) + "\nnonsense\n":           "not understood",
		"":                                      "",
	} {
		c := newTripped(t, client.Options{}, func(*http.Request) (*http.Response, error) { return answer(200, body), nil })
		var last error
		n := 0
		for _, err := range c.Export(t.Context(), annals.Query{}) {
			if last = err; err == nil {
				n++
			}
		}
		if want == "" && last == nil {
			continue
		}
		if n != 1 || last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%d entries, then %v, want %s", n, last, want)
		}
	}
}

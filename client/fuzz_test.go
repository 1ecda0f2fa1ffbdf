package client_test

import (
	"net/http"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// FuzzAnswers gives every call the same answer: an error may come of it, and nothing else.
func FuzzAnswers(f *testing.F) {
	seeds := []string{
		`{"results":[{"status":201,"receipt":` + receiptText("1", 1) + `}]}`, `{"results":[{"status":999,"problem":{}}]}`,
		`{"receipts":[` + receiptText("1", 1) + `,` + receiptText("2", 2) + `]}`,
		`{"events":[` + entryText(1) + `],"next_cursor":null,"has_more":false,"complete":true,"total":1,"damage":[{"first":1,"next":2}]}`,
		frame(1), "event: damage\ndata: {\"first\":9,\"next\":11}\n\n", "event: problem\ndata: " + problemText(503, "unavailable", "") + "\n\n",
		problemText(409, "conflict", `,"position":7`), problemText(400, "invalid", `,"errors":[{"pointer":"/a","detail":"b; c"}]`),
		receiptText("1", 1) + "\n" + problemText(400, "invalid", "") + "\n", entryText(1) + "\n", `{"append_events":-1,"append_bytes":-1}`, ``, `null`, `[]`,
	}
	for _, seed := range seeds {
		f.Add(200, seed)
		f.Add(503, seed)
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c := newTripped(t, client.Options{RetryFor: -1}, func(*http.Request) (*http.Response, error) {
			return answer(status, body, "Content-Type", "application/problem+json"), nil
		})
		ctx := t.Context()
		e := annals.Event{ID: "1", Type: "a"}
		if r, err := c.Append(ctx, e); err == nil && len(r) != 1 {
			t.Errorf("%d receipts", len(r))
		}
		if r, err := c.Append(ctx, e, annals.Event{ID: "2", Type: "a"}); err == nil && len(r) != 2 {
			t.Errorf("%d receipts", len(r))
		}
		_, _ = c.Search(ctx, annals.Query{})
		_, _ = c.Get(ctx, "1")
		_, _ = c.Stats(ctx)
		_, _ = c.Limits(ctx)
		n := 0
		for range c.SearchAll(ctx, annals.Query{}) {
			if n++; n > 10 {
				break
			}
		}
		for range c.Follow(ctx, 0) {
			if n++; n > 20 {
				break
			}
		}
		for range c.Export(ctx, annals.Query{}) {
			n++
		}
		s := c.Stream(ctx, nil)
		if s.Send(ctx, e) == nil {
			_, _ = s.Receive(ctx)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// appendOnes appends events one by one at the same time, those with the given ids, and
// returns what came of each.
func appendOnes(ctx context.Context, c *client.Client, ids ...string) map[string]error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]error{}
	for _, id := range ids {
		wg.Go(func() {
			r, err := c.Append(ctx, annals.Event{ID: id, Type: "a"})
			if err == nil && r[0].ID != id {
				err = fmt.Errorf("receipt of %s", r[0].ID)
			}
			mu.Lock()
			defer mu.Unlock()
			got[id] = err
		})
		synctest.Wait() // in their order
	}
	wg.Wait()
	return got
}

// TestCoalesce appends while a request is under way: the next one has all of them.
func TestCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests log
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			got := ids(r)
			requests.add(r.Method + " " + r.URL.RequestURI() + " " + strings.Join(got, ","))
			return each(got, stored), nil
		})
		for id, err := range appendOnes(t.Context(), c, "1", "2", "3", "4") {
			if err != nil {
				t.Errorf("event %s: %v", id, err)
			}
		}
		want := []string{"POST /api/v1/audit/events/batch?atomic=false 1", "POST /api/v1/audit/events/batch?atomic=false 2,3,4"}
		if diff := cmp.Diff(want, requests.all()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// TestCoalesceAlone sends expectations and appends of several events in requests of their
// own, which are all or none.
func TestCoalesceAlone(t *testing.T) {
	var uris log
	c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
		got := ids(r)
		uris.add(r.URL.RequestURI())
		receipts := make([]string, len(got))
		for i, id := range got {
			receipts[i] = receiptText(id, i)
		}
		return answer(201, `{"receipts":[`+strings.Join(receipts, ",")+`]}`), nil
	})
	r, err := c.Append(t.Context(), annals.Event{ID: "1", Type: "a"}, annals.Event{ID: "2", Type: "a"})
	check(t, err)
	if r[0].ID != "1" || r[1].Position != 1 || !r[1].Durable || r[1].RecordedAt.IsZero() {
		t.Errorf("receipts are %v", r)
	}
	entity := annals.Entity{Type: "o", ID: "1"}
	_, err = c.AppendExpect(t.Context(), []annals.Expect{{Entity: entity, Sequence: 3}}, annals.Event{Type: "a", Entity: entity})
	check(t, err)
	if diff := cmp.Diff([]string{"/api/v1/audit/events/batch", "/api/v1/audit/events/batch"}, uris.all()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestCoalesceIndependent gives each append its own error, and repeats only what may
// succeed.
func TestCoalesceIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests log
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			got := ids(r)
			requests.add(strings.Join(got, ","))
			first := len(requests.all()) == 2
			return each(got, func(id string) string {
				switch {
				case id == "bad":
					return refused(400, "invalid")
				case id == "busy" && first:
					return refused(503, "unavailable")
				case id == "taken":
					return `{"status":409,"problem":` + problemText(409, "conflict", `,"position":7`) + `}`
				}
				return stored(id)
			}), nil
		})
		got := appendOnes(t.Context(), c, "0", "1", "bad", "busy", "taken")
		if got["0"] != nil || got["1"] != nil || got["busy"] != nil || !errors.Is(got["bad"], annals.ErrInvalid) {
			t.Errorf("errors are %v", got)
		}
		if text := conflictText(got["taken"]); text != `id "taken" is taken by other content at position 7` {
			t.Errorf("conflict is %s", text)
		}
		if diff := cmp.Diff([]string{"0", "1,bad,busy,taken", "busy"}, requests.all()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// TestCoalesceTooLarge sends smaller requests to a server that refuses large ones.
func TestCoalesceTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests log
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			got := ids(r)
			requests.add(strings.Join(got, ","))
			if len(got) > 2 || slices.Contains(got, "huge") {
				return problem(413, "too_large"), nil
			}
			return each(got, stored), nil
		})
		got := appendOnes(t.Context(), c, "0", "1", "2", "3", "huge")
		if !errors.Is(got["huge"], annals.ErrTooLarge) {
			t.Errorf("too large an event: %v", got["huge"])
		}
		delete(got, "huge")
		for id, err := range got {
			if err != nil {
				t.Errorf("event %s: %v", id, err)
			}
		}
		want := []string{"0", "1,2,3,huge", "1,2", "3,huge", "3", "huge"}
		if diff := cmp.Diff(want, requests.all()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// TestCoalesceLeave ends one of several appends that share a request: the others get
// their receipts. An append that was not sent yet is not unknown.
func TestCoalesceLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Minute / 2)
			return each(ids(r), stored), nil
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i, ctx := range []context.Context{short, t.Context(), short} {
			wg.Go(func() { _, errs[i] = c.Append(ctx, annals.Event{Type: "a"}) })
			synctest.Wait()
		}
		wg.Wait()
		if !errors.Is(errs[0], annals.ErrUnknown) || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("left while under way: %v", errs[0])
		}
		if errs[1] != nil {
			t.Errorf("the other one: %v", errs[1])
		}
		if !errors.Is(errs[2], context.DeadlineExceeded) || errors.Is(errs[2], annals.ErrUnknown) {
			t.Errorf("left before it was sent: %v", errs[2])
		}
	})
}

// TestClose ends appends, and refuses later ones.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTripped(t, client.Options{}, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		var wg sync.WaitGroup
		for n := 1; n <= 2; n++ {
			wg.Go(func() {
				_, err := c.Append(t.Context(), plainEvents(n)...)
				if !errors.Is(err, annals.ErrClosed) || !errors.Is(err, annals.ErrUnknown) {
					t.Errorf("append of %d under way: %v", n, err)
				}
			})
		}
		synctest.Wait()
		check(t, c.Close())
		wg.Wait()
		for n := 1; n <= 2; n++ {
			if _, err := c.Append(t.Context(), plainEvents(n)...); !errors.Is(err, annals.ErrClosed) {
				t.Errorf("append of %d afterwards: %v", n, err)
			}
		}
		check(t, c.Close())
	})
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"github.com/google/go-cmp/cmp"
)

// A standIn answers in place of a server, and notes what it has stored.
type standIn struct {
	away    atomic.Bool
	forbids atomic.Bool
	batches log // of ids
	bodies  log
	most    int // events that it takes at once; zero: no bound
}

func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case s.away.Load():
		return nil, errDial
	case s.forbids.Load():
		return problem(403, "forbidden"), nil
	case strings.HasSuffix(r.URL.Path, "/limits"):
		return answer(200, `{"append_events":4}`), nil
	}
	var texts []string
	got := idsAnd(r, func(e annals.Encoded) { texts = append(texts, string(e.JSON())) })
	if s.most > 0 && len(got) > s.most {
		return problem(413, "too_large"), nil
	}
	s.batches.add(strings.Join(got, ","))
	for _, text := range texts {
		s.bodies.add(text)
	}
	return each(got, func(id string) string {
		switch {
		case strings.HasPrefix(id, "bad"):
			return refused(400, "invalid")
		case strings.HasPrefix(id, "mended") && len(s.batches.all()) < 3:
			return refused(500, "corrupt")
		case strings.HasPrefix(id, "foreign"):
			return refused(403, "forbidden")
		}
		return stored(id)
	}), nil
}

// newBuffer returns a buffer that appends to a stand-in.
func newBuffer(t *testing.T, s *standIn, o client.BufferOptions) *client.Buffer {
	t.Helper()
	c := newTripped(t, client.Options{}, s.RoundTrip)
	b, err := client.NewBuffer(c, &o)
	check(t, err)
	return b
}

// put appends events with ids to a buffer.
func put(t *testing.T, b *client.Buffer, ids ...string) {
	t.Helper()
	for _, id := range ids {
		check(t, b.Append(t.Context(), annals.Event{ID: id, Type: "a"}))
	}
}

// wantBatches compares what the stand-in has got.
func wantBatches(t *testing.T, s *standIn, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.batches.all()); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// TestBufferBatches sends by age, by number, by bytes and on demand, and never more than
// the server takes.
func TestBufferBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{most: 3}
		b := newBuffer(t, s, client.BufferOptions{BatchEvents: 3, BatchBytes: 1000, Age: time.Second})
		put(t, b, "1", "2")
		synctest.Wait()
		wantBatches(t, s)
		time.Sleep(time.Second)
		synctest.Wait()
		wantBatches(t, s, "1,2")
		put(t, b, "3", "4", "5")
		synctest.Wait()
		wantBatches(t, s, "1,2", "3,4,5")
		check(t, b.Append(t.Context(), annals.Event{ID: "6", Type: "a", Data: strings.Repeat("x", 1000)}))
		synctest.Wait()
		wantBatches(t, s, "1,2", "3,4,5", "6")
		put(t, b, "7")
		check(t, b.Flush(t.Context()))
		put(t, b, "8")
		check(t, b.Close(t.Context()))
		wantBatches(t, s, "1,2", "3,4,5", "6", "7", "8")
		if err := b.Append(t.Context(), annals.Event{Type: "a"}); !errors.Is(err, annals.ErrClosed) {
			t.Errorf("append after the end: %v", err)
		}
		check(t, b.Close(t.Context()))
	})
}

// TestBufferAgrees sends batches as the server takes them: as it says, and half of what it
// refuses.
func TestBufferAgrees(t *testing.T) {
	for most, want := range map[int][]string{0: {"0,1,2,3", "4,5,6,7"}, 3: {"0,1", "2,3", "4,5", "6,7"}} {
		synctest.Test(t, func(t *testing.T) {
			s := &standIn{most: most}
			b := newBuffer(t, s, client.BufferOptions{Age: time.Second})
			put(t, b, "0", "1", "2", "3", "4", "5", "6", "7")
			check(t, b.Close(t.Context()))
			wantBatches(t, s, want...)
		})
	}
}

// TestBufferEvents gives events what they lack.
func TestBufferEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		b := newBuffer(t, s, client.BufferOptions{Producer: "gateway"})
		ctx := annals.WithActor(t.Context(), annals.Actor{ID: "alice"})
		check(t, b.Append(ctx, annals.Event{Type: "a"}))
		check(t, b.Append(ctx, annals.Event{Type: "a", Producer: annals.Producer{ID: "own", Sequence: 9}, ID: "x", Time: time.Unix(0, 0)}))
		if err := b.Append(ctx, annals.Event{}); !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("event without a type: %v", err)
		}
		check(t, b.Append(ctx, annals.Event{Type: "a"}))
		check(t, b.Close(t.Context()))
		var sequences []uint64
		for i, text := range s.bodies.all() {
			e, err := annals.ParseEvent([]byte(text))
			check(t, err)
			raw, _ := e.Member("producer")
			var p struct {
				ID       string
				Sequence uint64
			}
			check(t, json.Unmarshal(raw, &p))
			sequences = append(sequences, p.Sequence)
			if i != 1 && (!strings.HasPrefix(p.ID, "gateway/") || len(e.ID()) != 36 || e.Time().IsZero()) {
				t.Errorf("event is %s", text)
			}
			if !strings.Contains(text, "alice") {
				t.Errorf("the context did not apply: %s", text)
			}
		}
		if diff := cmp.Diff([]uint64{1, 9, 2}, sequences); diff != "" {
			t.Errorf("sequences (-want +got):\n%s", diff)
		}
	})
}

// TestBufferPoison lets rejected events stop nobody, and loses none of them.
func TestBufferPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, told := range []bool{true, false} {
			s, dir, rejected := &standIn{}, "", []string(nil)
			o := client.BufferOptions{}
			if told {
				dir = t.TempDir()
				o.Dir = dir
				o.OnReject = func(e annals.Encoded, err error) { rejected = append(rejected, e.ID()+": "+err.Error()) }
			}
			b := newBuffer(t, s, o)
			put(t, b, "1", "bad1", "2", "foreign", "3")
			err := b.Flush(t.Context())
			if (err == nil) != told || err != nil && !errors.Is(err, annals.ErrInvalid) {
				t.Errorf("flush: %v", err)
			}
			put(t, b, "4")
			check(t, b.Close(t.Context()))
			if got := b.Stats(); got.Delivered != 4 || got.Rejected != 2 || got.Accepted != 6 {
				t.Errorf("stats are %+v", got)
			}
			if !told {
				continue
			}
			if diff := cmp.Diff([]string{"bad1: it is invalid", "foreign: it is forbidden"}, rejected); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			kept, err := os.ReadFile(filepath.Join(dir, "rejected.ndjson"))
			check(t, err)
			if !strings.HasPrefix(string(kept), `{"error":"it is invalid","event":{"id":"bad1",`) || strings.Count(string(kept), "\n") != 2 {
				t.Errorf("the file of rejected events is %s", kept)
			}
		}
	})
}

// TestBufferFault keeps an event that a server with a fault does not take.
func TestBufferFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		b := newBuffer(t, s, client.BufferOptions{})
		put(t, b, "1", "mended", "2")
		check(t, b.Close(t.Context()))
		wantBatches(t, s, "1,mended,2", "mended", "mended")
		if got := b.Stats(); got.Delivered != 3 || got.Rejected != 0 {
			t.Errorf("stats are %+v", got)
		}
	})
}

// TestBufferForbidden keeps events while the token may not append, and tells of it.
func TestBufferForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, told := &standIn{}, atomic.Int64{}
		s.forbids.Store(true)
		b := newBuffer(t, s, client.BufferOptions{OnError: func(err error) {
			if errors.Is(err, client.ErrForbidden) {
				told.Add(1)
			}
		}})
		put(t, b, "1")
		time.Sleep(time.Hour)
		if n := told.Load(); n < 100 || !b.Stats().Down {
			t.Errorf("told %d times", n)
		}
		s.forbids.Store(false)
		check(t, b.Close(t.Context()))
		wantBatches(t, s, "1")
	})
}

// TestBufferBlock lets callers wait while there is no room, as long as they like.
func TestBufferBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		s.away.Store(true)
		b := newBuffer(t, s, client.BufferOptions{Events: 2, BatchEvents: 2})
		put(t, b, "1", "2") // under way at once
		synctest.Wait()
		put(t, b, "3", "4")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Append(short, annals.Event{ID: "lost", Type: "a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("append without room: %v", err)
		}
		if err := b.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush while the server is away: %v", err)
		}
		time.AfterFunc(time.Minute, func() { s.away.Store(false) })
		put(t, b, "5", "6")
		check(t, b.Close(t.Context()))
		wantBatches(t, s, "1,2", "3,4", "5,6")
	})
}

// TestBufferUnsent returns what is not delivered when the buffer is closed.
func TestBufferUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		s.away.Store(true)
		b := newBuffer(t, s, client.BufferOptions{BatchEvents: 2})
		put(t, b, "1", "2", "3")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.Close(short)
		u, ok := errors.AsType[*client.UnsentError](err)
		if !ok || len(u.Events) != 3 || u.Events[0].ID() != "1" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
	})
}

// TestBufferDrop counts what has no room, and journals it later.
func TestBufferDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standIn{}
		s.away.Store(true)
		b := newBuffer(t, s, client.BufferOptions{Events: 2, BatchEvents: 2, Policy: client.Drop})
		put(t, b, "1", "2")
		synctest.Wait()
		put(t, b, "3", "4")
		for i := range 3 {
			if err := b.Append(t.Context(), annals.Event{ID: fmt.Sprint("lost", i), Type: "a"}); !errors.Is(err, client.ErrDropped) {
				t.Errorf("append without room: %v", err)
			}
		}
		s.away.Store(false)
		check(t, b.Flush(t.Context()))
		put(t, b, "5")
		check(t, b.Close(t.Context()))
		var got []string
		for _, text := range s.bodies.all() {
			e, err := annals.ParseEvent([]byte(text))
			check(t, err)
			if e.Type() == client.TypeDropped {
				data, _ := e.Member("data")
				got = append(got, "dropped "+strings.SplitAfter(string(data), ",")[0])
				continue
			}
			producer, _ := e.Member("producer")
			_, number, _ := strings.Cut(string(producer), `"sequence":`)
			got = append(got, e.ID()+" "+strings.TrimSuffix(number, "}"))
		}
		if diff := cmp.Diff([]string{"1 1", "2 2", `dropped {"count":3,`, "3 3", "4 4", "5 8"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := b.Stats().Dropped; n != 3 {
			t.Errorf("%d dropped", n)
		}
	})
}

func TestBufferOptions(t *testing.T) {
	c := newTripped(t, client.Options{}, (&standIn{}).RoundTrip)
	for _, o := range []client.BufferOptions{
		{Policy: "lose"}, {Tenant: annals.SystemTenant}, {Policy: client.Spill}, {Events: -1}, {Age: -1}, {SpillBytes: -1}, {Producer: strings.Repeat("x", 250)},
	} {
		if b, err := client.NewBuffer(c, &o); err == nil {
			t.Errorf("%+v is accepted", o)
			check(t, b.Close(t.Context()))
		}
	}
}

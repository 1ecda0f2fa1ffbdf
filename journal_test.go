package annals_test

import (
	"context"
	"errors"
	"testing"

	"github.com/annals-io/annals"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestJournal(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir() + "/j"
	j, err := annals.Open(dir, nil)
	check(t, err)
	order := annals.Entity{Type: "order", ID: "1001"}
	got, err := j.Append(ctx,
		annals.Event{ID: "a", Type: "order.placed", Entity: order, Data: map[string]any{"total": 129.5}},
		annals.Inserted(ctx, annals.Entity{Type: "customer", ID: "7"}, map[string]any{"name": "A"}))
	check(t, err)
	if got[0].Sequence != 1 || got[1].Position != 1 || !got[0].Durable {
		t.Fatalf("%+v", got)
	}
	_, err = j.AppendExpect(ctx, []annals.Expect{{Entity: order, Sequence: 5}}, annals.Event{Type: "order.paid", Entity: order})
	if c, ok := errors.AsType[*annals.ConflictError](err); !ok || c.Current != 1 {
		t.Fatal(err)
	}
	e, err := j.Get(ctx, "a")
	check(t, err)
	if e.Hash() != got[0].Hash {
		t.Fatal("hash differs")
	}
	t.Log(string(e.JSON))
	again, err := j.Append(ctx, annals.Event{ID: "a", Type: "order.placed", Entity: order, Data: map[string]any{"total": 129.5}})
	check(t, err)
	if !again[0].Duplicate || again[0].Hash != got[0].Hash {
		t.Fatalf("%+v", again)
	}
	s, err := j.Stats(ctx)
	check(t, err)
	t.Logf("%+v", s)
	check(t, j.Close())
	r, err := annals.Verify(ctx, dir, nil)
	check(t, err)
	if !r.OK || r.Events != 2 {
		t.Fatalf("%+v", r)
	}
	rep, err := annals.Restore(ctx, dir, t.TempDir()+"/r", nil)
	check(t, err)
	if rep.Identical != 2 || rep.Lost != 0 {
		t.Fatalf("%+v", rep)
	}
}

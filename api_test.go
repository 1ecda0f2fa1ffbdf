package annals_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
)

// newJournal opens a journal of its own, which is closed with the test.
func newJournal(t testing.TB, opts *annals.Options) *annals.Journal {
	t.Helper()
	j, err := annals.Open(filepath.Join(t.TempDir(), "journal"), opts)
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	return j
}

// appended appends events and returns their entries.
func appended(t testing.TB, j *annals.Journal, ctx context.Context, events ...annals.Event) []annals.Entry {
	t.Helper()
	receipts, err := j.Append(ctx, events...)
	check(t, err)
	entries := make([]annals.Entry, len(receipts))
	for i, r := range receipts {
		entries[i], err = j.At(ctx, r.Position)
		check(t, err)
		if entries[i].Hash() != r.Hash || entries[i].ID() != r.ID || entries[i].Sequence != r.Sequence {
			t.Fatalf("receipt %+v is not that of %s", r, entries[i].JSON)
		}
	}
	return entries
}

// member returns the JSON of an entry's member, "" if it has none.
func member(e annals.Entry, name string) string {
	raw, _ := e.Member(name)
	return string(raw)
}

func TestAppendRefuses(t *testing.T) {
	j := newJournal(t, &annals.Options{MaxEventBytes: 1 << 10})
	ctx := context.Background()
	order := annals.Entity{Type: "order", ID: "1"}
	_, err := j.Append(ctx, annals.Event{ID: "first", Type: "a", Entity: order})
	check(t, err)
	good := annals.Event{ID: "good", Type: "a"}
	many := make([]annals.Event, annals.MaxBatchEvents+1)
	for i := range many {
		many[i] = annals.Event{Type: "a"}
	}
	for _, tt := range []struct {
		name   string
		want   error // sentinel; nil for a conflict
		text   string
		expect []annals.Expect
		events []annals.Event
	}{
		{"nothing", annals.ErrInvalid, "no events", nil, nil},
		{"no type", annals.ErrInvalid, "/type", nil, []annals.Event{{}}},
		{"no type in the second", annals.ErrInvalid, "event 1: ", nil, []annals.Event{good, {}}},
		{"journal's type", annals.ErrInvalid, "/type", nil, []annals.Event{{Type: annals.TypeRecovered}}},
		{"journal's tenant", annals.ErrInvalid, "/tenant", nil, []annals.Event{{Type: "a", Tenant: annals.SystemTenant}}},
		{"entity without id", annals.ErrInvalid, "/entity", nil, []annals.Event{{Type: "a", Entity: annals.Entity{Type: "b"}}}},
		{"data that is no JSON", annals.ErrInvalid, "/data", nil, []annals.Event{{Type: "a", Data: json.RawMessage("{")}}},
		{"twins", annals.ErrInvalid, "same id", nil, []annals.Event{good, {ID: "good", Type: "b"}}},
		{"large event", annals.ErrTooLarge, "event 1: ", nil, []annals.Event{good, {Type: "a", Message: strings.Repeat("x", 1<<10)}}},
		{"many events", annals.ErrTooLarge, "10001 events, at most 10000", nil, many},
		{"expectation", nil, "order/1 is at sequence 1, not 2", []annals.Expect{{Entity: order, Sequence: 2}}, []annals.Event{good}},
		{"fault 58 same id, different body", nil, `"first" is taken`, nil, []annals.Event{good, {ID: "first", Type: "b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := j.AppendExpect(ctx, tt.expect, tt.events...)
			_, conflict := errors.AsType[*annals.ConflictError](err)
			if got != nil || conflict != (tt.want == nil) || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("append: %v, %v, want %v with %q", got, err, tt.want, tt.text)
			}
		})
	}
	if size := j.Size(); size != 1 {
		t.Errorf("refused appends left %d entries", size-1)
	}
}

// TestAppendTooLargeAtOnce has events that are small enough, but not together.
func TestAppendTooLargeAtOnce(t *testing.T) {
	j := newJournal(t, nil)
	events := make([]annals.Event, 40)
	for i := range events {
		events[i] = annals.Event{Type: "a", Data: strings.Repeat("x", 1<<20-1000)}
	}
	if _, err := j.Append(context.Background(), events...); !errors.Is(err, annals.ErrTooLarge) {
		t.Errorf("append of 40 MiB: %v", err)
	}
	if _, err := j.Append(context.Background(), events[:2]...); err != nil || j.Size() != 2 {
		t.Errorf("append of 2 MiB: %v, size %d", err, j.Size())
	}
}

// TestMaxEventBytes has an event of exactly the limit, with the most that the
// assigned members can take, and one byte more.
func TestMaxEventBytes(t *testing.T) {
	const limit = 2 << 10
	j := newJournal(t, &annals.Options{MaxEventBytes: limit})
	ctx := context.Background()
	e := annals.Event{ID: "1", Time: time.Unix(0, 0), Type: "a", Data: "x"}
	a, err := engine.ParseAssigned(appended(t, j, ctx, e)[0].JSON)
	check(t, err)
	room := limit - engine.MaxAssignedBytes - a.BodyBytes
	e.ID, e.Data = "2", strings.Repeat("x", 1+room+1)
	if _, err := j.Append(ctx, e); !errors.Is(err, annals.ErrTooLarge) {
		t.Errorf("append of a byte more than %d: %v", limit, err)
	}
	e.Data = strings.Repeat("x", 1+room)
	if got := len(appended(t, j, ctx, e)[0].JSON); got > limit {
		t.Errorf("entry has %d bytes, at most %d", got, limit)
	}
}

// TestAppendFailures provokes what disks do, and what the journal promises then.
func TestAppendFailures(t *testing.T) {
	var hook atomic.Pointer[durable.Hook]
	fail := func(kind durable.OpKind, prefix string, err error) {
		h := durable.Hook(func(op durable.Op) durable.Fault {
			if op.Kind == kind && strings.HasPrefix(op.Name, prefix) {
				return durable.Fault{Err: err}
			}
			return durable.Fault{}
		})
		hook.Store(&h)
	}
	mem := durable.NewMem()
	var clock atomic.Int64
	opts, err := (&annals.Options{Now: func() time.Time { return time.Unix(clock.Add(1), 0) }}).WithDefaults()
	check(t, err)
	open := func() *annals.Journal {
		hook.Store(new(durable.Hooks()))
		j, err := annals.OpenFS(durable.NewFaulty(mem, func(op durable.Op) durable.Fault { return (*hook.Load())(op) }), opts)
		check(t, err)
		return j
	}
	ctx := context.Background()
	large := strings.Repeat("x", 32<<10) // no other write of the log is as long as an append's
	event := func(id string) annals.Event { return annals.Event{ID: id, Type: "a", Data: large} }
	try := func(j *annals.Journal, id string, want error) {
		t.Helper()
		if _, err := j.Append(ctx, event(id)); !errors.Is(err, want) {
			t.Errorf("append of %q: %v, want %v", id, err, want)
		}
	}

	j := open()
	fail(durable.OpCreate, "reserve", syscall.EMFILE)
	try(j, "no files", annals.ErrUnavailable)
	fail(durable.OpCreate, "reserve", syscall.ENOSPC)
	try(j, "no room", annals.ErrDiskFull)
	if _, err := j.Get(ctx, "no room"); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("get of what found no room: %v", err)
	}
	hook.Store(new(durable.Hooks()))
	resumed := func() bool { // a full disk is looked at again after a moment
		_, err := j.Append(ctx, event("room again"))
		if err != nil && !errors.Is(err, annals.ErrDiskFull) {
			t.Fatalf("append with room again: %v", err)
		}
		return err == nil
	}
	for began := time.Now(); !resumed(); {
		if time.Since(began) > 30*time.Second {
			t.Fatal("appends do not resume")
		}
	}

	// Not the first sync: that may be the one of a marker behind the append before.
	var written atomic.Bool
	hook.Store(new(durable.Hook(func(op durable.Op) durable.Fault {
		switch log := strings.HasPrefix(op.Name, "log/"); {
		case log && op.Kind == durable.OpWrite && op.Len > len(large):
			written.Store(true)
		case log && op.Kind == durable.OpSync && written.Load():
			return durable.Fault{Err: syscall.EIO}
		}
		return durable.Fault{}
	})))
	try(j, "unknown", annals.ErrUnknown)
	try(j, "after", annals.ErrFailed)
	if _, err := j.Get(ctx, "room again"); err != nil {
		t.Errorf("get from a failed journal: %v", err)
	}
	j.Close() // what it returns is not promised

	j = open()
	for _, id := range []string{"unknown", "after", "no room", "no files"} {
		try(j, id, nil) // the retry settles it
		if _, err := j.Get(ctx, id); err != nil {
			t.Errorf("get of %q after its retry: %v", id, err)
		}
	}
	check(t, j.Close())
}

func TestAppendDamaged(t *testing.T) {
	tj := newTestJournal(t, 20, 100, 5)
	tj.edit(tj.segments()[0], func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	j, err := annals.Open(tj.dir, nil)
	check(t, err)
	defer j.Close()
	if len(j.Damage()) == 0 {
		t.Fatal("damage is not seen")
	}
	_, err = j.Append(context.Background(), annals.Event{Type: "a"})
	if c, ok := errors.AsType[*annals.CorruptError](err); !ok || c.Path == "" {
		t.Errorf("append to a damaged journal: %v", err)
	}
}

// TestAppendContext ends an append's context while it waits for the disk.
func TestAppendContext(t *testing.T) {
	j := newJournal(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for n := 0; ; n++ {
		e := annals.Event{ID: fmt.Sprint(n), Type: "a"}
		_, err := j.Append(ctx, e)
		if err == nil && n < 1000 {
			continue // the answer was there first
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("append with a context that has ended: %v", err)
		}
		got, err := j.Append(context.Background(), e)
		if err != nil || j.Size() != annals.Position(n+1) || got[0].Position != annals.Position(n) {
			t.Errorf("retry: %+v, %v; size %d", got, err, j.Size())
		}
		return
	}
}

func TestReceiptJSON(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("east", 3600))
	j := newJournal(t, &annals.Options{Now: func() time.Time { return now }, RecordedBy: annals.Identity{Type: "token", ID: "t1"}})
	e := []annals.Event{{ID: "a", Type: "t", Entity: annals.Entity{Type: "order", ID: "1"}}, {ID: "b", Type: "t"}}
	got, err := j.Append(context.Background(), e...)
	check(t, err)
	again, err := j.Append(context.Background(), e[0])
	check(t, err)
	text, err := json.Marshal(append(got, again...))
	check(t, err)
	hash := func(i int) string { return got[i].Hash.String() }
	want := `[{"id":"a","position":0,"sequence":1,"recorded_at":"2026-01-02T02:04:05.123456789Z","hash":"` + hash(0) + `","duplicate":false,"durable":true},` +
		`{"id":"b","position":1,"recorded_at":"2026-01-02T02:04:05.123456789Z","hash":"` + hash(1) + `","duplicate":false,"durable":true},` +
		`{"id":"a","position":0,"sequence":1,"recorded_at":"2026-01-02T02:04:05.123456789Z","hash":"` + hash(0) + `","duplicate":true,"durable":true}]`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("receipts as JSON (-want +got):\n%s", diff)
	}
}

// TestEntryDefaults checks an entry to the byte: what was sent, what is filled
// in, what is assigned.
func TestEntryDefaults(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ctx := context.Background()
	order := annals.Entity{Type: "order", ID: "1"}
	j := newJournal(t, &annals.Options{Tenant: "acme", RecordedBy: annals.Identity{Type: "token", ID: "t1"}, Now: func() time.Time { return now }})
	e := appended(t, j, ctx, annals.Event{ID: "a", Type: "order.placed", Entity: order}, annals.Event{ID: "a", Type: "b", Tenant: "other", Entity: order, Version: "2"})
	const want = `{"id":"a","time":"2026-01-02T03:04:05.000000000Z","type":"order.placed","version":"1.0","tenant":"acme","entity":{"type":"order","id":"1"},` +
		`"recorded_by":{"type":"token","id":"t1"},"recorded_at":"2026-01-02T03:04:05.000000000Z","sequence":1,"position":0}`
	if diff := cmp.Diff(want, string(e[0].JSON)); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if e[1].Tenant() != "other" || e[1].Sequence != 1 || member(e[1], "version") != `"2"` {
		t.Errorf("entry of another tenant: %s", e[1].JSON)
	}
	if got, err := j.Get(ctx, "a"); err != nil || got.Position != 0 {
		t.Errorf("get from the default tenant: position %d, %v", got.Position, err)
	}
	if got, err := j.GetTenant(ctx, "other", "a"); err != nil || got.Position != 1 {
		t.Errorf("get from another tenant: position %d, %v", got.Position, err)
	}
	appended(t, j, ctx, annals.Event{Type: "order.paid", Entity: order})
	if n, err := j.LastSequence(ctx, order); err != nil || n != 2 {
		t.Errorf("last sequence in the default tenant: %d, %v", n, err)
	}
	for _, tt := range []struct {
		expect annals.Expect
		ok     bool
	}{
		{annals.Expect{Entity: order, Sequence: 1}, false}, {annals.Expect{Tenant: "other", Entity: order, Sequence: 1}, true},
		{annals.Expect{Tenant: "default", Entity: order}, true}, {annals.Expect{Entity: order, Sequence: 2}, true},
	} {
		if _, err := j.AppendExpect(ctx, []annals.Expect{tt.expect}, annals.Event{Type: "x"}); (err == nil) != tt.ok {
			t.Errorf("append expecting %+v: %v", tt.expect, err)
		}
	}

	plain := newJournal(t, nil)
	got := appended(t, plain, ctx, annals.Event{Type: "a"})[0]
	me, err := user.Current()
	check(t, err)
	if got.Tenant() != "default" || got.RecordedBy() != (annals.Identity{Type: "local", ID: me.Uid}) || len(got.ID()) != 36 || got.Sequence != 0 {
		t.Errorf("entry with the defaults: %s", got.JSON)
	}
	if d := time.Since(got.Time()); d < 0 || !got.Time().Equal(got.Time().UTC()) || got.RecordedAt.Before(got.Time()) {
		t.Errorf("default time is %v, recorded_at %v", got.Time(), got.RecordedAt)
	}
}

// TestFault55AbsurdTime stores a producer's time as it is, however absurd, and
// refuses what is none; the journal's own time is not concerned.
func TestFault55AbsurdTime(t *testing.T) {
	j := newJournal(t, nil)
	for text, want := range map[string]string{
		"0001-01-01T00:00:01Z": "0001-01-01T00:00:01.000000000Z", "9999-12-31T23:59:59.999999999Z": "9999-12-31T23:59:59.999999999Z",
		"1969-12-31T23:59:59-23:59": "1970-01-01T23:58:59.000000000Z",
	} {
		e, err := annals.ParseEvent([]byte(`{"type":"a","time":"` + text + `"}`))
		check(t, err)
		r, err := j.AppendEncoded(context.Background(), nil, e)
		check(t, err)
		got, err := j.At(context.Background(), r[0].Position)
		check(t, err)
		if member(got, "time") != `"`+want+`"` || got.RecordedAt.Year() != time.Now().UTC().Year() {
			t.Errorf("time %s is stored as %s", text, got.JSON)
		}
	}
	for _, text := range []string{"yesterday", "2026-02-30T00:00:00Z", "2026-01-01 00:00:00", "1767225600", "10000-01-01T00:00:00Z"} {
		_, err := annals.ParseEvent([]byte(`{"type":"a","time":"` + text + `"}`))
		if bad, ok := errors.AsType[*annals.InvalidError](err); !ok || bad.Pointer != "/time" {
			t.Errorf("time %q: %v", text, err)
		}
	}
}

// TestFault63IDs makes ids with a clock that stands still, and goes back when
// the journal is opened again.
func TestFault63IDs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	seen := make(map[string]bool)
	const each = 500
	for round := range 3 {
		now := time.Date(2026-round, 1, 1, 0, 0, 0, 0, time.UTC)
		j, err := annals.Open(dir, &annals.Options{Now: func() time.Time { return now }})
		check(t, err)
		events := make([]annals.Event, each)
		for i := range events {
			events[i].Type = "a"
		}
		for _, e := range appended(t, j, context.Background(), events...) {
			seen[e.ID()] = true
		}
		check(t, j.Close())
	}
	if len(seen) != 3*each {
		t.Errorf("%d ids for %d events", len(seen), 3*each)
	}
	mustVerify(t, dir)
}

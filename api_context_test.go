package annals_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals"
)

func TestContextTags(t *testing.T) {
	j := newJournal(t, nil)
	background := context.Background()
	if annals.Tag(background, "a", "1") {
		t.Error("Tag without WithTags says that it did something")
	}
	mine := map[string]string{"a": "outer", "b": "outer"}
	outer := annals.WithTags(background, mine)
	mine["a"] = "changed later"
	inner := annals.WithTags(outer, map[string]string{"b": "inner", "c": "inner"})
	empty := annals.WithTags(inner, nil)
	tags := func(ctx context.Context, own map[string]string) string {
		t.Helper()
		return member(appended(t, j, ctx, annals.Event{Type: "a", Tags: own})[0], "tags")
	}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		own  map[string]string
		want string
	}{
		{"none", background, nil, ``},
		{"own", background, map[string]string{"x": "own"}, `{"x":"own"}`},
		{"outer", outer, nil, `{"a":"outer","b":"outer"}`},
		{"inner wins", inner, nil, `{"a":"outer","b":"inner","c":"inner"}`},
		{"own wins", inner, map[string]string{"c": "own", "z": "own"}, `{"c":"own","z":"own","a":"outer","b":"inner"}`},
		{"empty scope", empty, nil, `{"a":"outer","b":"inner","c":"inner"}`},
	} {
		if got := tags(tt.ctx, tt.own); got != tt.want {
			t.Errorf("%s: tags are %s, want %s", tt.name, got, tt.want)
		}
	}
	type anotherKey struct{}
	for name, ctx := range map[string]context.Context{"d": empty, "e": context.WithValue(empty, anotherKey{}, 1), "f": outer} {
		if !annals.Tag(ctx, name, "later") {
			t.Errorf("Tag %q finds no WithTags", name)
		}
	}
	annals.Tag(inner, "b", "later")
	if got, want := tags(inner, nil), `{"a":"outer","b":"later","c":"inner","f":"later"}`; got != want {
		t.Errorf("inner tags are %s, want %s", got, want)
	}
	if got, want := tags(empty, nil), `{"a":"outer","b":"later","c":"inner","d":"later","e":"later","f":"later"}`; got != want {
		t.Errorf("innermost tags are %s, want %s", got, want)
	}
	if got, want := tags(outer, nil), `{"a":"outer","b":"outer","f":"later"}`; got != want {
		t.Errorf("outer tags are %s, want %s", got, want)
	}
}

// TestContextTagsLimit counts the tags of event and context together, and checks
// those of the context like the event's own.
func TestContextTagsLimit(t *testing.T) {
	j := newJournal(t, nil)
	many := func(prefix string, n int) map[string]string {
		tags := make(map[string]string)
		for i := range n {
			tags[fmt.Sprint(prefix, i)] = "x"
		}
		return tags
	}
	for _, tt := range []struct {
		own, context map[string]string
		ok           bool
	}{
		{many("a", 60), many("b", 4), true},
		{many("a", 60), many("b", 5), false},
		{many("a", 64), many("a", 64), true},
		{nil, many("b", 64), true},
		{nil, many("b", 65), false},
		{nil, map[string]string{"a": "\xff"}, false},
		{nil, map[string]string{"\xff": "a"}, false},
	} {
		ctx := annals.WithTags(context.Background(), tt.context)
		_, err := j.Append(ctx, annals.Event{Type: "a", Tags: tt.own})
		if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, annals.ErrInvalid) {
			t.Errorf("%d tags and %d of the context: %v", len(tt.own), len(tt.context), err)
		}
	}
}

// TestTagConcurrently is for the race detector.
func TestTagConcurrently(t *testing.T) {
	j := newJournal(t, nil)
	ctx := annals.WithTags(context.Background(), nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			annals.Tag(ctx, fmt.Sprint(i), "x")
			if _, err := j.Append(ctx, annals.Event{Type: "a"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := `{"0":"x","1":"x","2":"x","3":"x","4":"x","5":"x","6":"x","7":"x"}`
	if got := member(appended(t, j, ctx, annals.Event{Type: "a"})[0], "tags"); got != want {
		t.Errorf("tags are %s, want %s", got, want)
	}
}

func TestContextActor(t *testing.T) {
	j := newJournal(t, nil)
	background := context.Background()
	alice := annals.WithActor(background, annals.Actor{Type: "user", ID: "alice"})
	bob := annals.WithActor(alice, annals.Actor{Type: "user", ID: "bob", OnBehalfOf: annals.Entity{ID: "carol"}})
	nobody := annals.WithActor(alice, annals.Actor{})
	me, err := user.Current()
	check(t, err)
	fallback := `{"type":"user","id":"` + me.Username + `","name":`
	thing := annals.Entity{Type: "thing", ID: "1"}
	own := annals.Actor{Type: "service", ID: "own"}
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		event annals.Event
		want  string // how the actor begins; "" = there is none
	}{
		{"append has no fallback", background, annals.Event{Type: "a"}, ""},
		{"context", alice, annals.Event{Type: "a"}, `{"type":"user","id":"alice"}`},
		{"inner context", bob, annals.Event{Type: "a"}, `{"type":"user","id":"bob","on_behalf_of":{"id":"carol"}}`},
		{"no actor in the inner context", nobody, annals.Event{Type: "a"}, ""},
		{"own", bob, annals.Event{Type: "a", Actor: own}, `{"type":"service","id":"own"}`},
		{"helper", alice, annals.Inserted(alice, thing, nil), `{"type":"user","id":"alice"}`},
		{"helper keeps its context's", alice, annals.Updated(bob, thing, nil), `{"type":"user","id":"bob",`},
		{"Inserted falls back", background, annals.Inserted(background, thing, nil), fallback},
		{"Updated falls back", background, annals.Updated(background, thing, nil), fallback},
		{"Deleted falls back", background, annals.Deleted(background, thing, nil), fallback},
		{"Ingested falls back", background, annals.Ingested(background, thing, 1, "x"), fallback},
	} {
		got := member(appended(t, j, tt.ctx, tt.event)[0], "actor")
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: actor is %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestContextCounts says that what a context adds is part of the event: a retry
// with another is other content.
func TestContextCounts(t *testing.T) {
	j := newJournal(t, nil)
	ctx := annals.WithTags(context.Background(), map[string]string{"request": "1"})
	e := annals.Event{ID: "a", Type: "a"}
	appended(t, j, ctx, e)
	if got, err := j.Append(ctx, e); err != nil || !got[0].Duplicate {
		t.Errorf("retry: %+v, %v", got, err)
	}
	for _, other := range []context.Context{context.Background(), annals.WithTags(ctx, map[string]string{"request": "2"}), annals.WithActor(ctx, annals.Actor{ID: "x"})} {
		if _, err := j.Append(other, e); !errors.As(err, new(*annals.ConflictError)) {
			t.Errorf("retry with another context: %v", err)
		}
	}
}

func TestHelpers(t *testing.T) {
	ctx := annals.WithActor(context.Background(), annals.Actor{ID: "x"})
	who := annals.Entity{Type: "customer", ID: "7", Name: "Ada"}
	for _, tt := range []struct {
		event annals.Event
		want  map[string]string
	}{
		{annals.Inserted(ctx, who, map[string]int{"a": 1}), map[string]string{"type": `"customer.inserted"`, "action": `"insert"`, "snapshot": `{"a":1}`}},
		{annals.Updated(ctx, who, map[string]annals.Change{"a": {Old: 1}, "b": {New: 2, OldUnknown: true}}), map[string]string{"type": `"customer.updated"`, "action": `"update"`, "changes": `{"a":[1,null],"b":[2]}`}},
		{annals.Deleted(ctx, who, map[string]int{"a": 1}), map[string]string{"type": `"customer.deleted"`, "action": `"delete"`, "snapshot": `{"a":1}`}},
		{annals.Ingested(ctx, who, 3, "a.csv"), map[string]string{"type": `"customer.ingested"`, "action": `"ingest"`, "message": `"3 rows from a.csv"`, "data": `{"rows":3,"from":"a.csv"}`}},
	} {
		encoded, err := tt.event.Encode()
		check(t, err)
		tt.want["entity"], tt.want["actor"] = `{"type":"customer","id":"7","name":"Ada"}`, `{"id":"x"}`
		for _, name := range slices.Sorted(maps.Keys(tt.want)) {
			if got, _ := encoded.Member(name); string(got) != tt.want[name] {
				t.Errorf("%s: member %s is %s, want %s", tt.event.Type, name, got, tt.want[name])
			}
		}
	}
}

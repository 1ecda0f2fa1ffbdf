package annals

import (
	"context"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"sync"
)

type (
	actorKey struct{}
	tagsKey  struct{}
)

// WithActor returns a context whose appends are done by actor: events that name
// no actor of their own get it.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, &actor)
}

// contextActor returns the context's actor, or nil.
func contextActor(ctx context.Context) *Actor {
	a, _ := ctx.Value(actorKey{}).(*Actor)
	return a
}

// A tagScope holds the tags of one WithTags.
type tagScope struct {
	outer *tagScope // never changes

	mu   sync.Mutex
	tags map[string]string // guarded by mu
}

// WithTags returns a context that adds tags to the events of every append made
// with it. Contexts nest: all their tags are added, the inner one's winning where
// names are equal, and an event's own tags win over both.
//
// A request handler calls it once, perhaps without tags, so that [Tag] can add
// to them later.
func WithTags(ctx context.Context, tags map[string]string) context.Context {
	outer, _ := ctx.Value(tagsKey{}).(*tagScope)
	scope := &tagScope{outer: outer, tags: maps.Clone(tags)}
	if scope.tags == nil {
		scope.tags = make(map[string]string)
	}
	return context.WithValue(ctx, tagsKey{}, scope)
}

// Tag sets a tag of the innermost [WithTags] around ctx, for all appends of that
// context from now on, wherever they are made. It reports whether there was one.
// Tag may be called concurrently.
func Tag(ctx context.Context, name, value string) bool {
	scope, _ := ctx.Value(tagsKey{}).(*tagScope)
	if scope == nil {
		return false
	}
	scope.mu.Lock()
	defer scope.mu.Unlock()
	scope.tags[name] = value
	return true
}

// contextTags returns the tags of ctx, all scopes merged.
func contextTags(ctx context.Context) map[string]string {
	scope, _ := ctx.Value(tagsKey{}).(*tagScope)
	var merged map[string]string
	for ; scope != nil; scope = scope.outer {
		scope.mu.Lock()
		if merged == nil {
			merged = make(map[string]string, len(scope.tags))
		}
		for name, value := range scope.tags {
			if _, ok := merged[name]; !ok {
				merged[name] = value
			}
		}
		scope.mu.Unlock()
	}
	return merged
}

// fallbackActor is who acts when nobody says so: the system's user, through this
// program.
var fallbackActor = sync.OnceValue(func() Actor {
	a := Actor{Type: "user", ID: "unknown", Name: filepath.Base(os.Args[0])}
	if u, err := user.Current(); err == nil {
		a.ID = u.Username
	}
	return a
})

// actorOf returns the context's actor, or the fallback.
func actorOf(ctx context.Context) Actor {
	if a := contextActor(ctx); a != nil {
		return *a
	}
	return fallbackActor()
}

package client

import (
	"net"
	"net/http"
	"strings"

	"github.com/annals-io/annals"
)

// Who says who makes a request, and what tags its events get. A zero actor is nobody: events
// then have the one that they name. It is called once for each request, before the handler.
type Who func(r *http.Request) (actor annals.Actor, tags map[string]string)

// Middleware returns a handler that gives the context of each request an actor and tags (see
// [annals.WithActor] and [annals.WithTags]), for all events that next appends with it, to a
// journal, a client or a buffer. With [annals.Tag] next can add tags later. A nil who gives
// the actor of [Anonymous].
func Middleware(who Who, next http.Handler) http.Handler {
	if who == nil {
		who = func(r *http.Request) (annals.Actor, map[string]string) { return Anonymous(r), nil }
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, tags := who(r)
		ctx := annals.WithTags(r.Context(), tags)
		if actor != (annals.Actor{}) {
			ctx = annals.WithActor(ctx, actor)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// maxUserAgent is the most bytes of an actor's user agent.
var maxUserAgent = annals.StringLimits()["/actor/user_agent"]

// Anonymous returns what a request says by itself of whoever makes it: the other end of the
// connection, which may be a proxy, and the user agent.
func Anonymous(r *http.Request) annals.Actor {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = ""
	}
	return annals.Actor{Type: "anonymous", Address: host, UserAgent: cleanText(r.UserAgent(), maxUserAgent)}
}

// cleanText returns a text as a member of so many bytes can hold it.
func cleanText(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

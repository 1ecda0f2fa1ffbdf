package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"golang.org/x/time/rate"
)

// An exchange is one request and its answer.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	id     string        // of the request
	route  *route        // nil until it is found
	grant  *access.Grant // nil until it is known, and on open routes
	query  url.Values    // parameters, of the names that the route takes
	status int           // that was sent; zero: nothing yet
	abort  bool          // the answer cannot be completed: the connection is to break

	streaming bool          // it is one of the streams that may be open at once
	bucket    *bucket       // that the request is in; nil if it does not count
	events    *rate.Limiter // of the events that it may append; nil: not bounded
}

// run lets a request through the chain.
func (x *exchange) run(op *operation) {
	defer x.measured(time.Now())
	x.server.metrics.inside.Inc()
	defer x.server.metrics.inside.Dec()
	x.id = x.server.requestID(x.r)
	x.w.Header()["X-Request-Id"] = []string{x.id}
	defer x.finish()
	if !x.server.door.enter() {
		x.fail(problemf(codeUnavailable, "the server is going down"))
		return
	}
	defer x.server.door.leave()
	defer x.recover()
	route, err := op.find(x.r.Method)
	if err == nil {
		x.route = route
		err = x.admit()
	}
	if err == nil {
		err = x.auditRead()
	}
	if err == nil {
		err = route.handle(x)
	}
	if err != nil {
		x.fail(err)
	}
}

// admit refuses what the route does not take, before anything of the body is read.
func (x *exchange) admit() error {
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.throttle(); err != nil {
		return err
	}
	if err := x.parseQuery(); err != nil {
		return err
	}
	if x.route.stream {
		return x.admitStream()
	}
	return nil
}

// authenticate finds out whose request it is and whether the route is theirs.
func (x *exchange) authenticate() error {
	gate := x.route.gate
	if gate == gateOpen || gate == gateProofs && x.server.opts.PublicProofs {
		return nil
	}
	if x.grant = x.server.local; x.grant == nil {
		g, err := x.server.opts.Auth.Authenticate(x.r)
		if err != nil {
			return authError(err)
		}
		x.grant = g
	}
	if !x.grant.May(x.route.needs) {
		return problemf(codeForbidden, "the credential does not have the permission "+x.route.needs.String())
	}
	return nil
}

// authError returns what a client is told about its credential.
func authError(err error) error {
	if errors.Is(err, access.ErrUnauthenticated) {
		return err
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	p := problemf(codeUnavailable, "credentials cannot be checked at the moment")
	p.retryAfter = retryAfter
	return p
}

// finish ends the exchange.
func (x *exchange) finish() {
	if x.streaming {
		x.server.streams.give(1)
	}
	if x.bucket != nil {
		x.bucket.inside.Add(-1)
	}
	if x.abort {
		panic(http.ErrAbortHandler)
	}
}

// fail answers with an error, unless the answer has begun: then it is cut off, so that
// nobody takes it for the whole.
func (x *exchange) fail(err error) {
	p := problemOf(err)
	x.server.metrics.problems[p.code].Inc()
	x.logFailure(p, err)
	x.auditRefusal(p)
	if isGone(x.r, err) || x.status != 0 {
		x.abort = true
		return
	}
	x.sendProblem(p)
}

// logFailure logs what the operator should know.
func (x *exchange) logFailure(p *problem, err error) {
	switch {
	case isGone(x.r, err):
		return
	case p.code == codeInternal, p.code == codeCorrupt:
		x.server.opts.Logger.Error("request failed", "request_id", x.id, "route", x.routeName(), "error", err)
	case p.status >= 500:
		x.server.opts.Logger.Warn("request failed", "request_id", x.id, "route", x.routeName(), "error", err)
	}
}

// routeName returns the route's name, or what stands for none.
func (x *exchange) routeName() string {
	if x.route == nil {
		return "none"
	}
	return x.route.name()
}

// sendProblem answers with a problem document.
func (x *exchange) sendProblem(p *problem) {
	h := x.w.Header()
	for _, name := range []string{"Etag", "Cache-Control", "Content-Encoding", "Content-Disposition"} {
		h.Del(name)
	}
	if p.code == codeUnauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="annals"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.code == codeMediaType {
		h.Set("Accept-Encoding", "zstd, gzip")
	}
	body := p.appendJSON(nil, x.r.URL.EscapedPath(), x.id)
	x.send(p.status, "application/problem+json", body)
}

// tenant returns whose thing a request is about: the parameter tenant, or else the
// only tenant of the grant. That of another is not found.
func (x *exchange) tenant() (string, error) {
	name := x.query.Get("tenant")
	if name == "" {
		name = x.grant.Tenant()
	}
	switch {
	case name == "":
		return "", problemf(codeInvalid, "the credential is for several tenants: name one with the parameter tenant")
	case !x.grant.Owns(name):
		return "", annals.ErrNotFound
	}
	return name, nil
}

// requestID returns the id that a request brings, or a new one.
func (s *Server) requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); isRequestID(id) {
		return id
	}
	return s.prefix + strconv.FormatUint(s.requests.Add(1), 16)
}

// isRequestID reports whether a text can be a request's id: what goes into logs
// without a second thought.
func isRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	return !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	})
}

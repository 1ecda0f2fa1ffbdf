package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/annals-io/annals/internal/access"
)

// api is where the routes of the API begin.
const api = "/api/v1/audit"

// A gate says which requests a route takes.
type gate uint8

const (
	gateGrant  gate = iota // those whose grant has the route's permission
	gateOpen               // all
	gateProofs             // those with the permission, or all with [Options.PublicProofs]
)

// A route is one operation of the API.
type route struct {
	method  string
	pattern string // of [http.ServeMux], without the method
	needs   access.Permission
	gate    gate
	params  []string // names of query parameters; a "*" is for the handler to check
	untold  bool     // it needs a permission to read, but tells of no event: see [route.audited]
	stream  bool     // the answer, or the request, may have no end
	handle  func(x *exchange) error
}

// name returns the route's name in documents, logs and metrics.
func (r *route) name() string { return r.method + " " + r.pattern }

// An operation is all routes of one pattern.
type operation struct {
	server *Server
	routes []*route
	allow  string // their methods
}

// newMux returns what finds the route of a request.
func (s *Server) newMux() *http.ServeMux {
	byPattern := make(map[string]*operation)
	mux := http.NewServeMux()
	for i := range routes {
		r := &routes[i]
		op := byPattern[r.pattern]
		if op == nil {
			op = &operation{server: s}
			byPattern[r.pattern] = op
			mux.Handle(r.pattern, op)
		}
		op.routes = append(op.routes, r)
	}
	for _, op := range byPattern {
		op.allow = op.methods()
	}
	mux.Handle("/", &operation{server: s})
	return mux
}

// methods returns what the header Allow says.
func (op *operation) methods() string {
	var names []string
	for _, r := range op.routes {
		names = append(names, r.method)
		if r.method == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ServeHTTP implements [http.Handler].
func (op *operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{server: op.server, w: w, r: r}
	x.run(op)
}

// find returns the route of a method.
func (op *operation) find(method string) (*route, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range op.routes {
		if r.method == method {
			return r, nil
		}
	}
	if len(op.routes) == 0 {
		return nil, problemf(codeNotFound, "there is no such route; GET /openapi.json lists them")
	}
	p := problemf(codeMethod, "the resource takes "+op.allow)
	p.allow = op.allow
	return nil, p
}

// serveHTTP refuses paths that the mux would redirect: nothing here has two names.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if !isPlain(r.URL.EscapedPath()) || r.Method == http.MethodConnect {
		(&operation{server: s}).ServeHTTP(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// isPlain reports whether a path has no empty element and none that stands for
// another.
func isPlain(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	if !strings.Contains(path, "/.") {
		return true
	}
	for element := range strings.SplitSeq(path, "/") {
		if element == "." || element == ".." {
			return false
		}
	}
	return true
}

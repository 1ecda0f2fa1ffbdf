package server

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
)

// recover answers for a handler that panicked. Of what it panicked with only the
// program's own words are logged: others may hold what a client sent.
func (x *exchange) recover() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	x.server.opts.Logger.Error("handler panicked", "request_id", x.id, "route", x.routeName(), "panic", panicText(v), "stack", string(debug.Stack()))
	if x.status != 0 {
		x.abort = true
		return
	}
	x.sendProblem(problemf(codeInternal, "the server's log says more, under the request_id"))
}

// panicText returns what a log may say about the value of a panic.
func panicText(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	if text, ok := v.(string); ok && strings.HasPrefix(text, "annals: ") {
		return text
	}
	return fmt.Sprintf("a value of type %T", v)
}

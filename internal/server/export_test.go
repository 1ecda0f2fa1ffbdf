package server

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// AddTestRoutes adds routes that read, export and tell of no event, until the test ends.
func AddTestRoutes(t *testing.T) {
	size := func(x *exchange) error {
		x.send(200, "text/plain", fmt.Append(nil, "size ", x.server.journal.Size()))
		return nil
	}
	before := routes
	routes = slices.Concat(routes, []route{
		{method: "GET", pattern: "/test/read", needs: access.Read, params: []string{"*"}, handle: size},
		{method: "GET", pattern: "/test/export", needs: access.Export, handle: size},
		{method: "GET", pattern: "/test/figures", needs: access.Read, untold: true, handle: size},
	})
	t.Cleanup(func() { routes = before })
}

// FailingAudit returns what makes events of the server's own fail, with an error or, with
// nil, no more. Call it before the first request.
func (s *Server) FailingAudit() (fail func(error)) {
	var failing atomic.Pointer[error]
	s.audit.send = func(ctx context.Context, events ...annals.Event) ([]annals.Receipt, error) {
		if err := failing.Load(); err != nil && *err != nil {
			return nil, *err
		}
		return s.journal.Audit(ctx, events...)
	}
	return func(err error) {
		failing.Store(&err)
		s.audit.paused.Store(0)
	}
}

package server

import (
	"fmt"
	"net/http"
)

// healthz answers that the process is alive.
func healthz(x *exchange) error {
	x.send(http.StatusOK, "application/json", []byte(`{"status":"ok"}`))
	return nil
}

// readyz answers whether appends are taken, and why not. A server that is going down, a
// journal that is damaged or a full disk is not ready; reads may go on all the same.
func readyz(x *exchange) error {
	s, err := x.server.journal.Stats(x.r.Context())
	if err != nil {
		return err
	}
	damaged := len(x.server.journal.Damage()) > 0
	reason := ""
	switch {
	case damaged:
		reason = "damaged"
	case s.ReadOnly:
		reason = "read_only"
	case s.Failed:
		reason = "failed"
	case s.Stalled:
		reason = "disk_stalled"
	case s.DiskFull:
		reason = "disk_full"
	default:
		x.send(http.StatusOK, "application/json", []byte(`{"status":"ready"}`))
		return nil
	}
	x.send(http.StatusServiceUnavailable, "application/json", fmt.Appendf(nil, `{"status":"not_ready","reason":"%s"}`, reason))
	return nil
}

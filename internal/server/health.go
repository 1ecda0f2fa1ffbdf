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

// readyz answers whether appends are taken. A server that is going down, a journal
// that is damaged or a full disk is not ready; reads may go on all the same.
func readyz(x *exchange) error {
	s, err := x.server.journal.Stats(x.r.Context())
	if err != nil {
		return err
	}
	damaged := len(x.server.journal.Damage()) > 0
	ready := !damaged && !s.DiskFull && !s.Stalled && !s.ReadOnly
	status, word := http.StatusOK, "ready"
	if !ready {
		status, word = http.StatusServiceUnavailable, "not_ready"
	}
	body := fmt.Appendf(nil, `{"status":"%s","read_only":%t,"damaged":%t,"disk_full":%t,"stalled":%t}`,
		word, s.ReadOnly, damaged, s.DiskFull, s.Stalled)
	x.send(status, "application/json", body)
	return nil
}

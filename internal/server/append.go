package server

import (
	"context"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/annals-io/annals"
)

// postEvents appends what the body holds, all or none.
func postEvents(x *exchange) error {
	a, err := x.addition()
	if err != nil {
		return err
	}
	return x.append(a)
}

// postBatch is postEvents for lists, which are answered as lists; with atomic=false each
// event is appended, or not, by itself.
func postBatch(x *exchange) error {
	atomic, err := x.choice("atomic", "true", "false")
	if err != nil {
		return err
	}
	if atomic == "false" {
		return x.appendItems()
	}
	a, err := x.addition()
	if err != nil {
		return err
	}
	a.single = false
	return x.append(a)
}

// addition reads what a request asks to append, and refuses what its grant does not
// cover.
func (x *exchange) addition() (a addition, err error) {
	f, err := x.form()
	if err != nil {
		return a, err
	}
	b, err := x.body()
	if err != nil {
		return a, err
	}
	a, err = x.parse(f, b.b)
	b.give()
	if err != nil {
		return a, err
	}
	if err := x.applyKey(&a); err != nil {
		return a, err
	}
	if err := x.applyExpected(&a); err != nil {
		return a, err
	}
	if err := x.covers(a.events, a.expect); err != nil {
		return a, err
	}
	return a, x.takeEvents(len(a.events))
}

// applyKey gives the idempotency key to a single event without an id.
func (x *exchange) applyKey(a *addition) (err error) {
	values := x.r.Header.Values("Idempotency-Key")
	switch {
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return problemf(codeInvalid, "the header Idempotency-Key is there more than once")
	case len(a.events) != 1:
		return problemf(codeInvalid, "the header Idempotency-Key goes with a single event: give each event an id")
	case a.events[0].ID() != "":
		return nil // which is its key
	}
	key := values[0]
	if len(key) > 1 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1] // as a structured field has it
	}
	a.events[0], err = a.events[0].WithID(key)
	return err
}

// applyExpected makes an expectation of the parameter expected_sequence.
func (x *exchange) applyExpected(a *addition) error {
	if !x.query.Has("expected_sequence") {
		return nil
	}
	n, err := x.number("expected_sequence", 0, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	if len(a.expect) > 0 {
		return badParam("expected_sequence", "does not go with an expectation in the body")
	}
	for i := range a.events {
		e := annals.Expect{Tenant: a.events[i].Tenant(), Entity: a.events[i].Entity(), Sequence: annals.Sequence(n)}
		e.Entity.Name = ""
		if e.Entity.Type == "" || i > 0 && (e.Entity != a.expect[0].Entity || e.Tenant != a.expect[0].Tenant) {
			return badParam("expected_sequence", "is for events that all have the same entity; a batch can expect more: "+
				`{"events": […], "expect": [{"entity": {…}, "sequence": n}]}`)
		}
		if i == 0 {
			a.expect = []annals.Expect{e}
		}
	}
	return nil
}

// covers refuses events and expectations of tenants that the grant does not have.
func (x *exchange) covers(events []annals.Encoded, expect []annals.Expect) error {
	for i := range events {
		if t := events[i].Tenant(); t != "" && !x.grant.Owns(t) {
			return errForeign
		}
	}
	for i := range expect {
		if t := expect[i].Tenant; t != "" && !x.grant.Owns(t) {
			return errForeign
		}
	}
	return nil
}

// errForeign is the answer to an event of another's tenant. It does not say which one:
// the sender knows, and logs need not.
var errForeign = problemf(codeForbidden, "the credential does not append for that tenant")

// append appends and answers with receipts.
func (x *exchange) append(a addition) error {
	wait, err := x.choice("wait", "durable", "integrated")
	if err != nil {
		return err
	}
	ctx := x.principalContext()
	receipts, err := x.server.appendEvents(ctx, a.expect, a.events)
	if err == nil && wait == "integrated" {
		_, err = x.server.journal.Checkpoint(ctx)
	}
	if err != nil {
		return err
	}
	out := takeBuffer()
	defer out.give()
	if a.single {
		out.b = receipts[0].AppendJSON(out.b)
	} else {
		out.b = appendReceipts(out.b, receipts)
	}
	x.send(statusOf(receipts), "application/json", out.b)
	return nil
}

// appendEvents appends events and counts them.
func (s *Server) appendEvents(ctx context.Context, expect []annals.Expect, events []annals.Encoded) ([]annals.Receipt, error) {
	began := time.Now()
	receipts, err := s.journal.AppendEncoded(ctx, expect, events...)
	if err == nil {
		s.metrics.appended(events, receipts, time.Since(began))
	}
	return receipts, err
}

// principalContext returns the request's context, whose appends are those of its grant.
func (x *exchange) principalContext() context.Context {
	return annals.WithPrincipal(x.r.Context(), x.grant.Principal())
}

// statusOf returns the status of an append: whether anything is new.
func statusOf(receipts []annals.Receipt) int {
	for i := range receipts {
		if !receipts[i].Duplicate {
			return http.StatusCreated
		}
	}
	return http.StatusOK
}

// appendReceipts appends the answer to an append of several events.
func appendReceipts(dst []byte, receipts []annals.Receipt) []byte {
	dst = append(dst, `{"receipts":[`...)
	for i := range receipts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = receipts[i].AppendJSON(dst)
	}
	return append(dst, `]}`...)
}

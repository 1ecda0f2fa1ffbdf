package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/annals-io/annals"
)

// Append adds events in order, all or none, and returns one receipt each, as
// [annals.Journal.Append] does. The context's actor and tags apply; the token says who
// appends.
//
// Events without an id get one before they are sent, and the call is repeated while that
// may help (see [Options.RetryFor]). If it ends without an answer, or ctx ends it, the
// error is an [annals.ErrUnknown] where the events may be stored: calling again with the
// same events adds nothing twice if they have ids of their own.
//
// Calls with a single event that are made at the same time share requests. They stay
// independent: each has its own receipt or error.
//
// Errors: [annals.ErrInvalid], [annals.ErrTooLarge], *[annals.ConflictError],
// [annals.ErrUnknown], [annals.ErrDiskFull], [annals.ErrUnavailable], [annals.ErrClosed],
// [ErrUnauthenticated], [ErrForbidden], [ErrRateLimited], *[annals.CorruptError] (the
// server's journal is damaged).
func (c *Client) Append(ctx context.Context, events ...annals.Event) ([]annals.Receipt, error) {
	return c.AppendExpect(ctx, nil, events...)
}

// AppendExpect is [Client.Append] on condition that every expectation holds; else
// nothing is added and the error is a *[annals.ConflictError] with the current sequence.
// If all events are duplicates the expectations are ignored.
func (c *Client) AppendExpect(ctx context.Context, expect []annals.Expect, events ...annals.Event) ([]annals.Receipt, error) {
	encoded := make([]annals.Encoded, len(events))
	for i := range events {
		var err error
		if encoded[i], err = events[i].Encode(); err != nil {
			return nil, inEvent(i, len(events), err)
		}
	}
	return c.AppendEncoded(ctx, expect, encoded...)
}

// AppendEncoded is [Client.AppendExpect] for events in canonical form.
func (c *Client) AppendEncoded(ctx context.Context, expect []annals.Expect, events ...annals.Encoded) ([]annals.Receipt, error) {
	switch {
	case len(events) == 0:
		return nil, fmt.Errorf("%w: there are no events to append", annals.ErrInvalid)
	case len(events) > annals.MaxBatchEvents:
		return nil, fmt.Errorf("%w: %d events, at most %d", annals.ErrTooLarge, len(events), annals.MaxBatchEvents)
	}
	complete := make([]annals.Encoded, len(events))
	for i := range events {
		var err error
		if complete[i], err = events[i].Complete(ctx, time.Time{}); err != nil {
			return nil, inEvent(i, len(events), err)
		}
	}
	if len(events) == 1 && len(expect) == 0 {
		r, err := c.single.append(ctx, &complete[0])
		if err != nil {
			return nil, err
		}
		return []annals.Receipt{r}, nil
	}
	return c.appendAll(ctx, expect, complete)
}

// inEvent says which event of several an error is about.
func inEvent(i, n int, err error) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("event %d: %w", i, err)
}

// appendAll appends events in a request of their own, all or none.
func (c *Client) appendAll(ctx context.Context, expect []annals.Expect, events []annals.Encoded) ([]annals.Receipt, error) {
	body, err := appendBatch(nil, expect, events)
	if err != nil {
		return nil, err
	}
	text, err := c.do(ctx, post(apiPath+"/events/batch", nil, typeJSON, body))
	if err != nil {
		return nil, named(err, expect, events)
	}
	var answer struct {
		Receipts []annals.Receipt `json:"receipts"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Receipts) != len(events) {
		return nil, badReceipts(err, len(answer.Receipts), len(events))
	}
	for i := range events {
		if err := checkReceipt(&answer.Receipts[i], events[i].ID()); err != nil {
			return nil, err
		}
	}
	return answer.Receipts, nil
}

// checkReceipt returns an error if a receipt is not that of the event with an id.
func checkReceipt(r *annals.Receipt, id string) error {
	if r.ID == id {
		return nil
	}
	return fmt.Errorf("%w: the receipt is of another event than the one sent", annals.ErrUnknown)
}

// badReceipts reports an answer that says nothing of what became of the events.
func badReceipts(err error, got, want int) error {
	if err == nil {
		err = fmt.Errorf("%d receipts for %d events", got, want)
	}
	return fmt.Errorf("%w: read receipts: %w", annals.ErrUnknown, err)
}

// appendBatch appends the body of an append that is all or none.
func appendBatch(dst []byte, expect []annals.Expect, events []annals.Encoded) ([]byte, error) {
	dst = append(dst, `{"events":`...)
	dst = appendArray(dst, events)
	for i, x := range expect {
		next := `,"expect":[`
		if i > 0 {
			next = ","
		}
		text, err := json.Marshal(expectation{x.Tenant, party{x.Entity.Type, x.Entity.ID}, x.Sequence})
		if err != nil {
			return nil, fmt.Errorf("encode expectation: %w", err)
		}
		dst = append(append(dst, next...), text...)
	}
	if len(expect) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}'), nil
}

// An expectation is the JSON of an [annals.Expect].
type expectation struct {
	Tenant   string          `json:"tenant,omitempty"`
	Entity   party           `json:"entity"`
	Sequence annals.Sequence `json:"sequence"`
}

// A party is the JSON of what names a thing.
type party struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// appendArray appends events as an array.
func appendArray(dst []byte, events []annals.Encoded) []byte {
	for i := range events {
		next := byte(',')
		if i == 0 {
			next = '['
		}
		dst = append(append(dst, next), events[i].JSON()...)
	}
	return append(dst, ']')
}

// named completes a conflict with what the request knows: which of its events or
// expectations it is about.
func named(err error, expect []annals.Expect, events []annals.Encoded) error {
	c, ok := errors.AsType[*annals.ConflictError](err)
	e, told := errors.AsType[*Error](err)
	if !ok || !told || c.ID != "" || c.Entity.Type != "" {
		return err
	}
	if e.byID {
		for i := range events {
			id := events[i].ID()
			if len(events) == 1 || strings.HasPrefix(e.Detail, "id "+strconv.Quote(id)+" is ") {
				c.Tenant, c.ID = events[i].Tenant(), id
				break
			}
		}
		return err
	}
	for _, x := range expect {
		if len(expect) == 1 || strings.HasPrefix(e.Detail, "entity "+x.Entity.Type+"/"+x.Entity.ID+" is ") {
			c.Tenant, c.Expected = x.Tenant, x.Sequence
			c.Entity.Type, c.Entity.ID = x.Entity.Type, x.Entity.ID
			break
		}
	}
	return err
}

// An itemResult is what became of one event of a request that is not all or none.
type itemResult struct {
	receipt annals.Receipt
	err     error
}

// eachQuery makes the events of a batch independent of each other.
var eachQuery = url.Values{"atomic": {"false"}}

// appendEach makes one try to append events, one a line, that are independent of each
// other; id returns the id of each. An error is about the request as a whole.
func (c *Client) appendEach(ctx context.Context, body []byte, n int, id func(i int) string) ([]itemResult, error) {
	text, err := c.once(ctx, post(apiPath+"/events/batch", eachQuery, typeNDJSON, body))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []struct {
			Status  int             `json:"status"`
			Receipt *annals.Receipt `json:"receipt"`
			Problem json.RawMessage `json:"problem"`
		} `json:"results"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Results) != n {
		return nil, badReceipts(err, len(answer.Results), n)
	}
	results := make([]itemResult, n)
	for i, r := range answer.Results {
		if r.Receipt != nil {
			results[i] = itemResult{*r.Receipt, checkReceipt(r.Receipt, id(i))}
		} else {
			results[i].err = parseProblem(r.Problem, errorStatus(r.Status))
		}
	}
	return results, nil
}

// errorStatus returns a status that is one of an error.
func errorStatus(status int) int {
	if status < 400 || status > 599 {
		return http.StatusInternalServerError
	}
	return status
}

// LastSequence returns the last sequence of an entity of the token's tenant, 0 if it has
// no event.
func (c *Client) LastSequence(ctx context.Context, entity annals.Entity) (annals.Sequence, error) {
	q := historyQuery(entity, annals.HistoryOptions{Descending: true})
	q.Set("limit", strconv.Itoa(1))
	for e, err := range c.pages(ctx, entityPath, q, 1) {
		return e.Sequence, err
	}
	return 0, nil
}

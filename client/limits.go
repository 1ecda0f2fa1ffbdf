package client

import (
	"cmp"
	"context"

	"github.com/annals-io/annals"
)

// Limits are what a server takes.
type Limits struct {
	EventBytes   int   `json:"event_bytes"`   // of one event's canonical bytes, assigned members included
	AppendEvents int   `json:"append_events"` // of one append
	AppendBytes  int   `json:"append_bytes"`  // of one append's canonical bytes
	BodyBytes    int64 `json:"body_bytes"`    // of one request, before and after it is decompressed
}

// Limits asks the server what it takes. Errors: those of every read.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	var l Limits
	err := c.read(ctx, apiPath+"/limits", &l)
	return l.withDefaults(), err
}

// withDefaults fills in what an answer does not say, or says no sense about.
func (l Limits) withDefaults() Limits {
	l.EventBytes = cmp.Or(max(0, l.EventBytes), annals.DefaultEventBytes)
	l.AppendEvents = cmp.Or(max(0, l.AppendEvents), annals.MaxBatchEvents)
	l.AppendBytes = cmp.Or(max(0, l.AppendBytes), annals.MaxBatchBytes)
	l.BodyBytes = cmp.Or(max(0, l.BodyBytes), int64(l.AppendBytes))
	return l
}

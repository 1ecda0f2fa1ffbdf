package client

import (
	"cmp"
	"context"

	"github.com/annals-io/annals"
)

// Limits are what a server takes.
type Limits struct {
	EventBytes  int   `json:"event_bytes"`  // of one event's canonical bytes, assigned members included
	BatchEvents int   `json:"batch_events"` // of one append
	BatchBytes  int64 `json:"batch_bytes"`  // of one append's canonical bytes
	BodyBytes   int64 `json:"body_bytes"`   // of one request, before and after it is decompressed
}

// Limits asks the server what it takes. Errors: those of every read.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	var l Limits
	err := c.read(ctx, apiPath+"/limits", &l)
	return l.withDefaults(), err
}

// withDefaults fills in what an answer does not say.
func (l Limits) withDefaults() Limits {
	l.EventBytes = cmp.Or(l.EventBytes, annals.DefaultEventBytes)
	l.BatchEvents = cmp.Or(l.BatchEvents, annals.MaxBatchEvents)
	l.BatchBytes = cmp.Or(l.BatchBytes, 32<<20)
	l.BodyBytes = cmp.Or(l.BodyBytes, l.BatchBytes)
	return l
}

package server

import (
	"encoding/json"
	"net/http"

	"github.com/annals-io/annals"
)

// limitsAnswer is what GET /limits says, so that clients need not find out.
type limitsAnswer struct {
	EventBytes   int            `json:"event_bytes"`
	AppendEvents int            `json:"append_events"`
	AppendBytes  int            `json:"append_bytes"` // of canonical events
	BodyBytes    int64          `json:"body_bytes"`
	ValueBytes   int            `json:"stream_value_bytes"`
	HeaderBytes  int            `json:"header_bytes"`
	Depth        int            `json:"depth"`
	PageEntries  int            `json:"page_entries"`
	PageOffset   int            `json:"page_offset"`
	Related      int            `json:"related"`
	Subjects     int            `json:"subjects"`
	Tags         int            `json:"tags"`
	Retention    int            `json:"retention_days"`
	Strings      map[string]int `json:"string_bytes"`

	// Of the credential that asks; 0 is no bound.
	WriteRequests float64 `json:"write_requests_per_second"`
	WriteEvents   float64 `json:"write_events_per_second"`
	Concurrent    int     `json:"concurrent_requests"`
}

// getLimits answers with what requests may be.
func getLimits(x *exchange) error {
	r := x.rates()
	return x.sendValue(limitsAnswer{
		EventBytes: x.server.journal.MaxEventBytes(), AppendEvents: annals.MaxBatchEvents, AppendBytes: annals.MaxBatchBytes,
		BodyBytes: x.server.opts.Limits.BodyBytes, ValueBytes: x.server.streamValueBytes(), HeaderBytes: 16 << 10, Depth: annals.MaxDepth,
		PageEntries: annals.MaxPage, PageOffset: annals.MaxOffset,
		Related: annals.MaxRelated, Subjects: annals.MaxSubjects, Tags: annals.MaxTags, Retention: annals.MaxRetentionDays,
		Strings:       annals.StringLimits(),
		WriteRequests: r.WriteRequests, WriteEvents: r.WriteEvents, Concurrent: r.Concurrent,
	})
}

// sendValue answers with the JSON of a Go value: for what is not asked for often.
func (x *exchange) sendValue(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.send(http.StatusOK, "application/json", b)
	return nil
}

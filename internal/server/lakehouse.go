package server

import (
	"encoding/json"
	"net/http"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
)

// These routes are those of an event journal of a data lake. Its objects are rows: one
// for each changed field, or one for all of the record.

// getJournalHistory answers with the rows of everything with an id, oldest first.
func getJournalHistory(x *exchange) error {
	q := annals.Query{Filter: exact("entity_id", x.r.PathValue("entity_id")), Order: annals.Ascending}
	return x.sendRows(q)
}

// getJournalRecent answers with the newest rows.
func getJournalRecent(x *exchange) error {
	return x.sendRows(annals.Query{Order: annals.Descending})
}

// sendRows answers with a page of rows. The limit is one of entries.
func (x *exchange) sendRows(q annals.Query) error {
	if x.query.Has("tenant") {
		q.Params = map[string][]string{"tenant": x.query["tenant"]}
	}
	if err := x.takePaging(&q); err != nil {
		return err
	}
	p, err := x.search(q)
	if err != nil {
		return err
	}
	out := takeBuffer()
	defer out.give()
	out.b = append(out.b, `{"events":[`...)
	var rows export.Rows
	for i := range p.Entries {
		if out.b, err = rows.Append(out.b, &p.Entries[i], ','); err != nil {
			return err
		}
	}
	if out.b[len(out.b)-1] == ',' {
		out.b = out.b[:len(out.b)-1]
	}
	out.b = appendPageEnd(append(out.b, ']'), p)
	return x.sendPage("application/json", out.b)
}

// postFlush answers how much is durable. Every append is, when it is answered: nothing
// waits for a flush.
func postFlush(x *exchange) error {
	return x.sendValue(struct {
		Flushed int             `json:"flushed_events"` // that were not durable before
		Size    annals.Position `json:"durable_events"` // of the whole journal, and of no tenant in particular
	}{0, x.server.journal.Size()})
}

// journalStats is what GET /journal/stats says.
type journalStats struct {
	Buffered  int    `json:"buffer_events"`   // that are not durable: none
	Threshold int    `json:"flush_threshold"` // events after which they are made so
	Events    uint64 `json:"total_events_created"`
	Files     *int   `json:"persisted_files,omitempty"` // log segments; the tenants of a grant have none of their own
}

// getJournalStats answers with the figures of the data lake's journal, and ours.
func getJournalStats(x *exchange) error {
	s, err := x.stats()
	if err != nil {
		return err
	}
	j := journalStats{Threshold: 1, Events: s.events()}
	var ours any = s.tenants
	if s.whole != nil {
		j.Files, ours = &s.whole.Segments, s.whole
	}
	theirs, err := json.Marshal(j)
	if err != nil {
		return err
	}
	more, err := json.Marshal(ours)
	if err != nil {
		return err
	}
	theirs[len(theirs)-1] = ',' // one object of both
	x.send(http.StatusOK, "application/json", append(theirs, more[1:]...))
	return nil
}

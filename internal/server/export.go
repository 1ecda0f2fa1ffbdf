package server

import (
	"net/http"

	"github.com/annals-io/annals"
)

// exportBytes is how much of an export is written at once.
const exportBytes = 256 << 10

// Formats of exports.
const (
	exportNDJSON   = "ndjson"   // entries, one a line
	exportJSON     = "json"     // one array of them
	exportJournald = "journald" // rows of changed fields, one a line
)

// getExport answers with every entry that a filter chooses, oldest first unless order
// says otherwise. An export that meets damage, or an error, breaks off: its end is the
// only sign that it is whole.
func getExport(x *exchange) error {
	format, err := x.choice("format", exportNDJSON, exportJSON, exportJournald)
	if err != nil {
		return err
	}
	x.query.Del("format")
	tenants, err := x.readable()
	if err != nil {
		return err
	}
	q := annals.Query{Params: x.query, Tenants: tenants}
	if !x.query.Has("order") {
		q.Order = annals.Ascending
	}
	if !x.server.exports.take(1) {
		return busy("too many exports are running")
	}
	defer x.server.exports.give(1)
	e := &exporter{x: x, array: format == exportJSON, rows: format == exportJournald}
	return e.run(q)
}

// An exporter writes an export.
type exporter struct {
	x     *exchange
	array bool // one array rather than one line each
	rows  bool // of changed fields, rather than entries
	out   *writer
	buf   []byte
	some  bool
}

// run writes all that q chooses. What is wrong with q is known before the answer begins.
func (e *exporter) run(q annals.Query) error {
	e.buf = make([]byte, 0, exportBytes+exportBytes/4)
	if e.array {
		e.buf = append(e.buf, '[')
	}
	if e.x.r.Method == http.MethodHead && !e.x.query.Has("limit") {
		q.Limit = 1 // which tells as much of what is wrong with q
	}
	ctx, cancel := e.x.grantContext()
	defer cancel()
	for entry, err := range e.x.server.journal.SearchAll(ctx, q) {
		if err != nil {
			return e.breakOff(err)
		}
		if err := e.write(&entry); err != nil {
			return e.breakOff(err)
		}
	}
	if e.array {
		e.buf = append(e.buf, "\n]\n"...)
	}
	if err := e.flush(); err != nil {
		return e.breakOff(err)
	}
	return e.out.Close()
}

// write adds an entry.
func (e *exporter) write(entry *annals.Entry) error {
	switch {
	case e.rows:
		if entry.Tenant() != annals.SystemTenant { // nobody's change
			e.buf = appendRows(e.buf, entry, '\n')
		}
	case e.array:
		if e.some {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(append(e.buf, '\n'), entry.JSON...)
	default:
		e.buf = append(append(e.buf, entry.JSON...), '\n')
	}
	e.some = true
	if len(e.buf) < exportBytes {
		return nil
	}
	return e.flush()
}

// flush sends what was added, and begins the answer.
func (e *exporter) flush() error {
	if e.out == nil {
		contentType := "application/x-ndjson"
		if e.array {
			contentType = "application/json"
		}
		e.x.w.Header()["Cache-Control"] = []string{"no-store"}
		clearDeadlines(http.NewResponseController(e.x.w))
		e.out = e.x.writer(contentType)
	}
	_, err := e.out.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// breakOff ends an answer that is not whole.
func (e *exporter) breakOff(err error) error {
	if e.out != nil {
		e.out.discard()
	}
	return err
}

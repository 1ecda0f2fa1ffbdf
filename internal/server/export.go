package server

import (
	"bufio"
	"context"
	"errors"
	"net/http"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
)

// exportBytes is how much of an export is written at once.
const exportBytes = 256 << 10

// getExport answers with every entry that a filter chooses, oldest first unless order
// says otherwise. An export that meets damage, or an error, breaks off: its end is the
// only sign that it is whole.
func getExport(x *exchange) error {
	o, err := x.exportOptions()
	if err != nil {
		return err
	}
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
	e := &exporter{x: x, contentType: o.ContentType()}
	return e.run(q, export.New(bufio.NewWriterSize(e, exportBytes), o))
}

// exportOptions takes the parameters that say how an export is written. The others are
// the search's.
func (x *exchange) exportOptions() (*export.Options, error) {
	format, err := x.choice("format", export.Formats()...)
	if err != nil {
		return nil, err
	}
	o := &export.Options{Format: format}
	if o.Redaction, err = export.ParseRedaction(x.query["redact"]); err == nil {
		err = o.Check()
	}
	delete(x.query, "format")
	delete(x.query, "redact")
	if refused, ok := errors.AsType[*export.OptionError](err); ok {
		return nil, optionProblem(refused)
	}
	return o, err
}

// optionProblem tells what is wrong with the parameter redact: the format is known.
func optionProblem(o *export.OptionError) error {
	detail := `parameter "redact": ` + o.Text
	if o.Hint != "" {
		detail += "; " + o.Hint
	}
	return problemf(codeInvalid, detail)
}

// An exporter sends an export.
type exporter struct {
	x           *exchange
	contentType string
	out         *writer // nil until the answer begins
}

// run sends all that q chooses, which to writes to e. What is wrong with q is known before
// the answer begins.
func (e *exporter) run(q annals.Query, to export.Writer) error {
	if e.x.r.Method == http.MethodHead && !e.x.query.Has("limit") {
		q.Limit = 1 // which tells as much of what is wrong with q
	}
	ctx, cancel := e.x.grantContext()
	defer cancel()
	if err := e.copy(ctx, q, to); err != nil {
		if e.out != nil {
			e.out.discard()
		}
		return err
	}
	e.begin() // if there was nothing to send
	return e.out.Close()
}

// copy writes all that q chooses.
func (e *exporter) copy(ctx context.Context, q annals.Query, to export.Writer) error {
	for entry, err := range e.x.server.journal.SearchAll(ctx, q) {
		if err != nil {
			return err
		}
		if err := to.Write(&entry); err != nil {
			return err
		}
	}
	return to.End()
}

// Write sends a part of the export, and begins the answer.
func (e *exporter) Write(p []byte) (int, error) {
	e.begin()
	return e.out.Write(p)
}

// begin begins the answer, if it has not begun.
func (e *exporter) begin() {
	if e.out != nil {
		return
	}
	e.x.w.Header()["Cache-Control"] = []string{"no-store"}
	clearDeadlines(http.NewResponseController(e.x.w))
	e.out = e.x.writer(e.contentType)
}

package export

import (
	"bufio"
	"slices"
	"strings"

	"github.com/annals-io/annals"
)

// The formats.
const (
	// NDJSON is entries in canonical form, one a line: the SHA-256 of a line is the
	// entry's hash.
	NDJSON = "ndjson"

	// JSON is one array of entries, each on a line of its own.
	JSON = "json"

	// CSV is a row an entry and a column a member; objects and arrays are JSON. No cell
	// is a formula or breaks a line: a text that a spreadsheet could take for a formula,
	// or that begins with an apostrophe, has an apostrophe in front, and what is not
	// printable is \u and four digits.
	CSV = "csv"

	// Journald is the change journal of a data lake: a row of eleven fields, as a JSON
	// object a line, for each field that an event changed or, without changes, for the
	// whole record. The journal's own entries have no rows.
	Journald = "journald"
)

// Formats returns the formats, the default one first.
func Formats() []string { return []string{NDJSON, JSON, CSV, Journald} }

// Options say how entries are written.
type Options struct {
	// Format is one of [Formats].
	Format string

	// Redaction hides values; nil hides nothing. Not with NDJSON.
	Redaction *Redaction

	// Templates are what the sentences of CSV and of Describe are made of; nil makes
	// them of what entries have.
	Templates *Templates

	// Describe adds the sentence about an entry to it, as the member description. With
	// JSON alone; CSV has it always.
	Describe bool

	// CSVRows makes the rows of Journald CSV.
	CSVRows bool

	// Printable escapes what is not printable in JSON, for terminals.
	Printable bool
}

// Check refuses, with an [OptionError], what does not go together: an option that a
// format leaves out could be one that hides something.
func (o *Options) Check() error {
	describes := o.Describe || o.Templates != nil
	switch {
	case !slices.Contains(Formats(), o.Format):
		return refused("format %q is unknown, want %s", clip(o.Format, maxValue), strings.Join(Formats(), ", "))
	case o.Format == NDJSON && o.Redaction != nil:
		return refused("ndjson holds entries as they are").hinted("json, csv and journald can hide values")
	case o.Format == NDJSON && describes, o.Format == Journald && describes, o.Format == CSV && o.Describe:
		return refused("%s takes no descriptions", o.Format)
	case o.Format != Journald && o.CSVRows:
		return refused("%s has no rows", o.Format)
	}
	return nil
}

// ContentType returns the media type of what is written.
func (o *Options) ContentType() string {
	switch {
	case o.Format == JSON:
		return "application/json"
	case o.Format == CSV || o.CSVRows:
		return "text/csv; charset=utf-8"
	}
	return "application/x-ndjson"
}

// A Writer writes entries, oldest first or in whichever order they are given. Write comes
// any number of times, Flush between as one likes, and End once, at the end. One goroutine
// at a time uses it. An error of the writer below stays: later calls fail, too.
type Writer interface {
	// Write writes an entry, sooner or later. It keeps nothing of e. An error that is not
	// of the writer below says that the entry cannot be read; a part of it may have been
	// written.
	Write(e *annals.Entry) error

	// Flush hands all that was written to the writer below. Without End, the output of
	// JSON shows that it is a part.
	Flush() error

	// End writes what follows the last entry, and flushes.
	End() error
}

// New returns a writer to out, which it flushes, and which nobody else writes to until End.
// What begins a format is written to out's buffer at once. It panics on options that
// [Options.Check] refuses.
func New(out *bufio.Writer, o *Options) Writer {
	if err := o.Check(); err != nil {
		panic("annals: internal error: export options: " + err.Error())
	}
	f := flattener{templates: o.Templates, hide: o.Redaction}
	lines := lineWriter{out: out, printable: o.Printable}
	switch {
	case o.Format == CSV:
		return newCSVWriter(out, f)
	case o.CSVRows:
		return newJournaldCSV(out, f)
	case o.Format == Journald:
		return newJournaldLines(lines, f)
	case o.Format == JSON:
		return &jsonWriter{flattener: f, array: Array{Out: out, Printable: o.Printable}, describe: o.Describe}
	}
	return &lines
}

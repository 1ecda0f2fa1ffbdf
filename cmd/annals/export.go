package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/annals-io/annals"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// formJournald is a format of exports alone.
const formJournald = "journald"

// exportFormats are the formats of exports.
var exportFormats = []string{formNDJSON, formJSON, formCSV, formJournald}

// An export says what is exported, and how.
type export struct {
	from, to  uint64 // positions; to is exclusive
	format    string
	form      string // of the rows of the journald format
	templates string // name of the file
	describe  bool
	redact    []string
}

const exportLong = `Print entries, oldest first. Without TEXT and flags that choose that is every entry of
every tenant, the journal's own included; with them it is every entry that a query
finds.

ndjson is the entries in canonical form, one a line: the SHA-256 of each line is the
entry's hash. json is one array of them.

` + csvHelp + `

journald is the change journal of a data lake, with --output csv as CSV: a row of eleven
fields (id, time, entity_type, entity_id, field, action, old_value, new_value, actor,
source, workspace_id) for each field that an event changed, so that rows of one event
have one id. An event without changes has the field *, and its snapshot, or else its
data, as the new value. An old value that is not known is no member, and an empty cell.
A cell has the text of a string, unless that could be taken for other JSON. Rows have no
tenant; the journal's own entries are left out. annals import --format journald reads
them.

CSV has a description, and json with --describe a member description: a sentence about
the entry. --templates names a JSON
file of sentences by type, or by the beginning of a type, the longest one first:
  {"order.paid": "{actor} paid {data.total} for {entity}", "order.*": "{actor.name|actor.id}: {changes}"}
Places in braces are paths in an entry, several of them with | between for the first
that it has. actor, entity, changes and error stand for what people want to know of
them. {{ and }} are braces.

--redact replaces the value at a path by "[redacted]", and leaves out the hash, which
would confirm a guess. A path leads through an array to each of its elements: data.items.price
is in each item. What is left is no entry any more, so it does not go with ndjson, and
cannot be imported or verified.`

func newExport(e *env) *cobra.Command {
	var x export
	c := &cobra.Command{
		Use:   "export [TEXT]",
		Short: "Print all entries, oldest first",
		Long:  exportLong + "\n\n" + filterHelp,
		Example: "  annals export --data ./journal > journal.ndjson\n" +
			"  annals export --data ./journal --from 1000 'type:order.*'\n" +
			"  annals export --data ./journal --format csv --since 2026-01-01 --redact actor.address > january.csv\n" +
			"  annals export --data ./journal --format journald --output csv --since 24h > changes.csv\n" +
			"  annals export --data ./journal | annals import --data ./copy --format jsonl",
		ValidArgsFunction: completeFilter,
	}
	s := e.searchFlags(c, "export this tenant alone")
	c.RunE = e.action(func(ctx context.Context, args []string) error {
		if err := x.check(e); err != nil {
			return err
		}
		q, err := s.query(e, args)
		if err != nil {
			return err
		}
		return e.export(ctx, q, x)
	})
	f := c.Flags()
	f.Uint64Var(&x.from, "from", 0, "first position")
	f.Uint64Var(&x.to, "to", 1<<63, "position to stop before")
	c.Flag("to").DefValue = "the end"
	f.StringVar(&x.format, "format", formNDJSON, "format of the export: "+strings.Join(exportFormats, ", "))
	f.StringVar(&x.templates, "templates", "", "file of sentences by type")
	f.BoolVar(&x.describe, "describe", false, "add descriptions to json")
	f.StringArrayVar(&x.redact, "redact", nil, "path of values to hide, such as actor.address or data.user.email; may be repeated")
	orderFlag(c, &s.order, "asc")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(exportFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("redact", cobra.NoFileCompletions)
	_ = c.MarkFlagFilename("templates", "json")
	return e.serverFlags(c)
}

// check refuses what does not go together.
func (x *export) check(e *env) error {
	x.form = formNDJSON
	if x.format == formJournald && e.output == formCSV {
		x.form = formCSV
	} else if _, err := e.form(formNDJSON); err != nil {
		return hinted(err, "--format says how an export is printed")
	}
	switch {
	case !slices.Contains(exportFormats, x.format):
		return usagef("format %q is unknown, want %s", x.format, strings.Join(exportFormats, ", "))
	case x.from > x.to:
		return usagef("from is %d, behind to, which is %d", x.from, x.to)
	case x.format == formNDJSON && len(x.redact) > 0:
		return hinted(usagef("ndjson holds entries as they are"), "--redact goes with --format json, csv or journald")
	case x.format == formJournald && (x.templates != "" || x.describe):
		return hinted(usagef("journald has no descriptions"), "descriptions go with --format json or csv")
	case x.format == formNDJSON && (x.templates != "" || x.describe):
		return hinted(usagef("ndjson holds entries as they are"), "descriptions go with --format json or csv")
	}
	return nil
}

// export prints entries in order.
func (e *env) export(ctx context.Context, q annals.Query, x export) error {
	all := len(q.Params) == 0 && e.tenant == "" // of which there is no search
	if all {
		q.Tenants = append(q.Tenants, annals.SystemTenant)
	}
	if x.from > 0 || x.to < 1<<63 {
		q.Filter = fmt.Sprintf("position:>=%d position:<%d", x.from, x.to)
	}
	if q.Order == "" {
		q.Order = annals.Ascending
	}
	newWriter, err := e.exportWriter(&x)
	if err != nil {
		return err
	}
	if e.isRemote() {
		return e.exportServer(ctx, q, all, newWriter)
	}
	return e.readBeside(func(from source) error {
		j := from.(*annals.Journal) // no server
		out := newWriter()
		bar := e.exportProgress(j, &x, q.Order)
		defer bar.bar.end()
		var err error
		if all && q.Order == annals.Ascending {
			err = e.scan(ctx, j, x, out, bar.see)
		} else {
			err = e.all(ctx, j, q, out, bar.see)
		}
		if err != nil {
			return errors.Join(err, out.flush())
		}
		return out.end(new(ending))
	})
}

// exportBuffer is how much is written at once.
const exportBuffer = 1 << 20

// exportWriter returns what makes the writer of an export's format.
func (e *env) exportWriter(x *export) (func() entryWriter, error) {
	narrator, err := loadTemplates(x.templates)
	if err != nil {
		return nil, err
	}
	hide, err := newRedaction(x.redact)
	if err != nil {
		return nil, err
	}
	f := flattener{narrator: narrator, hide: hide}
	return func() entryWriter {
		out := bufio.NewWriterSize(e.stdout, exportBuffer)
		lines := e.lineWriter(out)
		switch x.format {
		case formCSV:
			return newCSVWriter(out, f)
		case formJournald:
			if x.form == formCSV {
				return newJournaldCSV(out, f)
			}
			return newJournaldLines(lines, f)
		case formJSON:
			return &jsonExporter{flattener: f, arrayWriter: arrayWriter{lineWriter: lines}, describe: x.describe || x.templates != ""}
		}
		return &lines
	}, nil
}

// A jsonExporter writes entries, or what is left of them, as one array.
type jsonExporter struct {
	flattener
	arrayWriter
	describe bool
	buf      []byte
}

func (w *jsonExporter) write(e *annals.Entry) (err error) {
	if w.hide == nil && !w.describe {
		return w.element(e.JSON)
	}
	if err := w.take(e); err != nil {
		return err
	}
	w.buf = append(w.buf[:0], w.record.json...)
	if w.describe {
		w.buf = append(w.buf[:len(w.buf)-1], `,"description":`...)
		if w.buf, err = jsontext.AppendQuote(w.buf, w.narrator.tell(&w.record)); err != nil {
			return fmt.Errorf("describe entry at position %d: %w", e.Position, err)
		}
		w.buf = append(w.buf, '}')
	}
	return w.element(w.buf)
}

// scan writes every entry of a span of positions.
func (e *env) scan(ctx context.Context, j *annals.Journal, x export, out entryWriter, each func(*annals.Entry)) error {
	to := min(j.Size(), annals.Position(x.to))
	for entry, err := range j.Scan(ctx, min(to, annals.Position(x.from)), to) {
		if err != nil {
			if err = e.passDamage(err); err != nil {
				return err
			}
			continue
		}
		each(&entry)
		if err := out.write(&entry); err != nil {
			return err
		}
	}
	return nil
}

// An exportProgress is a bar that follows positions.
type exportProgress struct {
	bar      progress
	from, to annals.Position
	desc     bool
	seen     int
}

// progressStep is how many entries are passed between two looks at the progress.
const progressStep = 4096

// exportProgress returns the bar of an export to a file. Others have their output
// to look at.
func (e *env) exportProgress(j *annals.Journal, x *export, order annals.Order) *exportProgress {
	to := min(j.Size(), annals.Position(x.to))
	p := &exportProgress{from: min(to, annals.Position(x.from)), to: to, desc: order == annals.Descending}
	if e.writesFile {
		p.bar = e.progress("exporting", int64(p.to-p.from), false)
	}
	return p
}

// see follows an entry.
func (p *exportProgress) see(e *annals.Entry) {
	if p.seen++; p.seen%progressStep != 0 || e.Position < p.from || e.Position >= p.to {
		return
	}
	if p.desc {
		p.bar.set(int64(p.to - e.Position))
	} else {
		p.bar.set(int64(e.Position - p.from))
	}
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/export"
	"github.com/spf13/cobra"
)

// exportFlags say what is exported, and how.
type exportFlags struct {
	from, to  uint64 // positions; to is exclusive
	format    string
	csvRows   bool   // of the journald format
	templates string // name of the file
	describe  bool
	redact    []string
}

// csvHelp says how cells are kept safe, and how to get the text back.
const csvHelp = `CSV has a row an entry and a column a member; objects and arrays are JSON. A text that
a spreadsheet could take for a formula, or that begins with an apostrophe, gets an
apostrophe in front: take one away to get it back. In columns of text what would break
a line or move a cursor is written as \u000a, and a \ that would begin such an escape
as \u005c. A semicolon before what could be a formula is \u003b: some spreadsheets end
a cell there.`

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
	var x exportFlags
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
	f.StringVar(&x.format, "format", export.NDJSON, "format of the export: "+strings.Join(export.Formats(), ", "))
	f.StringVar(&x.templates, "templates", "", "file of sentences by type")
	f.BoolVar(&x.describe, "describe", false, "add descriptions to json")
	f.StringArrayVar(&x.redact, "redact", nil, "path of values to hide, such as actor.address or data.user.email; may be repeated")
	orderFlag(c, &s.order, "asc")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(export.Formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("redact", cobra.NoFileCompletions)
	_ = c.MarkFlagFilename("templates", "json")
	return e.serverFlags(c)
}

// check refuses what does not go together.
func (x *exportFlags) check(e *env) error {
	x.csvRows = x.format == export.Journald && e.output == formCSV
	if _, err := e.form(formNDJSON); err != nil && !x.csvRows {
		return hinted(err, "--format says how an export is printed")
	}
	switch {
	case !slices.Contains(export.Formats(), x.format):
		return usagef("format %q is unknown, want %s", x.format, strings.Join(export.Formats(), ", "))
	case x.from > x.to:
		return usagef("from is %d, behind to, which is %d", x.from, x.to)
	case x.format == export.NDJSON && len(x.redact) > 0:
		return hinted(usagef("ndjson holds entries as they are"), "--redact goes with --format json, csv or journald")
	case x.format == export.Journald && (x.templates != "" || x.describe):
		return hinted(usagef("journald has no descriptions"), "descriptions go with --format json or csv")
	case x.format == export.NDJSON && (x.templates != "" || x.describe):
		return hinted(usagef("ndjson holds entries as they are"), "descriptions go with --format json or csv")
	}
	return nil
}

// export prints entries in order.
func (e *env) export(ctx context.Context, q annals.Query, x exportFlags) error {
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

// exportWriter returns what makes the writer of an export.
func (e *env) exportWriter(x *exportFlags) (func() entryWriter, error) {
	templates, err := loadTemplates(x.templates)
	if err != nil {
		return nil, err
	}
	hide, err := export.ParseRedaction(x.redact)
	if err != nil {
		return nil, err
	}
	o := export.Options{Format: x.format, Redaction: hide, Templates: templates, CSVRows: x.csvRows}
	o.Describe = x.format == export.JSON && (x.describe || templates != nil)
	return func() entryWriter { return e.formatWriter(bufio.NewWriterSize(e.stdout, exportBuffer), o) }, nil
}

// loadTemplates reads a file of templates; no name means none.
func loadTemplates(name string) (*export.Templates, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open templates: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, export.MaxTemplatesBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	t, err := export.ParseTemplates(text)
	if err != nil {
		return nil, fmt.Errorf("templates %s: %w", name, err)
	}
	return t, nil
}

// scan writes every entry of a span of positions.
func (e *env) scan(ctx context.Context, j *annals.Journal, x exportFlags, out entryWriter, each func(*annals.Entry)) error {
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
func (e *env) exportProgress(j *annals.Journal, x *exportFlags, order annals.Order) *exportProgress {
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

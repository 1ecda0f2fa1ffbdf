package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/ingest"
	"github.com/spf13/cobra"
)

// An importReport says what an import did. Its shape is a contract.
type importReport struct {
	Imported       uint64  `json:"imported"`
	Duplicates     uint64  `json:"duplicates"` // were there before, with the same content
	Rejected       uint64  `json:"rejected"`
	RejectsFile    *string `json:"rejects_file"`
	OmittedMembers uint64  `json:"omitted_members"` // of the events above: could not be kept, or are assigned by the journal
	Seconds        float64 `json:"seconds"`
	RenamedIDs     uint64  `json:"renamed_ids,omitzero"` // of the events above: other content had their id
	JoinedRows     uint64  `json:"joined_rows,omitzero"` // became part of an event that was counted already
}

// add adds what a part of an import did.
func (r *importReport) add(o *importReport) {
	r.Imported += o.Imported
	r.Duplicates += o.Duplicates
	r.Rejected += o.Rejected
	r.OmittedMembers += o.OmittedMembers
	r.RenamedIDs += o.RenamedIDs
	r.JoinedRows += o.JoinedRows
}

// An importing says what is imported, and how.
type importing struct {
	format   string // a name, or auto
	mapping  string // name of a file
	csv      bool
	timeFrom string // RFC 3339, file, or ""
	rejects  string
	jobs     int
	check    int // values to show of each file; 0 imports them

	fixed ingest.Format // what format or mapping says; nil is to be guessed
	time  string        // what timeFrom says, RFC 3339
}

// Words among the values of flags.
const (
	formatAuto = "auto"
	timeOfFile = "file"
)

const importLong = `Import the events of files, of the files in directories, or of standard input (-, or no
FILE). Files may be plain, gzip or zstd, and hold a value a line, values after one
another, arrays, or the objects that a service wraps them in, such as {"Records": […]}.
In directories, hidden files and what is no regular file are skipped, which is said.

An event has the id that its source gives it. A source without ids gets them from the
bytes of each line and the number of equal lines before it in its file; an id that
other content has already is made another one and counted. So nothing is lost, and an
import that was stopped, or is repeated, adds nothing twice.

A line that cannot be imported is kept in the rejects file, a JSON object {line, file,
reason, text} a line, and the exit status is 2. A line without a usable time is one of
them, unless --time-from says which time to take.

Formats:
  %s
jsonl is events as append takes them, or an export; the journal's own events in an export
are those of another journal, and left out. auto guesses from the first values of each
file, and refuses to if they leave a doubt. --mapping names a file that describes another source. A file whose name
ends in .csv, compressed or not, is CSV with a header, and so is any with --csv.

--check shows what the first values would become and imports nothing.`

func newImport(e *env) *cobra.Command {
	var x importing
	formats := append(ingest.Names(), formatAuto)
	c := &cobra.Command{
		Use:   "import {--format FORMAT | --mapping FILE} [FILE|DIR]...",
		Short: "Import events from files",
		Long:  fmt.Sprintf(importLong, strings.Join(formats, " ")),
		Example: "  annals import --data ./journal --format cloudtrail trail.json.gz\n" +
			"  annals import --data ./journal --format auto /var/log/audit\n" +
			"  annals import --format cloudtrail --check=3 trail.json.gz\n" +
			"  annals import --data ./journal --mapping orders.yaml --time-from file orders.csv\n" +
			"  annals export --data ./old | annals import --data ./new --format jsonl",
		RunE: e.action(func(ctx context.Context, args []string) error {
			return e.importFiles(ctx, &x, args)
		}),
	}
	f := c.Flags()
	f.StringVar(&x.format, "format", "", "format of the files: "+strings.Join(formats, ", "))
	f.StringVar(&x.mapping, "mapping", "", "file that describes the format")
	f.BoolVar(&x.csv, "csv", false, "files are CSV, whatever their names")
	f.StringVar(&x.timeFrom, "time-from", "", "time of events that have none: an RFC 3339 time, or file for when the file was changed")
	f.StringVar(&x.rejects, "rejects", "", "file for lines that are rejected; default FILE.rejects.ndjson in this directory")
	f.IntVar(&x.jobs, "jobs", runtime.NumCPU(), "files that are imported at the same time; 1 keeps their order")
	c.Flag("jobs").DefValue = "the number of CPUs"
	f.IntVar(&x.check, "check", 0, "show what the first values of each file would become, 5 unless a number follows, and import nothing")
	c.Flag("check").NoOptDefVal = "5"
	e.tenantFlag(c, "owner of events that name none; default "+annals.DefaultTenant)
	e.indexDataFlag(c)
	e.serverFlags(c)
	c.MarkFlagsMutuallyExclusive("format", "mapping")
	c.MarkFlagsOneRequired("format", "mapping")
	_ = c.MarkFlagFilename("mapping", "yaml", "yml")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("time-from", cobra.FixedCompletions([]string{timeOfFile}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// resolve reads what the flags say.
func (x *importing) resolve() error {
	switch {
	case x.jobs < 1:
		return usagef("jobs is %d, want 1 or more", x.jobs)
	case x.check < 0:
		return usagef("check is %d, want 1 or more", x.check)
	}
	if x.timeFrom != "" && x.timeFrom != timeOfFile {
		at, err := time.Parse(time.RFC3339, x.timeFrom)
		if err != nil {
			return usagef("time-from is %q, want an RFC 3339 time such as 2026-01-02T15:04:05Z, or file", clip(x.timeFrom, maxValue))
		}
		x.time = at.Format(time.RFC3339Nano)
	}
	var err error
	switch {
	case x.mapping != "":
		x.fixed, err = readMapping(x.mapping)
	case x.format != formatAuto:
		if x.fixed, err = ingest.Lookup(x.format); err != nil {
			err = usagef("format %q is unknown, want %s or %s", clip(x.format, maxValue), strings.Join(ingest.Names(), ", "), formatAuto)
		}
	}
	return err
}

// maxMapping limits the size of a mapping file.
const maxMapping = 1 << 20

// readMapping reads a mapping file.
func readMapping(name string) (ingest.Format, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	if info.Size() > maxMapping {
		return nil, usagef("mapping %s is %d bytes, at most %d", name, info.Size(), maxMapping)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	format, err := ingest.ParseMapping(text)
	if err != nil {
		return nil, &usageError{fmt.Errorf("mapping %s: %w", name, err)}
	}
	return format, nil
}

// importFiles imports files, or shows what would become of them.
func (e *env) importFiles(ctx context.Context, x *importing, args []string) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	if err := e.checkTenant(); err != nil {
		return err
	}
	if err := x.resolve(); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{stdinName}
	}
	if x.rejects == "" {
		x.rejects = rejectsName(args[0])
	}
	files, err := e.sources(ctx, x, args)
	if err != nil {
		return err
	}
	if x.check > 0 {
		return e.checkImport(ctx, x, files)
	}
	return e.runImport(ctx, x, files, form)
}

// runImport imports files, and reports what it did.
func (e *env) runImport(ctx context.Context, x *importing, files []*importFile, form string) error {
	j, err := e.openTarget()
	if err != nil {
		return err
	}
	began := time.Now()
	m := newImporter(e, x, j, e.progress("importing", totalSize(files), true))
	err = m.run(ctx, files)
	m.bar.end()
	err = errors.Join(err, m.rejects.close(), j.Close())
	m.report.Seconds = time.Since(began).Seconds()
	if err != nil {
		return m.incomplete(err)
	}
	return e.finishImport(form, m)
}

// finishImport prints the report of an import that reached the end.
func (e *env) finishImport(form string, m *importer) error {
	r := &m.report
	if m.foreign > 0 {
		e.note("%d of another journal's own events were left out", m.foreign)
	}
	if r.Rejected > 0 {
		r.RejectsFile = &m.rejects.name
	}
	var err error
	if form == formTable {
		_, err = fmt.Fprint(e.stdout, importText(r))
	} else {
		err = e.printJSON(r)
	}
	if err != nil {
		return err
	}
	if r.Rejected > 0 {
		e.note("%d lines were rejected; %s has each with the reason", r.Rejected, m.rejects.name)
		return errRejected
	}
	return nil
}

// importText is a report for people.
func importText(r *importReport) string {
	text := fmt.Sprintf("%s imported in %s", plural(r.Imported, "event"), seconds(r.Seconds))
	if r.Imported > 0 && r.Seconds > 0 {
		text += fmt.Sprintf(" (%s a second)", grouped(uint64(float64(r.Imported)/r.Seconds)))
	}
	text += fmt.Sprintf(", %s, %s rejected\n", plural(r.Duplicates, "duplicate"), grouped(r.Rejected))
	if r.OmittedMembers > 0 {
		text += fmt.Sprintf("%s of the source were not taken over\n", plural(r.OmittedMembers, "member"))
	}
	if r.RenamedIDs > 0 {
		text += fmt.Sprintf("%s got another id: other content had theirs\n", plural(r.RenamedIDs, "event"))
	}
	if r.JoinedRows > 0 {
		text += fmt.Sprintf("%s became part of the event of a row before\n", plural(r.JoinedRows, "row"))
	}
	return text
}

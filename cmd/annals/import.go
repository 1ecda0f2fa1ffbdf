package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
}

func newImport(e *env) *cobra.Command {
	var format, rejects string
	c := &cobra.Command{
		Use:   "import --format FORMAT [FILE]...",
		Short: "Import events from files",
		Long: "Import the events of files, or of standard input (-, or no FILE). Files may be plain,\n" +
			"gzip or zstd. Events with ids that are in the journal already are counted and not added\n" +
			"again, so an import that was stopped can be repeated. A line that cannot be imported is\n" +
			"kept in the rejects file, a JSON object {line, file, reason, text} a line, and the exit\n" +
			"status is 2.\n\n" +
			"Formats: cloudtrail, AWS CloudTrail records; jsonl, events as append takes them, or an\n" +
			"export. The journal's own events in an export are those of another journal, and left out.",
		Example: "  annals import --data ./journal --format cloudtrail trail.json.gz\n" +
			"  annals export --data ./old | annals import --data ./new --format jsonl",
		RunE: e.action(func(ctx context.Context, args []string) error {
			f, err := ingest.Lookup(format)
			if err != nil {
				return usagef("format %q is unknown, want %s", format, strings.Join(ingest.Names(), " or "))
			}
			return e.importFiles(ctx, f, args, rejects)
		}),
	}
	c.Flags().StringVar(&format, "format", "", "format of the files: "+strings.Join(ingest.Names(), " or ")+" (required)")
	c.Flags().StringVar(&rejects, "rejects", "", "file for lines that are rejected; default FILE.rejects.ndjson in this directory")
	e.tenantFlag(c, "owner of events that name none; default "+annals.DefaultTenant)
	e.indexDataFlag(c)
	e.serverFlags(c)
	_ = c.MarkFlagRequired("format")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(ingest.Names(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// stdinName stands for standard input among the files to import.
const stdinName = "-"

// sources checks the files to import and returns them with their total size, -1
// if that is not known.
func sources(args []string, rejects string) (files []string, total int64, err error) {
	if len(args) == 0 {
		args = []string{stdinName}
	}
	taken, _ := os.Stat(rejects) // it is made later, unless it is one of the files
	for _, name := range args {
		if name == stdinName {
			total = -1
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("import: %w", err)
		case info.IsDir():
			return nil, 0, usagef("%s is a directory, want files", name)
		case taken != nil && os.SameFile(info, taken):
			return nil, 0, usagef("the rejects would overwrite %s", name)
		case !info.Mode().IsRegular():
			total = -1
		case total >= 0:
			total += info.Size()
		}
	}
	return args, total, nil
}

// rejectsName returns where the rejects of an import go by default.
func rejectsName(files []string) string {
	name := "stdin"
	if len(files) > 0 && files[0] != stdinName {
		name = filepath.Base(files[0])
	}
	return name + ".rejects.ndjson"
}

// importFiles imports files one after another.
func (e *env) importFiles(ctx context.Context, format ingest.Format, args []string, rejects string) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	if err := e.checkTenant(); err != nil {
		return err
	}
	if rejects == "" {
		rejects = rejectsName(args)
	}
	files, total, err := sources(args, rejects)
	if err != nil {
		return err
	}
	j, err := e.openTarget()
	if err != nil {
		return err
	}
	began := time.Now()
	m := importer{env: e, journal: j, rejects: rejectsFile{name: rejects}, bar: e.progress("importing", total, true)}
	err = m.run(ctx, format, files)
	m.bar.end()
	err = errors.Join(err, m.rejects.close(), j.Close())
	m.report.Seconds = time.Since(began).Seconds()
	if err != nil {
		return m.incomplete(err)
	}
	return e.finishImport(form, &m)
}

// incomplete says how far an import came that did not reach the end.
func (m *importer) incomplete(err error) error {
	m.env.note("stopped after %s: %d events imported, %d duplicates, %d rejected", m.place(), m.report.Imported, m.report.Duplicates, m.report.Rejected)
	hint := "repeat the command: what is in the journal is not added again"
	if isFull(err) {
		hint = "make room, then " + hint
	}
	if m.withoutID > 0 {
		hint = m.withoutIDs()
	}
	if _, ok := errors.AsType[*fs.PathError](err); !ok && m.badInput {
		err = &codedError{err, statusInvalid}
	}
	return hinted(err, "%s", hint)
}

// withoutIDs says what to know before an import is repeated.
func (m *importer) withoutIDs() string {
	return fmt.Sprintf("%d of the imported events have no id: a repeated import would add those again", m.withoutID)
}

// finishImport prints the report of an import that reached the end.
func (e *env) finishImport(form string, m *importer) error {
	r := &m.report
	if m.foreign > 0 {
		e.note("%d of another journal's own events were left out", m.foreign)
	}
	if m.withoutID > 0 {
		e.note("%s", m.withoutIDs())
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
	return text
}

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// anyMapping takes logs of systems that there is no format for.
const anyMapping = `name: any
time:
  - time | datetime utc
  - timestamp | milliseconds
  - timestamp | datetime utc
  - date_create | datetime utc
  - p_event_time | datetime utc
  - ocel:timestamp | datetime utc
type: =log.line
`

// corpusFormats are the formats of logs, by how their names begin. Others go through
// anyMapping.
var corpusFormats = map[string]string{
	"aws": "cloudtrail", "k8s": "kubernetes", "github": "github", "windows": "windows", "azure": "azure", "gcp": "gcp", "okta": "okta",
}

// moreCorpora returns the folder of logs that are not ours to keep.
func moreCorpora(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPORA")
	if dir == "" {
		t.Skip("skip: class B logs are not here: ANNALS_CORPORA names no folder")
	}
	return dir
}

// TestImportCorpus imports the log that is kept here.
func TestImportCorpus(t *testing.T) {
	if r := importLog(t, corpus); r.Rejected != 0 {
		t.Errorf("%d lines are rejected", r.Rejected)
	}
}

// TestImportCorpora imports every log, whatever is in it: no line is lost without a
// reject, and a second import adds nothing.
func TestImportCorpora(t *testing.T) {
	dir := moreCorpora(t)
	var names []string
	for _, pattern := range []string{"*.jsonl.zst", "*/*.jsonl.zst"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		check(t, err)
		names = append(names, found...)
	}
	if len(names) < 10 {
		t.Fatalf("ANNALS_CORPORA has %d logs, want more", len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Logf("%+v", importLog(t, name))
		})
	}
}

// importLog imports a log twice and returns the report of the first import.
func importLog(t *testing.T, name string) importReport {
	t.Helper()
	file, err := os.ReadFile(name)
	check(t, err)
	d, err := zstd.NewReader(nil)
	check(t, err)
	defer d.Close()
	text, err := d.DecodeAll(file, nil)
	check(t, err)
	kind := strings.FieldsFunc(filepath.Base(name), func(r rune) bool { return strings.ContainsRune("-_.", r) })
	args := []string{"--format", corpusFormats[kind[0]]}
	if args[1] == "" {
		mapping := filepath.Join(t.TempDir(), "any.yaml")
		check(t, os.WriteFile(mapping, []byte(anyMapping), 0o600))
		args = []string{"--mapping", mapping}
	}
	return importTwice(t, uint64(bytes.Count(text, []byte("\n"))), append(args, name)...)
}

// importTwice imports values into a new journal, and again.
func importTwice(t *testing.T, values uint64, args ...string) importReport {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"import", "--data", filepath.Join(dir, "j"), "--rejects", filepath.Join(dir, "r")}, args...)
	first, again := importJSON(t, args), importJSON(t, args)
	if n := first.Imported + first.Duplicates + first.Rejected + first.JoinedRows; n != values || first.Imported == 0 && first.Rejected < values {
		t.Errorf("%+v: accounts for %d of %d values", first, n, values)
	}
	if again.Imported != 0 || again.Duplicates != first.Imported+first.Duplicates || again.Rejected != first.Rejected || again.RenamedIDs != first.RenamedIDs {
		t.Errorf("first %+v, then %+v", first, again)
	}
	return first
}

// importJSON runs an import, which may reject lines, and returns its report.
func importJSON(t *testing.T, args []string) (r importReport) {
	t.Helper()
	e := newTestEnv("")
	if status := run(t.Context(), &e.env, args); status != 0 && status != statusInvalid {
		t.Fatalf("exit status %d: %s", status, e.err.String())
	}
	if err := json.Unmarshal([]byte(e.out.String()), &r); err != nil {
		t.Fatalf("%v: %s", err, e.err.String())
	}
	return r
}

// TestImportFolders imports folders of files with one event or a list of them.
func TestImportFolders(t *testing.T) {
	dir := moreCorpora(t)
	ocsf, err := filepath.Glob(filepath.Join(dir, "ocsf-examples/AWS/*/*/*/*/*.ocsf"))
	check(t, err)
	raw := filepath.Join(dir, "k8s-audit-falco-raw")
	k8s, err := filepath.Glob(filepath.Join(raw, "*.json"))
	check(t, err)
	importTwice(t, countEvents(t, k8s), "--format", "kubernetes", "--jobs", "3", raw)
	importTwice(t, countEvents(t, ocsf), append([]string{"--format", "ocsf", "--jobs", "3"}, ocsf...)...)
}

// countEvents returns how many events files have.
func countEvents(t *testing.T, names []string) (n uint64) {
	t.Helper()
	for _, name := range names {
		file, err := os.Open(name)
		check(t, err)
		for d := json.NewDecoder(file); d.More(); {
			var list struct{ Items []json.RawMessage }
			check(t, d.Decode(&list))
			n += uint64(max(1, len(list.Items)))
		}
		check(t, file.Close())
	}
	if n < uint64(len(names)) || len(names) < 5 {
		t.Fatalf("%d events in %d files", n, len(names))
	}
	return n
}

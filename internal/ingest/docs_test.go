package ingest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

const importDocs = "../../docs/import.md"

// TestImportDocs checks that the generated parts of docs/import.md are those of the
// mappings; -update rewrites them.
func TestImportDocs(t *testing.T) {
	file, err := os.ReadFile(importDocs)
	check(t, err)
	want := string(file)
	got := want
	for part, text := range map[string]string{"formats": formatRows(), "members": memberTables()} {
		got = replacePart(t, got, part, text)
	}
	if *update {
		check(t, os.WriteFile(importDocs, []byte(got), 0o644))
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs from the mappings (-docs +mappings); -update rewrites it:\n%s", importDocs, diff)
	}
}

// replacePart puts text between the marks of a generated part.
func replacePart(t *testing.T, doc, part, text string) string {
	t.Helper()
	mark := "<!-- generated: " + part + " -->\n"
	before, rest, ok := strings.Cut(doc, mark)
	_, after, found := strings.Cut(rest, "<!-- end -->")
	if !ok || !found {
		t.Fatalf("%s lacks the part %s", importDocs, part)
	}
	return before + mark + text + "<!-- end -->" + after
}

func formatRows() string {
	var b strings.Builder
	for _, name := range ingest.Names() {
		if title, _, ok := ingest.DescribeMapping(name); ok {
			fmt.Fprintf(&b, "| `%s` | [%s](../internal/ingest/mappings/%s.yaml) |\n", name, title, name)
		}
	}
	return b.String()
}

// memberTable shows which formats fill which members.
func memberTable() string {
	var names []string
	has := map[string]map[string]bool{}
	for _, name := range ingest.Names() {
		_, sources, ok := ingest.DescribeMapping(name)
		if !ok {
			continue
		}
		names = append(names, name)
		for _, s := range sources {
			member, _, _ := strings.Cut(strings.Trim(s.Member, "`"), "`")
			if has[member] == nil {
				has[member] = map[string]bool{}
			}
			has[member][name] = true
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, member := range ingest.MemberNames() {
		if has[member] == nil {
			continue
		}
		fmt.Fprintf(&b, "| `%s` |", member)
		for _, name := range names {
			mark := " |"
			if has[member][name] {
				mark = " • |"
			}
			b.WriteString(mark)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func memberTables() string {
	var b strings.Builder
	b.WriteString(memberTable())
	for _, name := range ingest.Names() {
		title, sources, ok := ingest.DescribeMapping(name)
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n| member | from |\n|---|---|\n", name, title)
		for _, s := range sources {
			fmt.Fprintf(&b, "| %s | %s |\n", s.Member, s.From)
		}
	}
	return b.String() + "\n"
}

// TestImportDocsExample maps the example of docs/import.md.
func TestImportDocsExample(t *testing.T) {
	file, err := os.ReadFile(importDocs)
	check(t, err)
	doc := string(file)
	f, err := ingest.ParseMapping([]byte(fenced(t, &doc, "yaml")))
	check(t, err)
	raw, want := fenced(t, &doc, "json"), fenced(t, &doc, "json")
	out, notes, err := f.Map(nil, []byte(raw), ingest.Input{})
	check(t, err)
	got := strings.Replace(string(out), `,"data":`+raw, "", 1)
	if diff := cmp.Diff(strings.ReplaceAll(strings.ReplaceAll(want, "\n ", ""), "\n", ""), got); diff != "" {
		t.Errorf("the example differs (-docs +mapped):\n%s", diff)
	}
	if notes != (ingest.Notes{}) {
		t.Errorf("notes are %+v", notes)
	}
}

// fenced cuts the next block of a language from a document.
func fenced(t *testing.T, doc *string, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(*doc, "```"+language+"\n")
	block, after, found := strings.Cut(rest, "\n```")
	if !ok || !found {
		t.Fatalf("no more blocks of %s", language)
	}
	*doc = after
	return block
}

package ingest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// goldenFiles returns the files of source values, one a line, for each format.
func goldenFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.jsonl")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("golden files are gone")
	}
	return files
}

// goldenInputs returns the lines of all golden files.
func goldenInputs(t testing.TB) (lines []string) {
	t.Helper()
	for _, name := range goldenFiles(t) {
		lines = append(lines, readLines(t, name)...)
	}
	return lines
}

func readLines(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	check(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestGolden maps the values of testdata/FORMAT.jsonl to those of FORMAT.golden,
// where data, which is the value, is left out.
func TestGolden(t *testing.T) {
	for _, file := range goldenFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(name, func(t *testing.T) {
			lines := readLines(t, file)
			if len(lines) < 3 {
				t.Errorf("%d values, want three or more", len(lines))
			}
			var got bytes.Buffer
			for _, line := range lines {
				got.WriteString(goldenEvent(t, lookup(t, name), line))
			}
			compareGolden(t, strings.TrimSuffix(file, ".jsonl")+".golden", got.Bytes())
		})
	}
}

// goldenEvent shows what a value becomes.
func goldenEvent(t *testing.T, format ingest.Format, line string) string {
	out, notes, err := format.Map(nil, []byte(line), ingest.Input{})
	if err != nil {
		return "reject: " + err.Error() + "\n\n"
	}
	if name := format.Name(); name != "cloudevents" && name != "jsonl" && name != "journald" {
		whole := `,"data":` + line
		if strings.Count(string(out), whole) != 1 {
			t.Errorf("data is not the value: %s", out)
		}
		out = bytes.Replace(out, []byte(whole), nil, 1)
	}
	var shown bytes.Buffer
	check(t, json.Indent(&shown, out, "", "  "))
	return fmt.Sprintf("omitted %d, no id %t\n%s\n\n", notes.Omitted, notes.NoID, shown.Bytes())
}

// compareGolden compares with a file, or writes it with -update.
func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	check(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", file, diff)
	}
}

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// settingsTable is what docs/operations.md says of the settings.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| setting | default | reload | what |\n|---|---|---|---|\n")
	new(serveConfig).flags().VisitAll(func(f *pflag.Flag) {
		value, reload := "", ""
		if f.DefValue != "" {
			value = "`" + f.DefValue + "`"
		}
		if reloadable[f.Name] {
			reload = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", settingKey(f.Name), value, reload, f.Usage)
	})
	return b.String()
}

// TestOperationsSettings holds the document and the settings together.
func TestOperationsSettings(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	check(t, err)
	_, rest, ok := strings.Cut(string(text), "## Settings\n")
	start, end := strings.Index(rest, "| setting |"), strings.Index(rest, "\n## ")
	if !ok || start < 0 || end < start {
		t.Fatalf("docs/operations.md has no table of settings; it should be:\n%s", settingsTable())
	}
	if diff := cmp.Diff(settingsTable(), strings.TrimRight(rest[start:end], "\n")+"\n"); diff != "" {
		t.Errorf("table of settings (-want +got):\n%s", diff)
	}
}

// TestReloadable names settings that there are.
func TestReloadable(t *testing.T) {
	flags := new(serveConfig).flags()
	for name := range reloadable {
		if flags.Lookup(name) == nil {
			t.Errorf("%s is no setting", name)
		}
	}
}

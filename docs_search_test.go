package annals_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/internal/query"
)

// TestDocsSearchFields checks that docs/search.md names every field and no other.
func TestDocsSearchFields(t *testing.T) {
	text, err := os.ReadFile("docs/search.md")
	check(t, err)
	_, list, _ := strings.Cut(string(text), "## Fields\n")
	list, _, _ = strings.Cut(list, "The short forms")
	named := make(map[string]bool)
	for _, name := range strings.Fields(list) {
		root, _, _ := strings.Cut(strings.Trim(name, "`"), ".")
		named[root] = true
	}
	for _, f := range query.Fields() {
		if !named[f.Name] {
			t.Errorf("field %s is missing", f.Name)
		}
		delete(named, f.Name)
	}
	for name := range named {
		t.Errorf("%s is no field", name)
	}
}

// TestDocsSearchAliases checks that every other name in docs/search.md is one, and
// that none is missing but for dotted ones.
func TestDocsSearchAliases(t *testing.T) {
	text, err := os.ReadFile("docs/search.md")
	check(t, err)
	_, list, _ := strings.Cut(string(text), "The short forms")
	list, _, _ = strings.Cut(list, "## Answers")
	named := quotedIn(list)
	if len(named) < 10 {
		t.Fatalf("names are missing: %q", named)
	}
	for _, name := range named {
		if _, _, err := query.Lookup(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, f := range query.Fields() {
		for _, name := range f.Aliases {
			if !strings.Contains(name, ".") && !slices.Contains(named, name) {
				t.Errorf("name %s of %s is missing", name, f.Name)
			}
		}
	}
}

// TestDocsSearchLanguage reads each example of docs/search.md as filter text.
func TestDocsSearchLanguage(t *testing.T) {
	text, err := os.ReadFile("docs/search.md")
	check(t, err)
	var examples []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) == 4 && strings.Contains(cells[1], "`"):
			examples = append(examples, quotedIn(cells[1])...)
		case strings.HasPrefix(line, "    annals query "):
			_, filter, _ := strings.Cut(line, "'")
			examples = append(examples, strings.TrimSuffix(strings.TrimSpace(filter), "'"))
		}
	}
	if len(examples) < 30 {
		t.Fatalf("%d examples: %q", len(examples), examples)
	}
	for _, x := range examples {
		if e, err := query.Parse(x, time.Now()); err != nil || x == "" {
			t.Errorf("%q is read as %v: %v", x, e, err)
		}
	}
}

// quotedIn returns what stands between backquotes.
func quotedIn(text string) []string {
	var out []string
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return out
}

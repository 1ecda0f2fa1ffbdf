package annals_test

import (
	"os"
	"strings"
	"testing"

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

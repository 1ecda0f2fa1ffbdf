package ingest

import (
	"fmt"
	"strings"

	"github.com/annals-io/annals/internal/query"
)

// maxHinted is how long a name may be for a hint: others are no slips.
const maxHinted = 40

// hint suggests the name that is most like an unknown one.
func hint(name string, known []string) string {
	best, least := "", min(3, len(name))
	for _, k := range known {
		if len(name) > maxHinted || len(k) > maxHinted {
			continue
		}
		if d := query.EditDistance(name, k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ": want one of " + strings.Join(known, ", ")
}

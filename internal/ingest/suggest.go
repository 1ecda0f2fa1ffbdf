package ingest

import (
	"fmt"
	"strings"
)

// hint suggests the name that is most like an unknown one.
func hint(name string, known []string) string {
	best, least := "", min(3, len(name))
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ": want one of " + strings.Join(known, ", ")
}

// distance is how many characters to insert, delete or change to get from a to b;
// for names of a sensible length.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

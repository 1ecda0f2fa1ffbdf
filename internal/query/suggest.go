package query

import (
	"maps"
	"slices"
)

// maxSuggestBytes is the longest name that is compared with others.
const maxSuggestBytes = 64

// suggest returns a hint for a name that is no field, or the empty string.
func suggest(name string, others ...string) string {
	if right, ok := misnomers[name]; ok {
		return "did you mean " + right + "?"
	}
	names := slices.AppendSeq(others, maps.Keys(fieldNames))
	if near := Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// Nearest returns the candidate that the fewest changes make of name, the first
// in the alphabet of several, or none if all are too far.
func Nearest(name string, candidates []string) string {
	if len(name) > maxSuggestBytes {
		return ""
	}
	best, limit := "", len(name)/3+2
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := EditDistance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// EditDistance returns how many bytes must be inserted, removed or replaced to make b
// of a. Time is the product of their lengths: bound them first.
func EditDistance(a, b string) int {
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
		}
		last = row
	}
	return last[len(b)]
}

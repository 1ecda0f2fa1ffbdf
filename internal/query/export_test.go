package query

// CompareNumbers compares two JSON numbers; ok is false if one is none.
func CompareNumbers(a, b string) (c int, ok bool) {
	x, okX := parseNumber([]byte(a))
	y, okY := parseNumber([]byte(b))
	if !okX || !okY {
		return 0, false
	}
	return x.compare(&y), true
}

// Vocabulary returns every name that Lookup knows without a path.
func Vocabulary() map[string]*Field { return fieldNames }

// Members returns the entry's members in their order.
func Members() []string { return members[:] }

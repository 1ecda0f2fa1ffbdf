package query

// Limits of the terms of an entry.
const (
	MaxDataTerms  = maxDataTerms
	MaxFieldBytes = maxFieldBytes
	MaxTypeParts  = maxTypeParts
	MaxEntryTerms = maxEntryTerms
)

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

// TermFields returns the fields outside of data that terms may have.
func TermFields() map[string]bool { return termFields }

// Members returns the entry's members in their order.
func Members() []string { return members[:] }

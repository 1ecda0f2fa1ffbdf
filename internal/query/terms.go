package query

import (
	"bytes"
	"strings"
)

// A Term is one searchable fact of an entry: a field and its value. The journal
// hands terms to an index, and a [Plan] asks for them. Fields are those of
// [Fields] that an index answers for, and besides them:
//
//	type.*                the parts of the type before each of its first 16 dots
//	actor_type+actor_id   both, joined by NUL
//	data.PATH             a string, number, true, false or null below data; the
//	                      same for tags and changes
//	~more                 without a value: the entry has more than 256 terms of
//	                      data, tags, changes and changed fields, or names that
//	                      are too long, and therefore none of those
//
// The value of a field with a path is `"` and the characters of a string, `#` and
// the [NumberKey] of a number, or true, false or null; of an actor_address that is
// an IP address the address's normal form; of every other field its text.
type Term struct {
	Field, Value string
}

// Fields of terms that are no fields of entries.
const (
	// MoreField is the field of the term of entries whose data terms are left
	// out. Plans unite with it wherever they ask for one.
	MoreField = "~more"

	typeParts = "type.*"
	actorPair = "actor_type+actor_id"
)

// Limits of the terms of one entry.
const (
	maxDataTerms  = 256  // above it ~more stands for all of them
	maxFieldBytes = 1024 // of a field with its path; longer ones make ~more
	maxTypeParts  = 16
	maxEntryTerms = 512 // more than an event within its limits can have
)

// termFields are the names of the fields outside of data that have terms.
var termFields = map[string]bool{
	"type": true, "source": true, "category": true, "action": true, "outcome": true, "severity": true,
	"actor_id": true, "actor_type": true, "actor_address": true, "on_behalf_of_id": true, "on_behalf_of_type": true,
	"entity_id": true, "entity_type": true, "related_id": true, "related_type": true,
	"correlation_id": true, "parent_id": true, "trace_id": true, "span_id": true, "session_id": true, "workspace_id": true,
	"namespace": true, "cluster": true, "producer_id": true, "subjects": true, "recorded_by_id": true, "recorded_by_type": true,
	"error_code": true, "field": true, typeParts: true, actorPair: true,
}

// dataMembers are the fields of kind [Path] whose values have terms.
var dataMembers = [...]string{"tags", "changes", "data"}

// isDataMember reports whether a member's values have terms.
func isDataMember(name string) bool {
	return name == "data" || name == "tags" || name == "changes"
}

// appendName appends a dot and a member name, in which dots and backslashes are
// escaped, as the fields of terms have them.
func appendName(dst, name []byte) []byte {
	dst = append(dst, '.')
	plain := 0
	for i := range len(name) {
		if c := name[i]; c == '.' || c == '\\' {
			dst = append(append(dst, name[plain:i]...), '\\')
			plain = i
		}
	}
	return append(dst, name[plain:]...)
}

// appendScalar appends the value of the term of a number, true, false or null as
// JSON has it. ok is false for any other text.
func appendScalar(dst, text []byte) (out []byte, ok bool) {
	if isWord(text) {
		return append(dst, text...), true
	}
	return appendNumberKey(append(dst, '#'), text)
}

// isWord reports whether text is true, false or null.
func isWord(text []byte) bool {
	return string(text) == "true" || string(text) == "false" || string(text) == "null"
}

// appendCharacters appends what a string in its quotes stands for.
func appendCharacters(dst, text []byte, escaped bool) []byte {
	raw := bytes.TrimSuffix(text[1:], []byte{'"'})
	if !escaped {
		return append(dst, raw...)
	}
	dst, _ = unescape(dst, raw)
	return dst
}

// normalAddress makes the address that begins at dst[from] the value of its term.
func normalAddress(dst []byte, from int) []byte {
	text := dst[from:]
	if isDotted(text) {
		return dst
	}
	if a := valueAddress(text); a.IsValid() {
		return a.AppendTo(dst[:from])
	}
	return dst
}

// isDotted reports whether s is an IPv4 address in normal form. It may say no to
// one; it exists because most addresses are such, and parsing allocates.
func isDotted(s []byte) bool {
	parts := 0
	for ; parts < 4; parts++ {
		digits, rest := cutDigits(s)
		if len(digits) == 0 || len(digits) > 2 && (len(digits) > 3 || string(digits) > "255") || digits[0] == '0' && len(digits) > 1 {
			return false
		}
		s = rest
		if parts < 3 {
			if len(s) == 0 || s[0] != '.' {
				return false
			}
			s = s[1:]
		}
	}
	return len(s) == 0
}

// addressTerms returns the values of which an entry has one if its address is
// equal to the operand.
func addressTerms(o *Operand) []string {
	if !o.address.IsValid() {
		return []string{o.Text}
	}
	if len(o.Text) > maxAddressBytes {
		return []string{o.address.String(), o.Text}
	}
	return []string{o.address.String()}
}

// typePart returns the part of a type before the last of its first 16 dots. ok is
// false if it has none.
func typePart(text string) (part string, ok bool) {
	end := -1
	for range maxTypeParts {
		i := strings.IndexByte(text[end+1:], '.')
		if i < 0 {
			break
		}
		end += i + 1
	}
	if end < 0 {
		return "", false
	}
	return text[:end], true
}

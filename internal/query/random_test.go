package query_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/annals-io/annals/internal/query"
)

// The vocabulary of random filters and entries is small, so that they meet.
var (
	someNames   = []string{"a", "b", "a.b", "c d", "", "é", `q"\`, "A", "x:y", "(", "\n"}
	someStrings = []string{"a", "ab", "abc", "A", "B c", "10", "1e1", "true", "null", "", "é", "É", "k\u212a", `q"\`, "x..y",
		"x.y.z", "x.", "..", ".", "-a", "a*", "*", "OR", "10.0.0.1", "::ffff:10.0.0.1", ">1", "tab\t", "\x00", "a,b", "success", "warning"}
	someNumbers = []string{"0", "-0", "1", "10", "10.0", "1e1", "1.5", "-1", "9007199254740993", "9007199254740992", "1e-9", "1E30", "0.0001e4", "12.50",
		"12.5", "1e400", "10E+399"}
	someTimes = []string{"2026-01-01T00:00:00.000000000Z", "2026-01-01T23:59:59.999999999Z", "2026-03-09T12:00:00.000000000Z", "2025-12-31T10:00:00.500000000Z"}
	someSpans = []string{"2026-01-01", "2025-12-31", "24h", "70d", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"}
)

// pick draws one of a list.
func pick(t *rapid.T, from []string) string { return rapid.SampledFrom(from).Draw(t, "pick") }

// jsonString writes s as a JSON string, with an escape where none is needed now and then.
func jsonString(t *rapid.T, s string) string {
	escape := rapid.Bool().Draw(t, "escape")
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case escape && r < 0x10000:
			fmt.Fprintf(&b, `\u%04X`, r)
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// drawValue draws compact JSON of any shape.
func drawValue(t *rapid.T, depth int) string {
	shape := rapid.IntRange(0, 6).Draw(t, "shape")
	if depth == 0 {
		shape %= 4
	}
	switch shape {
	case 0, 1:
		return jsonString(t, pick(t, someStrings))
	case 2:
		return pick(t, someNumbers)
	case 3:
		return pick(t, []string{"true", "false", "null"})
	case 4:
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			parts = append(parts, drawValue(t, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return drawObject(t, depth)
}

func drawObject(t *rapid.T, depth int) string {
	var parts []string
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(someNames), 0, 4, rapid.ID).Draw(t, "names") {
		parts = append(parts, jsonString(t, name)+":"+drawValue(t, depth-1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// drawTyped draws an object of strings with some of the names.
func drawTyped(t *rapid.T, names ...string) string {
	var parts []string
	for _, name := range names {
		if rapid.Bool().Draw(t, name) {
			parts = append(parts, jsonString(t, name)+":"+jsonString(t, pick(t, someStrings)))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// drawEntry draws an entry: some of the members, in their order.
func drawEntry(t *rapid.T) []byte {
	var parts []string
	for _, name := range query.Members() {
		if name != "data" && rapid.IntRange(0, 2).Draw(t, name) == 0 {
			continue
		}
		parts = append(parts, jsonString(t, "")[:1]+name+`":`+drawMember(t, name))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func drawMember(t *rapid.T, name string) string {
	switch name {
	case "time", "recorded_at":
		return jsonString(t, pick(t, someTimes))
	case "outcome":
		return jsonString(t, pick(t, []string{"success", "failure", "pending", "unknown"}))
	case "severity":
		return jsonString(t, pick(t, []string{"debug", "info", "notice", "warning", "error", "critical"}))
	case "position":
		return pick(t, []string{"0", "1", "2", "10", "18446744073709551615"})
	case "duration_ms", "retention_days", "sequence":
		return pick(t, someNumbers)
	case "sensitive":
		return pick(t, []string{"true", "false"})
	case "actor":
		actor := drawTyped(t, "type", "id", "name", "address")
		if actor == "{}" {
			return `{"on_behalf_of":` + drawTyped(t, "type", "id") + "}"
		}
		return strings.TrimSuffix(actor, "}") + `,"on_behalf_of":` + drawTyped(t, "type", "id", "name") + "}"
	case "entity", "error", "recorded_by":
		return drawTyped(t, "type", "id", "name", "address", "code", "message")
	case "producer":
		return `{"id":"a","sequence":` + pick(t, someNumbers) + "}"
	case "related":
		return "[" + drawTyped(t, "type", "id") + "," + drawTyped(t, "type", "name") + "]"
	case "subjects", "redacted":
		return "[" + jsonString(t, pick(t, someStrings)) + "," + jsonString(t, pick(t, someStrings)) + "]"
	case "tags", "changes", "snapshot", "metadata":
		return drawObject(t, 2)
	case "data":
		return drawValue(t, 4)
	}
	return jsonString(t, pick(t, someStrings))
}

// fieldText writes a field's name and path as filter text.
func fieldText(t *rapid.T, f query.Field) string {
	if f.Kind != query.Path {
		return f.Name
	}
	text := f.Name
	least := 1
	if f.Name == "data" {
		least = 0
	}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(someNames), least, 3).Draw(t, "path") {
		text += "."
		for _, r := range name {
			if strings.ContainsRune(`.:\"() `+"\n", r) {
				text += `\`
			}
			text += string(r)
		}
	}
	return text
}

// operandText draws an operand that a field can have.
func operandText(t *rapid.T, f query.Field) string {
	switch f.Kind {
	case query.Time:
		return pick(t, someSpans)
	case query.Number:
		return pick(t, someNumbers)
	case query.Enum:
		return pick(t, f.Values)
	case query.Path:
		if rapid.Bool().Draw(t, "bare") {
			return pick(t, append([]string{"true", "false", "null", "a", "abc"}, someNumbers...))
		}
	}
	return quoteText(pick(t, someStrings))
}

func quoteText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// drawMatch draws the text of one term with a field.
func drawMatch(t *rapid.T) string {
	f := rapid.SampledFrom(query.Fields()).Draw(t, "field")
	if rapid.Bool().Draw(t, "in data") {
		f = *query.Vocabulary()["data"]
	}
	name := fieldText(t, f) + ":"
	if f.Kind == query.Bool {
		return name + pick(t, []string{"true", "false", "*"})
	}
	switch form := rapid.IntRange(0, 6).Draw(t, "form"); form {
	case 0:
		return name + "*"
	case 1:
		if f.Kind == query.Time || f.Kind == query.Number {
			return name + "*"
		}
		return name + quoteText(pick(t, someStrings)) + "*"
	case 2:
		return name + pick(t, []string{">", ">=", "<", "<="}) + operandText(t, f)
	case 3:
		if f.Kind == query.Path {
			return name + pick(t, someNumbers) + ".." + pick(t, someNumbers)
		}
		return name + operandText(t, f) + ".." + operandText(t, f)
	default:
		return name + operandText(t, f)
	}
}

// drawFilter draws filter text that is in the language.
func drawFilter(t *rapid.T, depth int) string {
	form := rapid.IntRange(0, 6).Draw(t, "node")
	if depth == 0 {
		form %= 3
	}
	switch form {
	case 0:
		s := pick(t, someStrings)
		if s == "" {
			s = "b"
		}
		return quoteText(s)
	case 3:
		return drawFilter(t, depth-1) + " " + drawFilter(t, depth-1)
	case 4:
		return drawFilter(t, depth-1) + " OR " + drawFilter(t, depth-1)
	case 5:
		return "(" + drawFilter(t, depth-1) + " OR " + drawFilter(t, depth-1) + ") AND " + drawFilter(t, depth-1)
	case 6:
		return pick(t, []string{"-", "NOT "}) + "(" + drawFilter(t, depth-1) + ")"
	}
	return drawMatch(t)
}

func TestRandomRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := drawFilter(r, 4)
		e, err := query.Parse(text, now)
		if err != nil {
			r.Fatalf("Parse(%q): %v", text, err)
		}
		checkRoundTrip(t, e)
	})
}

// The answers are those of the slow evaluator, and of both kinds in number.
func TestRandomAgainstSlowEvaluator(t *testing.T) {
	answers := map[bool]int{}
	matches := 0
	var doc query.JSONDocument
	rapid.Check(t, func(r *rapid.T) {
		entry := drawEntry(r)
		doc.Reset(entry)
		for range 20 {
			text := drawFilter(r, rapid.IntRange(0, 2).Draw(r, "depth"))
			e := mustParse(t, text)
			got := query.Eval(e, &doc)
			if want := slowEval(t, e, entry); got != want {
				r.Fatalf("%s on %s: got %t, want %t", e, entry, got, want)
			}
			answers[got]++
			if m, ok := e.(*query.Match); ok && got && m.Op != query.Exists {
				matches++
			}
		}
	})
	if answers[true] < 200 || answers[false] < 200 || matches < 20 {
		t.Errorf("answers %v, %d of them matches: too few of a kind to show anything", answers, matches)
	}
}

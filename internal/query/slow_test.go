package query_test

import (
	"encoding/json"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/internal/query"
)

// slowEval is the language once more, written for plainness: on decoded JSON,
// with the numbers, times, addresses and letters of the standard library. It
// shares only the tree and the table of fields with the package.
func slowEval(t testing.TB, e query.Expr, entry []byte) bool {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(entry)))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("entry %s: %v", entry, err)
	}
	return slowHolds(e, doc)
}

func slowHolds(e query.Expr, doc map[string]any) bool {
	holds := func(x query.Expr) bool { return slowHolds(x, doc) }
	switch e := e.(type) {
	case query.And:
		return !slices.ContainsFunc(e, func(x query.Expr) bool { return !holds(x) })
	case query.Or:
		return slices.ContainsFunc(e, holds)
	case query.Not:
		return !holds(e.X)
	case *query.Text:
		return slices.ContainsFunc(slowTexts(doc), func(s string) bool { return slowContains(s, e.Text) })
	case *query.Match:
		return slices.ContainsFunc(slowValues(e, doc), func(v any) bool { return slowTest(e, v) })
	}
	panic("unknown expression")
}

// slowValues returns what a match looks at.
func slowValues(m *query.Match, doc map[string]any) []any {
	v, ok := doc[m.Field.Member]
	if !ok {
		return nil
	}
	if m.Field.Keys {
		var names []any
		if object, ok := v.(map[string]any); ok {
			for name := range object {
				names = append(names, name)
			}
		}
		return names
	}
	return slowWalk(v, append(slices.Clone(m.Field.Sub), m.Path...))
}

func slowWalk(v any, path []string) (found []any) {
	if len(path) == 0 {
		found = append(found, v)
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			found = append(found, slowWalk(x, path)...)
		}
	case map[string]any:
		if len(path) > 0 {
			if x, ok := v[path[0]]; ok {
				found = append(found, slowWalk(x, path[1:])...)
			}
		}
	}
	return found
}

func slowTest(m *query.Match, v any) bool {
	switch m.Op {
	case query.Exists:
		return true
	case query.Equal:
		return slowEqual(m, v)
	case query.Prefix:
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, m.Value.Text)
	}
	c, ok := slowOrder(m, v, m.Value)
	if !ok {
		return false
	}
	switch m.Op {
	case query.Less:
		return c < 0
	case query.LessOrEqual:
		return c <= 0
	case query.Greater:
		return c > 0
	case query.GreaterOrEqual:
		return c >= 0
	}
	high, ok := slowOrder(m, v, m.High)
	return ok && c >= 0 && high <= 0
}

func slowEqual(m *query.Match, v any) bool {
	o := m.Value
	switch v := v.(type) {
	case string:
		if m.Field.Kind == query.Address {
			a, b := net.ParseIP(v), net.ParseIP(o.Text)
			return v == o.Text || a != nil && b != nil && a.Equal(b)
		}
		return v == o.Text
	case json.Number:
		n := slowNumber(o)
		return n != nil && n.Cmp(rational(v.String())) == 0
	case bool:
		return o.Bare && (o.Text == "true" && v || o.Text == "false" && !v)
	case nil:
		return o.Bare && o.Text == "null"
	}
	return false
}

// slowNumber returns the number that an operand stands for, or nil.
func slowNumber(o query.Operand) *big.Rat {
	if !o.Bare || !json.Valid([]byte(o.Text)) || strings.Trim(o.Text, "aeflnrstu") == "" {
		return nil
	}
	return rational(o.Text)
}

func rational(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("not a number: " + s)
	}
	return r
}

func slowOrder(m *query.Match, v any, o query.Operand) (int, bool) {
	if n := slowNumber(o); n != nil {
		v, ok := v.(json.Number)
		if !ok {
			return 0, false
		}
		return rational(v.String()).Cmp(n), true
	}
	s, ok := v.(string)
	if !ok {
		return 0, false
	}
	switch m.Field.Kind {
	case query.Time:
		a, errA := time.Parse(time.RFC3339Nano, s)
		b, errB := time.Parse(time.RFC3339Nano, o.Text)
		return a.Compare(b), errA == nil && errB == nil
	case query.Enum:
		return slices.Index(m.Field.Values, s) - slices.Index(m.Field.Values, o.Text), true
	case query.Address:
		if b := net.ParseIP(o.Text); b != nil {
			return slowAddressOrder(net.ParseIP(s), b)
		}
	}
	return strings.Compare(s, o.Text), true
}

func slowAddressOrder(a, b net.IP) (int, bool) {
	if a == nil {
		return 0, false
	}
	a4, b4 := a.To4(), b.To4()
	switch {
	case a4 != nil && b4 == nil:
		return -1, true
	case a4 == nil && b4 != nil:
		return 1, true
	}
	return strings.Compare(string(a.To16()), string(b.To16())), true
}

// slowTexts returns what free text looks at.
func slowTexts(doc map[string]any) (texts []string) {
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, x := range v {
				add(x)
			}
		case map[string]any:
			for _, x := range v {
				add(x)
			}
		}
	}
	for name, v := range doc {
		switch name {
		case "time", "version", "tenant", "recorded_by", "redacted", "recorded_at":
		default:
			add(v)
		}
	}
	return texts
}

// slowContains tries every place of the text.
func slowContains(s, part string) bool {
	text, want := []rune(s), []rune(part)
	for i := 0; i+len(want) <= len(text); i++ {
		if strings.EqualFold(string(text[i:i+len(want)]), part) {
			return true
		}
	}
	return false
}

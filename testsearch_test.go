package annals_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/google/go-cmp/cmp"
)

// A searched is a journal whose answers are compared with a look at every entry.
type searched struct {
	t    *testing.T
	rand *rand.Rand
	dir  string
	now  time.Time
	j    *annals.Journal
	all  []string // entries by position
	base int      // of which most values of a query are
}

// searchedOptions makes journals of many segments, with a clock that stands.
func (s *searched) options() *annals.Options {
	o := smallSegments()
	o.Now = func() time.Time { return s.now }
	return o
}

func newSearched(t *testing.T, r *rand.Rand, opts *annals.Options) *searched {
	t.Helper()
	s := &searched{t: t, rand: r, dir: t.TempDir(), now: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)}
	o := s.options()
	if opts != nil {
		o.IndexData = opts.IndexData
	}
	s.open(o)
	return s
}

func (s *searched) open(o *annals.Options) {
	s.t.Helper()
	j, err := annals.Open(s.dir, o)
	check(s.t, err)
	s.t.Cleanup(func() { j.Close() })
	s.j = j
}

// read reads every entry.
func (s *searched) read() {
	s.t.Helper()
	s.all = s.all[:0]
	for e, err := range s.j.Scan(context.Background(), 0, s.j.Size()) {
		check(s.t, err)
		s.all = append(s.all, string(e.JSON))
	}
}

// brute returns what q chooses, oldest first, by evaluating it on every entry.
func (s *searched) brute(q annals.Query) []annals.Position {
	s.t.Helper()
	expr, err := query.Parse(q.Filter, s.now)
	check(s.t, err)
	params, _, err := query.FromParams(q.Params, s.now)
	check(s.t, err)
	tenants := q.Tenants
	if tenants == nil {
		tenants = []string{annals.DefaultTenant}
	}
	var found []annals.Position
	var doc query.JSONDocument
	for p, text := range s.all {
		tenant := (&annals.Entry{JSON: []byte(text)}).Tenant()
		doc.Reset([]byte(text))
		if (slices.Contains(tenants, tenant) || slices.Contains(tenants, "*") && tenant != annals.SystemTenant) &&
			query.Eval(expr, &doc) && query.Eval(params, &doc) {
			found = append(found, annals.Position(p))
		}
	}
	return found
}

// ordered returns positions in an order.
func ordered(asc []annals.Position, o annals.Order) []annals.Position {
	out := slices.Clone(asc)
	if o == annals.Descending {
		slices.Reverse(out)
	}
	return out
}

// checkQuery compares every way of asking for q with the truth, and returns how
// many entries match.
func (s *searched) checkQuery(q annals.Query) int {
	t := s.t
	t.Helper()
	asc := s.brute(q)
	for _, o := range []annals.Order{annals.Ascending, annals.Descending} {
		q.Order = o
		want := ordered(asc, o)
		if diff := cmp.Diff(s.searchAll(q), want); diff != "" {
			t.Fatalf("SearchAll %s (-got +want):\n%s", describeQuery(q), diff)
		}
		for _, limit := range []int{1 + s.rand.IntN(9), 10 + s.rand.IntN(90), annals.MaxPage} {
			if len(want)/limit <= 10 {
				s.checkPages(q, limit, want)
			}
		}
		s.checkOffset(q, want)
	}
	q.Order = ""
	has, err := s.j.Has(context.Background(), q)
	check(t, err)
	if has != (len(asc) > 0) {
		t.Fatalf("Has %s: %t, %d match", describeQuery(q), has, len(asc))
	}
	return len(asc)
}

func describeQuery(q annals.Query) string {
	return fmt.Sprintf("{%s %v of %v, %s}", q.Filter, q.Params, q.Tenants, q.Order)
}

func (s *searched) searchAll(q annals.Query) []annals.Position {
	s.t.Helper()
	return positions(s.t, s.j.SearchAll(context.Background(), q), s.all)
}

// positions returns where entries are, whose bytes must be those of all.
func positions(t testing.TB, seq func(func(annals.Entry, error) bool), all []string) []annals.Position {
	t.Helper()
	var got []annals.Position
	for e, err := range seq {
		check(t, err)
		if all != nil && string(e.JSON) != all[e.Position] {
			t.Fatalf("entry %d is %s, want %s", e.Position, e.JSON, all[e.Position])
		}
		got = append(got, e.Position)
	}
	return got
}

// checkPages walks through all pages.
func (s *searched) checkPages(q annals.Query, limit int, want []annals.Position) {
	t := s.t
	t.Helper()
	q.Limit, q.Total = limit, s.rand.IntN(2) == 0
	if s.rand.IntN(3) == 0 {
		q.Budget = 50 + s.rand.IntN(len(s.all)+1)
	}
	var got []annals.Position
	for calls := 0; ; calls++ {
		p, err := s.j.Search(context.Background(), q)
		check(t, err)
		for _, e := range p.Entries {
			if string(e.JSON) != s.all[e.Position] {
				t.Fatalf("entry %d is %s, want %s", e.Position, e.JSON, s.all[e.Position])
			}
			got = append(got, e.Position)
		}
		s.checkPage(q, p, len(want))
		if q.Cursor = p.NextCursor; q.Cursor == "" {
			break
		}
		if calls > len(s.all) {
			t.Fatalf("Search %s never ends", describeQuery(q))
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("Search %s by %d, budget %d (-got +want):\n%s", describeQuery(q), limit, q.Budget, diff)
	}
}

// checkPage checks what a page says of itself.
func (s *searched) checkPage(q annals.Query, p *annals.Page, total int) {
	t := s.t
	t.Helper()
	budget := uint64(annals.DefaultBudget)
	if q.Budget > 0 {
		budget = uint64(q.Budget)
	}
	switch {
	case len(p.Damage) > 0:
		t.Fatalf("damage: %v", p.Damage)
	case p.HasMore != (p.NextCursor != ""):
		t.Fatalf("has more: %t, cursor %q", p.HasMore, p.NextCursor)
	case len(p.Entries) > q.Limit:
		t.Fatalf("%d entries, limit %d", len(p.Entries), q.Limit)
	case p.Examined > budget:
		t.Fatalf("%d examined, budget %d", p.Examined, budget)
	case p.Complete && p.HasMore && len(p.Entries) < q.Limit:
		t.Fatalf("Search %s: complete page of %d of %d, and more", describeQuery(q), len(p.Entries), q.Limit)
	case p.Total != nil && (!q.Total || *p.Total != uint64(total)):
		t.Fatalf("Search %s: total %d, want %d (asked: %t)", describeQuery(q), *p.Total, total, q.Total)
	case q.Budget == 0 && q.Total && p.Total == nil:
		t.Fatalf("Search %s: not counted", describeQuery(q))
	case !p.Complete && q.Budget == 0:
		t.Fatalf("Search %s: not complete", describeQuery(q))
	}
}

// checkOffset skips some matches.
func (s *searched) checkOffset(q annals.Query, want []annals.Position) {
	t := s.t
	t.Helper()
	q.Offset, q.Limit, q.Total = s.rand.IntN(len(want)+2), 5, true
	p, err := s.j.Search(context.Background(), q)
	check(t, err)
	var got []annals.Position
	for _, e := range p.Entries {
		got = append(got, e.Position)
	}
	rest := want[min(q.Offset, len(want)):]
	if !slices.Equal(got, rest[:min(5, len(rest))]) || p.HasMore != (len(rest) > 5) || *p.Total != uint64(len(want)) {
		t.Fatalf("Search %s, offset %d: %v of %d, more: %t; want a part of %v", describeQuery(q), q.Offset, got, *p.Total, p.HasMore, want)
	}
}

// randomQuery makes a query from what the entries hold.
func (s *searched) randomQuery() annals.Query {
	for {
		s.base = s.rand.IntN(len(s.all))
		q := annals.Query{Filter: s.filter(2), Params: make(url.Values)}
		switch s.rand.IntN(5) {
		case 0:
			q.Tenants = []string{"*"}
		case 1:
			q.Tenants = []string{"acme", annals.SystemTenant, `b"\`}
		}
		if s.rand.IntN(3) == 0 {
			q.Params.Set("q", s.filter(1))
		}
		if s.rand.IntN(4) == 0 {
			q.Params.Set("since", s.moment())
		}
		if s.rand.IntN(4) == 0 {
			q.Params.Set("until", s.moment())
		}
		if _, err := query.Parse(q.Filter, s.now); err != nil {
			continue
		}
		if _, _, err := query.FromParams(q.Params, s.now); err == nil {
			return q
		}
	}
}

func (s *searched) moment() string {
	if s.rand.IntN(2) == 0 {
		return fmt.Sprintf("%dh", s.rand.IntN(2000))
	}
	e := annals.Entry{JSON: []byte(s.all[s.rand.IntN(len(s.all))])}
	return e.Time().Format(time.RFC3339Nano)
}

// filter makes filter text.
func (s *searched) filter(depth int) string {
	n := s.rand.IntN(10)
	switch {
	case depth == 0 || n < 4:
		return s.term()
	case n < 6:
		return s.filter(depth-1) + " " + s.filter(depth-1)
	case n < 8:
		return "(" + s.filter(depth-1) + " OR " + s.filter(depth-1) + ")"
	case n < 9:
		return "-(" + s.filter(depth-1) + ")"
	}
	return fmt.Sprintf("%s position:%d..%d", s.filter(depth-1), s.rand.IntN(len(s.all)), s.rand.IntN(2*len(s.all)))
}

// term makes one comparison with a value that some entry has, or nearly has.
func (s *searched) term() string {
	name, value := s.scalar()
	switch n := s.rand.IntN(12); {
	case strings.HasPrefix(name, "time:") || strings.HasPrefix(name, "recorded_at:"):
		return name + []string{">=", "<", "", ">"}[s.rand.IntN(4)] + strings.Trim(value, `"`)
	case n == 0:
		return name + "*"
	case n == 1 && value[0] == '"' && len(value) > 4:
		return name + cutQuoted(value) + "*"
	case n == 2:
		return name + []string{">=", "<", ">", "<="}[s.rand.IntN(4)] + value
	case n == 3:
		_, other := s.scalar()
		return name + other
	case n == 4 && value[0] == '"' && len(value) < 100:
		return value // free text
	case n == 5:
		return "-" + name + value
	}
	return name + value
}

// cutQuoted shortens a quoted text, not within an escape.
func cutQuoted(value string) string {
	var text string
	if json.Unmarshal([]byte(value), &text) != nil {
		return value
	}
	r := []rune(text)
	return quoteText(string(r[:(len(r)+1)/2]))
}

func quoteText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// scalar returns a field and value of an entry as filter text has them.
func (s *searched) scalar() (name, value string) {
	for {
		n := s.base
		if s.rand.IntN(3) == 0 {
			n = s.rand.IntN(len(s.all))
		}
		d := json.NewDecoder(strings.NewReader(s.all[n]))
		d.UseNumber()
		var v any
		check(s.t, d.Decode(&v))
		if name, value, ok := s.descend(nil, v); ok {
			return name, value
		}
	}
}

// descend goes down to a random scalar.
func (s *searched) descend(path []string, v any) (name, value string, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		if len(names) == 0 {
			return "", "", false
		}
		slices.Sort(names)
		name := names[s.rand.IntN(len(names))]
		if len(path) == 1 && path[0] == "changes" && s.rand.IntN(3) == 0 {
			return "field:", quoteText(name), true
		}
		return s.descend(append(path, name), v[name])
	case []any:
		if len(v) == 0 {
			return "", "", false
		}
		return s.descend(path, v[s.rand.IntN(len(v))])
	case string:
		return fieldName(path), quoteText(v), true
	case json.Number:
		return fieldName(path), s.spelling(v.String()), true
	case bool:
		return fieldName(path), fmt.Sprint(v), true
	}
	return fieldName(path), "null", true
}

// spelling writes a number in another way now and then.
func (s *searched) spelling(n string) string {
	if s.rand.IntN(3) > 0 || strings.ContainsAny(n, ".eE") {
		return n
	}
	return n + []string{".0", "e0", "00e-2"}[s.rand.IntN(3)]
}

// fieldName writes a path as filter text has it.
func fieldName(path []string) string {
	var b strings.Builder
	for i, name := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, r := range name {
			if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r > 0x7f) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	return b.String() + ":"
}

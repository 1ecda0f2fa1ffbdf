package annals_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/klauspost/compress/zstd"
)

// times returns how many rounds a random test does.
func times(n, night int) int {
	if long() {
		return night
	}
	return n
}

// TestSearchEqualsScan asks random queries of odd events, also after opening the
// journal again, and for reading only.
func TestSearchEqualsScan(t *testing.T) {
	for _, policy := range []string{"all", "none", "data.a,tags.env,changes"} {
		t.Run(policy, func(t *testing.T) {
			r := newRand(t)
			s := newSearched(t, r, &annals.Options{IndexData: policy})
			s.appendOdd(&oddity{rand: r}, times(200, 5000))
			s.ask(times(40, 1000))
			check(t, s.j.Close())
			s.open(s.options()) // under the policy all, which is another one
			s.ask(times(15, 200))
			check(t, s.j.Close())
			o := s.options()
			o.ReadOnly = true
			s.open(o)
			s.ask(times(8, 200))
		})
	}
}

// appendOdd appends odd events in batches and reads everything.
func (s *searched) appendOdd(o *oddity, n int) {
	s.t.Helper()
	for n > 0 {
		batch := make([]annals.Event, min(n, 1+s.rand.IntN(20)))
		for i := range batch {
			batch[i] = o.event()
		}
		_, err := s.j.Append(context.Background(), batch...)
		check(s.t, err)
		n -= len(batch)
	}
	s.read()
}

// ask checks so many random queries, and more until enough have found something and
// left something out for the test to say anything: of a log of few events most find
// nothing.
func (s *searched) ask(n int) {
	s.t.Helper()
	useful, asked := 0, 0
	for ; asked < n || useful < n/10 && asked < 20*n; asked++ {
		if found := s.checkQuery(s.randomQuery()); found > 0 && found < len(s.all) {
			useful++
		}
	}
	if useful < n/10 {
		s.t.Errorf("%d of %d queries find some entries", useful, asked)
	}
}

// TestSearchLogs asks random queries of real logs. ANNALS_CORPORA names a folder
// of more of them.
func TestSearchLogs(t *testing.T) {
	names, err := filepath.Glob("testdata/corpora/*.jsonl.zst")
	check(t, err)
	if len(names) == 0 {
		t.Fatal("no logs in testdata/corpora")
	}
	more := os.Getenv("ANNALS_CORPORA")
	for _, pattern := range []string{"*.jsonl.zst", "*/*.jsonl.zst"} {
		found, err := filepath.Glob(filepath.Join(more, pattern))
		check(t, err)
		if more != "" {
			names = append(names, found...)
		}
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := newSearched(t, newRand(t), nil)
			s.appendLog(name, times(200, 20_000))
			s.ask(times(25, 300))
		})
	}
	t.Run("others", func(t *testing.T) {
		if len(names) == 1 {
			t.Skip("skip: class B logs, which ANNALS_CORPORA names")
		}
	})
}

// appendLog appends the first lines of a log as events.
func (s *searched) appendLog(name string, most int) {
	s.t.Helper()
	file, err := os.Open(name)
	check(s.t, err)
	defer file.Close()
	zr, err := zstd.NewReader(file)
	check(s.t, err)
	defer zr.Close()
	r := bufio.NewScanner(zr)
	r.Buffer(nil, annals.MaxEventBytes)
	var batch []annals.Event
	for n := 0; n < most && r.Scan(); n++ {
		batch = append(batch, logEvent(slices.Clone(r.Bytes())))
		if len(batch) == 100 {
			_, err := s.j.Append(context.Background(), batch...)
			check(s.t, err)
			batch = batch[:0]
		}
	}
	check(s.t, r.Err())
	if len(batch) > 0 {
		_, err = s.j.Append(context.Background(), batch...)
		check(s.t, err)
	}
	s.read()
}

// logEvent makes an event of a line: the line is its data, and members are what
// well-known names say.
func logEvent(line []byte) annals.Event {
	var known struct {
		EventName, SourceIPAddress, Verb, Channel string
		UserIdentity                              struct{ ARN string }
	}
	_ = json.Unmarshal(line, &known) // a line of another shape has no such names
	e := annals.Event{Type: "log.line", Data: json.RawMessage(line), Action: known.Verb, Category: known.Channel}
	if known.EventName != "" {
		e.Type = "aws." + known.EventName
	}
	e.Actor.Address, e.Actor.ID = known.SourceIPAddress, known.UserIdentity.ARN
	return e
}

// TestSearchWhileAppending compares answers that are given while events arrive
// with those of the whole log, up to where it was then.
func TestSearchWhileAppending(t *testing.T) {
	r := newRand(t)
	s := newSearched(t, r, nil)
	odd := &oddity{rand: r}
	s.appendOdd(odd, 200)
	batches := make([][]annals.Event, times(60, 2000))
	for i := range batches {
		for range 1 + r.IntN(10) {
			batches[i] = append(batches[i], odd.event())
		}
	}
	var appending sync.WaitGroup
	appending.Go(func() {
		for _, b := range batches {
			if _, err := s.j.Append(context.Background(), b...); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var asked []answer
	for range times(40, 500) {
		q := s.randomQuery()
		q.Order = []annals.Order{annals.Ascending, annals.Descending}[r.IntN(2)]
		a := answer{q: q, before: s.j.Size()}
		if r.IntN(2) == 0 {
			a.got = positions(t, s.j.SearchAll(context.Background(), q), nil)
			a.after = s.j.Size()
		} else {
			a.got, a.after = s.pages(q)
		}
		asked = append(asked, a)
	}
	appending.Wait()
	s.read()
	for _, a := range asked {
		s.checkAnswer(a)
	}
}

// An answer was given when the journal had at least before and at most after
// entries.
type answer struct {
	q             annals.Query
	before, after annals.Position
	got           []annals.Position
}

// pages walks through all pages. What is there at the first one counts.
func (s *searched) pages(q annals.Query) (got []annals.Position, after annals.Position) {
	q.Limit = 10
	for {
		p, err := s.j.Search(context.Background(), q)
		check(s.t, err)
		if q.Cursor == "" {
			after = s.j.Size()
		}
		for _, e := range p.Entries {
			got = append(got, e.Position)
		}
		if q.Cursor = p.NextCursor; q.Cursor == "" {
			return got, after
		}
	}
}

// checkAnswer wants all that matched before and nothing that came after, in
// order, without a gap.
func (s *searched) checkAnswer(a answer) {
	s.t.Helper()
	got := ordered(a.got, a.q.Order) // now ascending
	want := s.brute(a.q)
	least, _ := slices.BinarySearch(want, a.before)
	most, _ := slices.BinarySearch(want, a.after)
	if len(got) < least || len(got) > most || !slices.Equal(got, want[:len(got)]) {
		s.t.Errorf("%s from %d to %d entries: got %v, want %d to %d of %v", describeQuery(a.q), a.before, a.after, got, least, most, want)
	}
}

// TestSearchTenants shows whose entries a query finds.
func TestSearchTenants(t *testing.T) {
	j := newJournal(t, nil)
	for _, tenant := range []string{"", "acme", "beta"} {
		appended(t, j, context.Background(), annals.Event{ID: "1", Type: "x", Tenant: tenant})
	}
	check(t, j.WriteNotice(annals.Event{Type: "annals.test"}))
	cases := []struct {
		tenants, param []string
		filter         string
		want           []annals.Position
	}{
		{nil, nil, "", []annals.Position{0}},
		{[]string{"acme"}, nil, "", []annals.Position{1}},
		{[]string{"acme", "beta", "acme", "none"}, nil, "", []annals.Position{1, 2}},
		{[]string{"*"}, nil, "", []annals.Position{0, 1, 2}},
		{[]string{"*"}, nil, "type:x", []annals.Position{0, 1, 2}},
		{[]string{"*"}, nil, "tenant:beta OR tenant:_annals", []annals.Position{2}},
		{[]string{annals.SystemTenant}, nil, "", []annals.Position{3}},
		{[]string{"*", annals.SystemTenant}, nil, "type:*", []annals.Position{0, 1, 2, 3}},
		{nil, nil, "tenant:acme", nil},
		{nil, []string{annals.DefaultTenant}, "", []annals.Position{0}},
		{nil, []string{"*"}, "", []annals.Position{0}},
		{[]string{annals.SystemTenant}, []string{annals.SystemTenant}, "", []annals.Position{3}},
		{[]string{"*", annals.SystemTenant}, []string{annals.SystemTenant}, "", []annals.Position{3}},
		{[]string{"*", annals.SystemTenant}, []string{"*"}, "", []annals.Position{0, 1, 2}},
		{[]string{"*"}, []string{"beta", "none"}, "", []annals.Position{2}},
		{[]string{"acme", annals.SystemTenant}, []string{"*"}, "", []annals.Position{1}},
		{[]string{"acme", "beta"}, []string{"beta", "acme"}, "", []annals.Position{1, 2}},
	}
	for _, c := range cases {
		q := annals.Query{Tenants: c.tenants, Filter: c.filter, Order: annals.Ascending}
		if c.param != nil {
			q.Params = map[string][]string{"tenant": c.param}
		}
		if got := positions(t, j.SearchAll(context.Background(), q), nil); !slices.Equal(got, c.want) {
			t.Errorf("tenants %v, parameter %v, filter %q: %v, want %v", c.tenants, c.param, c.filter, got, c.want)
		}
	}
}

// TestSearchOrder shows the order of a query that names none.
func TestSearchOrder(t *testing.T) {
	j := newJournal(t, nil)
	for range 3 {
		appended(t, j, context.Background(), annals.Event{Type: "x", CorrelationID: "c", TraceID: "c"})
	}
	up, down := []annals.Position{0, 1, 2}, []annals.Position{2, 1, 0}
	cases := []struct {
		filter string
		params map[string][]string
		want   []annals.Position
	}{
		{"", nil, down},
		{"correlation_id:c", nil, up},
		{"type:x correlation_id:c", nil, up},
		{"type:x", map[string][]string{"correlation_id": {"c", "d"}}, up},
		{"correlation_id:c OR correlation_id:d", nil, up},
		{"correlation_id:c OR type:x", nil, down},
		{"-correlation_id:d", nil, down},
		{"trace_id:c", nil, down},
		{"correlation_id:c", map[string][]string{"order": {"desc"}}, down},
		{"type:x", map[string][]string{"order": {"asc"}}, up},
	}
	for _, c := range cases {
		if got := positions(t, j.SearchAll(context.Background(), annals.Query{Filter: c.filter, Params: c.params}), nil); !slices.Equal(got, c.want) {
			t.Errorf("%q %v: %v, want %v", c.filter, c.params, got, c.want)
		}
	}
}

// TestSearchRefuses names what is wrong with a query.
func TestSearchRefuses(t *testing.T) {
	j := newJournal(t, nil)
	appended(t, j, context.Background(), annals.Event{Type: "x"})
	param := func(name string, values ...string) annals.Query {
		return annals.Query{Params: map[string][]string{name: values}}
	}
	cases := []struct {
		q    annals.Query
		want string
	}{
		{annals.Query{Limit: -1}, `annals: invalid query: parameter "limit": is -1, want 1 to 1000`},
		{annals.Query{Limit: 1001}, `parameter "limit": is 1001, want 1 to 1000`},
		{param("limit", "0"), `parameter "limit": is "0", want 1 to 1000`},
		{param("limit", "-1"), `parameter "limit": is "-1", want 1 to 1000`},
		{param("limit", "1000000000"), `parameter "limit": is "1000000000", want 1 to 1000`},
		{param("limit", "99999999999999999999"), `want 1 to 1000`},
		{param("limit", "ten"), `is "ten", want 1 to 1000`},
		{param("limit", ""), `parameter "limit": empty`},
		{param("limit", "1", "2"), `parameter "limit": given more than once`},
		{annals.Query{Limit: 5, Params: map[string][]string{"limit": {"5"}}}, `parameter "limit": is set by the caller already`},
		{annals.Query{Total: true, Params: map[string][]string{"total": {"false"}}}, `parameter "total": is set by the caller already`},
		{annals.Query{Order: annals.Ascending, Params: map[string][]string{"order": {"asc"}}}, `parameter "order": is set by the caller already`},
		{annals.Query{Cursor: "x", Params: map[string][]string{"cursor": {"x"}}}, `parameter "cursor": is set by the caller already`},
		{param("cursor", "", ""), `parameter "cursor": given more than once`},
		{param("order", ""), `parameter "order": empty`},
		{annals.Query{Offset: -1}, `parameter "offset": is -1, want 0 to 10000`},
		{annals.Query{Offset: 10_001}, `parameter "offset": is 10001, want 0 to 10000`},
		{param("offset", "10001"), `is "10001", want 0 to 10000`},
		{annals.Query{Offset: 1, Cursor: "x"}, `parameter "offset": does not go with a cursor`},
		{annals.Query{Params: map[string][]string{"offset": {"1"}, "cursor": {"x"}}}, `parameter "offset": does not go with a cursor`},
		{annals.Query{Order: "up"}, `parameter "order": is "up", want asc or desc`},
		{param("order", "random"), `parameter "order": is "random"`},
		{param("total", "yes"), `parameter "total": is "yes", want true or false`},
		{annals.Query{Tenants: []string{""}}, `parameter "tenant": empty`},
		{param("tenant", ""), `parameter "tenant": empty`},
		{annals.Query{Tenants: slices.Repeat([]string{"a"}, 10_001)}, `parameter "tenant": 10001 tenants, at most 10000`},
		{param("id", ""), `parameter "id": empty`},
		{param("id", slices.Repeat([]string{"a"}, query.MaxTerms+1)...), `parameter "id": more than 1000 terms`},
		{param("id", "a*"), `parameter "id": is "a*", want a whole id; q=id:x* asks for a prefix, q=id:"x*" for an id that ends in an asterisk`},
		{param("id", "a", "*"), `parameter "id": is "*", want a whole id`},
		{param("tpye", "x"), `parameter "tpye": unknown parameter`},
		{param("since", "tomorrow"), `parameter "since"`},
		{annals.Query{Filter: "type:("}, `filter, character`},
		{annals.Query{Filter: "tpye:x"}, "tpye"},
		{param("cursor", "junk"), `parameter "cursor": was changed or cut off`},
	}
	for _, c := range cases {
		_, err := j.Search(context.Background(), c.q)
		if !errors.Is(err, annals.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.q, err, c.want)
		}
	}
	_, err := j.Search(context.Background(), annals.Query{Filter: "type:("})
	if syntax, ok := errors.AsType[*query.SyntaxError](err); !ok || syntax.Caret() == "" {
		t.Errorf("%v shows no place in the filter", err)
	}
}

// TestSearchLimits shows the numbers that are just allowed.
func TestSearchLimits(t *testing.T) {
	j := newJournal(t, nil)
	for range 60 {
		appended(t, j, context.Background(), annals.Event{Type: "x"})
	}
	for _, c := range []struct {
		q    annals.Query
		want int
	}{
		{annals.Query{}, 50},
		{annals.Query{Limit: 1}, 1},
		{annals.Query{Limit: 1000}, 60},
		{annals.Query{Params: map[string][]string{"limit": {"7"}, "offset": {"0"}, "total": {"false"}}}, 7},
		{annals.Query{Offset: 55}, 5},
		{annals.Query{Offset: 10_000}, 0},
		{annals.Query{Params: map[string][]string{"offset": {"10000"}}}, 0},
	} {
		p, err := j.Search(context.Background(), c.q)
		check(t, err)
		if len(p.Entries) != c.want || p.Total != nil {
			t.Errorf("%+v: %d entries, want %d", c.q, len(p.Entries), c.want)
		}
	}
	if n := len(positions(t, j.SearchAll(context.Background(), annals.Query{Limit: 55, Offset: 2}), nil)); n != 55 {
		t.Errorf("SearchAll with a limit of 55: %d", n)
	}
}

// TestSearchNothing asks for what cannot be: the answer is empty and complete, and
// nothing is examined.
func TestSearchNothing(t *testing.T) {
	j := newJournal(t, nil)
	empty, err := j.Search(context.Background(), annals.Query{Total: true})
	check(t, err)
	if len(empty.Entries) > 0 || !empty.Complete || empty.HasMore || *empty.Total != 0 {
		t.Errorf("of an empty journal: %+v", empty)
	}
	for range 20 {
		appended(t, j, context.Background(), annals.Event{Type: "x"})
	}
	for _, filter := range []string{"time:>=2026-02-01 time:<2026-01-01", "position:>=5 position:<5", "position:>=1000", "tenant:a tenant:b"} {
		for _, order := range []annals.Order{annals.Ascending, annals.Descending} {
			p, err := j.Search(context.Background(), annals.Query{Filter: filter, Total: true, Order: order, Budget: 1})
			check(t, err)
			if len(p.Entries) > 0 || !p.Complete || p.HasMore || p.Total == nil || *p.Total != 0 || p.Examined > 0 {
				t.Errorf("%s, %s: %+v", filter, order, p)
			}
		}
		has, err := j.Has(context.Background(), annals.Query{Filter: filter})
		if err != nil || has {
			t.Errorf("%s: %t, %v", filter, has, err)
		}
	}
}

// TestSearchIDs finds events by ids that are taken as they are.
func TestSearchIDs(t *testing.T) {
	j := newJournal(t, nil)
	for _, id := range []string{"a", "a*", `"a"`, "b c"} {
		appended(t, j, context.Background(), annals.Event{ID: id, Type: "x"})
	}
	for i, id := range []string{"a", "a*", `"a"`, "b c"} {
		q := annals.Query{Params: map[string][]string{"id": {id}}}
		if id == "a*" { // the parameter could be meant for a prefix
			q.Params = map[string][]string{"q": {`id:"a*"`}}
		}
		if got := positions(t, j.SearchAll(context.Background(), q), nil); !slices.Equal(got, []annals.Position{annals.Position(i)}) {
			t.Errorf("id %s: %v", id, got)
		}
	}
	q := annals.Query{Params: map[string][]string{"id": {"b c", "a", "none"}}}
	if got := positions(t, j.SearchAll(context.Background(), q), nil); !slices.Equal(got, []annals.Position{3, 0}) {
		t.Errorf("of three: %v", got)
	}
}

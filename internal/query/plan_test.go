package query_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/annals-io/annals/internal/query"
)

// The explanation is the plan, so these are the plans as well.
func TestPlanString(t *testing.T) {
	const more = "~more (entries with more values than the index keeps)"
	for _, tt := range []struct{ filter, want string }{
		{"", `
			index: every entry`},
		{`actor:alice type:order.* -outcome:success time:>=2026-01-01 data.region:eu "free text"`, `
			index: all of
			  actor_id "alice"
			  type.* "order"
			  any of
			    data.region "eu"
			    ` + more + `
			time: from 2026-01-01T00:00:00Z
			checked on each entry: -outcome:success "free text"`},
		{"actor_type:user actor:alice entity_type:order entity:o-1 entity_name:x", `
			index: all of
			  actor "user" "alice"
			  entity "order" "o-1"
			checked on each entry: entity_name:x`},
		{"actor_type:user OR actor:alice", `
			index: any of
			  actor_type "user"
			  actor_id "alice"`},
		{"related_type:user related_id:alice entity_id:x", `
			index: all of
			  related_type "user"
			  related_id "alice"
			  entity_id "x"`},
		{"actor_type:user actor:(alice OR bob)", `
			index: all of
			  actor_type "user"
			  any of
			    actor_id "alice"
			    actor_id "bob"`},
		{"id:a", `
			index: id "a"`},
		{"id:a source:x OR type:order.placed", `
			index: any of
			  all of
			    id "a"
			    source "x"
			  type "order.placed"`},
		{"data.n:10 data.b:true", `
			index: any of
			  all of
			    any of
			      data.n "10"
			      data.n number 10
			    any of
			      data.b "true"
			      data.b true
			  ` + more},
		{`data.n:"10" OR data.x:null OR field:email`, `
			index: any of
			  data.n "10"
			  ` + more + `
			  data.x "null"
			  data.x null
			  field "email"`},
		{`data.a\.b.c\ d:-12.50 tags.x:1e99 changes.é:0`, `
			index: any of
			  all of
			    any of
			      data.a\.b.c d "-12.50"
			      data.a\.b.c d number -12.5
			    any of
			      tags.x "1e99"
			      tags.x number 0.1e100
			    any of
			      changes.é "0"
			      changes.é number 0
			  ` + more},
		{"field:email", `
			index: any of
			  field "email"
			  ` + more},
		{"outcome:succ*", `
			index: every entry
			checked on each entry: outcome:succ*`},
		{"type:order.pl* type:ord*", `
			index: type.* "order"
			checked on each entry: type:order.pl* type:ord*`},
		{"severity:>=error -severity:critical outcome:*", `
			index: any of
			  severity "error"
			  severity "critical"
			checked on each entry: -severity:critical outcome:*`},
		{"severity:>critical source:x", `
			index: no entry`},
		{"ip:::ffff:10.0.0.1 ip:10.0.0.1 ip:host", `
			index: all of
			  actor_address "10.0.0.1"
			  actor_address "host"`},
		{"source:x OR message:y", `
			index: every entry
			checked on each entry: source:x OR message:y`},
		{"source:x (category:a OR message:y) -(-action:z)", `
			index: all of
			  source "x"
			  action "z"
			checked on each entry: category:a OR message:y`},
		{"source:x source:x (source:x OR source:x)", `
			index: source "x"`},
		{`tenant:(b OR a) tenant:(c OR b OR a) source:"\n"`, `
			index: source "\n"
			tenant: "a" or "b"`},
		{"tenant:a OR source:x", `
			index: every entry
			checked on each entry: tenant:a OR source:x`},
		{"tenant:a tenant:b", `
			index: no entry`},
		{"time:2026-01-01..2026-01-31 position:>100 position:<=200", `
			index: every entry
			time: from 2026-01-01T00:00:00Z before 2026-02-01T00:00:00Z
			position: from 101 before 201`},
		{"time:<2026-01-01 time:>=2026-01-01 -source:x", `
			index: no entry
			time: from 2026-01-01T00:00:00Z before 2026-01-01T00:00:00Z`},
		{"snapshot.x:1 metadata.x:1 duration_ms:5 sensitive:true version:1.0 sequence:1 recorded_at:24h", `
			index: every entry
			checked on each entry: snapshot.x:1 metadata.x:1 duration_ms:5 sensitive:true version:1.0 sequence:1 recorded_at:>=2026-03-09T12:00:00Z`},
	} {
		want := strings.TrimPrefix(strings.ReplaceAll(tt.want, "\n\t\t\t", "\n"), "\n") + "\n"
		got := query.NewPlan(mustParse(t, tt.filter)).String()
		if got != want {
			t.Errorf("%s (-want +got):\n%s", tt.filter, cmp.Diff(want, got))
		}
	}
}

func TestPlanBounds(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		check(t, err)
		return v
	}
	day, next := at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z")
	noon := at("2026-03-09T12:00:00Z")
	for filter, want := range map[string]query.Plan{
		"time:2026-01-01":                     {Since: day, Until: next},
		"time:>2026-01-01":                    {Since: next},
		"time:>=2026-01-01":                   {Since: day},
		"time:<2026-01-01":                    {Until: day},
		"time:<=2026-01-01":                   {Until: next},
		"time:2026-01-01T00:00:00Z":           {Since: day, Until: day.Add(1)},
		"time:>2026-01-01T00:00:00Z":          {Since: day.Add(1)},
		"time:<=2026-01-01T00:00:00Z":         {Until: day.Add(1)},
		"time:24h":                            {Since: noon},
		"time:>=2025-01-01 time:2026-01-01..": {Since: day},
		"time:<=9999-12-31":                   {Until: at("9999-12-31T23:59:59.999999999Z").Add(1)},
		"time:*":                              {},
		"-time:24h":                           {},
		"time:24h OR time:48h":                {},
		"position:5":                          {From: 5, To: 6},
		"position:1e1":                        {From: 10, To: 11},
		"position:>5":                         {From: 6},
		"position:>=5":                        {From: 5},
		"position:<5":                         {To: 5},
		"position:<=5":                        {To: 6},
		"position:>5.5":                       {From: 6},
		"position:>=5.5":                      {From: 6},
		"position:<5.5":                       {To: 6},
		"position:<=5.5":                      {To: 6},
		"position:2..7":                       {From: 2, To: 8},
		"position:>-5":                        {},
		"position:>0.1":                       {From: 1},
		"position:>1e-99999999999999999999":   {From: 1},
		"position:<=18446744073709551615":     {},
		"position:<18446744073709551615":      {To: math.MaxUint64},
		"position:>=18446744073709551615":     {From: math.MaxUint64},
		"position:<1e99999999999999999999":    {},
		"tenant:a":                            {Tenants: []string{"a"}},
		"-tenant:a":                           {},
		"tenant:a*":                           {},
	} {
		p := query.NewPlan(mustParse(t, filter))
		got := query.Plan{Tenants: p.Tenants, Since: p.Since, Until: p.Until, From: p.From, To: p.To}
		if diff := cmp.Diff(planText(&want), planText(&got)); diff != "" || p.Filter != nil {
			t.Errorf("%s: filter %v (-want +got):\n%s", filter, p.Filter, diff)
		}
	}
}

func planText(p *query.Plan) string {
	return fmt.Sprint(p.Tenants, p.Since, p.Until, p.From, p.To)
}

func TestPlanEmpty(t *testing.T) {
	for filter, want := range map[string]bool{
		"": false, "time:24h": false, "time:>2026-01-02 time:<2026-01-02": true, "time:2026-01-02..2026-01-01": true,
		"position:5 position:6": true, "position:5.5": true, "position:<0": true, "position:<=0": false, "position:<-1": true, "position:>18446744073709551615": true,
		"position:>=1e20": true, "position:>1e99999999999999999999": true, "severity:>critical": true, "severity:<debug": true,
		"severity:>critical OR type:a": false, "severity:<debug OR severity:>critical": true, "tenant:a tenant:b": true, "tenant:a tenant:(a OR b)": false,
	} {
		if got := query.NewPlan(mustParse(t, filter)).Empty(); got != want {
			t.Errorf("%s: got %t", filter, got)
		}
	}
}

// An equality on any field that has terms is answered by them: the plan chooses
// the entry with the value and leaves out entries without it.
func TestPlansAreUseful(t *testing.T) {
	f := read(t, entry, nil)
	other := read(t, `{"id":"x","time":"2026-01-01T00:00:00.000000000Z","type":"other","tenant":"acme"}`, nil)
	asked := map[string]bool{}
	for _, term := range f.Terms {
		filters := []string{term.Field + ":" + quoteText(term.Value)}
		switch {
		case term.Field == "type.*":
			filters = []string{"type:" + term.Value + ".*"}
		case term.Field == "actor_type+actor_id":
			kind, id, _ := strings.Cut(term.Value, "\x00")
			filters = []string{"actor_type:" + kind + " actor_id:" + id}
		case !query.TermFields()[term.Field] && term.Value[0] == '"':
			filters = []string{dataField(term.Field) + ":" + quoteText(term.Value[1:])}
		case !query.TermFields()[term.Field] && term.Value[0] != '#':
			filters = []string{dataField(term.Field) + ":" + term.Value}
		case !query.TermFields()[term.Field]:
			filters = nil // numbers are below
		}
		asked[term.Field] = true
		for _, filter := range filters {
			usefulPlan(t, filter, f, other)
		}
	}
	for _, filter := range []string{"data.n:10", "data.n:1e1", "changes.n:1", "data.huge:1e999999999", "id:01976b2e-0001", "entity_type:order entity_id:o-1"} {
		usefulPlan(t, filter, f, other)
	}
	for field := range query.TermFields() {
		if !asked[field] {
			t.Errorf("field %s: no entry has its term", field)
		}
	}
}

// dataField writes a term's field as filter text.
func dataField(field string) string {
	return strings.NewReplacer(" ", `\ `).Replace(field)
}

// Entries at the limits of what has terms are chosen.
func TestPlansAtLimits(t *testing.T) {
	long := "FE80::1%" + strings.Repeat("z", 80)
	many := `"data":[` + distinctStrings(query.MaxDataTerms+1) + `]`
	name := strings.Repeat("n", query.MaxFieldBytes)
	dots := strings.Repeat("a.", query.MaxTypeParts+4)
	for _, tt := range []struct{ filter, entry string }{
		{"field:email", `{"changes":{"email":["a"]},` + many + `}`},
		{"data:5 field:email", `{"changes":{"email":["a"]},` + many + `}`},
		{"tags.a:x", `{"tags":{"a":"x"},` + many + `}`},
		{"data." + name + ":x", `{"data":{"` + name + `":"x"}}`},
		{"ip:" + long, `{"actor":{"address":"` + long + `"}}`},
		{"type:" + dots + "*", `{"type":"` + dots + `b"}`},
		{"type:" + dots + "b*", `{"type":"` + dots + `bc.d"}`},
		{"type:" + dots + "b", `{"type":"` + dots + `b"}`},
	} {
		var c supersetCheck
		if !c.read([]byte(tt.entry), nil) {
			t.Errorf("%.60s: refused", tt.entry)
			continue
		}
		c.check(t, mustParse(t, tt.filter))
		if c.planned != 1 {
			t.Errorf("%.60s: does not hold, or has no plan", tt.filter)
		}
	}
}

func usefulPlan(t *testing.T, filter string, f, other *query.Facts) {
	t.Helper()
	var doc query.JSONDocument
	doc.Reset([]byte(entry))
	e := mustParse(t, filter)
	p := query.NewPlan(e)
	switch {
	case !query.Eval(e, &doc):
		t.Errorf("%s does not hold", filter)
	case p.Filter == nil:
		t.Errorf("%s: every entry", filter)
	case !holdsNode(p.Filter, f, nil):
		t.Errorf("%s: not chosen by\n%s", filter, p)
	case holdsNode(p.Filter, other, nil):
		t.Errorf("%s: another entry is chosen by\n%s", filter, p)
	}
}

// The largest filter has a plan that is no larger, and repetition is taken out.
func TestPlanOfLargeFilters(t *testing.T) {
	terms := make([]string, query.MaxTerms)
	for i := range terms {
		terms[i] = fmt.Sprintf("data.a:%d", i)
	}
	nested := "source:x"
	for range query.MaxDepth {
		nested = "(" + nested + " OR category:y) action:z"
	}
	for _, filter := range []string{strings.Join(terms, " OR "), strings.Join(terms, " "), nested, strings.Repeat("source:x ", query.MaxTerms)} {
		p := query.NewPlan(mustParse(t, filter))
		if n := countNodes(p.Filter); n > 4*query.MaxTerms {
			t.Errorf("%.40s: %d nodes", filter, n)
		}
		if text := p.String(); len(text) > 8*query.MaxTextBytes {
			t.Errorf("%.40s: explained in %d bytes", filter, len(text))
		}
	}
	if p := query.NewPlan(mustParse(t, strings.Repeat("source:x ", query.MaxTerms))); p.Filter != (query.Term{Field: "source", Value: "x"}) {
		t.Errorf("repetition: %s", p)
	}
}

func countNodes(n query.Node) int {
	count := 1
	var parts []query.Node
	switch n := n.(type) {
	case query.All:
		parts = n
	case query.Any:
		parts = n
	}
	for part := range slices.Values(parts) {
		count += countNodes(part)
	}
	return count
}

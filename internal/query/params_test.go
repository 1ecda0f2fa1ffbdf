package query_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/annals-io/annals/internal/query"
)

type params = map[string][]string

func TestFromParams(t *testing.T) {
	for _, tt := range []struct {
		params params
		want   string
	}{
		{nil, ""},
		{params{"type": {"order.*"}}, "type:order.*"},
		{params{"type": {"*"}}, "type:*"},
		{params{"type": {"a", "b*"}}, "type:a OR type:b*"},
		{params{"type": {"a", "b"}, "actor": {"x"}}, "actor_id:x (type:a OR type:b)"},
		{params{"event_type": {"a"}, "resource_type": {"b"}, "resource_id": {"c"}, "field": {"d"}},
			"type:a field:d entity_id:c entity_type:b"},
		{params{"actor.id": {"x"}}, "actor_id:x"},
		{params{"actor_id": {`"x" OR y..z>(`}}, `actor_id:"\"x\" OR y..z>("`},
		{params{"actor_id": {"a*b"}}, `actor_id:"a*b"`},
		{params{"version": {"10"}}, "version:10"},
		{params{"data.region": {"eu", "us"}}, "data.region:eu OR data.region:us"},
		{params{`data.a\.b.c d`: {"x"}}, `data.a\.b.c\ d:x`},
		{params{"data.n": {"10"}}, "data.n:10"},
		{params{"data.n": {`"10"`}}, `data.n:"10"`},
		{params{"data.n": {`"10`}}, `data.n:"\"10"`},
		{params{"data.n": {"1*"}}, `data.n:"1"*`},
		{params{"data.n": {"*"}}, "data.n:*"},
		{params{"data.n": {">5"}}, `data.n:">5"`},
		{params{"duration_ms": {">=5"}}, "duration_ms:>=5"},
		{params{"position": {"5..9"}}, "position:5..9"},
		{params{"sensitive": {"true"}}, "sensitive:true"},
		{params{"outcome": {"failure"}, "severity": {"warning", "error"}},
			"outcome:failure (severity:warning OR severity:error)"},
		{params{"since": {"24h"}}, "time:>=2026-03-09T12:00:00Z"},
		{params{"until": {"2026-01-01"}}, "time:<2026-01-01T00:00:00Z"},
		{params{"since": {"2026-01-01T00:00:00+01:00"}, "until": {"1d"}},
			"time:>=2025-12-31T23:00:00Z time:<2026-03-09T12:00:00Z"},
		{params{"time": {"2026-01-01T00:00:00Z"}}, "time:2026-01-01T00:00:00Z"},
		{params{"recorded_at": {">=1h"}}, "recorded_at:>=2026-03-10T11:00:00Z"},
		{params{"q": {""}}, ""},
		{params{"q": {"a OR b"}, "type": {"c"}}, "(a OR b) type:c"},
		{params{"q": {"a b"}, "type": {"c"}}, "a b type:c"},
	} {
		e, rest, err := query.FromParams(tt.params, now)
		if err != nil {
			t.Errorf("%v: %v", tt.params, err)
			continue
		}
		if got := e.String(); got != tt.want || len(rest) != 0 {
			t.Errorf("%v: got %s, rest %v; want %s", tt.params, got, rest, tt.want)
		}
		checkRoundTrip(t, e)
	}
}

func TestFromParamsRest(t *testing.T) {
	in := params{"limit": {"5"}, "cursor": {"x"}, "order": {"asc"}, "offset": {"1"}, "total": {"true"},
		"tenant": {"a", "b"}, "id": {"7"}}
	e, rest, err := query.FromParams(in, now)
	if err != nil || e.String() != "" {
		t.Fatalf("got %v, %v", e, err)
	}
	if diff := cmp.Diff(in, rest); diff != "" {
		t.Error(diff)
	}
}

func TestFromParamsErrors(t *testing.T) {
	many := make([]string, query.MaxTerms+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, tt := range []struct {
		params           params
		name, what, hint string
	}{
		{params{"actr": {"x"}}, "actr", "unknown parameter", "did you mean actor?"},
		{params{"limt": {"x"}}, "limt", "unknown parameter", "did you mean limit?"},
		{params{"sinse": {"x"}}, "sinse", "unknown parameter", "did you mean since?"},
		{params{"timestamp": {"x"}}, "timestamp", "unknown parameter", "did you mean time?"},
		{params{strings.Repeat("x", 5000): {"x"}}, strings.Repeat("x", 60) + "...", "unknown parameter", ""},
		{params{"actor.nmae": {"x"}}, "actor.nmae", "unknown field", "actor.name"},
		{params{"tags": {"x"}}, "tags", "needs the name", "tags.NAME"},
		{params{"type": {""}}, "type", "empty", "leave"},
		{params{"outcome": {"ok"}}, "outcome", `cannot be "ok"`, "success"},
		{params{"duration_ms": {"x"}}, "duration_ms", "cannot be", "number"},
		{params{"duration_ms": {"1 2"}}, "duration_ms", "unexpected", ""},
		{params{"duration_ms": {""}}, "duration_ms", "without a value", ""},
		{params{"since": {"yesterday"}}, "since", "not a time", "24h"},
		{params{"until": {"2026-13-01"}}, "until", "not a time", "24h"},
		{params{"since": {"1h", "2h"}}, "since", "given 2 times", ""},
		{params{"q": {"a", "b"}}, "q", "given 2 times", ""},
		{params{"type": {"a\xff"}}, "type", "not valid UTF-8", ""},
		{params{"type": many}, "type", "more than 1000 terms", "several"},
		{params{"type": {strings.Repeat("a", query.MaxTextBytes)}}, "type", "more than 65536 bytes", "several"},
		{params{"type": {strings.Repeat("\x01", query.MaxTextBytes/2)}}, "", "written out", "several"},
	} {
		_, _, err := query.FromParams(tt.params, now)
		var bad *query.ParamError
		if !errors.As(err, &bad) {
			t.Errorf("%.100v: got %v", tt.params, err)
			continue
		}
		if bad.Name != tt.name || !strings.Contains(bad.Text, tt.what) || !strings.Contains(bad.Hint, tt.hint) || len(err.Error()) > 300 {
			t.Errorf("%.100v: got %q %q %q", tt.params, bad.Name, bad.Text, bad.Hint)
		}
	}
	var bad *query.SyntaxError
	if _, _, err := query.FromParams(params{"q": {"a ("}}, now); !errors.As(err, &bad) || bad.Offset != 3 {
		t.Errorf("q: got %v", err)
	}
	// One more parenthesis than q may have itself.
	deep := strings.Repeat("a OR b (", query.MaxDepth) + "c OR d" + strings.Repeat(")", query.MaxDepth)
	if _, _, err := query.FromParams(params{"q": {deep}}, now); err != nil {
		t.Errorf("q at the limit: %v", err)
	}
	if _, _, err := query.FromParams(params{"q": {deep}, "type": {"a"}}, now); err == nil || !strings.Contains(err.Error(), "64 parentheses") {
		t.Errorf("q at the limit in parentheses: got %v", err)
	}
	// The terms of q and of the other parameters count together.
	q := strings.Repeat("a ", query.MaxTerms-1)
	if _, _, err := query.FromParams(params{"q": {q}, "type": {"a"}}, now); err != nil {
		t.Errorf("terms at the limit: %v", err)
	}
	for _, above := range []params{
		{"q": {q}, "type": {"a", "b"}},
		{"q": {q}, "actor": {"a", "b"}},
		{"q": {q}, "type": {"a"}, "since": {"1h"}},
		{"q": {q}, "since": {"1h"}, "until": {"1h"}},
	} {
		if _, _, err := query.FromParams(above, now); err == nil {
			t.Errorf("%d parameters above the limit are taken", len(above))
		}
	}
}

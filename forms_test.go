package annals

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFault59ParseBatch: one bad event refuses the whole batch.
func TestFault59ParseBatch(t *testing.T) {
	order := Entity{Type: "order", ID: "1"}
	tests := []struct {
		name, body string
		events     []string
		expect     []Expect
		pointer    string // of the error, if not ""
	}{
		{"single", ` {"type":"a"} `, []string{`{"type":"a"}`}, nil, "-"},
		{"array", `[{"type":"a"}, {"data":[1 ],"type":"b"}]`, []string{`{"type":"a"}`, `{"type":"b","data":[1]}`}, nil, "-"},
		{"empty array", `[ ]`, nil, nil, "-"},
		{"batch", `{"events":[{"type":"a"}],"expect":[{"entity":{"type":"order","id":"1"},"sequence":0}]}`,
			[]string{`{"type":"a"}`}, []Expect{{Entity: order}}, "-"},
		{"expect first", `{ "expect" : [{"sequence":18446744073709551615,"tenant":"x","entity":{"id":"1","type":"order","name":"n"}}], "events":[{"type":"a"}]}`,
			[]string{`{"type":"a"}`}, []Expect{{Tenant: "x", Entity: Entity{"order", "1", "n"}, Sequence: 18446744073709551615}}, "-"},
		{"escaped name", `{"\u0065vents":[{"type":"a"}]}`, []string{`{"type":"a"}`}, nil, "-"},
		{"no events", `{"events":[]}`, nil, nil, "-"},
		{"expect alone", `{"expect":[]}`, nil, nil, "/events"},
		{"events no array", `{"events":{"type":"a"}}`, nil, nil, "/events"},
		{"null events", `{"events":null}`, nil, nil, "/events"},
		{"events twice", `{"events":[],"events":[]}`, nil, nil, "/events"},
		{"more members", `{"events":[],"type":"a"}`, nil, nil, "/type"},
		{"events later", `{"type":"a","events":[]}`, nil, nil, "/events"},
		{"bad event", `{"events":[{"type":"a"},{"type":"b","actor":{"id":3}}]}`, nil, nil, "/events/1/actor/id"},
		{"event without type", `[{"type":"a"},{}]`, nil, nil, "/1/type"},
		{"no object", `[{"type":"a"},7]`, nil, nil, "/1"},
		{"null element", `[null]`, nil, nil, "/0"},
		{"trailing comma", `[{"type":"a"},]`, nil, nil, "/1"},
		{"no comma", `[{"type":"a"}{"type":"b"}]`, nil, nil, "/0"},
		{"unclosed", `[{"type":"a"}`, nil, nil, "/0"},
		{"trailing text", `[{"type":"a"}] x`, nil, nil, ""},
		{"no value", ` `, nil, nil, ""},
		{"string", `"a"`, nil, nil, ""},
		{"entity lacks", `{"events":[],"expect":[{"sequence":1}]}`, nil, nil, "/expect/0/entity"},
		{"sequence lacks", `{"events":[],"expect":[{"entity":{"type":"t","id":"i"}}]}`, nil, nil, "/expect/0/sequence"},
		{"negative", `{"events":[],"expect":[{"entity":{"type":"t","id":"i"},"sequence":-1}]}`, nil, nil, "/expect/0/sequence"},
		{"empty expectation", `{"events":[],"expect":[{}]}`, nil, nil, "/expect/0/entity"},
		{"unknown in expectation", `{"events":[],"expect":[{"version":1}]}`, nil, nil, "/expect/0/version"},
		{"system type", `[{"type":"annals.x"}]`, nil, nil, "/0/type"},
	}
	for _, tt := range tests {
		events, expect, err := ParseBatch([]byte(tt.body))
		if got := refusal(t, err); got != tt.pointer {
			t.Errorf("%s: got pointer %q (%v), want %q", tt.name, got, err, tt.pointer)
			continue
		}
		var got []string
		for i := range events {
			got = append(got, string(events[i].JSON()))
		}
		if diff := cmp.Diff(tt.events, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.expect, expect); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestParseBatchLimits(t *testing.T) {
	repeat := func(n int, element string) string { return "[" + strings.Repeat(element+",", n-1) + element + "]" }
	for n, want := range map[int]error{MaxBatchEvents: nil, MaxBatchEvents + 1: ErrTooLarge} {
		events, _, err := ParseBatch([]byte(repeat(n, `{"type":"t"}`)))
		if !errors.Is(err, want) || err == nil && len(events) != n {
			t.Errorf("%d events: got %d, %v, want %v", n, len(events), err, want)
		}
		expect := repeat(n, `{"entity":{"type":"t","id":"i"},"sequence":1}`)
		if _, _, err := ParseBatch(fmt.Appendf(nil, `{"events":[],"expect":%s}`, expect)); !errors.Is(err, want) {
			t.Errorf("%d expectations: got %v, want %v", n, err, want)
		}
		if _, err := ParseCloudEventBatch([]byte(repeat(n, `{"specversion":"1.0","id":"i","source":"s","type":"t"}`))); !errors.Is(err, want) {
			t.Errorf("%d CloudEvents: got %v, want %v", n, err, want)
		}
	}
	if _, _, err := ParseBatch(make([]byte, maxTextBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
}

func TestParseBatchDropsAssigned(t *testing.T) {
	events, _, err := ParseOptions{DropAssigned: true}.ParseBatch([]byte(`[{"type":"a","position":3},{"type":"b"}]`))
	check(t, err)
	if len(events) != 2 || events[0].DroppedMembers() != 1 || events[1].DroppedMembers() != 0 {
		t.Errorf("got %d events", len(events))
	}
}

// TestBatchEventsAreApart changes one event of a batch, which share memory.
func TestBatchEventsAreApart(t *testing.T) {
	events, _, err := ParseBatch([]byte(`[{"type":"a"},{"type":"b"}]`))
	check(t, err)
	more, err := events[0].withContext(&Actor{ID: "x"}, map[string]string{"a": "b"})
	check(t, err)
	if got := string(more.JSON()); got != `{"type":"a","actor":{"id":"x"},"tags":{"a":"b"}}` {
		t.Errorf("got %s", got)
	}
	if got := string(events[1].JSON()); got != `{"type":"b"}` {
		t.Errorf("got %s", got)
	}
}

package annals

import (
	"bytes"
	"testing"
)

// TestFault57SameContent and TestFault58OtherContent decide whether a retry is
// one.
func TestFault57SameContent(t *testing.T) {
	sameContentTable(t, true, [][3]string{
		{"the same", `{"type":"t","id":"i","data":{"a":1}}`, `{"type":"t","id":"i","data":{"a":1}}`},
		{"other order and space", `{"type":"t","id":"i","source":"s"}`, `{ "source":"s", "id":"i", "type":"t" }`},
		{"other escapes", `{"type":"t","message":"a"}`, `{"type":"t","message":"\u0061"}`},
		{"time left out", `{"type":"t","time":"2026-01-01T00:00:00Z"}`, `{"type":"t"}`},
		{"time never sent", `{"type":"t"}`, `{"type":"t"}`},
		{"same time", `{"type":"t","time":"2026-01-01T01:00:00+01:00"}`, `{"type":"t","time":"2026-01-01T00:00:00.0Z"}`},
		{"id, tenant and version left out", `{"type":"t","id":"i","tenant":"x","version":"2"}`, `{"type":"t"}`},
		{"default tenant sent", `{"type":"t"}`, `{"type":"t","tenant":"default"}`},
		{"default version sent", `{"type":"t"}`, `{"type":"t","version":"1.0"}`},
		{"trace left out", `{"type":"t","trace_id":"a","span_id":"b"}`, `{"type":"t"}`},
		{"empty members", `{"type":"t"}`, `{"type":"t","actor":{"id":""},"tags":{},"reason":""}`},
	})
}

func TestFault58OtherContent(t *testing.T) {
	sameContentTable(t, false, [][3]string{
		{"type", `{"type":"t"}`, `{"type":"u"}`},
		{"data", `{"type":"t","data":{"a":1}}`, `{"type":"t","data":{"a":2}}`},
		{"number text", `{"type":"t","data":1}`, `{"type":"t","data":1.0}`},
		{"order within data", `{"type":"t","data":{"a":1,"b":2}}`, `{"type":"t","data":{"b":2,"a":1}}`},
		{"member more", `{"type":"t"}`, `{"type":"t","source":"s"}`},
		{"data more", `{"type":"t"}`, `{"type":"t","data":null}`},
		{"member less", `{"type":"t","source":"s"}`, `{"type":"t"}`},
		{"last member less", `{"type":"t","sensitive":false}`, `{"type":"t"}`},
		{"parent less", `{"type":"t","parent_id":"p"}`, `{"type":"t"}`},
		{"other time", `{"type":"t","time":"2026-01-01T00:00:00Z"}`, `{"type":"t","time":"2026-01-01T00:00:01Z"}`},
		{"time sent later", `{"type":"t"}`, `{"type":"t","time":"2026-01-01T00:00:01Z"}`},
		{"trace sent later", `{"type":"t"}`, `{"type":"t","trace_id":"x"}`},
		{"other trace", `{"type":"t","trace_id":"y"}`, `{"type":"t","trace_id":"x"}`},
		{"other version", `{"type":"t"}`, `{"type":"t","version":"2"}`},
		{"other tenant", `{"type":"t"}`, `{"type":"t","tenant":"x"}`},
	})
}

func sameContentTable(t *testing.T, want bool, tests [][3]string) {
	t.Helper()
	for _, tt := range tests {
		first, err := ParseEvent([]byte(tt[1]))
		check(t, err)
		retry, err := ParseEvent([]byte(tt[2]))
		check(t, err)
		stored := finished(&first)
		if got := sameContent(&retry, stored); got != want {
			t.Errorf("%s: got %v, want %v", tt[0], got, want)
		}
		if !sameContent(&first, stored) {
			t.Errorf("%s: the first event is not the same as itself", tt[0])
		}
		if sameContent(&retry, stored[:len(stored)/2]) || sameContent(&retry, nil) || sameContent(&retry, []byte(`{"x":1}`)) {
			t.Errorf("%s: the same as bytes that are no entry", tt[0])
		}
	}
}

// FuzzSameContent: an event is the same as itself sent again, and not as one
// with other data.
func FuzzSameContent(f *testing.F) {
	for _, text := range eventSeeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEvent(text)
		if err != nil {
			return
		}
		stored := finished(&e)
		again, err := ParseEvent(e.JSON())
		check(t, err)
		if !sameContent(&again, stored) {
			t.Fatalf("%s is not the same as %s", e.JSON(), stored)
		}
		other := Encoded{values: append(bytes.Clone(e.values), `"\u0000other"`...), at: e.at, sent: e.sent}
		other.set(memberData, len(e.values), len(other.values))
		if sameContent(&other, stored) && !bytes.Equal(e.raw(memberData), other.raw(memberData)) {
			t.Fatalf("%s is the same as %s", other.JSON(), stored)
		}
	})
}

// eventSeeds are texts to start fuzzing events from.
func eventSeeds(t testing.TB) [][]byte {
	seeds := [][]byte{[]byte(fullJSON), []byte(benchText), []byte(`{"type":"t","data":null}`), []byte(`{}`), []byte(`[`)}
	for _, text := range vectors(t, "golden", "*.json", 10) {
		seeds = append(seeds, text)
	}
	for _, text := range vectors(t, "nst", "*.json", 150) {
		seeds = append(seeds, withData(text))
	}
	if len(seeds) < 160 {
		t.Fatalf("got %d seeds", len(seeds))
	}
	return seeds
}

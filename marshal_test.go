package annals

import (
	"encoding/json"
	"errors"
	"testing"
)

// badText is a text of its own kind that is not UTF-8.
type badText struct{}

func (badText) MarshalText() ([]byte, error) { return []byte("a\xff"), nil }

// badJSON is a JSON text that is not UTF-8.
type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return []byte("\"a\xff\""), nil }

func TestMarshalInvalidUTF8(t *testing.T) {
	type named struct {
		Name string `json:"name"`
	}
	for _, c := range []struct {
		name, pointer string
		event         Event
	}{
		{"string", "/data", Event{Data: "a\xff"}},
		{"map", "/data/x~1y/1", Event{Data: map[string]any{"x/y": []any{1, "a\xff"}}}},
		{"key", "/snapshot", Event{Snapshot: map[string]int{"k\xff": 1}}},
		{"struct", "/metadata/name", Event{Metadata: named{"\xc3"}}},
		{"pointer", "/snapshot/name", Event{Snapshot: &named{"\xed\xa0\x80"}}},
		{"text", "/data/q", Event{Data: map[string]any{"q": badText{}}}},
		{"json", "/data/q", Event{Data: map[string]any{"q": badJSON{}}}},
		{"raw", "/data/q", Event{Data: json.RawMessage("{\"q\":\"a\xff\"}")}},
		{"old", "/changes/f/0", Event{Changes: map[string]Change{"f": {Old: "\xff"}}}},
		{"new", "/changes/f/1/name", Event{Changes: map[string]Change{"f": {New: named{"\xff"}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.event.Type = "a"
			got, err := c.event.Encode()
			e, ok := errors.AsType[*InvalidError](err)
			if !ok || !errors.Is(err, ErrInvalid) {
				t.Fatalf("encoded as %s, %v", got.JSON(), err)
			}
			if e.Pointer != c.pointer {
				t.Errorf("pointer is %q, want %q: %v", e.Pointer, c.pointer, err)
			}
		})
	}
}

// TestMarshalReplacementCharacter keeps the replacement characters that a value
// has itself, and writes values as package encoding/json does.
func TestMarshalReplacementCharacter(t *testing.T) {
	type value struct {
		N     json.Number       `json:"n"`
		Q     int               `json:"q,string"`
		Raw   json.RawMessage   `json:"raw"`
		Nil   []string          `json:"nil"`
		Bytes []byte            `json:"bytes"`
		Map   map[string]string `json:"map"`
	}
	got, err := Event{Type: "a", Data: value{"1.50", 7, json.RawMessage(`"\ufffd"`), nil, []byte{255}, map[string]string{"b": "<&>", "a": "\ufffd"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"a","data":{"n":1.50,"q":"7","raw":"\ufffd","nil":null,"bytes":"/w==","map":{"a":"` + "\ufffd" + `","b":"<&>"}}}`
	if string(got.JSON()) != want {
		t.Errorf("got %s\nwant %s", got.JSON(), want)
	}
}

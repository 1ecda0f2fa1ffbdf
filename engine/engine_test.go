package engine_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
)

func TestHash(t *testing.T) {
	e := engine.Entry{Bytes: []byte("abc")}
	h := e.Hash()
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
	if h != sha256.Sum256([]byte("abc")) || h.String() != want {
		t.Errorf("hash is %v, want %s", h, want)
	}
	text, err := json.Marshal(map[string]engine.Hash{"hash": h})
	if err != nil || string(text) != `{"hash":"`+want+`"}` {
		t.Errorf("JSON is %s, %v", text, err)
	}
	var back map[string]engine.Hash
	if err := json.Unmarshal(text, &back); err != nil || back["hash"] != h {
		t.Errorf("read back %v, %v", back, err)
	}
}

func TestHashUnmarshalText(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{good, true}, {strings.ToUpper(good), true},
		{"", false}, {good[:62], false}, {good[:63], false}, {good + "0", false}, {good + "0a", false},
		{good[:63] + "g", false}, {good[:62] + "é", false},
	} {
		var h engine.Hash
		if err := h.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok {
			t.Errorf("unmarshal %q: %v", tt.text, err)
		} else if tt.ok && h.String() != good {
			t.Errorf("unmarshal %q: %v", tt.text, h)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	order := engine.Entity{Type: "order", ID: "1"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&engine.ConflictError{Tenant: "t", Entity: order, Expected: 1, Current: 2}, "entity order/1 is at sequence 2, not 1"},
		{&engine.ConflictError{Tenant: "t", ID: "a", Position: 7}, `id "a" is taken by other content at position 7`},
		{&engine.CorruptError{Path: "log/x", Offset: 8, First: 3, Next: 5, Err: io.ErrUnexpectedEOF}, "log/x is corrupt at byte 8 (positions 3 to 4): unexpected EOF"},
		{&engine.CorruptError{Path: "log/x", Offset: -1, First: 3, Next: 3, Err: io.ErrUnexpectedEOF}, "log/x is corrupt: unexpected EOF"},
		{&engine.CorruptError{Path: "log/x", Err: io.ErrUnexpectedEOF}, "log/x is corrupt at byte 0: unexpected EOF"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("text is %q, want %q", got, tt.want)
		}
	}
	if err := fmt.Errorf("read: %w", &engine.CorruptError{Err: io.EOF}); !errors.Is(err, io.EOF) {
		t.Error("cause of a CorruptError is hidden")
	}
}

package annals

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// marshal returns v as JSON. Strings that are not UTF-8 are an *[InvalidError].
func marshal(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok && len(raw) > 0 {
		return raw, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if bytes.Contains(text, []byte(`\ufffd`)) || bytes.Contains(text, []byte("\ufffd")) {
		return text, checkUTF8(v)
	}
	return text, nil
}

// checkUTF8 tells whether a value whose JSON has a replacement character had one
// itself, or had bytes that package encoding/json has put one in place of. That
// package does not say, so another one, which does, writes the value again.
func checkUTF8(v any) error {
	err := jsonv2.MarshalWrite(io.Discard, v, jsonv1.DefaultOptionsV1(),
		jsonv1.ReportErrorsWithLegacySemantics(false), jsontext.AllowInvalidUTF8(false))
	at := jsontext.Pointer("")
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.JSONPointer
	} else if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		at = e.JSONPointer
	}
	if err != nil {
		return &InvalidError{Pointer: string(at), Offset: -1, Detail: "invalid UTF-8"}
	}
	return nil
}

package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// Seal encodes v, a struct with members, as the content of a small file: a JSON object
// on one line, whose last member is a checksum over the bytes before it.
func Seal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1]
	sum := sha256.Sum256(b)
	return fmt.Appendf(b, `,"checksum":"%x"}`+"\n", sum), nil
}

// Unseal checks the checksum of what Seal wrote and returns the rest.
func Unseal(b []byte) ([]byte, error) {
	at := bytes.LastIndex(b, []byte(`,"checksum":"`))
	if at < 0 {
		return nil, errors.New("checksum is missing")
	}
	sum := sha256.Sum256(b[:at])
	if string(b[at:]) != fmt.Sprintf(`,"checksum":"%x"}`+"\n", sum) {
		return nil, errors.New("checksum does not match")
	}
	return append(bytes.Clone(b[:at]), '}'), nil
}

// DecodeStrict decodes what Unseal returned, and nothing else.
func DecodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

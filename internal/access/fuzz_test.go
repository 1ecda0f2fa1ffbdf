package access

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"
)

// fuzzSeeds are contents of token files, their checksums left out.
var fuzzSeeds = []string{
	`{"format":1,"id":"abcdefgh2345","hash":"0000000000000000000000000000000000000000000000000000000000000000","permissions":["read"],"tenants":["acme"],"created_at":"2026-01-02T03:04:05Z","created_by":{"type":"local","id":"1"}}`,
	`{"format":1,"id":"abcdefgh2345","name":"n","hash":"00","permissions":["append","admin"],"tenants":["*"],"created_at":"2026-01-02T03:04:05+02:00","created_by":{"type":"","id":""},"expires_at":"2027-01-02T03:04:05Z","revoked_at":"2026-01-02T03:04:05Z","revoked_by":{"type":"local","id":"1"}}`,
	`{"format":2}`, `{}`, `{"format":1,"id":"abcdefgh2345","permissions":null,"tenants":[""],"hash":1}`,
}

// FuzzTokenFile reads what somebody put into a token's file, with a checksum that holds: it
// is refused, or a token that is the same when it is written and read again.
func FuzzTokenFile(f *testing.F) {
	if len(fuzzSeeds) == 0 {
		f.Fatal("there are no seeds")
	}
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		body := bytes.TrimSuffix(text, []byte("}"))
		sealed := fmt.Appendf(bytes.Clone(body), `,"checksum":"%x"}`+"\n", sha256.Sum256(body))
		token, err := decodeToken("abcdefgh2345", sealed)
		if err != nil {
			return
		}
		b, err := token.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeToken("abcdefgh2345", b)
		if err != nil || !reflect.DeepEqual(token, again) {
			t.Errorf("%s is read as %+v, then as %+v, %v", text, token, again, err)
		}
		if _, err := NewGrant(token.ID, token.Who(), token.Tenants, token.Permissions); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}

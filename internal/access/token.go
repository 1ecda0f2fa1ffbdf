package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/durable"
)

// maxTokenName is the longest name of a token in bytes.
const maxTokenName = 100

// A Token is a credential that the journal's directory keeps: all but its secret.
type Token struct {
	ID          string
	Name        string // for people; may be empty
	Permissions Permission
	Tenants     []string // as in [Grant]
	CreatedAt   time.Time
	CreatedBy   annals.Identity
	ExpiresAt   time.Time // zero: never
	RevokedAt   time.Time // zero: not revoked
	RevokedBy   annals.Identity

	hash [sha256.Size]byte // of its text
}

// Check reports what is wrong with a token that is to be made. Errors: [ErrInvalid].
func (t *Token) Check() error {
	switch {
	case t.Permissions == 0 || t.Permissions&^All != 0:
		return fmt.Errorf("%w: a token needs permissions", ErrInvalid)
	case len(t.Name) > maxTokenName || !utf8.ValidString(t.Name) || strings.ContainsFunc(t.Name, isControl):
		return fmt.Errorf("%w: the name of a token is at most %d bytes without control characters", ErrInvalid, maxTokenName)
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(t.CreatedAt):
		return fmt.Errorf("%w: the token would expire before it is made", ErrInvalid)
	}
	return CheckTenants(t.Tenants)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Who returns what entries name as recorded_by.
func (t *Token) Who() annals.Identity { return annals.Identity{Type: "token", ID: t.ID} }

// State says in one word whether a token works at a time: active, expired or revoked.
func (t *Token) State(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return "expired"
	}
	return stateActive
}

// stateActive is the state of a token that works.
const stateActive = "active"

// matches reports whether text is the token's, in a time that does not depend on where
// it differs.
func (t *Token) matches(text string) bool {
	sum := hashOf(text)
	return subtle.ConstantTimeCompare(sum[:], t.hash[:]) == 1
}

// tokenFormat is the version of a token's file.
const tokenFormat = 1

// A tokenFile is the content of a token's file.
type tokenFile struct {
	Format      int        `json:"format"`
	ID          string     `json:"id"`
	Name        string     `json:"name,omitempty"`
	Hash        string     `json:"hash"` // hex
	Permissions []string   `json:"permissions"`
	Tenants     []string   `json:"tenants"`
	CreatedAt   time.Time  `json:"created_at"`
	CreatedBy   whoFile    `json:"created_by"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	RevokedBy   *whoFile   `json:"revoked_by,omitempty"`
}

// A whoFile is an identity in a file.
type whoFile struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// encode returns the content of the token's file.
func (t *Token) encode() ([]byte, error) {
	f := tokenFile{
		Format: tokenFormat, ID: t.ID, Name: t.Name, Hash: hex.EncodeToString(t.hash[:]),
		Permissions: t.Permissions.Names(), Tenants: t.Tenants,
		CreatedAt: t.CreatedAt, CreatedBy: whoFile(t.CreatedBy), ExpiresAt: optionalTime(t.ExpiresAt),
	}
	if !t.RevokedAt.IsZero() {
		f.RevokedAt, f.RevokedBy = &t.RevokedAt, new(whoFile(t.RevokedBy))
	}
	return durable.Seal(&f)
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// decodeToken reads the content of the file of the token with an id.
func decodeToken(id string, b []byte) (*Token, error) {
	b, err := durable.Unseal(b)
	if err != nil {
		return nil, err
	}
	var f tokenFile
	if err := durable.DecodeStrict(b, &f); err != nil {
		return nil, err
	}
	if f.Format != tokenFormat {
		return nil, fmt.Errorf("format is %d, this program reads %d", f.Format, tokenFormat)
	}
	if f.ID != id {
		return nil, fmt.Errorf("it is of token %.40q", f.ID)
	}
	return f.token()
}

func (f *tokenFile) token() (*Token, error) {
	t := &Token{
		ID: f.ID, Name: f.Name, Tenants: f.Tenants, CreatedAt: f.CreatedAt, CreatedBy: annals.Identity(f.CreatedBy),
	}
	raw, err := hex.DecodeString(f.Hash)
	if err != nil || len(raw) != len(t.hash) {
		return nil, errors.New("hash is not 32 bytes in hex")
	}
	copy(t.hash[:], raw)
	if t.Permissions, err = ParsePermissions(strings.Join(f.Permissions, ",")); err != nil {
		return nil, err
	}
	if f.ExpiresAt != nil {
		t.ExpiresAt = *f.ExpiresAt
	}
	if f.RevokedAt != nil {
		t.RevokedAt = *f.RevokedAt
	}
	if f.RevokedBy != nil {
		t.RevokedBy = annals.Identity(*f.RevokedBy)
	}
	return t, t.Check()
}

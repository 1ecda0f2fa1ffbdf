package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	day1     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	operator = annals.Identity{Type: "local", ID: "1000"}
)

// newToken makes a token that is allowed to read for acme.
func newToken(t *testing.T, s *access.Store) (*access.Token, string) {
	t.Helper()
	token := &access.Token{
		Name: "dashboards", Permissions: access.Read, Tenants: []string{"acme"}, CreatedAt: day1, CreatedBy: operator,
		ExpiresAt: day1.AddDate(100, 0, 0),
	}
	text, err := s.Create(token)
	if err != nil {
		t.Fatal(err)
	}
	return token, text
}

func list(t *testing.T, s *access.Store) []*access.Token {
	t.Helper()
	tokens, damage, err := s.List()
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	return tokens
}

func TestFault97Store(t *testing.T) {
	fsys := durable.NewMem()
	s := access.NewStore(fsys)
	if got := list(t, s); len(got) != 0 {
		t.Errorf("an empty directory has %d tokens", len(got))
	}
	token, text := newToken(t, s)
	same := cmpopts.IgnoreUnexported(access.Token{})
	if diff := cmp.Diff([]*access.Token{token}, list(t, s), same); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if _, err := s.Revoke(token.ID, operator, day1.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(token.ID, annals.Identity{Type: "local", ID: "2"}, day1.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	token.RevokedAt, token.RevokedBy = day1.Add(time.Hour), operator // the first time counts
	if diff := cmp.Diff([]*access.Token{token}, list(t, s), same); diff != "" {
		t.Errorf("list after revocation (-want +got):\n%s", diff)
	}
	for _, name := range fsys.Names() {
		if secret := text[len("annals_")+13:]; strings.Contains(string(fsys.Bytes(name)), secret[:8]) {
			t.Errorf("%s holds the secret", name)
		}
	}
}

func TestStoreInvalid(t *testing.T) {
	good := access.Token{Permissions: access.Read, Tenants: []string{"acme"}, CreatedAt: day1, CreatedBy: operator}
	for _, tt := range []struct {
		name   string
		change func(*access.Token)
	}{
		{"no permission", func(t *access.Token) { t.Permissions = 0 }},
		{"unknown permission", func(t *access.Token) { t.Permissions = 128 }},
		{"no tenant", func(t *access.Token) { t.Tenants = nil }},
		{"long name", func(t *access.Token) { t.Name = strings.Repeat("x", 101) }},
		{"control character", func(t *access.Token) { t.Name = "a\nb" }},
		{"expired", func(t *access.Token) { t.ExpiresAt = day1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := good
			tt.change(&token)
			s := access.NewStore(durable.NewMem())
			if _, err := s.Create(&token); !errors.Is(err, access.ErrInvalid) {
				t.Errorf("create: %v", err)
			}
			if got := list(t, s); len(got) != 0 {
				t.Errorf("there are %d tokens", len(got))
			}
		})
	}
}

func TestStoreNoToken(t *testing.T) {
	s := access.NewStore(durable.NewMem())
	newToken(t, s)
	for _, id := range []string{"", "aaaaaaaaaaaa", "../journal", "AAAAAAAAAAAA", strings.Repeat("a", 300)} {
		if _, err := s.Revoke(id, operator, day1); !errors.Is(err, access.ErrNoToken) {
			t.Errorf("revoke %q: %v", id, err)
		}
	}
}

// TestStoreLocked changes tokens while another process does.
func TestStoreLocked(t *testing.T) {
	fsys := durable.NewMem()
	s := access.NewStore(fsys)
	token, _ := newToken(t, s)
	lock, err := fsys.Lock("tokens/LOCK")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(token.ID, operator, day1); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("revoke: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(token.ID, operator, day1); err != nil {
		t.Error(err)
	}
}

// TestStoreDamage flips each byte of a token's file: it is damage, and other tokens are
// listed.
func TestStoreDamage(t *testing.T) {
	fsys := durable.NewMem()
	s := access.NewStore(fsys)
	token, _ := newToken(t, s)
	newToken(t, s)
	name := "tokens/" + token.ID + ".json"
	good := fsys.Bytes(name)
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		fsys.SetBytes(name, bad)
		tokens, damage, err := s.List()
		if err != nil || len(tokens) != 1 || len(damage) != 1 {
			t.Fatalf("byte %d: %d tokens, damage %v, error %v", i, len(tokens), damage, err)
		}
		c, ok := errors.AsType[*annals.CorruptError](damage[0])
		if !ok || c.Path != name {
			t.Fatalf("byte %d: damage is %v", i, damage[0])
		}
	}
}

// TestStoreOther meets files that are no tokens of this program.
func TestStoreOther(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		damage        bool
	}{
		{"tokens/aaaaaaaaaaaa.json.tmp", "{", false},
		{"tokens/README", "x", false},
		{"tokens/aaaaaaaaaaa1.json", "{", false}, // 1 is in no id
		{"tokens/aaaaaaaaaaaa.json", "", true},
		{"tokens/aaaaaaaaaaaa.json", strings.Repeat("x", 17<<10), true},
		{"tokens/aaaaaaaaaaaa.json", sealed(t, map[string]any{"format": 2}), true},
		{"tokens/aaaaaaaaaaaa.json", sealed(t, map[string]any{"format": 1, "id": "bbbbbbbbbbbb"}), true},
		{"tokens/aaaaaaaaaaaa.json", sealed(t, map[string]any{"format": 1, "id": "aaaaaaaaaaaa", "hash": "00"}), true},
	} {
		fsys := durable.NewMem()
		s := access.NewStore(fsys)
		newToken(t, s)
		fsys.SetBytes(tt.name, []byte(tt.content))
		tokens, damage, err := s.List()
		if err != nil || len(tokens) != 1 || (len(damage) == 1) != tt.damage {
			t.Errorf("%s %.30q: %d tokens, damage %v, error %v", tt.name, tt.content, len(tokens), damage, err)
		}
	}
}

func sealed(t *testing.T, v any) string {
	t.Helper()
	b, err := durable.Seal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStorePowerCut fails and cuts power at each operation of making and of revoking a
// token: what was answered is there, and no half of anything.
func TestStorePowerCut(t *testing.T) {
	for n := int64(1); ; n++ {
		mem := durable.NewMem()
		faulty := durable.NewFaulty(mem, durable.FailNth(n, errors.New("cut")))
		s := access.NewStore(faulty)
		token := &access.Token{Permissions: access.Read, Tenants: []string{"acme"}, CreatedAt: day1, CreatedBy: operator}
		_, created := s.Create(token)
		var revoked error
		if created == nil {
			_, revoked = s.Revoke(token.ID, operator, day1)
		}
		for seed := range uint64(20) {
			tokens, damage, err := access.NewStore(mem.Crash(durable.Cut{Seed: seed, Keep: 50, Tear: true})).List()
			if err != nil || len(damage) > 0 {
				t.Fatalf("operation %d, seed %d: damage %v, error %v", n, seed, damage, err)
			}
			if created == nil && (len(tokens) != 1 || revoked == nil && tokens[0].RevokedAt.IsZero()) {
				t.Fatalf("operation %d, seed %d: tokens are %v, revoked: %v", n, seed, tokens, revoked)
			}
		}
		if !faulty.Failed() {
			if created != nil || revoked != nil || n < 10 {
				t.Fatalf("after %d operations: %v, %v", n, created, revoked)
			}
			return
		}
	}
}

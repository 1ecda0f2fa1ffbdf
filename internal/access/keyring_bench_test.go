package access_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
)

// BenchmarkAuthenticate is what every request pays for its token.
func BenchmarkAuthenticate(b *testing.B) {
	s := access.NewStore(durable.NewMem())
	text, err := s.Create(&access.Token{Permissions: access.Read, Tenants: []string{"acme"}, CreatedAt: time.Now(), CreatedBy: operator})
	if err != nil {
		b.Fatal(err)
	}
	k, err := access.OpenKeyring(s, new(auditor), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	r := bearer(text)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

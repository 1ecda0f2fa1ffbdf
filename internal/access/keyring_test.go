package access_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"github.com/annals-io/annals/internal/durable"
)

// An auditor keeps the ids of the events that it takes.
type auditor struct {
	mu  sync.Mutex
	ids []string // guarded by mu
	err error    // guarded by mu
}

func (a *auditor) Audit(_ context.Context, events ...annals.Event) ([]annals.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range events {
		if a.err == nil {
			a.ids = append(a.ids, e.ID)
		}
	}
	return nil, a.err
}

func (a *auditor) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *auditor) events() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ids)
}

func request(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}

func bearer(text string) *http.Request { return request("Bearer " + text) }

// inKeyring runs a test with a keyring of a store, on a clock of its own.
func inKeyring(t *testing.T, fsys durable.FS, prepare func(*testing.T, *access.Store), do func(*testing.T, *access.Store, *access.Keyring, *auditor)) {
	synctest.Test(t, func(t *testing.T) {
		s, a := access.NewStore(fsys), new(auditor)
		if prepare != nil {
			prepare(t, s)
		}
		k, err := access.OpenKeyring(s, a, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		do(t, s, k, a)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	var text, other string
	prepare := func(t *testing.T, s *access.Store) {
		_, text = newToken(t, s)
		_, other = newToken(t, access.NewStore(durable.NewMem()))
	}
	inKeyring(t, durable.NewMem(), prepare, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
		g, err := k.Authenticate(bearer(text))
		if err != nil || !g.May(access.Read) || g.May(access.Append) || g.Tenant() != "acme" || g.Who != (annals.Identity{Type: "token", ID: g.ID}) {
			t.Errorf("grant is %+v, error %v", g, err)
		}
		if _, err := k.Authenticate(request("bearer " + text)); err != nil {
			t.Errorf("scheme in lower case: %v", err)
		}
		forged := access.NewText(g.ID) // right id and checksum, another secret
		for _, r := range []*http.Request{
			request(), request(""), request(text), request("Basic " + text), request("Bearer"), bearer(""), bearer(" " + text), bearer(text + " "),
			request("Bearer "+text, "Bearer "+text), bearer(other), bearer(forged), bearer(strings.ToUpper(text)), bearer(strings.Repeat("a", 1<<20)),
		} {
			if g, err := k.Authenticate(r); g != nil || !errors.Is(err, access.ErrUnauthenticated) {
				t.Errorf("%.60q: grant %v, error %v", r.Header, g, err)
			}
		}
	})
}

// TestFault97RevokedWithinSeconds revokes a token beside the keyring, as another process does.
func TestFault97RevokedWithinSeconds(t *testing.T) {
	var text string
	var token *access.Token
	prepare := func(t *testing.T, s *access.Store) { token, text = newToken(t, s) }
	inKeyring(t, durable.NewMem(), prepare, func(t *testing.T, s *access.Store, k *access.Keyring, a *auditor) {
		if _, err := s.Revoke(token.ID, operator, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := k.Authenticate(bearer(text)); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("after 2 s: %v", err)
		}
		want := []string{"annals.token.created/" + token.ID, "annals.token.created/" + token.ID, "annals.token.revoked/" + token.ID}
		if got := a.events(); !slices.Equal(got, want) { // the journal takes each id once
			t.Errorf("events are %v, want %v", got, want)
		}
	})
}

// TestUnreadableStore cannot read the folder any more: a token works for as long as what
// was read is young, then nobody knows.
func TestUnreadableStore(t *testing.T) {
	var text string
	var broken sync.Map
	fsys := durable.NewFaulty(durable.NewMem(), func(op durable.Op) durable.Fault {
		if _, ok := broken.Load("broken"); ok && op.Kind == durable.OpReadDir {
			return durable.Fault{Err: errors.New("input/output error")}
		}
		return durable.Fault{}
	})
	prepare := func(t *testing.T, s *access.Store) { _, text = newToken(t, s) }
	inKeyring(t, fsys, prepare, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
		broken.Store("broken", true)
		time.Sleep(access.MaxAge - time.Second)
		if _, err := k.Authenticate(bearer(text)); err != nil {
			t.Errorf("after %v: %v", access.MaxAge-time.Second, err)
		}
		time.Sleep(2 * time.Second)
		if _, err := k.Authenticate(bearer(text)); err == nil || errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("after %v: %v", access.MaxAge+time.Second, err)
		}
		broken.Delete("broken")
		if _, err := k.Authenticate(bearer(text)); err != nil {
			t.Errorf("once it can be read again: %v", err)
		}
	})
}

func TestExpiry(t *testing.T) {
	var text string
	prepare := func(t *testing.T, s *access.Store) {
		token := &access.Token{Permissions: access.Read, Tenants: []string{"*"}, CreatedAt: time.Now(), CreatedBy: operator, ExpiresAt: time.Now().Add(time.Minute)}
		var err error
		if text, err = s.Create(token); err != nil {
			t.Fatal(err)
		}
	}
	inKeyring(t, durable.NewMem(), prepare, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
		time.Sleep(time.Minute - 1)
		if _, err := k.Authenticate(bearer(text)); err != nil {
			t.Errorf("before: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := k.Authenticate(bearer(text)); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("when it expires: %v", err)
		}
	})
}

// TestEnded ends what goes on under a token that is revoked, expires or is gone, and nothing
// else.
func TestEnded(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, fsys durable.FS, s *access.Store, id string)
	}{
		{"revoked", func(t *testing.T, _ durable.FS, s *access.Store, id string) {
			if _, err := s.Revoke(id, operator, time.Now()); err != nil {
				t.Fatal(err)
			}
		}},
		{"gone", func(t *testing.T, fsys durable.FS, _ *access.Store, id string) {
			if err := fsys.Remove("tokens/" + id + ".json"); err != nil {
				t.Fatal(err)
			}
		}},
		{"expired", func(*testing.T, durable.FS, *access.Store, string) { time.Sleep(time.Hour) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := durable.NewMem()
			var texts [2]string
			prepare := func(t *testing.T, s *access.Store) {
				_, texts[0] = newToken(t, s)
				token := &access.Token{Permissions: access.Read, Tenants: []string{"*"}, CreatedAt: time.Now(), CreatedBy: operator, ExpiresAt: time.Now().Add(time.Hour)}
				var err error
				if texts[1], err = s.Create(token); err != nil {
					t.Fatal(err)
				}
			}
			inKeyring(t, fsys, prepare, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
				var grants [2]*access.Grant
				for i, text := range texts {
					var err error
					if grants[i], err = k.Authenticate(bearer(text)); err != nil {
						t.Fatal(err)
					}
				}
				tt.end(t, fsys, s, grants[1].ID)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if grants[0].Ended().Err() != nil || grants[1].Ended().Err() == nil {
					t.Errorf("ended: %v, %v", grants[0].Ended().Err(), grants[1].Ended().Err())
				}
			})
		})
	}
}

// TestCreatedBeside makes a token beside the keyring while the journal takes nothing.
func TestCreatedBeside(t *testing.T) {
	inKeyring(t, durable.NewMem(), nil, func(t *testing.T, s *access.Store, k *access.Keyring, a *auditor) {
		a.fail(annals.ErrDiskFull)
		token, text := newToken(t, s)
		time.Sleep(2 * time.Second)
		if _, err := k.Authenticate(bearer(text)); err != nil {
			t.Error(err)
		}
		a.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := a.events(), []string{"annals.token.created/" + token.ID}; !slices.Equal(got, want) {
			t.Errorf("events are %v, want %v", got, want)
		}
	})
}

// TestDamagedToken damages one token of two.
func TestDamagedToken(t *testing.T) {
	fsys := durable.NewMem()
	var one, two string
	prepare := func(t *testing.T, s *access.Store) {
		var token *access.Token
		token, one = newToken(t, s)
		_, two = newToken(t, s)
		fsys.SetBytes("tokens/"+token.ID+".json", []byte("{}"))
	}
	inKeyring(t, fsys, prepare, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
		if _, err := k.Authenticate(bearer(one)); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("the damaged one: %v", err)
		}
		if _, err := k.Authenticate(bearer(two)); err != nil || k.Len() != 2 {
			t.Errorf("the other one: %v; %d tokens", err, k.Len())
		}
	})
}

// TestLastUse is written once a minute at most, at the end, and survives a restart and the
// damage of its file.
func TestLastUse(t *testing.T) {
	fsys := durable.NewMem()
	var text string
	var token *access.Token
	var at time.Time
	prepare := func(t *testing.T, s *access.Store) { token, text = newToken(t, s) }
	use := func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) {
		time.Sleep(90 * time.Second)
		if _, err := k.Authenticate(bearer(text)); err != nil {
			t.Fatal(err)
		}
		at = time.Now()
		time.Sleep(time.Second)
		if used, err := s.Used(); err != nil || len(used) != 0 {
			t.Errorf("a second later: %v, %v", used, err)
		}
		if _, err := s.Revoke(token.ID, operator, time.Now()); err != nil { // its file is another
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if used, err := s.Used(); err != nil || !used[token.ID].Equal(at) {
			t.Errorf("a minute later: %v, %v, want %v", used, err, at)
		}
	}
	inKeyring(t, fsys, prepare, use)
	inKeyring(t, fsys, nil, func(t *testing.T, s *access.Store, k *access.Keyring, _ *auditor) { time.Sleep(2 * time.Minute) })
	if used, err := access.NewStore(fsys).Used(); err != nil || !used[token.ID].Equal(at) {
		t.Errorf("after a restart: %v, %v", used, err)
	}
	fsys.SetBytes("tokens/used", []byte("{"))
	if used, err := access.NewStore(fsys).Used(); err != nil || used != nil {
		t.Errorf("damaged: %v, %v", used, err)
	}
}

// TestTooManyTokens fills the folder: nothing is read of it.
func TestTooManyTokens(t *testing.T) {
	fsys := crowded{durable.NewMem()}
	if _, err := access.OpenKeyring(access.NewStore(fsys), new(auditor), slog.New(slog.DiscardHandler)); !errors.Is(err, access.ErrTooManyTokens) {
		t.Errorf("open: %v", err)
	}
	token := &access.Token{Permissions: access.Read, Tenants: []string{"*"}, CreatedAt: day1, CreatedBy: operator}
	if _, err := access.NewStore(fsys).Create(token); !errors.Is(err, access.ErrTooManyTokens) {
		t.Errorf("create: %v", err)
	}
}

// A crowded file system lists one token too many.
type crowded struct{ *durable.Mem }

func (crowded) ReadDir(string) ([]durable.Info, error) {
	return slices.Repeat([]durable.Info{{Name: "aaaaaaaaaaaa.json"}}, access.MaxTokens+1), nil
}

package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals/internal/durable"
)

// How old what is known of the tokens may be, and how often last uses are written.
const (
	readInterval = time.Second
	maxAge       = 5 * time.Second
	usedInterval = time.Minute
)

// A Keyring is an [Authenticator] of the tokens of a [Store]: a request carries one as
// "Authorization: Bearer TOKEN". It heeds within five seconds what any process changes in
// the store, and journals it.
type Keyring struct {
	store  *Store       // never changes
	audit  Auditor      // never changes
	logger *slog.Logger // never changes

	view atomic.Pointer[keyView]

	reading sync.Mutex // held while the folder is read

	used    map[string]time.Time // as written last; owned by keyringLoop
	failing bool                 // events cannot be written; owned by keyringLoop

	stop context.CancelFunc // ends keyringLoop
	loop sync.WaitGroup
}

// A keyView is what was read at one time. It never changes.
type keyView struct {
	readAt time.Time // when reading began
	keys   map[string]*key
}

// A key is a token that was read, or the reason why it was not.
type key struct {
	size  int64  // of its file
	token *Token // nil if it cannot be read
	grant *Grant // nil with token
	end   func() // of the grant; nil with token

	used      atomic.Int64 // Unix time of the last use, 0 for none since it was read
	journaled atomic.Bool  // its events are written
}

// OpenKeyring reads the tokens and begins to watch them. Close it before the journal that
// audit is. Errors: [ErrTooManyTokens], those of reading.
func OpenKeyring(s *Store, audit Auditor, logger *slog.Logger) (*Keyring, error) {
	k := &Keyring{store: s, audit: audit, logger: logger}
	k.view.Store(&keyView{})
	if err := k.Refresh(); err != nil {
		return nil, err
	}
	var err error
	if k.used, err = s.Used(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.loop.Go(func() { k.keyringLoop(ctx) })
	return k, nil
}

// Len returns how many tokens there are, those that do not work included.
func (k *Keyring) Len() int { return len(k.view.Load().keys) }

// Close ends the watch and writes the last uses.
func (k *Keyring) Close() error {
	k.stop()
	k.loop.Wait()
	return k.noteUsed(k.view.Load())
}

// keyringLoop reads the folder again and again, journals what has changed, and writes
// last uses.
func (k *Keyring) keyringLoop(ctx context.Context) {
	tick := time.NewTicker(readInterval)
	defer tick.Stop()
	noted := time.Now()
	for {
		k.journal(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := k.Refresh(); err != nil {
			k.logger.Error("read tokens", "error", err)
		}
		if time.Since(noted) >= usedInterval {
			noted = time.Now()
			if err := k.noteUsed(k.view.Load()); err != nil {
				k.logger.Warn("note last use of tokens", "error", err)
			}
		}
	}
}

// journal writes the events of tokens that have none. What fails is tried again.
func (k *Keyring) journal(ctx context.Context) {
	for _, key := range k.view.Load().keys {
		if key.token == nil || key.journaled.Load() {
			continue
		}
		err := key.token.Audit(ctx, k.audit)
		switch {
		case ctx.Err() != nil:
			return
		case isAltered(err):
			k.logger.Error("token file says something else than the journal: it was altered", "token", key.token.ID)
		case err != nil:
			if !k.failing {
				k.logger.Warn("changes of tokens cannot be journalled yet", "error", err)
			}
			k.failing = true
			return
		}
		key.journaled.Store(true)
	}
	k.failing = false
}

// Refresh reads what has changed in the folder.
func (k *Keyring) Refresh() error {
	k.reading.Lock()
	defer k.reading.Unlock()
	return k.refreshLocked()
}

func (k *Keyring) refreshLocked() error {
	now, old := time.Now(), k.view.Load()
	infos, err := k.store.names()
	if err != nil {
		return err
	}
	v := &keyView{readAt: now, keys: make(map[string]*key, len(infos))}
	for _, i := range infos {
		id := strings.TrimSuffix(i.Name, tokenSuffix)
		// A file changes once, when its token is revoked, and grows by that.
		known := old.keys[id]
		if known != nil && known.size == i.Size {
			v.keys[id] = known
			continue
		}
		if v.keys[id], err = k.readKey(id, i); err != nil {
			return err
		}
		if known != nil {
			v.keys[id].used.Store(known.used.Load())
		}
	}
	k.view.Store(v)
	endOthers(old, v, now)
	return nil
}

// endOthers ends what goes on under tokens that are revoked, expired or gone.
func endOthers(old, v *keyView, now time.Time) {
	for id, was := range old.keys {
		is := v.keys[id]
		if was.token != nil && (is != was || was.token.State(now) != stateActive) {
			was.end()
		}
	}
}

// readKey reads a token. One that is damaged is a key that nothing matches.
func (k *Keyring) readKey(id string, i durable.Info) (*key, error) {
	t, err := k.store.read(id)
	if err == nil {
		var g *Grant
		if g, err = NewGrant(t.ID, t.Who(), t.Tenants, t.Permissions); err == nil {
			ctx, end := context.WithCancel(context.Background())
			return &key{size: i.Size, token: t, grant: g.WithEnd(ctx), end: end}, nil
		}
	}
	switch {
	case errors.Is(err, ErrNoToken):
		return &key{size: -1}, nil // removed since it was listed
	case isDamaged(err):
		k.logger.Error("token cannot be read and does not work", "token", id, "error", err)
		return &key{size: i.Size}, nil
	}
	return nil, fmt.Errorf("read token %s: %w", id, err)
}

// current returns a view that is young enough.
func (k *Keyring) current(now time.Time) (*keyView, error) {
	if v := k.view.Load(); now.Sub(v.readAt) <= maxAge {
		return v, nil
	}
	k.reading.Lock()
	defer k.reading.Unlock()
	if v := k.view.Load(); now.Sub(v.readAt) <= maxAge {
		return v, nil // another request has read it
	}
	if err := k.refreshLocked(); err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	return k.view.Load(), nil
}

// Authenticate implements [Authenticator].
func (k *Keyring) Authenticate(r *http.Request) (*Grant, error) {
	text, ok := bearer(r.Header)
	if !ok {
		return nil, ErrUnauthenticated
	}
	id, ok := parseText(text)
	if !ok {
		return nil, ErrUnauthenticated
	}
	now := time.Now()
	v, err := k.current(now)
	if err != nil {
		return nil, err
	}
	key := v.keys[id]
	if key == nil || key.token == nil || !key.token.matches(text) || key.token.State(now) != stateActive {
		return nil, ErrUnauthenticated
	}
	if at := now.Unix(); key.used.Load() != at {
		key.used.Store(at)
	}
	return key.grant, nil
}

// bearer returns the token that a request carries.
func bearer(h http.Header) (string, bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

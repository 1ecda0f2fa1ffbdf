package access

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/durable"
)

// Names and limits in a journal's directory.
const (
	tokensDir     = "tokens"
	tokenSuffix   = ".json"
	tokensLock    = tokensDir + "/LOCK"
	maxTokens     = 10_000
	maxTokenBytes = 16 << 10
)

// Errors of a [Store].
var (
	// ErrNoToken reports an id that no token has.
	ErrNoToken = errors.New("access: no such token")

	// ErrTooManyTokens reports a folder of more tokens than are read.
	ErrTooManyTokens = fmt.Errorf("access: more than %d tokens", maxTokens)
)

// A Store is the folder of tokens in a journal's directory. It needs no open journal,
// and may be used by several processes.
type Store struct{ fs durable.FS }

// NewStore returns the store in a journal's directory. It changes nothing.
func NewStore(fsys durable.FS) *Store { return &Store{fsys} }

// Create makes a token of what t says, gives it an id and returns its text, which is not
// kept anywhere. When it returns nil the token is durable; after an error it may be there,
// but nobody knows its text. Errors: [ErrInvalid], [durable.ErrLocked] (repeat it).
func (s *Store) Create(t *Token) (text string, err error) {
	t.ID = newID()
	t.CreatedAt, t.ExpiresAt = canonicalTime(t.CreatedAt), canonicalTime(t.ExpiresAt)
	if err := t.Check(); err != nil {
		return "", err
	}
	text = newText(t.ID)
	t.hash = hashOf(text)
	err = s.locked(func() error {
		names, err := s.names()
		switch {
		case err != nil:
			return err
		case len(names) >= maxTokens:
			return ErrTooManyTokens
		case slices.ContainsFunc(names, func(i durable.Info) bool { return i.Name == t.ID+tokenSuffix }):
			return fmt.Errorf("id %s is taken", t.ID)
		}
		return s.write(t)
	})
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	return text, nil
}

// canonicalTime returns a time as files and events keep it.
func canonicalTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}

// Revoke makes a token useless for ever, durably, and returns it. A token that is revoked
// already stays as it is. Errors: [ErrNoToken], [durable.ErrLocked] (repeat it), a
// *[annals.CorruptError].
func (s *Store) Revoke(id string, by annals.Identity, at time.Time) (t *Token, err error) {
	if !isID(id) {
		return nil, fmt.Errorf("%w: %.40q", ErrNoToken, id)
	}
	err = s.locked(func() error {
		if t, err = s.read(id); err != nil || !t.RevokedAt.IsZero() {
			return err
		}
		t.RevokedAt, t.RevokedBy = canonicalTime(at), by
		return s.write(t)
	})
	if err != nil {
		return nil, fmt.Errorf("revoke token: %w", err)
	}
	return t, nil
}

// locked runs do while no other process changes tokens.
func (s *Store) locked(do func() error) error {
	if err := s.fs.Mkdir(tokensDir); err == nil {
		if err := s.fs.SyncDir("."); err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory %s: %w", tokensDir, err)
	}
	lock, err := s.fs.Lock(tokensLock)
	if err != nil {
		return err
	}
	return errors.Join(do(), closeLock(lock))
}

func closeLock(lock io.Closer) error {
	if err := lock.Close(); err != nil {
		return fmt.Errorf("unlock tokens: %w", err)
	}
	return nil
}

func (s *Store) write(t *Token) error {
	b, err := t.encode()
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fs, tokenName(t.ID), b)
}

func tokenName(id string) string { return tokensDir + "/" + id + tokenSuffix }

// read reads a token.
func (s *Store) read(id string) (*Token, error) {
	name := tokenName(id)
	b, err := durable.ReadFile(s.fs, name, maxTokenBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNoToken, id)
	case errors.Is(err, durable.ErrTooLarge):
		return nil, &annals.CorruptError{Path: name, Offset: -1, Err: err}
	case err != nil:
		return nil, err
	}
	t, err := decodeToken(id, b)
	if err != nil {
		return nil, &annals.CorruptError{Path: name, Offset: -1, Err: err}
	}
	return t, nil
}

// names lists the files of tokens.
func (s *Store) names() ([]durable.Info, error) {
	infos, err := s.fs.ReadDir(tokensDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	infos = slices.DeleteFunc(infos, func(i durable.Info) bool {
		id, ok := strings.CutSuffix(i.Name, tokenSuffix)
		return !ok || !isID(id)
	})
	if len(infos) > maxTokens {
		return nil, ErrTooManyTokens
	}
	return infos, nil
}

// List returns the tokens that can be read, oldest first, and what keeps others from
// being read.
func (s *Store) List() (tokens []*Token, damage []error, err error) {
	infos, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	for _, i := range infos {
		t, err := s.read(strings.TrimSuffix(i.Name, tokenSuffix))
		if err != nil {
			damage = append(damage, err)
			continue
		}
		tokens = append(tokens, t)
	}
	slices.SortStableFunc(tokens, func(a, b *Token) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return tokens, damage, nil
}

// isDamaged reports whether an error is about one token's file, and not about reading.
func isDamaged(err error) bool {
	_, ok := errors.AsType[*annals.CorruptError](err)
	return ok || errors.Is(err, ErrInvalid)
}

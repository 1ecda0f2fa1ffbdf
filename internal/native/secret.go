package native

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/annals-io/annals/internal/durable"
)

// secretName is the file of the journal's secret. Whatever depends on it can be
// made anew: it keeps others from knowing what terms hash to and from making
// cursors.
const secretName = keysDir + "/secret"

// A secret is the content of its file.
type secret struct {
	Secret string `json:"secret"` // 32 bytes in hex
}

// readSecret reads the secret. It reports false if there is none.
func readSecret(fsys durable.FS) (raw []byte, ok bool, err error) {
	ok, err = readSealed(fsys, secretName, func(b []byte) error {
		var s secret
		err := durable.DecodeStrict(b, &s)
		if err == nil {
			raw, err = hex.DecodeString(s.Secret)
		}
		if err == nil && len(raw) != 32 {
			err = errors.New("secret is not 32 bytes in hex")
		}
		return err
	})
	return raw, ok, err
}

// makeSecret makes a new secret and, if write is set, keeps it in its file.
func makeSecret(fsys durable.FS, write bool) ([]byte, error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	if !write {
		return raw, nil
	}
	return raw, writeSecret(fsys, raw)
}

func writeSecret(fsys durable.FS, raw []byte) error {
	if err := writeSealed(fsys, secretName, &secret{hex.EncodeToString(raw)}); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// loadSecret sets the engine's secret. One that is damaged or missing is made
// anew, which costs the index and the cursors that were handed out; keepSecret
// writes it.
func (e *Engine) loadSecret() error {
	raw, ok, err := readSecret(e.fs)
	if err != nil && !isCorrupt(err) {
		return err
	}
	if err != nil {
		e.opts.Logger.Warn("secret is damaged; the index is made anew", "error", err)
	}
	if !ok || err != nil {
		if raw, err = makeSecret(e.fs, false); err != nil {
			return err
		}
		e.newSecret = true
	}
	e.secret = raw
	return nil
}

// keepSecret writes a secret that was made, once nothing speaks against changing
// the directory.
func (e *Engine) keepSecret() error {
	if !e.newSecret {
		return nil
	}
	if err := writeSecret(e.fs, e.secret); err != nil {
		return err
	}
	e.newSecret = false
	return nil
}

// Secret implements [engine.Engine].
func (e *Engine) Secret(purpose string) (s [32]byte) {
	h := hmac.New(sha256.New, e.secret)
	h.Write([]byte(purpose))
	h.Sum(s[:0])
	return s
}

package merkle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// maxNameBytes is the longest key name, and so the longest origin.
const maxNameBytes = 255

// Sign returns the checkpoint as a signed note. There is more than one signer
// while a key is being replaced. Each must bear the checkpoint's origin as its
// name.
//
// Whoever signs two checkpoints that no consistency proof connects has broken
// the log; Sign keeps no memory and cannot prevent it.
func Sign(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("sign checkpoint: no key")
	}
	for _, s := range signers {
		if s.Name() != c.Origin {
			return nil, fmt.Errorf("sign checkpoint: key %q is not for origin %q", s.Name(), c.Origin)
		}
	}
	text, err := c.Marshal()
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return signed, nil
}

// Open checks a signed note with the given keys and returns its checkpoint. A
// signature by an unknown key is ignored; a wrong one by a known key fails the
// whole note. At least one good signature must be of a key that bears the
// checkpoint's origin as its name: that of a witness alone is not enough.
//
// Errors: [*note.UnverifiedNoteError], [*note.InvalidSignatureError].
func Open(signed []byte, verifiers ...note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	c, err := ParseCheckpoint([]byte(n.Text))
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range n.Sigs {
		if err := checkBase64(s.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("open checkpoint: signature of %q: %w", s.Name, err)
		}
	}
	for _, s := range n.Sigs {
		if s.Name == c.Origin {
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("open checkpoint: origin %q did not sign it: %w",
		c.Origin, &note.UnverifiedNoteError{Note: n})
}

// checkBase64 refuses the texts that decode to the same bytes as the one that a
// signer writes: no bit of a signed note may change unnoticed.
func checkBase64(text string) error {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return errors.New("base64 is not in its normal form")
	}
	return nil
}

// GenerateKey makes an Ed25519 key for the log of that name, which will be its
// origin: the secret key for [note.NewSigner] and the public one for
// [note.NewVerifier]. Rand is the source of randomness; nil is the system's.
//
// The name is 1 to 255 bytes of UTF-8 without spaces, plus signs and control
// characters, by custom a URL without its scheme: "example.com/journal".
func GenerateKey(rand io.Reader, name string) (skey, vkey string, err error) {
	if err := checkName(name); err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	skey, vkey, err = note.GenerateKey(rand, name)
	if err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	return skey, vkey, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case len(name) > maxNameBytes:
		return fmt.Errorf("name has %d bytes, more than %d", len(name), maxNameBytes)
	case !utf8.ValidString(name):
		return errors.New("name is not valid UTF-8")
	case strings.ContainsFunc(name, notInName):
		return fmt.Errorf("name %q has a space, plus sign or control character", name)
	}
	return nil
}

func notInName(r rune) bool {
	return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r)
}

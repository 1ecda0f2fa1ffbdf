package merkle_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/annals-io/annals/merkle"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

// checkTesseraCheckpoint opens a stored checkpoint, compares it with a tree and
// writes its text again.
func checkTesseraCheckpoint(t *testing.T, name string, tree *merkle.Tree) {
	t.Helper()
	signed := testFile(t, tesseraDir, name)
	got, err := merkle.Open(signed, newVerifier(t, string(testFile(t, tesseraDir, "log.vkey"))))
	check(t, err)
	want := merkle.Checkpoint{Origin: "example.com/log/testdata", Size: tree.Size(), Root: tree.Root()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
	text, err := got.Marshal()
	check(t, err)
	if want := noteText(t, signed); !bytes.Equal(text, want) {
		t.Errorf("%s: text is %q, want %q", name, text, want)
	}
}

func newVerifier(t testing.TB, vkey string) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(strings.TrimSpace(vkey))
	check(t, err)
	return v
}

func newKey(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(rand.Reader, name)
	check(t, err)
	s, err := note.NewSigner(skey)
	check(t, err)
	return s, newVerifier(t, vkey)
}

func TestSignAndOpen(t *testing.T) {
	const origin = "example.com/journal"
	s1, v1 := newKey(t, origin)
	s2, v2 := newKey(t, origin)
	c := merkle.Checkpoint{Origin: origin, Size: 5, Root: parsedRoot(t)}
	signed, err := merkle.Sign(c, s1, s2) // a key is being replaced
	check(t, err)
	for _, verifiers := range [][]note.Verifier{{v1}, {v2}, {v1, v2}} {
		got, err := merkle.Open(signed, verifiers...)
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("%d verifiers: %v %s", len(verifiers), err, diff)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	s, _ := newKey(t, "example.com/journal")
	c := merkle.Checkpoint{Origin: "example.com/journal", Size: 5, Root: parsedRoot(t)}
	other, huge := c, c
	other.Origin, huge.Size = "example.com/other", merkle.MaxSize+1
	for name, sign := range map[string]func() ([]byte, error){
		"no key":         func() ([]byte, error) { return merkle.Sign(c) },
		"another origin": func() ([]byte, error) { return merkle.Sign(other, s) },
		"huge size":      func() ([]byte, error) { return merkle.Sign(huge, s) },
		"broken key":     func() ([]byte, error) { return merkle.Sign(c, brokenSigner{s}) },
	} {
		if signed, err := sign(); err == nil {
			t.Errorf("%s: got %q, want an error", name, signed)
		}
	}
}

type brokenSigner struct{ note.Signer }

func (brokenSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("key is out of reach") }

// TestOpenRefuses tampers with every byte of a signed checkpoint, and leaves the
// right signature away in several ways.
func TestOpenRefuses(t *testing.T) {
	const origin = "example.com/journal"
	s, v := newKey(t, origin)
	_, stranger := newKey(t, origin)
	c := merkle.Checkpoint{Origin: origin, Size: 5, Root: parsedRoot(t)}
	signed, err := merkle.Sign(c, s)
	check(t, err)
	for i := range signed {
		bad := bytes.Clone(signed)
		bad[i] ^= 0x01
		if got, err := merkle.Open(bad, v); err == nil {
			t.Errorf("byte %d changed: got %+v from %q", i, got, bad)
		}
	}
	var unverified *note.UnverifiedNoteError
	if _, err := merkle.Open(signed, stranger); !errors.As(err, &unverified) {
		t.Errorf("key of another: %v, want UnverifiedNoteError", err)
	}
	if _, err := merkle.Open(signed); !errors.As(err, &unverified) {
		t.Errorf("no key: %v, want UnverifiedNoteError", err)
	}
	forged := bytes.Replace(signed, []byte("\n5\n"), []byte("\n6\n"), 1)
	var invalid *note.InvalidSignatureError
	if _, err := merkle.Open(forged, v); !errors.As(err, &invalid) {
		t.Errorf("forged size: %v, want InvalidSignatureError", err)
	}
	if _, err := merkle.Open(noteText(t, signed), v); err == nil {
		t.Error("opened a text without signatures")
	}
}

// TestOpenNeedsTheOrigin has a trusted witness sign what the log did not.
func TestOpenNeedsTheOrigin(t *testing.T) {
	logSigner, logVerifier := newKey(t, "example.com/journal")
	witness, witnessVerifier := newKey(t, "witness.example")
	c := merkle.Checkpoint{Origin: "example.com/journal", Size: 5, Root: parsedRoot(t)}
	text, err := c.Marshal()
	check(t, err)
	alone, err := note.Sign(&note.Note{Text: string(text)}, witness)
	check(t, err)
	var unverified *note.UnverifiedNoteError
	if _, err := merkle.Open(alone, logVerifier, witnessVerifier); !errors.As(err, &unverified) {
		t.Errorf("witness alone: %v, want UnverifiedNoteError", err)
	}
	both, err := note.Sign(&note.Note{Text: string(text)}, logSigner, witness)
	check(t, err)
	if _, err := merkle.Open(both, logVerifier, witnessVerifier); err != nil {
		t.Errorf("log and witness: %v", err)
	}
	if _, err := merkle.Open(both, witnessVerifier); !errors.As(err, &unverified) {
		t.Errorf("log's key unknown: %v, want UnverifiedNoteError", err)
	}
}

// TestC2SPNotes runs the examples of the signed-note and tlog-checkpoint texts.
func TestC2SPNotes(t *testing.T) {
	v := newVerifier(t, string(testFile(t, notesDir, "example.com-foo.vkey")))
	signed := testFile(t, notesDir, "signed-note-1.txt")
	if _, err := note.Open(signed, note.VerifierList(v)); err != nil {
		t.Errorf("the example's key does not open it: %v", err)
	}
	if c, err := merkle.Open(signed, v); err == nil {
		t.Errorf("a signed note that is no checkpoint opened as %+v", c)
	}
	var unverified *note.UnverifiedNoteError
	for _, name := range []string{"signed-note-0.txt", "checkpoint-0.txt"} {
		if _, err := merkle.Open(testFile(t, notesDir, name), v); !errors.As(err, &unverified) {
			t.Errorf("%s: %v, want UnverifiedNoteError", name, err)
		}
	}
}

func TestGenerateKeyNames(t *testing.T) {
	for _, name := range []string{"a", "example.com/journal", "журнал.example", strings.Repeat("n", 255)} {
		s, v := newKey(t, name)
		if s.Name() != name || v.Name() != name || s.KeyHash() != v.KeyHash() {
			t.Errorf("key for %q has name %q and %q", name, s.Name(), v.Name())
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "space": "a b", "no-break space": "a\u00a0b", "line break": "a\n", "plus": "a+b",
		"NUL": "a\x00", "delete": "a\x7f", "invalid UTF-8": "a\xff", "256 bytes": strings.Repeat("n", 256),
	} {
		if skey, vkey, err := merkle.GenerateKey(rand.Reader, bad); err == nil || skey != "" || vkey != "" {
			t.Errorf("%s: got a key %q, %v", name, vkey, err)
		}
	}
}

func TestGenerateKeyRandomness(t *testing.T) {
	if _, _, err := merkle.GenerateKey(iotest.ErrReader(errBroken), "a"); !errors.Is(err, errBroken) {
		t.Errorf("broken source: %v, want its error", err)
	}
	_, one, err := merkle.GenerateKey(nil, "a")
	check(t, err)
	_, two, err := merkle.GenerateKey(nil, "a")
	check(t, err)
	if one == two {
		t.Error("the same key twice")
	}
}

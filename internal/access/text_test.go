package access_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/access"
	"pgregory.net/rapid"
)

// TestTokenText pins the form that scanners look for.
func TestTokenText(t *testing.T) {
	form := regexp.MustCompile(`^annals_[a-z2-7]{12}_[0-9A-Za-z]{38}$`)
	seen := map[string]bool{}
	for range 200 {
		text := access.NewText("abcdefgh2345")
		if !form.MatchString(text) || len(text) != access.TokenLength || seen[text] {
			t.Fatalf("text is %q", text)
		}
		seen[text] = true
		if id, ok := access.ParseText(text); id != "abcdefgh2345" || !ok {
			t.Fatalf("%q is read as %q, %t", text, id, ok)
		}
	}
}

// TestTokenTextKnown holds a text whose checksum was computed elsewhere: CRC-32 of the
// first 52 bytes is 0xf9cc88e9.
func TestTokenTextKnown(t *testing.T) {
	const text = "annals_abcdefgh2345_00000000000000000000000000000000" + "4Zcie9"
	if _, ok := access.ParseText(text); !ok {
		t.Error("it is not taken")
	}
}

// TestTokenTextTypos changes one character, leaves one out or adds one: the checksum does
// not hold.
func TestTokenTextTypos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := access.NewText("abcdefgh2345")
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		other := rapid.Byte().Filter(func(b byte) bool { return b != text[at] }).Draw(t, "byte")
		for _, typo := range []string{
			text[:at] + string([]byte{other}) + text[at+1:], text[:at] + text[at+1:], text[:at] + string([]byte{other}) + text[at:],
		} {
			if id, ok := access.ParseText(typo); ok {
				t.Errorf("%q is read as %q", typo, id)
			}
		}
	})
}

func TestTokenTextForms(t *testing.T) {
	for _, text := range []string{"", "annals_", strings.Repeat("0", access.TokenLength), access.NewText("ABCDEFGH2345"), access.NewText("../../etc/pa"), access.NewText("abcdefgh234")} {
		if id, ok := access.ParseText(text); ok {
			t.Errorf("%q is read as %q", text, id)
		}
	}
}

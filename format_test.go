package annals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals/engine"
)

// fenced returns the fenced blocks of a kind in a Markdown text.
func fenced(text, kind string) (blocks []string) {
	for {
		_, rest, ok := strings.Cut(text, "```"+kind+"\n")
		if !ok {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks, text = append(blocks, block), after
	}
}

// TestFormatExample decodes the worked example of docs/format.md: its event
// becomes its bytes, and they have its hash.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "format.md"))
	check(t, err)
	event, err := os.ReadFile(filepath.Join("testdata", "codec", "example", "event.json"))
	check(t, err)
	entry, err := os.ReadFile(filepath.Join("testdata", "codec", "example", "entry"))
	check(t, err)

	e, err := ParseEvent(event)
	check(t, err)
	body, err := finish(&e, "0195933e-8a5c-7000-8000-000000000001", time.Time{}, defaults{
		tenant: "default", recordedBy: Identity{"local", "1000"}, maxBytes: DefaultEventBytes,
	})
	check(t, err)
	at := time.Date(2026, 3, 14, 9, 26, 54, 0, time.UTC)
	got := engine.Finish(nil, body, at, 3, 41)
	if *update {
		check(t, os.WriteFile(filepath.Join("testdata", "codec", "example", "entry"), got, 0o644))
		entry = got
	}
	if !bytes.Equal(got, entry) {
		t.Errorf("got %s, want %s", got, entry)
	}
	check(t, CheckEntry(entry))

	if blocks := fenced(string(doc), "json"); len(blocks) == 0 || blocks[0] != string(event) {
		t.Errorf("docs/format.md does not have testdata/codec/example/event.json first")
	}
	blocks := fenced(string(doc), "hex")
	if len(blocks) == 0 {
		t.Fatal("docs/format.md has no example in hex")
	}
	decoded, err := hex.DecodeString(strings.Join(strings.Fields(blocks[0]), ""))
	check(t, err)
	if !bytes.Equal(decoded, entry) {
		t.Errorf("docs/format.md has %s, want %s", decoded, entry)
	}
	sum := sha256.Sum256(entry)
	if !strings.Contains(string(doc), hex.EncodeToString(sum[:])) {
		t.Errorf("docs/format.md lacks the hash %x", sum)
	}
}

// TestFormatLimits finds the members and limits of the code in docs/format.md.
func TestFormatMembers(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "format.md"))
	check(t, err)
	rest := string(doc)
	for _, f := range eventShape.fields {
		_, after, ok := strings.Cut(rest, "`"+f.name+"`")
		if !ok {
			t.Fatalf("docs/format.md lacks %s, or has it out of order", f.name)
		}
		rest = after
	}
}

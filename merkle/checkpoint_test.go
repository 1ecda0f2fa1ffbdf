package merkle_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/merkle"
	"github.com/google/go-cmp/cmp"
)

const (
	tesseraDir = "tlog-tiles-tessera"
	notesDir   = "c2sp-notes"
)

func testFile(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", dir, filepath.FromSlash(name)))
	check(t, err)
	return b
}

// noteText cuts the signatures off a signed note.
func noteText(t testing.TB, signed []byte) []byte {
	t.Helper()
	i := bytes.LastIndex(signed, []byte("\n\n"))
	if i < 0 {
		t.Fatal("not a signed note")
	}
	return signed[:i+1]
}

const (
	emptyRootText = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	rootText      = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
)

func parsedRoot(t testing.TB) merkle.Hash {
	t.Helper()
	h, err := merkle.ParseHash(rootText)
	check(t, err)
	return h
}

func TestCheckpoint(t *testing.T) {
	root := parsedRoot(t)
	for name, c := range map[string]struct {
		text string
		want merkle.Checkpoint
	}{
		"C2SP example": {
			string(noteText(t, testFile(t, notesDir, "checkpoint-0.txt"))),
			merkle.Checkpoint{Origin: "example.com/behind-the-sofa", Size: 20_852_163, Root: root},
		},
		"empty":      {"o\n0\n" + emptyRootText + "\n", merkle.Checkpoint{Origin: "o", Root: merkle.EmptyRoot()}},
		"largest":    {"o\n4611686018427387904\n" + rootText + "\n", merkle.Checkpoint{Origin: "o", Size: merkle.MaxSize, Root: root}},
		"extensions": {"o\n1\n" + rootText + "\na b\nc\n", merkle.Checkpoint{Origin: "o", Size: 1, Root: root, Extensions: []string{"a b", "c"}}},
		"odd origin": {"Très bien + plus\n1\n" + rootText + "\n", merkle.Checkpoint{Origin: "Très bien + plus", Size: 1, Root: root}},
		"64 KiB": {
			"o\n1\n" + rootText + "\n" + strings.Repeat("e", 64<<10-50) + "\n",
			merkle.Checkpoint{Origin: "o", Size: 1, Root: root, Extensions: []string{strings.Repeat("e", 64<<10-50)}},
		},
	} {
		got, err := merkle.ParseCheckpoint([]byte(c.text))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: parse: %v %s", name, err, diff)
		}
		text, err := c.want.Marshal()
		if diff := cmp.Diff(c.text, string(text)); err != nil || diff != "" {
			t.Errorf("%s: marshal: %v %s", name, err, diff)
		}
	}
}

// badCheckpoints are texts that no checkpoint has.
var badCheckpoints = map[string]string{
	"nothing":              "",
	"only line breaks":     "\n\n\n",
	"one line":             "o\n",
	"two lines":            "o\n1\n",
	"no last line break":   "o\n1\n" + rootText,
	"empty origin":         "\n1\n" + rootText + "\n",
	"no size":              "o\n\n" + rootText + "\n",
	"leading zero":         "o\n01\n" + rootText + "\n",
	"zeros":                "o\n00\n" + emptyRootText + "\n",
	"plus":                 "o\n+1\n" + rootText + "\n",
	"minus":                "o\n-1\n" + rootText + "\n",
	"minus zero":           "o\n-0\n" + emptyRootText + "\n",
	"hexadecimal":          "o\n0x1\n" + rootText + "\n",
	"underscore":           "o\n1_0\n" + rootText + "\n",
	"space before size":    "o\n 1\n" + rootText + "\n",
	"space after size":     "o\n1 \n" + rootText + "\n",
	"other digits":         "o\n１\n" + rootText + "\n",
	"exponent":             "o\n1e3\n" + rootText + "\n",
	"MaxSize plus 1":       "o\n4611686018427387905\n" + rootText + "\n",
	"2^63":                 "o\n9223372036854775808\n" + rootText + "\n",
	"2^64-1":               "o\n18446744073709551615\n" + rootText + "\n",
	"2^64":                 "o\n18446744073709551616\n" + rootText + "\n",
	"long size":            "o\n" + strings.Repeat("9", 10_000) + "\n" + rootText + "\n",
	"empty tree, root":     "o\n0\n" + rootText + "\n",
	"empty root":           "o\n1\n\n",
	"short root":           "o\n1\n" + rootText[4:] + "\n",
	"long root":            "o\n1\nAAAA" + rootText + "\n",
	"root without padding": "o\n1\n" + rootText[:43] + "\n",
	"root with stray bits": "o\n1\n" + rootText[:42] + "J=\n",
	"carriage return":      "o\r\n1\r\n" + rootText + "\r\n",
	"empty extension":      "o\n1\n" + rootText + "\n\n",
	"empty line between":   "o\n1\n" + rootText + "\na\n\nb\n",
	"tab":                  "o\n1\n" + rootText + "\na\tb\n",
	"NUL in origin":        "o\x00\n1\n" + rootText + "\n",
	"invalid UTF-8":        "o\xff\n1\n" + rootText + "\n",
	"over 64 KiB":          "o\n1\n" + rootText + "\n" + strings.Repeat("e", 64<<10-49) + "\n",
}

func TestParseCheckpointRefuses(t *testing.T) {
	for name, text := range badCheckpoints {
		if c, err := merkle.ParseCheckpoint([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, c)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	good := merkle.Checkpoint{Origin: "o", Size: 1, Root: parsedRoot(t)}
	for name, change := range map[string]func(*merkle.Checkpoint){
		"empty origin":         func(c *merkle.Checkpoint) { c.Origin = "" },
		"line break in origin": func(c *merkle.Checkpoint) { c.Origin = "o\n5" },
		"invalid UTF-8":        func(c *merkle.Checkpoint) { c.Origin = "\xc0" },
		"huge size":            func(c *merkle.Checkpoint) { c.Size = merkle.MaxSize + 1 },
		"size 0 with a root":   func(c *merkle.Checkpoint) { c.Size = 0 },
		"empty extension":      func(c *merkle.Checkpoint) { c.Extensions = []string{"a", ""} },
		"line break":           func(c *merkle.Checkpoint) { c.Extensions = []string{"a\nb"} },
		"too long":             func(c *merkle.Checkpoint) { c.Extensions = []string{strings.Repeat("e", 64<<10)} },
	} {
		c := good
		change(&c)
		if text, err := c.Marshal(); err == nil {
			t.Errorf("%s: got %.100q, want an error", name, text)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	seeds := [][]byte{noteText(f, testFile(f, notesDir, "checkpoint-0.txt")), noteText(f, testFile(f, tesseraDir, "checkpoint"))}
	for _, seed := range seeds {
		if _, err := merkle.ParseCheckpoint(seed); err != nil {
			f.Fatalf("a seed is no checkpoint: %v", err)
		}
		f.Add(slices.Concat(seed, []byte("extension\n")))
		f.Add(seed)
	}
	for _, text := range badCheckpoints {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := merkle.ParseCheckpoint(text)
		if err != nil {
			return
		}
		again, err := c.Marshal()
		check(t, err)
		if !bytes.Equal(again, text) {
			t.Errorf("%q parses to %+v, which is written %q", text, c, again)
		}
	})
}

package annals

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// depthOf returns how deep objects and arrays nest in a valid text.
func depthOf(text []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// FuzzParseEvent: no text makes the decoder panic; what it accepts, an
// independent decoder accepts; its canonical form is stable, and so is the entry.
func FuzzParseEvent(f *testing.F) {
	for _, text := range eventSeeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEvent(text)
		if err != nil {
			if invalid, ok := errors.AsType[*InvalidError](err); !ok || invalid.Offset < 0 || invalid.Offset > len(text) {
				t.Fatalf("%q: got error %#v", text, err)
			}
			return
		}
		if !jsontext.Value(text).IsValid() {
			t.Fatalf("%q: accepted, but it is not valid JSON", text)
		}
		canonical := e.JSON()
		again, err := ParseEvent(canonical)
		if err != nil {
			t.Fatalf("%s: canonical form: %v", canonical, err)
		}
		if !bytes.Equal(again.JSON(), canonical) {
			t.Fatalf("%s: got %s the second time", canonical, again.JSON())
		}
		entry := Entry{JSON: finished(&e)}
		if err := CheckEntry(entry.JSON); err != nil {
			t.Fatalf("%s: %v", entry.JSON, err)
		}
		if _, err := entry.Event(); err != nil {
			t.Fatalf("%s: %v", entry.JSON, err)
		}
		if bytes.ContainsAny(entry.JSON, "\n\r\x00\x1b") {
			t.Fatalf("%q: a control character is raw", entry.JSON)
		}
	})
}

// FuzzData: data is accepted exactly if an independent decoder takes it and it is
// not too deep, and is what that decoder makes of it without white space.
func FuzzData(f *testing.F) {
	seeds := 0
	for _, folder := range []string{"nst", "nst-transform", "jcs/input"} {
		for _, text := range vectors(f, folder, "*.json", 3) {
			f.Add(text)
			seeds++
		}
	}
	if seeds < 180 {
		f.Fatalf("got %d seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := jsontext.Value(text).IsValid() && depthOf(text) < MaxDepth
		e, err := ParseEvent(withData(text))
		if !want && err == nil && jsontext.Value(withData(text)).IsValid() {
			return // the text left data and added members
		}
		if got := err == nil; got != want {
			t.Fatalf("%q: got accepted %v (%v), want %v", text, got, err, want)
		}
		if want && !bytes.Equal(e.raw(memberData), compact(t, text)) {
			t.Fatalf("%q: got %s, want %s", text, e.raw(memberData), compact(t, text))
		}
		if got := checkValue(bytes.TrimLeft(text, " \t\r\n")) == nil; got != (jsontext.Value(text).IsValid() && depthOf(text) <= MaxDepth) {
			t.Fatalf("%q alone: got accepted %v", text, got)
		}
	})
}

// TestRealLogs sends every line of real logs as data: it is kept byte for byte.
// ANNALS_CORPORA names a folder of more *.jsonl.zst files.
func TestRealLogs(t *testing.T) {
	var names []string
	for _, pattern := range []string{"testdata/corpora/*.jsonl.zst", "$ANNALS_CORPORA/*.jsonl.zst", "$ANNALS_CORPORA/*/*.jsonl.zst"} {
		if os.Getenv("ANNALS_CORPORA") == "" && pattern[0] == '$' {
			continue
		}
		found, err := filepath.Glob(os.ExpandEnv(pattern))
		check(t, err)
		names = append(names, found...)
	}
	if len(names) == 0 {
		t.Fatal("no logs in testdata/corpora, and ANNALS_CORPORA names none")
	}
	lines := 0
	for _, name := range names {
		n, err := checkLog(name)
		if err != nil {
			t.Errorf("%s, line %d: %v", name, n, err)
		}
		lines += n
	}
	if lines < 1000 {
		t.Errorf("got %d lines, want at least 1000", lines)
	}
	t.Logf("%d lines of %d files", lines, len(names))
}

// checkLog checks the lines of a file and returns how many it has read.
func checkLog(name string) (lines int, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	zr, err := zstd.NewReader(file)
	if err != nil {
		return 0, err
	}
	defer zr.Close()
	r := bufio.NewScanner(zr)
	r.Buffer(nil, MaxEventBytes)
	for r.Scan() {
		lines++
		e, err := ParseEvent(withData(r.Bytes()))
		if err != nil {
			return lines, err
		}
		if !bytes.Equal(e.raw(memberData), r.Bytes()) {
			return lines, fmt.Errorf("got %s, want %s", e.raw(memberData), r.Bytes())
		}
		if err := CheckEntry(finished(&e)); err != nil {
			return lines, err
		}
	}
	return lines, r.Err()
}

package ingest_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
)

// TestFault103Map maps large and deep values with every format: the memory beyond
// the event itself is bounded, and nothing recurses as deep as the value.
func TestFault103Map(t *testing.T) {
	n := 200_000
	if testing.Short() || raceEnabled {
		n /= 20
	}
	names := []string{"target", "targetResources", "related", "keywords", "sourceIPs", "resources", "x"}
	hostile := map[string]string{
		"deep arrays":     strings.Repeat("[", n) + strings.Repeat("]", n),
		"deep objects":    strings.Repeat(`{"target":`, n) + "1" + strings.Repeat("}", n),
		"many elements":   "[" + strings.Repeat(`{"id":"i","type":"t"},`, n/10) + "{}]",
		"many escapes":    `"` + strings.Repeat(`\"\\`, n) + `"`,
		"many names":      "{" + strings.Repeat(`"id":"x",`, n/10) + `"id":"x"}`,
		"a large text":    `"` + strings.Repeat("x", n) + `"`,
		"a large number":  strings.Repeat("9", n),
		"a long exponent": "1e" + strings.Repeat("9", n),
	}
	for _, name := range ingest.Names() {
		f := lookup(t, name)
		line, _ := strings.CutSuffix(readLines(t, "testdata/"+name+".jsonl")[0], "}")
		for what, value := range hostile {
			for _, member := range names {
				raw := []byte(line + `,"` + member + `":` + value + "}")
				dst := make([]byte, 0, 2*len(raw)+64<<10)
				var err error
				bytes := allocated(func() { _, _, err = f.Map(dst, raw, ingest.Input{}) })
				if tooDeep := name == "cloudevents" && strings.HasPrefix(what, "deep"); (err != nil) != tooDeep {
					t.Errorf("%s, %s: %v", name, what, err)
				}
				limit := uint64(len(raw) + 256<<10)
				if raceEnabled {
					limit *= 4 // what stays on the stack otherwise does not
				}
				if bytes > limit {
					t.Errorf("%s, %s in %s: allocated %d bytes, want at most %d", name, what, member, bytes, limit)
				}
			}
		}
	}
}

// TestMapSyntax cuts values off and puts other bytes in, in many places: what is no JSON is
// an error, here or in the journal's parser, and never the event of something else.
func TestMapSyntax(t *testing.T) {
	for _, name := range ingest.Names() {
		if name == "jsonl" {
			continue // the journal's parser is the first to read it
		}
		f := lookup(t, name)
		line := []byte(readLines(t, "testdata/"+name+".jsonl")[0])
		places := 400
		if testing.Short() || raceEnabled {
			places = 40
		}
		for i := 0; i < len(line); i += 1 + len(line)/places {
			checkMap(t, f, line[:i], ingest.Input{})
			if _, _, err := f.Map(nil, line[:i], ingest.Input{}); err == nil {
				t.Fatalf("%s: cut off at %d is taken", name, i)
			}
			for _, c := range []byte("{}[]\",:\\0 \x00\xff") {
				changed := slices.Clone(line)
				changed[i] = c
				checkMap(t, f, changed, ingest.Input{})
			}
		}
	}
}

// TestMapConcurrently maps with one format from several goroutines.
func TestMapConcurrently(t *testing.T) {
	for _, name := range ingest.Names() {
		f := lookup(t, name)
		lines := readLines(t, "testdata/"+name+".jsonl")
		want := mapAll(f, lines)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					if got := mapAll(f, lines); !bytes.Equal(got, want) {
						t.Errorf("%s: got %s, want %s", name, got, want)
					}
				}
			})
		}
		wg.Wait()
	}
}

func mapAll(f ingest.Format, lines []string) (out []byte) {
	for _, line := range lines {
		out, _, _ = f.Map(out, []byte(line), ingest.Input{})
	}
	return out
}

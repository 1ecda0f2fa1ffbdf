package ingest_test

import (
	"testing"

	"github.com/annals-io/annals/internal/ingest"
)

// TestDetect checks that the values of each golden file are taken for their format
// before any other.
func TestDetect(t *testing.T) {
	for _, name := range ingest.Names() {
		var samples [][]byte
		for _, line := range readLines(t, "testdata/"+name+".jsonl") {
			samples = append(samples, []byte(line))
		}
		guesses := ingest.Detect(samples)
		if len(guesses) == 0 || guesses[0].Format.Name() != name {
			t.Errorf("%s is taken for %+v", name, guesses)
			continue
		}
		if best := guesses[0]; best.Of != len(samples) || best.Matched < 3 {
			t.Errorf("%s: %d of %d match", name, best.Matched, best.Of)
		}
		if len(guesses) > 1 && guesses[1].Matched == guesses[0].Matched {
			t.Errorf("%s could as well be %s", name, guesses[1].Format.Name())
		}
	}
}

func TestDetectNothing(t *testing.T) {
	for _, text := range []string{``, `null`, `[]`, `{}`, `{"a":1}`, `{"type":1}`, `{"type":"x","who":1}`, `{"type":`, `x`} {
		if guesses := ingest.Detect([][]byte{[]byte(text)}); len(guesses) > 0 {
			t.Errorf("%s is taken for %s", text, guesses[0].Format.Name())
		}
	}
	if guesses := ingest.Detect(nil); len(guesses) > 0 {
		t.Errorf("nothing is taken for %s", guesses[0].Format.Name())
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var importSeed = flag.Uint64("import-seed", 0, "seed of TestImportOrder; 0 means a new one")

// TestImportOrder imports lines of which some are bad, in every way, in runs
// longer than a batch, and checks that good ones keep their order and that the
// counts and the rejects are those of the bad ones.
func TestImportOrder(t *testing.T) {
	seed := *importSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var in strings.Builder
	var good []string
	var bad []int64
	for i := range int64(3*batchLines + 17) {
		kind := rnd.IntN(200)
		id := fmt.Sprintf("e%d", i)
		switch {
		case kind == 0:
			in.WriteString("no JSON\n")
		case kind == 1:
			fmt.Fprintf(&in, `{"id":%q}`+"\n", id) // no type
		case kind == 2 && len(good) > 0:
			fmt.Fprintf(&in, `{"id":%q,"type":"other"}`+"\n", good[rnd.IntN(len(good))])
		default:
			fmt.Fprintf(&in, `{"id":%q,"type":"a"}`+"\n", id)
			good = append(good, id)
			continue
		}
		bad = append(bad, i+1)
	}

	dir := t.TempDir()
	journal, rejects := filepath.Join(dir, "journal"), filepath.Join(dir, "rejects")
	e := newTestEnv(in.String())
	status := run(t.Context(), &e.env, []string{"import", "--data", journal, "--format", "jsonl", "--rejects", rejects})
	if want := 2 * min(1, len(bad)); status != want {
		t.Fatalf("exit status %d, want %d: %s", status, want, e.err.String())
	}
	var report importReport
	check(t, json.Unmarshal([]byte(e.out.String()), &report))
	if report.Imported != uint64(len(good)) || report.Rejected != uint64(len(bad)) || report.Duplicates != 0 {
		t.Errorf("report %+v, want %d imported and %d rejected", report, len(good), len(bad))
	}
	i := 0
	for line := range strings.Lines(runOK(t, "", "export", "--data", journal)) {
		if i < len(good) && !strings.HasPrefix(line, `{"id":"`+good[i]+`",`) {
			t.Fatalf("entry %d is %s, want %s", i, line, good[i])
		}
		i++
	}
	if i != len(good) {
		t.Errorf("journal has %d entries, want %d", i, len(good))
	}
	checkRejects(t, rejects, bad)
}

func TestIsForeign(t *testing.T) {
	const entry = `{"id":"1","time":"2026-01-02T03:04:05.000000000Z","type":"annals.journal.restored","version":"1.0","tenant":"_annals",` +
		`"recorded_at":"2026-01-02T03:04:05.000000000Z","position":0}`
	tests := []struct {
		text string
		want bool
	}{
		{entry, true},
		{strings.Replace(entry, "_annals", "default", 1), false},
		{strings.Replace(entry, "000Z", "Z", 1), false},
		{strings.Replace(entry, ":0}", ":0} ", 1), false},
		{strings.Replace(entry, "version", "verSion", 1), false},
		{`{"tenant":"_annals","recorded_at":"2026-01-02T03:04:05.000000000Z","position":0}`, false},
		{`{"tenant":"_annals","recorded_at":"2026-01-02T03:04:05.000000000Z"}`, false},
		{`{"tenant":"_annals","position":1}`, false},
		{`{"tenant":"default","recorded_at":"2026-01-02T03:04:05.000000000Z","position":0}`, false},
		{`[]`, false},
		{``, false},
	}
	for _, tt := range tests {
		if got := isForeign([]byte(tt.text)); got != tt.want {
			t.Errorf("isForeign(%s) = %t, want %t", tt.text, got, tt.want)
		}
	}
}

// checkRejects checks the line numbers in a rejects file.
func checkRejects(t *testing.T, name string, want []int64) {
	t.Helper()
	data, err := os.ReadFile(name)
	if len(want) == 0 && errors.Is(err, fs.ErrNotExist) {
		return
	}
	check(t, err)
	var got []int64
	for line := range bytes.Lines(data) {
		var r reject
		check(t, json.Unmarshal(line, &r))
		if r.Reason == "" || r.Text == "" || r.File != "standard input" {
			t.Errorf("reject %+v", r)
		}
		got = append(got, r.Line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rejected lines (-want +got):\n%s", diff)
	}
}

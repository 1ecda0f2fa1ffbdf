package query_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/annals-io/annals/internal/query"
)

// corpusEntries returns real events as the data of entries.
func corpusEntries(t *testing.T, limit int) [][]byte {
	t.Helper()
	file, err := os.Open("../../testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst")
	check(t, err)
	defer file.Close()
	zr, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
	check(t, err)
	defer zr.Close()
	all, err := io.ReadAll(zr)
	check(t, err)
	var entries [][]byte
	for line := range bytes.Lines(all) {
		if len(entries) < limit {
			entries = append(entries, fmt.Appendf(nil, `{"id":"%d","data":%s}`, len(entries), bytes.TrimSpace(line)))
		}
	}
	return entries
}

// scalarFilters appends a filter for every scalar of v, which is at path.
func scalarFilters(dst []string, path string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			dst = scalarFilters(dst, path+"."+escapeName(name), below)
		}
	case []any:
		for _, below := range v {
			dst = scalarFilters(dst, path, below)
		}
	case string:
		dst = append(dst, path+":"+quoteText(v))
	case nil:
		dst = append(dst, path+":null")
	default:
		dst = append(dst, fmt.Sprintf("%s:%v", path, v))
	}
	return dst
}

// On real events a plan for one value chooses exactly the entries that have it,
// and those with ~more.
func TestCorpusPlansAreExact(t *testing.T) {
	entries := corpusEntries(t, 1500)
	if len(entries) < 1500 {
		t.Fatalf("%d entries", len(entries))
	}
	sets := make([]map[query.Term]bool, len(entries))
	var filters []string
	var x query.Extractor
	for i, entry := range entries {
		f, err := x.Read(entry, nil)
		check(t, err)
		sets[i] = make(map[query.Term]bool, len(f.Terms))
		for _, term := range f.Terms {
			sets[i][term] = true
		}
		if len(sets[i]) != len(f.Terms) {
			t.Fatalf("entry %d: repeated terms in %q", i, f.Terms)
		}
		if i%150 == 0 {
			found := scalarFilters(nil, "data", decode(t, string(entry))["data"])
			slices.Sort(found)
			filters = append(filters, found[i%7], found[len(found)/2], found[len(found)-1])
		}
	}
	for _, filter := range slices.Compact(filters) {
		e := mustParse(t, filter)
		checkExact(t, e, entries, sets)
	}
}

func checkExact(t *testing.T, e query.Expr, entries [][]byte, sets []map[query.Term]bool) {
	t.Helper()
	more := query.Term{Field: query.MoreField}
	some, ok := query.NewPlan(e).Filter.(query.Any)
	if !ok {
		t.Fatalf("%s: plan %s", e, query.NewPlan(e))
	}
	var doc query.JSONDocument
	matches := 0
	for i, entry := range entries {
		if sets[i][more] {
			continue
		}
		doc.Reset(entry)
		want := query.Eval(e, &doc)
		got := slices.ContainsFunc(some, func(n query.Node) bool { return sets[i][n.(query.Term)] })
		if got != want {
			t.Fatalf("%s: entry %d is chosen: %t, matches: %t\n%s", e, i, got, want, entry)
		}
		if got {
			matches++
		}
	}
	if matches == 0 {
		t.Errorf("%s: no entry", e)
	}
}

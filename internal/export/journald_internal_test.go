package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/annals-io/annals"
)

// rowsOf returns an entry in the journald format.
func rowsOf(t *testing.T, x *annals.Entry, csv bool) string {
	t.Helper()
	var b bytes.Buffer
	w := New(bufio.NewWriter(&b), &Options{Format: Journald, CSVRows: csv})
	check(t, w.Write(x))
	check(t, w.End())
	return b.String()
}

// testJournald covers faults 100 and 101 in the journald format: each row is a line,
// and no cell is a formula.
func testJournald(t *testing.T, x *annals.Entry) {
	var row map[string]any
	text := rowsOf(t, x, false)
	check(t, json.Unmarshal([]byte(text), &row))
	v, err := x.Event()
	check(t, err)
	for name, want := range map[string]string{"id": v.ID, "source": v.Source, "actor": firstOf(v.Actor.ID, v.Actor.Name), "entity_id": v.Entity.ID, "field": "*"} {
		if row[name] != want {
			t.Errorf("%s is %q, want %q", name, row[name], want)
		}
	}
	if n := strings.Count(text, "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
	_, line, _ := strings.Cut(rowsOf(t, x, true), "\n")
	onePrintableLine(t, line)
}

// FuzzJournaldCell makes cells of texts and of the JSON strings that say them: none
// is a formula, and each comes back.
func FuzzJournaldCell(f *testing.F) {
	seeds := append([]string{`"`, `"x"`, "12", "-1", " 1", "null", "{}", `'-1`, `''-1`, `"a	b"`, `\u0041`, `{"a;=b":1}`, "'"}, hostileTexts...)
	for _, s := range seeds {
		f.Add(s)
		f.Add("'" + s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := json.Marshal(text)
		check(t, err)
		check(t, json.Unmarshal(value, &text)) // as UTF-8
		cell := valueCell(value)
		checkNoFormula(t, cell)
		back, ok := JournaldValue(nil, "new_value", []byte(cell))
		var got any
		if !ok || json.Unmarshal(back, &got) != nil || got != any(text) {
			t.Errorf("%q became the cell %q and came back as %s", text, cell, back)
		}
		if cell = csvText(text); cellText(cell) != text {
			t.Errorf("%q became the cell %q and came back as %q", text, cell, cellText(cell))
		}
	})
}

// TestJournaldForeignCells reads cells that another program wrote: what only looks
// like a protected text stays as it is.
func TestJournaldForeignCells(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "active": `"active"`, "12": "12", "007": `"007"`, "1.0": "1.0", "null": "null", `"x"`: `"x"`, "'tis": `"'tis"`,
		"'": `"'"`, `\u000a`: `"\\u000a"`, "true": "true", "-1": "-1", "'-1": "-1", "=1": `"=1"`, `{"a": 1}`: `{"a": 1}`, "{a}": `"{a}"`, "a;b": `"a;b"`,
	} {
		got, ok := JournaldValue(nil, "old_value", []byte(cell))
		if string(got) != want || ok != (want != "") {
			t.Errorf("cell %q is %s, want %s", cell, got, want)
		}
	}
}

package export

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/query"
	"github.com/google/go-cmp/cmp"
)

// uncell returns the text of a cell as the help says: one apostrophe less, and
// escapes for what they stand for.
func uncell(cell string) string {
	text := strings.TrimPrefix(cell, "'")
	escapes := regexp.MustCompile(`(\\u[0-9a-fA-F]{4})+`)
	return escapes.ReplaceAllStringFunc(text, func(s string) string {
		var units []uint16
		for part := range strings.SplitSeq(s[2:], `\u`) {
			var n uint16
			fmt.Sscanf(part, "%x", &n)
			units = append(units, n)
		}
		return string(utf16.Decode(units))
	})
}

func TestFault101Cells(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "déjà 見る", "déjà 見る"},
		{"equals", "=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"},
		{"plus", "+1", "'+1"},
		{"minus", "-1", "'-1"},
		{"at", "@SUM(1)", "'@SUM(1)"},
		{"tab", "\tx", `'\u0009x`},
		{"carriage return", "\rx", `'\u000dx`},
		{"line feed", "\nx", `'\u000ax`},
		{"behind spaces", "  =1", "'  =1"},
		{"behind a wide space", "\u3000=1", `'\u3000=1`},
		{"behind quotes", `"=1"`, `'"=1"`},
		{"behind curly quotes", "“=1", "'“=1"},
		{"behind what is not printable", "\ufeff=1", `'\ufeff=1`},
		{"wide", "＝1", "'＝1"},
		{"wide minus", "－1", "'－1"},
		{"small at", "﹫x", "'﹫x"},
		{"apostrophe", "'tis", "''tis"},
		{"in the middle", "a=1", "a=1"},
		{"quotes in the middle", `say "x", twice`, `say "x", twice`},
		{"lines", "a\r\nb", `a\u000d\u000ab`},
		{"backslash", `C:\users\new`, `C:\users\new`},
		{"an escape", `\u000a`, `\u005cu000a`},
		{"half an escape", "\\u00\n", `\u00\u000a`},
		{"beyond 16 bits", "\U000e0041", `\udb40\udc41`},
		{"behind a semicolon", "a;=1;b", `a\u003b=1;b`},
		{"behind a semicolon and spaces", "a; \"-1;;+1", `a\u003b "-1;\u003b+1`},
		{"a semicolon first", ";@x", `\u003b@x`},
		{"a semicolon at the end", "=1;", "'=1;"},
		{"an escaped semicolon", `\u003b=;＝`, `\u005cu003b=\u003b＝`},
		{"direction", "\u202eabc", `\u202eabc`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := csvText(tt.in)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if back := uncell(got); back != tt.in {
				t.Errorf("%q comes back as %q", tt.in, back)
			}
		})
	}
}

// FuzzFault101Cell makes cells of texts: none is a formula or breaks a line, and
// each comes back.
func FuzzFault101Cell(f *testing.F) {
	if len(hostileTexts) < 10 {
		f.Fatal("seeds are missing")
	}
	for _, s := range hostileTexts {
		f.Add(s)
		f.Add(" '" + s)
		f.Add("a;" + s + "; \"" + s)
		f.Add(`\u005c` + s + `\u`)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if !utf8.ValidString(in) {
			return // is in no entry
		}
		checkCell(t, in, csvText(in))
	})
}

// checkCell checks the cell of a text.
func checkCell(t *testing.T, in, cell string) {
	t.Helper()
	if i := strings.IndexFunc(cell, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("cell %q is not printable", cell)
	}
	checkNoFormula(t, cell)
	if back := uncell(cell); back != in {
		t.Errorf("%q comes back as %q", in, back)
	}
}

// checkNoFormula checks that neither a cell is a formula nor what follows a
// semicolon in it.
func checkNoFormula(t *testing.T, cell string) {
	t.Helper()
	for part := range strings.SplitSeq(cell, ";") {
		start := strings.TrimLeftFunc(part, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"“”„«»`, r) })
		if start != "" && strings.ContainsAny(string([]rune(start)[0]), "=+-@＝＋－＠") {
			t.Errorf("cell %q is a formula", cell)
		}
	}
}

// rowOf returns an entry as CSV, by the names of columns.
func rowOf(t *testing.T, x *annals.Entry, f flattener) map[string]string {
	t.Helper()
	var b bytes.Buffer
	w := newCSVWriter(bufio.NewWriter(&b), f)
	check(t, w.Write(x))
	check(t, w.End())
	_, line, _ := strings.Cut(b.String(), "\n")
	onePrintableLine(t, line)
	rows, err := csv.NewReader(&b).ReadAll()
	check(t, err)
	if len(rows) != 2 {
		t.Fatalf("%d rows of CSV", len(rows))
	}
	cells := make(map[string]string)
	for i, name := range rows[0] {
		cells[name] = rows[1][i]
	}
	if len(cells) != len(flatColumns) {
		t.Fatalf("%d columns have different names, want %d", len(cells), len(flatColumns))
	}
	return cells
}

// testCSVLine covers fault 101, too: no cell is a formula, and each parses back.
func testCSVLine(t *testing.T, x *annals.Entry) {
	cells := rowOf(t, x, flattener{})
	v, err := x.Event()
	check(t, err)
	for name, want := range map[string]string{
		"id": v.ID, "type": v.Type, "source": v.Source, "message": v.Message, "reason": v.Reason, "actor_id": v.Actor.ID,
		"actor_name": v.Actor.Name, "actor_address": v.Actor.Address, "entity_type": v.Entity.Type, "entity_id": v.Entity.ID,
		"correlation_id": v.CorrelationID, "error_code": v.Error.Code, "error_message": v.Error.Message,
	} {
		checkCell(t, want, cells[name])
	}
	checkNoFormula(t, cells["data"])
	data := strings.TrimPrefix(cells["data"], "'")
	var got, want any
	check(t, json.Unmarshal([]byte(data), &got))
	check(t, json.Unmarshal(v.Data.(json.RawMessage), &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("data means something else (-want +got):\n%s", diff)
	}
}

// TestFlatColumns has each member of an entry in one column at least.
func TestFlatColumns(t *testing.T) {
	for _, f := range query.Fields() {
		found := false
		for _, c := range flatColumns {
			found = found || len(c.names) > 0 && c.names[0] == f.Member
		}
		if !found {
			t.Errorf("no column has %s", f.Member)
		}
	}
	names := make(map[string]bool)
	for _, c := range flatColumns {
		if names[c.name] || regexp.MustCompile(`^[a-z_]+$`).FindString(c.name) == "" {
			t.Errorf("column %q is there twice, or no name of a field", c.name)
		}
		names[c.name] = true
	}
	for _, name := range []string{"actor_id", "on_behalf_of_id", "actor_user_agent", "producer_sequence", "recorded_by_type", "error_code"} {
		if !names[name] {
			t.Errorf("no column %s, which is a field of filters", name)
		}
	}
}

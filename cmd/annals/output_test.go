package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/annals-io/annals"
	"github.com/rivo/uniseg"
)

func TestPrintable(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "déjà 見る", "déjà 見る"},
		{"line breaks", "a\r\nb\tc", `a\r\nb\tc`},
		{"escape sequence", "\x1b[31m", `\x1b[31m`},
		{"NUL and DEL", "\x00\x7f", `\x00\x7f`},
		{"C1", "\u009b2J", `\u009b2J`},
		{"direction", "\u202eabc", `\u202eabc`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "\U000e0041", `\U000e0041`},
		{"not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"replacement character", "\ufffd", "\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := printable(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// outputSeeds are texts that harm terminals, lines or spreadsheets.
var outputSeeds = []string{
	"", "plain", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "a;=1", "; \"＝1", ";\\;-1;", "\t=1", "\r=1", "a,b;\"c\"", "a\r\nb", "\x1b]0;title\x07", "\x00",
	"\u202e\u2066", "\u2028\u2029\u0085", "\u009b31m", "\ufeff", "\U000e0001", "e\u0301\u0301\u0301", "👩‍👩‍👧", strings.Repeat("長", 300),
}

// FuzzFault100 puts texts into every text member that output shows: each form has
// one line an entry, of printable characters, and means the same as before.
func FuzzFault100(f *testing.F) {
	if len(outputSeeds) < 10 {
		f.Fatal("seeds are missing")
	}
	for _, s := range outputSeeds {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if utf8.RuneCountInString(a) > 50 {
			a = string([]rune(a)[:50])
		}
		event := annals.Event{
			Type: "t" + a, ID: a, Source: b, Message: b, Reason: a, Actor: annals.Actor{ID: a, Name: b, Address: a},
			Entity: annals.Entity{Type: "t" + a, ID: "i" + b}, CorrelationID: a, Error: annals.Failure{Code: a, Message: b}, Data: b,
		}
		encoded, err := event.Encode()
		if err != nil {
			return // no event, so never stored
		}
		x := annals.Entry{JSON: encoded.JSON()}
		testTableLine(t, &x)
		testStreamLine(t, &x)
	})
}

func onePrintableLine(t *testing.T, text string) {
	t.Helper()
	line, ok := strings.CutSuffix(text, "\n")
	if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); !ok || i >= 0 {
		t.Errorf("not one printable line: %q", text)
	}
}

func testTableLine(t *testing.T, x *annals.Entry) {
	const width = 100
	var b bytes.Buffer
	w := &tableWriter{out: bufio.NewWriter(&b), width: width, columns: entryColumns, rows: entryRows}
	check(t, w.write(x))
	check(t, w.end(new(ending)))
	_, line, _ := strings.Cut(b.String(), "\n")
	onePrintableLine(t, line)
	if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
		t.Errorf("line takes %d columns of %d: %q", n, width, line)
	}
}

func testStreamLine(t *testing.T, x *annals.Entry) {
	const width = 100
	var b bytes.Buffer
	w := newStreamWriter(bufio.NewWriter(&b), width, false)
	check(t, w.write(x))
	check(t, w.end(new(ending)))
	onePrintableLine(t, b.String())
	if n := uniseg.StringWidth(strings.TrimSuffix(b.String(), "\n")); n > width {
		t.Errorf("line takes %d columns of %d: %q", n, width, b.String())
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
		cols  int
	}{
		{"", 3, "", 0},
		{"abc", 3, "abc", 3},
		{"abcd", 3, "ab…", 3},
		{"見る", 4, "見る", 4},
		{"見るな", 4, "見…", 3},
		{"e\u0301bcd", 3, "e\u0301b…", 3},
	}
	for _, tt := range tests {
		if got, cols := cut(tt.in, tt.width); got != tt.want || cols != tt.cols {
			t.Errorf("cut(%q, %d) = %q, %d; want %q, %d", tt.in, tt.width, got, cols, tt.want, tt.cols)
		}
	}
}

// TestTablePages writes more rows than a page holds: all have the widths of the
// first.
func TestTablePages(t *testing.T) {
	var b bytes.Buffer
	w := &tableWriter{out: bufio.NewWriter(&b), width: 80, columns: entryColumns, rows: entryRows}
	for i := range tableRows + 5 {
		event := annals.Event{Type: "order.placed", Message: strings.Repeat("m", i%50)}
		encoded, err := event.Encode()
		check(t, err)
		check(t, w.write(&annals.Entry{Position: annals.Position(i), JSON: encoded.JSON()}))
	}
	check(t, w.end(new(ending)))
	text := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(text) != tableRows+6 || strings.Count(b.String(), "POSITION") != 1 {
		t.Fatalf("%d lines, header %d times", len(text), strings.Count(b.String(), "POSITION"))
	}
	column := strings.Index(text[0], "TYPE")
	for i, line := range text[1:] {
		if !strings.HasPrefix(line[column:], "order.placed") {
			t.Fatalf("row %d: %q", i, line)
		}
	}
}

func TestQuantities(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{grouped(0), "0"}, {grouped(999), "999"}, {grouped(1000), "1,000"}, {grouped(1234567), "1,234,567"},
		{plural(1, "entry"), "1 entry"}, {plural(0, "entry"), "0 entries"}, {plural(2000, "event"), "2,000 events"},
		{size(0), "0 bytes"}, {size(1023), "1023 bytes"}, {size(1024), "1.0 KiB"}, {size(1 << 20), "1.0 MiB"}, {size(3 << 29), "1.5 GiB"},
		{size(1<<63 - 1), "8.0 EiB"}, {seconds(0), "1 ms"}, {seconds(0.25), "250 ms"}, {seconds(2.345), "2.3 s"}, {seconds(300), "300 s"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

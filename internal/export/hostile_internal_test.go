package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

// check ends a test that an error makes pointless.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hostileTexts are texts that harm terminals, lines or spreadsheets.
var hostileTexts = []string{
	"", "plain", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "a;=1", "; \"＝1", ";\\;-1;", "\t=1", "\r=1", "a,b;\"c\"", "a\r\nb", "\x1b]0;title\x07", "\x00",
	"\u202e\u2066", "\u2028\u2029\u0085", "\u009b31m", "\ufeff", "\U000e0001", "e\u0301\u0301\u0301", "👩‍👩‍👧", strings.Repeat("長", 300),
}

// FuzzFault100 puts texts into every text member: each format has one line an entry, of
// printable characters, and means the same as before.
func FuzzFault100(f *testing.F) {
	if len(hostileTexts) < 10 {
		f.Fatal("seeds are missing")
	}
	for _, s := range hostileTexts {
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
		testJSONLine(t, &x)
		testCSVLine(t, &x)
		testJournald(t, &x)
	})
}

func onePrintableLine(t *testing.T, text string) {
	t.Helper()
	line, ok := strings.CutSuffix(text, "\n")
	if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); !ok || i >= 0 {
		t.Errorf("not one printable line: %q", text)
	}
}

func testJSONLine(t *testing.T, x *annals.Entry) {
	var b bytes.Buffer
	w := New(bufio.NewWriter(&b), &Options{Format: NDJSON, Printable: true})
	check(t, w.Write(x))
	check(t, w.End())
	onePrintableLine(t, b.String())
	var got, want any
	check(t, json.Unmarshal(b.Bytes(), &got))
	check(t, json.Unmarshal(x.JSON, &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON means something else (-want +got):\n%s", diff)
	}
}

package annals

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// withData returns the text of an event that carries a value as data.
func withData(value []byte) []byte {
	return append(append([]byte(`{"type":"t","data":`), value...), '}')
}

// vectors returns the files of a folder of testdata/codec, by name.
func vectors(t testing.TB, folder, pattern string, atLeast int) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "codec", folder, pattern))
	check(t, err)
	if len(names) < atLeast {
		t.Fatalf("got %d files %s/%s, want at least %d", len(names), folder, pattern, atLeast)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		files[filepath.Base(name)] = text
	}
	return files
}

// compact returns a value as an independent implementation compacts it, which
// leaves strings and numbers alone.
func compact(t testing.TB, text []byte) []byte {
	t.Helper()
	v := jsontext.Value(bytes.Clone(text))
	check(t, v.Compact())
	return v
}

// TestFault103JSONSuite runs the JSON parsing suite, each text as data.
func TestFault103JSONSuite(t *testing.T) {
	for name, text := range vectors(t, "nst", "n_*.json", 90) {
		if _, err := ParseEvent(withData(text)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", name, err)
		}
		if checkValue(text) == nil {
			t.Errorf("%s alone: got no error", name)
		}
	}
	for name, text := range vectors(t, "nst", "y_*.json", 48) {
		e, err := ParseEvent(withData(text))
		if strings.Contains(name, "duplicated_key") {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got error %v, want ErrInvalid", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := e.raw(memberData), compact(t, text); !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestJSONSuiteUndefined decides each text that parsers may treat either way:
// numbers are text, so their size is no matter; Unicode must be valid.
func TestJSONSuiteUndefined(t *testing.T) {
	accepted := map[string]bool{
		"i_number_double_huge_neg_exp.json": true,
		"i_number_neg_int_huge_exp.json":    true,
		"i_number_real_neg_overflow.json":   true,
		"i_number_real_underflow.json":      true,
		"i_number_too_big_pos_int.json":     true,
	}
	for name, text := range vectors(t, "nst", "i_*.json", 18) {
		e, err := ParseEvent(withData(text))
		if got, want := err == nil, accepted[name]; got != want {
			t.Errorf("%s: got accepted %v (%v), want %v", name, got, err, want)
		}
		if err == nil && !bytes.Equal(e.raw(memberData), compact(t, text)) {
			t.Errorf("%s: got %s", name, e.raw(memberData))
		}
	}
}

func TestJSONTransform(t *testing.T) {
	for name, text := range vectors(t, "nst-transform", "*.json", 22) {
		refused := strings.HasPrefix(name, "object_same_key") || strings.Contains(name, "invalid_codepoint")
		e, err := ParseEvent(withData(text))
		if got := err != nil; got != refused {
			t.Errorf("%s: got refused %v (%v), want %v", name, got, err, refused)
		}
		if err == nil && !bytes.Equal(e.raw(memberData), compact(t, text)) {
			t.Errorf("%s: got %s", name, e.raw(memberData))
		}
	}
}

// TestJCSStrings compares the escapes of typed strings with RFC 8785.
func TestJCSStrings(t *testing.T) {
	const in = `"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u0000\b\f\n\r\t\u001f\u007f\u2028<>&é\ud834\udd1e"`
	text := string(appendUnquoted(nil, []byte(in[1:len(in)-1])))
	want := "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\u0000\\b\\f\\n\\r\\t\\u001f\u007f\u2028<>&é𝄞\""
	if got := string(appendQuoted(nil, text)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Every string of the vectors' outputs is in canonical form already.
	for name, text := range vectors(t, "jcs/output", "*.json", 3) {
		for i := 0; i < len(text); i++ {
			if text[i] != '"' {
				continue
			}
			end := skipString(text, i)
			if got := appendQuoted(nil, unquote(text[i:end])); !bytes.Equal(got, text[i:end]) {
				t.Errorf("%s: got %s, want %s", name, got, text[i:end])
			}
			i = end - 1
		}
	}
	for name, text := range vectors(t, "jcs/input", "*.json", 3) {
		e, err := ParseEvent(withData(text))
		check(t, err)
		if diff := cmp.Diff(string(compact(t, text)), string(e.raw(memberData))); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestQuotedIsReadByOthers(t *testing.T) {
	for r := rune(0); r < 0x11000; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		var got string
		check(t, json.Unmarshal(appendQuoted(nil, string(r)), &got))
		if got != string(r) {
			t.Fatalf("got %q, want %q", got, r)
		}
	}
}

// nested returns depth arrays in each other.
func nested(depth int) []byte {
	return []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

func TestFault103Depth(t *testing.T) {
	tests := []struct {
		name  string
		text  string
		depth int // of the value in the text that %s stands for, its own level included
	}{
		{"data", `{"type":"t","data":%s}`, 2},
		{"metadata", `{"type":"t","metadata":{"a":%s}}`, 3},
		{"snapshot", `{"type":"t","snapshot":{"a":%s}}`, 3},
		{"changes", `{"type":"t","changes":{"a":[%s]}}`, 4},
	}
	for _, tt := range tests {
		for _, n := range []int{MaxDepth - 1, MaxDepth, MaxDepth + 1, 1_000_000} {
			_, err := ParseEvent(fmt.Appendf(nil, tt.text, nested(n-tt.depth+1)))
			if got, want := errors.Is(err, ErrInvalid), n > MaxDepth; got != want {
				t.Errorf("%s: depth %d: got refused %v (%v), want %v", tt.name, n, got, err, want)
			}
		}
	}
}

func TestFault103DuplicateNames(t *testing.T) {
	many := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"name-%d":%d,`, i, i)
		}
		return "{" + b.String() + more + "}"
	}
	tests := []struct {
		name, data, pointer string // an empty pointer means that the text is valid
	}{
		{"twice", `{"a":1,"b":2,"a":3}`, "/data/a"},
		{"escaped", `{"a":1,"\u0061":3}`, "/data/a"},
		{"both escaped", `{"\u0061":1,"\u0061":3}`, "/data/a"},
		{"surrogates", `{"\ud834\udd1e":1,"𝄞":3}`, "/data/𝄞"},
		{"empty", `{"":1,"":2}`, "/data/"},
		{"deep", `{"x":[0,{"y":{"a":1,"a":2}}]}`, "/data/x/1/y/a"},
		{"slash and tilde", `{"a/b~":1,"a/b~":2}`, "/data/a~1b~0"},
		{"different objects", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`, ""},
		{"case differs", `{"a":1,"A":2}`, ""},
		{"normal form differs", `{"\u00e9":1,"e\u0301":2}`, ""},
		{"after a nested large one", `{"a":` + many(100, `"z":0`) + `,"a":1}`, "/data/a"},
		{"31st", many(31, `"name-7":0`), "/data/name-7"},
		{"32nd", many(32, `"name-0":0`), "/data/name-0"},
		{"33rd", many(33, `"name-32":0`), "/data/name-32"},
		{"34th, escaped", many(34, `"\u006eame-3":0`), "/data/name-3"},
		{"100,000 names", many(100_000, `"name-5":0`), "/data/name-5"},
		{"100,000 different names", many(100_000, `"z":0`), ""},
	}
	for _, tt := range tests {
		_, err := ParseEvent(withData([]byte(tt.data)))
		got := ""
		if e, ok := errors.AsType[*InvalidError](err); ok {
			got = e.Pointer
		}
		if got != tt.pointer || (err != nil) != (tt.pointer != "") {
			t.Errorf("%s: got pointer %q (%v), want %q", tt.name, got, err, tt.pointer)
		}
	}
}

// TestPlainText compares the search by words with one by bytes.
func TestPlainText(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	alphabet := []byte("abc \"\\\x00\x1f\x20\x21\x22\x23\x5b\x5c\x5d\x7f\x80\xff\xa2\xdc")
	for range 20_000 {
		text := make([]byte, random.IntN(40))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
			if random.IntN(3) > 0 {
				text[i] = 'x'
			}
		}
		from := random.IntN(len(text) + 1)
		want, wantHigh := from, false
		for want < len(text) && text[want] >= ' ' && text[want] != '"' && text[want] != '\\' {
			wantHigh = wantHigh || text[want] >= 0x80
			want++
		}
		got, high := plainText(text, from, 0)
		if got != want || high&topBits != 0 != wantHigh {
			t.Fatalf("%q from %d: got %d, %v, want %d, %v", text, from, got, high&topBits != 0, want, wantHigh)
		}
	}
}

func TestPointerAt(t *testing.T) {
	const text = `{"a": {"b/c": [1, {"d": "x\"y"}, [true]]}, "\u0065": 2}`
	tests := []struct {
		at      string // the offset is where this begins
		pointer string
	}{
		{`{"a"`, ""}, {`"a"`, "/a"}, {`{"b`, "/a"}, {`"b/c"`, "/a/b~1c"}, {`[1`, "/a/b~1c"}, {`1,`, "/a/b~1c/0"},
		{`{"d"`, "/a/b~1c/1"}, {`"x`, "/a/b~1c/1/d"}, {`[true`, "/a/b~1c/2"}, {`true`, "/a/b~1c/2/0"},
		{`"\u0065"`, "/e"}, {`2}`, "/e"},
	}
	for _, tt := range tests {
		if got := pointerAt([]byte(text), strings.Index(text, tt.at)); got != tt.pointer {
			t.Errorf("at %s: got %q, want %q", tt.at, got, tt.pointer)
		}
	}
	long := `{"` + strings.Repeat("é", 1000) + `":!}`
	if got := pointerAt([]byte(long), len(long)-2); len(got) > maxPointerName+10 || !utf8.ValidString(got) {
		t.Errorf("got a pointer of %d bytes", len(got))
	}
}

func FuzzPointerAt(f *testing.F) {
	seeds := []string{`{"a":[1,{"b":2}]}`, `{"\`, `"a\`, `{"a\\\`, `]]`, `,,`, `{"a":"`}
	for _, s := range seeds {
		for i := range len(s) + 1 {
			f.Add([]byte(s), i)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, offset int) {
		pointerAt(text, offset)
		pointerAt(text[:len(text)/2], offset)
	})
}

// TestHashesDoNotDecide makes every name have the same hash.
func TestHashesDoNotDecide(t *testing.T) {
	s := newScanner([]byte(`"a" "b"`), nil)
	s.names = append(s.names, scannedName{from: 1, to: 2}, scannedName{from: 5, to: 6, at: 4})
	for i := range 40 {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(i))
		from := uint32(len(s.in) + len(s.unquoted))
		s.unquoted = append(s.unquoted, n[:]...)
		s.names = append(s.names, scannedName{from: from, to: from + 4})
	}
	check(t, s.closeNames(0))
	s.names = append(s.names[:42], scannedName{from: 1, to: 2, at: 6})
	s.names = append(s.names[:0:0], s.names[:43]...)
	if s.closeNames(0) == nil {
		t.Error("got no error for a duplicate name")
	}
}

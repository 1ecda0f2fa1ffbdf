package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
)

var forms = []string{
	"lines", "no last line end", "blank lines", "byte order mark", "CRLF", "concatenated",
	"array", "array of lines", "records", "records among members", "a records object a line",
	"an array a line", "pretty-printed", "pretty-printed records",
	"gzip", "gzip members", "zstd", "zstd blocks", "zstd frames",
}

func TestReaderContainers(t *testing.T) {
	lines := corpus(t)[:300]
	for _, form := range forms {
		t.Run(form, func(t *testing.T) {
			input := container(t, form, lines)
			r := newReader(t, bytes.NewReader(input), nil)
			items, err := readSome(r)
			if err != io.EOF {
				t.Fatalf("Next: %v, want EOF", err)
			}
			if len(items) != len(lines) {
				t.Fatalf("%d items, want %d", len(items), len(lines))
			}
			for i, item := range items {
				if item.Err != nil {
					t.Fatalf("item %d: %v", i, item.Err)
				}
				if got := compact(t, item.Raw); !bytes.Equal(got, lines[i]) {
					t.Fatalf("item %d is\n%s\nwant\n%s", i, got, lines[i])
				}
			}
			if got := r.InputBytes(); got != int64(len(input)) {
				t.Errorf("InputBytes is %d, want %d", got, len(input))
			}
			if !strings.HasPrefix(form, "gzip") && !strings.HasPrefix(form, "zstd") {
				checkPlaces(t, input, items)
			}
		})
	}
}

// checkPlaces checks lines and offsets of items of a plain input.
func checkPlaces(t *testing.T, input []byte, items []ingest.Item) {
	t.Helper()
	line, at := int64(1), int64(0)
	for i, item := range items {
		line += int64(bytes.Count(input[at:item.Offset], []byte("\n")))
		at = item.Offset
		if item.Line != line {
			t.Fatalf("item %d is on line %d, want %d", i, item.Line, line)
		}
		if !bytes.HasPrefix(input[at:], item.Raw) {
			t.Fatalf("item %d is not at offset %d", i, at)
		}
	}
}

func compact(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	check(t, json.Compact(&out, raw))
	return out.Bytes()
}

func TestReaderItems(t *testing.T) {
	const ok1, ok2 = `{"a":1}`, `{"b":[2,{"c":"\u00e9\\"}]}`
	tests := []struct {
		name, input string
		want        []string // LINE:OFFSET ok|bad RAW
		abandoned   bool
	}{
		{name: "empty"},
		{name: "white space", input: " \t\r\n\n  "},
		{name: "byte order mark alone", input: "\xef\xbb\xbf"},
		{name: "empty array", input: " [ ]\n"},
		{name: "empty Records", input: `{"Records":[]}`},
		{name: "scalars", input: "1 -2.5e+3\ntrue \"x\"null\n0", want: []string{
			"1:0 ok 1", "1:2 ok -2.5e+3", "2:10 ok true", `2:15 ok "x"`, "2:18 ok null", "3:23 ok 0"}},
		{name: "bad line in the middle", input: ok1 + "\n{\"x\":}\r\n" + ok2 + "\n", want: []string{
			"1:0 ok " + ok1, `2:8 bad {"x":}`, "3:16 ok " + ok2}},
		{name: "bad line is not joined with the next", input: ok1 + "\n{\"x\":\n" + ok1 + "\n" + ok2, want: []string{
			"1:0 ok " + ok1, `2:8 bad {"x":`, "3:14 ok " + ok1, "4:22 ok " + ok2}},
		{name: "bad line swallows to the end", input: "{\"x\":\n" + ok2, want: []string{
			`1:0 bad {"x":`, "2:6 ok " + ok2}},
		{name: "broken string", input: "{\"x\":\"\n" + ok2, want: []string{
			`1:0 bad {"x":"`, "2:7 ok " + ok2}},
		{name: "bad first line", input: "hello\n" + ok1, want: []string{"1:0 bad hello", "2:6 ok " + ok1}},
		{name: "bad last line", input: ok1 + "\n{\"x\"", want: []string{"1:0 ok " + ok1, `2:8 bad {"x"`}},
		{name: "rest of a line is bad", input: ok1 + ",\n" + ok2, want: []string{
			"1:0 ok " + ok1, "1:7 bad ,", "2:9 ok " + ok2}},
		{name: "log line that looks like an array", input: ok1 + "\n[INFO] x\n" + ok2, want: []string{
			"1:0 ok " + ok1, "2:8 bad [INFO] x", "3:17 ok " + ok2}},
		{name: "invalid UTF-8", input: "\"\xff\"\n" + ok1, want: []string{"1:0 bad \"\xff\"", "2:4 ok " + ok1}},
		{name: "surrogate as UTF-8", input: "\"\xed\xa0\x80\"", want: []string{"1:0 bad \"\xed\xa0\x80\""}},
		{name: "NUL", input: "\x00\x00\n" + ok1 + "\n\"\x00\"\n", want: []string{
			"1:0 bad \x00\x00", "2:3 ok " + ok1, "3:11 bad \"\x00\""}},
		{name: "bad numbers", input: "-\n1.\n1e\n.5\n+1\n1e+\n-x\n", want: []string{
			"1:0 bad -", "2:2 bad 1.", "3:5 bad 1e", "4:8 bad .5", "5:11 bad +1", "6:14 bad 1e+", "7:18 bad -x"}},
		{name: "bad escapes", input: "\"\\x\"\n\"\\u12g4\"\n\"\\", want: []string{
			`1:0 bad "\x"`, `2:5 bad "\u12g4"`, `3:14 bad "\`}},
		{name: "bad grammar", input: "{1}\n{\"a\" 1}\n{\"a\":1,}\n{,}\n{\"a\":1]\n]\n:\ntru\nnulL\n", want: []string{
			"1:0 bad {1}", `2:4 bad {"a" 1}`, `3:12 bad {"a":1,}`, "4:21 bad {,}", `5:25 bad {"a":1]`,
			"6:33 bad ]", "7:35 bad :", "8:37 bad tru", "9:41 bad nulL"}},
		{name: "broken element", input: "[" + ok1 + ",\n{x},\n" + ok2 + "]", abandoned: true, want: []string{
			"1:1 ok " + ok1, "2:10 bad {x},"}},
		{name: "no comma between elements", input: "[1 2]", abandoned: true, want: []string{
			"1:1 ok 1", "1:3 bad 2]"}},
		{name: "comma before the end", input: "[1,]", abandoned: true, want: []string{"1:1 ok 1", "1:3 bad ]"}},
		{name: "comma at the start", input: "[,1]", abandoned: true, want: []string{"1:1 bad ,1]"}},
		{name: "array is not closed", input: "[1,2\n", abandoned: true, want: []string{
			"1:1 ok 1", "1:3 ok 2", "2:5 bad "}},
		{name: "array is closed by a brace", input: "[1}", abandoned: true, want: []string{"1:1 ok 1", "1:2 bad }"}},
		{name: "values after an array", input: "[1]\n" + ok1 + "[2,3]", want: []string{
			"1:1 ok 1", "2:4 ok " + ok1, "2:12 ok 2", "2:14 ok 3"}},
		{name: "array in an array", input: "[[1,2]]", want: []string{"1:1 ok [1,2]"}},
		{name: "Records twice", input: `{"Records":[1],"x":{"Records":[0]},"Records":[2]}{"Records":[3]}`, want: []string{
			"1:12 ok 1", "1:46 ok 2", "1:61 ok 3"}},
		{name: "Records in Records", input: `{"Records":[{"Records":[1]}]}`, want: []string{`1:12 ok {"Records":[1]}`}},
		{name: "Records of another kind", input: `{"Records":{"a":[1]}}`, want: []string{`1:0 ok {"Records":{"a":[1]}}`}},
		{name: "Records as a value", input: `{"a":"Records","b":[1]}`, want: []string{`1:0 ok {"a":"Records","b":[1]}`}},
		{name: "names like Records", input: `{"Record":[1],"Recordsx":[2],"\u0052ecords":[3]}`, want: []string{
			`1:0 ok {"Record":[1],"Recordsx":[2],"\u0052ecords":[3]}`}},
		{name: "Records later", input: ok1 + "\n{\"Records\":[1]}", want: []string{
			"1:0 ok " + ok1, `2:8 ok {"Records":[1]}`}},
		{name: "broken after Records", input: `{"Records":[1],x}` + "\n" + ok1, abandoned: true, want: []string{
			"1:12 ok 1", "1:14 bad "}},
		{name: "Records not closed", input: `{"Records":[1]`, abandoned: true, want: []string{
			"1:12 ok 1", "1:14 bad "}},
		{name: "broken pretty-printed value", input: "{\n \"a\":1\n}\n{\n \"a\":\n}\n{\n \"a\":{\n}\n}\n", abandoned: true, want: []string{
			"1:0 ok {\n \"a\":1\n}", "4:11 bad {"}},
		{name: "broken first pretty-printed value", input: "{\n \"a\":\n}\n{}\n", abandoned: true, want: []string{
			"1:0 bad {"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(tt.input),
				iotest.OneByteReader(strings.NewReader(tt.input)),
				iotest.DataErrReader(strings.NewReader(tt.input)),
			} {
				items := readAll(t, r, nil)
				if diff := cmp.Diff(tt.want, show(items)); diff != "" {
					t.Errorf("items differ (-want +got):\n%s", diff)
				}
				last := len(items) - 1
				for i, item := range items {
					if got, want := errors.Is(item.Err, ingest.ErrAbandoned), tt.abandoned && i == last; got != want {
						t.Errorf("item %d: %v: abandoned is %t, want %t", i, item.Err, got, want)
					}
				}
			}
		})
	}
}

func TestReaderTooLarge(t *testing.T) {
	const limit = 100
	value := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	over := strings.Repeat("[1,\n", 30) + "1" + strings.Repeat("]", 30)
	for name, input := range map[string]string{
		"lines":        value(limit) + "\n" + value(limit+1) + "\n" + value(limit-1),
		"long":         value(limit) + "\n" + value(300_000) + "\n" + value(limit-1),
		"spread":       value(limit) + "\n" + over + "\n" + value(limit-1),
		"number":       value(limit) + "\n" + strings.Repeat("1", 300_000) + "\n" + value(limit-1),
		"broken":       value(limit) + "\n" + value(limit+1) + "]\n" + value(limit-1),
		"broken later": value(limit) + "\n" + value(limit + 50)[:limit+40] + "\n" + value(limit-1),
		"array":        "[" + value(limit) + "," + value(limit+1) + "," + value(limit-1) + "]",
		"records": `{"x":` + value(limit+1) + `,"Records":[` + value(limit) + "," + value(300_000) + "," +
			value(limit-1) + `],"y":` + value(limit+1) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			var good []string
			bad := 0
			for _, item := range readAll(t, strings.NewReader(input), &ingest.Options{MaxValueBytes: limit}) {
				if item.Err == nil {
					good = append(good, string(item.Raw))
				} else if bad++; len(item.Raw) > limit {
					t.Errorf("%d bytes kept of a bad value, want at most %d", len(item.Raw), limit)
				}
			}
			if diff := cmp.Diff([]string{value(limit), value(limit - 1)}, good); diff != "" {
				t.Errorf("good values differ (-want +got):\n%s", diff)
			}
			if want := 1 + strings.Count(name, "broken") - strings.Count(name, "later"); bad != want {
				t.Errorf("%d bad values, want %d", bad, want)
			}
		})
	}
}

// TestReaderLargeValue has a value at the default limit between small ones.
func TestReaderLargeValue(t *testing.T) {
	const limit = 16 << 20
	for _, size := range []int{limit, limit + 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			large := `"` + strings.Repeat("x", size-2) + `"`
			r := newReader(t, strings.NewReader("1\n"+large+"\n2\n"), nil)
			items, err := readSome(r)
			if err != io.EOF || len(items) != 3 || string(items[2].Raw) != "2" || items[2].Line != 3 {
				t.Fatalf("%d items, %v", len(items), err)
			}
			if got, want := items[1].Err == nil, size == limit; got != want {
				t.Errorf("value of %d bytes: %v", size, items[1].Err)
			}
			if size == limit && string(items[1].Raw) != large {
				t.Error("value is changed")
			}
		})
	}
}

// TestReaderTruncated cuts compressed streams at every byte. The zstd decoder
// gives out whole blocks only, so that its stream has a block for each line.
func TestReaderTruncated(t *testing.T) {
	lines := [][]byte{[]byte(base + "}"), []byte(`{"a":[1,2]}`), []byte(base + `,"b":"\u00e9"}`), []byte(`{"c":null}`)}
	for _, form := range []string{"gzip", "zstd blocks"} {
		t.Run(form, func(t *testing.T) {
			name, _, _ := strings.Cut(form, " ")
			whole := container(t, form, lines)
			most := 0
			for n := 4; n < len(whole); n++ {
				items, err := truncated(whole[:n])
				if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), name+" stream is truncated") {
					t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
				}
				for i, item := range items {
					if item.Err != nil || !bytes.Equal(item.Raw, lines[i]) {
						t.Fatalf("%d of %d bytes: item %d is %.100q, %v", n, len(whole), i, item.Raw, item.Err)
					}
				}
				most = max(most, len(items))
			}
			// Only the checksum is missing: everything was readable.
			if most != len(lines) {
				t.Errorf("at most %d items of a truncated stream, want %d", most, len(lines))
			}
		})
	}
}

func truncated(input []byte) ([]ingest.Item, error) {
	r, err := ingest.NewReader(bytes.NewReader(input), withRecords(nil))
	if err != nil {
		return nil, err
	}
	return readSome(r)
}

// TestReaderTruncatedPlain cuts plain text at every byte: each value before the
// cut is an item, and there is never an error of the reader.
func TestReaderTruncatedPlain(t *testing.T) {
	lines := [][]byte{[]byte(base + "}"), []byte(`{"a":[1,2,{"b":""}]}`), []byte(`{"c":null,"d":-1.5e+3}`)}
	for _, form := range []string{"lines", "array", "records among members"} {
		whole := container(t, form, lines)
		for n := range whole {
			items := readAll(t, bytes.NewReader(whole[:n]), nil)
			for i, item := range items {
				switch {
				case item.Err != nil && i < len(items)-1:
					t.Fatalf("%s, %d bytes: item %d: %v", form, n, i, item.Err)
				case item.Err == nil && i < len(lines) && !bytes.Equal(item.Raw, lines[i]):
					t.Fatalf("%s, %d bytes: item %d is %s", form, n, i, item.Raw)
				}
			}
		}
	}
}

func TestReaderReadError(t *testing.T) {
	errDisk := errors.New("disk on fire")
	for name, tt := range map[string]struct {
		input string
		want  []string
	}{
		"at once":                {},
		"between values":         {"1\n2\n", []string{"1:0 ok 1", "2:2 ok 2"}},
		"in a number":            {"1\n2", []string{"1:0 ok 1"}},
		"in a value":             {"1\n{\"a\"", []string{"1:0 ok 1"}},
		"in a pretty value":      {"{\n}\n{\n \"a\"", []string{"1:0 ok {\n}"}},
		"in a first value":       {"{\n \"a\"", nil},
		"in an array":            {"[1,\n2,", []string{"1:1 ok 1", "2:4 ok 2"}},
		"in an element":          {"[1,[\n2,", []string{"1:1 ok 1"}},
		"after Records":          {`{"Records":[1],"x"`, []string{"1:12 ok 1"}},
		"after a broken line":    {"1\n{\"a\":\n2\n3", []string{"1:0 ok 1", `2:2 bad {"a":`, "3:8 ok 2"}},
		"within a broken value":  {"1\n{\"a\":\n", []string{"1:0 ok 1", `2:2 bad {"a":`}},
		"in the line of a break": {"1\n{x", []string{"1:0 ok 1", "2:2 bad {x"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, io.MultiReader(strings.NewReader(tt.input), iotest.ErrReader(errDisk)), nil)
			items, err := readSome(r)
			if diff := cmp.Diff(tt.want, show(items)); diff != "" {
				t.Errorf("items differ (-want +got):\n%s", diff)
			}
			if !errors.Is(err, errDisk) {
				t.Errorf("Next: %v, want %v", err, errDisk)
			}
			if _, again := r.Next(); again != err {
				t.Errorf("Next again: %v, want %v", again, err)
			}
		})
	}
}

// TestReaderNamedContainers reads envelopes under several names, in pieces of any size.
func TestReaderNamedContainers(t *testing.T) {
	items, many := []string{"items", "item", "records", "Records"}, make([]string, 64)
	many[63] = "items"
	for name, tt := range map[string]struct {
		containers []string
		input      string
		want       []string
	}{
		"list":         {items, `{"kind":"List","items":[1,2],"x":[0]}`, []string{"1:24 ok 1", "1:26 ok 2"}},
		"one a line":   {items, "{\"items\":[1]}\n{\"records\":[2]}", []string{"1:10 ok 1", "2:26 ok 2"}},
		"two in one":   {items, `{"item":[1],"Records":[2],"records":{}}`, []string{"1:9 ok 1", "1:23 ok 2"}},
		"beginnings":   {items, `{"ite":[1],"itemss":[2],"x":{"items":[3]}}`, []string{`1:0 ok {"ite":[1],"itemss":[2],"x":{"items":[3]}}`}},
		"none":         {[]string{}, `{"Records":[1]}`, []string{`1:0 ok {"Records":[1]}`}},
		"most":         {many, `{"items":[1]}`, []string{"1:10 ok 1"}},
		"no array":     {items, `{"items":{"a":[1]}}`, []string{`1:0 ok {"items":{"a":[1]}}`}},
		"of an object": {items, `{"items":[{"items":[1]}]}`, []string{`1:10 ok {"items":[1]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.input), iotest.OneByteReader(strings.NewReader(tt.input))} {
				got := show(readAll(t, r, &ingest.Options{Containers: tt.containers}))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestNewReaderErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		input string
		opts  ingest.Options
		want  string
	}{
		"UTF-16, little": {input: "\xff\xfe{\x00}\x00", want: "input is UTF-16, want UTF-8"},
		"UTF-16, big":    {input: "\xfe\xff\x00{\x00}", want: "input is UTF-16, want UTF-8"},
		"gzip header":    {input: "\x1f\x8b\x08\x00", want: "gzip stream is truncated: unexpected EOF"},
		"negative value": {opts: ingest.Options{MaxValueBytes: -1}, want: "MaxValueBytes is -1, want 0 to 1073741824"},
		"huge value":     {opts: ingest.Options{MaxValueBytes: 1<<30 + 1}, want: "MaxValueBytes is 1073741825, want 0 to 1073741824"},
		"containers":     {opts: ingest.Options{Containers: make([]string, 65)}, want: "65 Containers, at most 64"},
		"tiny window":    {opts: ingest.Options{MaxWindowBytes: 1}, want: "MaxWindowBytes is 1, want 0 or 1024 to 1073741824"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ingest.NewReader(strings.NewReader(tt.input), &tt.opts)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestReaderGoroutines leaves readers in the middle: there is nothing to close.
func TestReaderGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, form := range []string{"gzip", "zstd"} {
		r := newReader(t, bytes.NewReader(container(t, form, corpus(t)[:300])), nil)
		_, err := r.Next()
		check(t, err)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// stuck is a reader that never gets anywhere.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderNoProgress(t *testing.T) {
	r := newReader(t, io.MultiReader(strings.NewReader(`{"a":1}`), stuck{}), nil)
	items, err := readSome(r)
	if len(items) != 1 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%d items, %v", len(items), err)
	}
}

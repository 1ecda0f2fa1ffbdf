package ingest_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readRows returns the items of a CSV file, with memory of their own, and the error
// after them.
func readRows(t testing.TB, r io.Reader, opts *ingest.CSVOptions) (items []ingest.Item, err error) {
	t.Helper()
	c, err := ingest.NewCSVReader(r, opts)
	check(t, err)
	for {
		item, err := c.Next()
		if err != nil {
			return items, err
		}
		item.Raw = bytes.Clone(item.Raw)
		items = append(items, item)
	}
}

func TestCSVReader(t *testing.T) {
	tests := []struct {
		name, input string
		want        []string // LINE:OFFSET ok|bad RAW
	}{
		{name: "empty"},
		{name: "empty lines", input: "\n\r\n\n"},
		{name: "header alone", input: "a,b\n"},
		{name: "rows", input: "a,b\n1,2\n,\n", want: []string{`2:4 ok {"a":"1","b":"2"}`, `3:8 ok {"a":"","b":""}`}},
		{name: "no last line end", input: "a,b\n1,2", want: []string{`2:4 ok {"a":"1","b":"2"}`}},
		{name: "CRLF", input: "a,b\r\n1,\"2\"\r\n\r\n3,4\r\n", want: []string{`2:5 ok {"a":"1","b":"2"}`, `4:14 ok {"a":"3","b":"4"}`}},
		{name: "byte order mark", input: "\xef\xbb\xbfa\n1\n", want: []string{`2:5 ok {"a":"1"}`}},
		{name: "quotes", input: "a,b\n\"x \"\"y\"\", z\",\"\"\n", want: []string{`2:4 ok {"a":"x \"y\", z","b":""}`}},
		{name: "line ends in quotes", input: "a,b\n\"1\n2\r\n3\",x\n4,5\n", want: []string{
			`2:4 ok {"a":"1\n2\r\n3","b":"x"}`, `5:15 ok {"a":"4","b":"5"}`}},
		{name: "white space is kept", input: "a, b\n x ,\t\n", want: []string{`2:5 ok {"a":" x "," b":"\t"}`}},
		{name: "columns without names", input: ",b,\n1,2,3\n", want: []string{`2:4 ok {"column_1":"1","b":"2","column_3":"3"}`}},
		{name: "names are escaped", input: "\"a\"\"b\"\n1\n", want: []string{`2:7 ok {"a\"b":"1"}`}},
		{name: "too few and too many cells", input: "a,b\n1\n1,2,3\n4,5\n", want: []string{
			"2:4 bad 1", "3:6 bad 1,2,3", `4:12 ok {"a":"4","b":"5"}`}},
		{name: "quote in a cell", input: "a,b\n1\"x,2\n3,4\n", want: []string{"2:4 bad 1\"x,2", `3:10 ok {"a":"3","b":"4"}`}},
		{name: "text behind a quote", input: "a,b\n\"1\"x,2\n3,4\n", want: []string{"2:4 bad \"1\"x,2", `3:11 ok {"a":"3","b":"4"}`}},
		{name: "CR behind a quote", input: "a\n\"1\"\rx\n3\n", want: []string{"2:2 bad \"1\"\rx", `3:8 ok {"a":"3"}`}},
		{name: "quote that is not closed", input: "a,b\n\"1,2\n3,4\n", want: []string{"2:4 bad \"1,2", `3:9 ok {"a":"3","b":"4"}`}},
		{name: "invalid UTF-8", input: "a\n\xff\nx\n", want: []string{"2:2 bad \xff", `3:4 ok {"a":"x"}`}},
		{name: "NUL and control characters", input: "a\n\x00\x1b\n", want: []string{`2:2 ok {"a":"\u0000\u001b"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(tt.input), iotest.OneByteReader(strings.NewReader(tt.input)), iotest.DataErrReader(strings.NewReader(tt.input)),
			} {
				items, err := readRows(t, r, nil)
				if diff := cmp.Diff(tt.want, show(items)); diff != "" || err != io.EOF {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}

func TestCSVReaderValue(t *testing.T) {
	value := func(dst []byte, column string, cell []byte) ([]byte, bool) {
		return append(append(dst, cell...), column...), len(cell) > 0
	}
	items, err := readRows(t, strings.NewReader("1,2,3\n0,,7\n,,\n,5,6\n"), &ingest.CSVOptions{Value: value})
	want := []string{`2:6 ok {"1":01,"3":73}`, `3:11 ok {}`, `4:14 ok {"2":52,"3":63}`}
	if diff := cmp.Diff(want, show(items)); diff != "" || err != io.EOF {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCSVReaderHeader(t *testing.T) {
	for input, want := range map[string]string{
		"a,b,a\n":                        `read header of CSV: column "a" is there twice`,
		"a,\xff\n":                       "read header of CSV: column 2: invalid UTF-8",
		"\"a\n":                          "read header of CSV: quote is not closed",
		strings.Repeat(",", 5000) + "\n": "read header of CSV: row has more than 4096 cells",
		strings.Repeat("x", 2<<20):       "read header of CSV: row is larger than 1048576 bytes",
	} {
		if _, err := ingest.NewCSVReader(strings.NewReader(input), nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestCSVReaderLimit has rows about as large as the limit, and goes on behind those
// that are larger.
func TestCSVReaderLimit(t *testing.T) {
	const limit = 100
	for _, n := range []int{limit - 1, limit, limit + 1, 10 * limit, 200_000} {
		for _, quote := range []string{"", `"`} {
			cell := quote + strings.Repeat("x", n-1-2*len(quote)) + quote
			items, err := readRows(t, strings.NewReader("a\n"+cell+"\ny\n"), &ingest.CSVOptions{Options: ingest.Options{MaxValueBytes: limit}})
			if err != io.EOF || len(items) != 2 || (items[0].Err == nil) != (n <= limit) || items[1].Err != nil || items[1].Line != 3 {
				t.Errorf("row of %d bytes: %v, %q", n, err, show(items))
			}
		}
	}
}

func TestCSVReaderFails(t *testing.T) {
	errDisk := errors.New("disk on fire")
	items, err := readRows(t, io.MultiReader(strings.NewReader("a\n1\n2"), iotest.ErrReader(errDisk)), nil)
	if len(items) != 1 || !errors.Is(err, errDisk) || err.Error() != "line 3: disk on fire" {
		t.Errorf("%q, %v", show(items), err)
	}
}

// TestCSVReaderMemory reads a file that never closes a quote: every line is an item,
// and memory is bounded.
func TestCSVReaderMemory(t *testing.T) {
	const limit, lines = 256 << 10, 2000
	line := strings.Repeat("x", 10_000) + "\n"
	input := io.MultiReader(strings.NewReader("a\n\""), repeat(line, lines*int64(len(line))))
	n := 0
	got := allocated(func() {
		c, err := ingest.NewCSVReader(input, &ingest.CSVOptions{Options: ingest.Options{MaxValueBytes: limit}})
		check(t, err)
		for {
			_, err := c.Next()
			if err == io.EOF {
				return
			}
			check(t, err)
			n++
		}
	})
	if n != lines || got > 8*limit {
		t.Errorf("%d items, want %d; %d bytes allocated", n, lines, got)
	}
}

// TestCSVReaderAgrees writes random cells with the standard library and reads them
// with both readers, in pieces of random size.
func TestCSVReaderAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 4).Draw(t, "width")
		cell := rapid.StringOf(rapid.SampledFrom([]rune("ab,;\"\n '=é\u2028\x00")))
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, width, width), 0, 20).Draw(t, "rows")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		names := []string{"a", "b", "c", "d"}[:width]
		if err := w.WriteAll(append([][]string{names}, rows...)); err != nil {
			t.Fatal(err)
		}
		std := csv.NewReader(bytes.NewReader(text.Bytes()))
		want, err := std.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		c, err := ingest.NewCSVReader(iotest.HalfReader(&text), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range want[1:] {
			item, err := c.Next()
			var got map[string]string
			if err == nil {
				err = errors.Join(item.Err, json.Unmarshal(item.Raw, &got))
			}
			for i, name := range names {
				// Within quotes, the standard library makes CRLF a LF.
				if text := strings.ReplaceAll(got[name], "\r\n", "\n"); err != nil || text != row[i] {
					t.Fatalf("%v: column %s is %q, want %q", err, name, text, row[i])
				}
			}
		}
		if _, err := c.Next(); err != io.EOF {
			t.Fatalf("got %v, want the end", err)
		}
	})
}

// FuzzCSVReader reads any text: what is an item is JSON or has an error, and places
// grow.
func FuzzCSVReader(f *testing.F) {
	seeds := []string{"a,b\n1,2\n", "a\n\"x\n\"\"y\"\r\n", "\"\n\"\n\"", "a,a\n", "a\n\"x\"y\nz\n", "\xef\xbb\xbfa\n\n\n1"}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ingest.NewCSVReader(strings.NewReader(text), &ingest.CSVOptions{Options: ingest.Options{MaxValueBytes: 64}})
		if err != nil {
			return
		}
		last := ingest.Item{Offset: -1}
		for {
			item, err := c.Next()
			if err == io.EOF {
				return
			}
			if err != nil || item.Err == nil && !json.Valid(item.Raw) || item.Offset <= last.Offset || item.Line <= last.Line ||
				item.Line != 1+int64(strings.Count(text[:item.Offset], "\n")) {
				t.Fatalf("%v: item %+v behind %+v", err, item, last)
			}
			last.Offset, last.Line = item.Offset, item.Line
		}
	})
}

package annals

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readAll returns what a decoder returns, one string a value: its line, its
// text, and the kind of its error.
func readAll(t *testing.T, d *Decoder) (got []string) {
	t.Helper()
	for {
		text, err := d.Next()
		kind := ""
		switch {
		case err == io.EOF:
			return got
		case errors.Is(err, ErrInvalid):
			kind = " invalid"
		case errors.Is(err, ErrTooLarge):
			kind = " too large"
		case err != nil:
			return append(got, err.Error())
		}
		got = append(got, fmt.Sprintf("%d: %s%s", d.Line(), text, kind))
		if len(got) > 1000 {
			t.Fatal("the decoder does not end")
		}
	}
}

func TestDecoder(t *testing.T) {
	deep := strings.Repeat("[\n", MaxDepth+1)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"white space", " \r\n\t\n", nil},
		{"lines", "{\"a\":1}\n{\"b\":2}\n", []string{`1: {"a":1}`, `2: {"b":2}`}},
		{"no last line break", "{\"a\":1}\r\n{\"b\":2}", []string{`1: {"a":1}`, `2: {"b":2}`}},
		{"blank lines", "\n\n{}\n\n{}", []string{"3: {}", "5: {}"}},
		{"one line", `{"a":"}"}{"b":"\"{"} [1] "x" 7 true null`,
			[]string{`1: {"a":"}"}`, `1: {"b":"\"{"}`, `1: [1]`, `1: "x"`, `1: 7`, `1: true`, `1: null`}},
		{"several lines", "{\n \"a\": [\n1\n]\n}\n{}\n", []string{"1: {\n \"a\": [\n1\n]\n}", "6: {}"}},
		{"bad line", "{\"a\":}\n{}\n", []string{`1: {"a":}`, "2: {}"}},
		{"unclosed line", "{\"a\":1\n{\"b\":2}\n{}\n", []string{"1: {\"a\":1 invalid", `2: {"b":2}`, "3: {}"}},
		{"unclosed string", "{\"a\":\"x\n{\"b\":2}\n", []string{"1: {\"a\":\"x invalid", `2: {"b":2}`}},
		{"unclosed at the end", "{}\n{\"a\":", []string{"1: {}", "2: {\"a\": invalid"}},
		{"unclosed string at the end", "{}\n\"a\\", []string{"1: {}", "2: \"a\\ invalid"}},
		{"junk", "xfoo bar } ]\n{}\n", []string{"1: xfoo bar } ]", "2: {}"}},
		{"junk after a value", "{},\n{}\n", []string{"1: {}", "1: ,", "2: {}"}},
		{"mark", "\ufeff{}\n{}", []string{"1: \ufeff{}", "2: {}"}},
		{"too deep", deep + "{}\n", numbered("1: [ invalid", 2, MaxDepth+1, "[ invalid", fmt.Sprintf("%d: {}", MaxDepth+2))},
		{"limit", `"` + strings.Repeat("x", 98) + `"` + "\n{}", []string{`1: "` + strings.Repeat("x", 98) + `"`, "2: {}"}},
		{"above the limit", `"` + strings.Repeat("x", 99) + `"` + "\n{}", []string{"1:  too large", "2: {}"}},
		{"far above the limit", `"` + strings.Repeat("x", 300_000) + `"` + "\n{}", []string{"1:  too large", "2: {}"}},
		{"far above, at the end", "[" + strings.Repeat("1,", 300_000), []string{"1:  too large"}},
		{"above the limit on lines", "[" + strings.Repeat("1,\n", 40) + "1]\n", numbered("1: [1, too large", 2, 40, "1,", "41: 1]")},
	}
	for _, tt := range tests {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(tt.text), "bytes": iotest.OneByteReader(strings.NewReader(tt.text)),
			"data with error": iotest.DataErrReader(strings.NewReader(tt.text)),
		} {
			limit := 100
			if tt.name == "too deep" {
				limit = 2 * len(deep)
			}
			got := readAll(t, NewDecoder(r, limit))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, %s: -want +got\n%s", tt.name, name, diff)
			}
		}
	}
}

// numbered returns first, then lines from a to b of one text, then last.
func numbered(first string, a, b int, text, last string) []string {
	want := []string{first}
	for line := a; line <= b; line++ {
		want = append(want, fmt.Sprintf("%d: %s", line, text))
	}
	return append(want, last)
}

func TestDecoderReadError(t *testing.T) {
	broken := errors.New("broken")
	got := readAll(t, NewDecoder(io.MultiReader(strings.NewReader("{}\n{\"a\":"), iotest.ErrReader(broken)), 0))
	if diff := cmp.Diff([]string{"1: {}", "broken"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	got = readAll(t, NewDecoder(stuck{}, 0))
	if diff := cmp.Diff([]string{io.ErrNoProgress.Error()}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// stuck is a reader that reads nothing.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestFault103DecoderMemory: a value that never ends takes no more than a few times the
// limit.
func TestFault103DecoderMemory(t *testing.T) {
	const limit = 1 << 20
	d := NewDecoder(io.LimitReader(endless('['), 64<<20), limit)
	for {
		_, err := d.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			t.Fatal("got a value")
		}
	}
	if cap(d.buf) > 6*limit {
		t.Errorf("the buffer has %d bytes", cap(d.buf))
	}
	d = NewDecoder(io.LimitReader(endless('1'), 64<<20), limit)
	if text, err := d.Next(); !errors.Is(err, ErrTooLarge) || text != nil {
		t.Errorf("got %d bytes, %v, want ErrTooLarge", len(text), err)
	}
	if cap(d.buf) > 6*limit {
		t.Errorf("the buffer has %d bytes", cap(d.buf))
	}
}

// endless is a reader of one byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// FuzzValueSequence: whatever the chunks, the same values come out; valid values
// are those that encoding/json finds; nothing is lost or repeated.
func FuzzValueSequence(f *testing.F) {
	seeds := []string{
		"{}\n{}\n", "{\"a\":[1,\n2]}\n\"x\" 1 true\n", "{\"a\":\"x\n{}\n", "[[[\n]]]", "} {\n", "\"\\\"\n", "1\n2\n\n3", "{\"a\":1}{\"b\":2}",
	}
	for _, s := range seeds {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(3))
	}
	if len(seeds) < 8 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, text []byte, chunk uint8) {
		whole := readText(NewDecoder(bytes.NewReader(text), 0))
		parts := readText(NewDecoder(&chunks{text, 1 + int(chunk)}, 0))
		if diff := cmp.Diff(whole, parts); diff != "" {
			t.Fatalf("%q: -whole +chunks\n%s", text, diff)
		}
		strip := func(s string) string { return strings.Join(strings.FieldsFunc(s, isJSONSpace), "") }
		if got, want := strip(strings.Join(whole, "")), strip(string(text)); got != want {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
		if want, ok := jsonValues(text); ok {
			if diff := cmp.Diff(want, whole); diff != "" {
				t.Fatalf("%q: -want +got\n%s", text, diff)
			}
		}
	})
}

func isJSONSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// readText returns all texts of a decoder, refused ones included.
func readText(d *Decoder) (got []string) {
	for {
		text, err := d.Next()
		if err == io.EOF {
			return got
		}
		got = append(got, string(text))
	}
}

// chunks is a reader of a few bytes at a time.
type chunks struct {
	text []byte
	n    int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.text)
	c.text = c.text[n:]
	return n, nil
}

// jsonValues returns the values of a text, if all are valid, strictly so, and
// apart where they must be.
func jsonValues(text []byte) (values []string, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	end := int64(0)
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err == io.EOF {
			return values, true
		} else if err != nil {
			return nil, false
		}
		start := dec.InputOffset() - int64(len(raw))
		scalar := len(values) > 0 && !strings.ContainsAny(values[len(values)-1][:1], `{["`)
		if checkValue(raw) != nil || scalar && start == end {
			return nil, false
		}
		end = dec.InputOffset()
		values = append(values, string(raw))
	}
}

func BenchmarkDecoder(b *testing.B) {
	text := bytes.Repeat([]byte(benchText+"\n"), 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		d := NewDecoder(bytes.NewReader(text), 0)
		n := 0
		for {
			if _, err := d.Next(); err != nil {
				break
			}
			n++
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}

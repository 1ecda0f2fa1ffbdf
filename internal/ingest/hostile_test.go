package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/go-json-experiment/json/jsontext"
)

// repeat is n bytes of text, over and over.
func repeat(text string, n int64) io.Reader {
	return io.LimitReader(&endless{text: text}, n)
}

type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.text[e.at:])
		n += k
		e.at = (e.at + k) % len(e.text)
	}
	return n, nil
}

// allocated returns how many bytes f allocates in all, which is more than it
// ever holds at once.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestFault103Memory reads inputs far larger than the memory they may take.
func TestFault103Memory(t *testing.T) {
	const limit = 1 << 20
	size := int64(1 << 30)
	if testing.Short() || raceEnabled {
		size = 128 << 20
	}
	page := strings.Repeat("x", 64<<10) // the text is repeated in large pieces, to be quick
	var bomb bytes.Buffer
	gzipped(t, &bomb, make([]byte, 16<<20))
	members := bytes.Repeat(bomb.Bytes(), int(size>>24))
	deep := int64(2_000_000)
	tests := []struct {
		name      string
		input     io.Reader
		bad, good int
	}{
		{"gzip bomb", bytes.NewReader(members), 1, 0},
		{"line without JSON", repeat(page, size/16), 1, 0},
		{"string without end", io.MultiReader(strings.NewReader(`"`), repeat(page, size/64)), 1, 0},
		{"large string", io.MultiReader(strings.NewReader(`"`), repeat(page, size/64), strings.NewReader("\"\n1")), 1, 1},
		{"large element", io.MultiReader(strings.NewReader(`["`), repeat(page, size/64), strings.NewReader(`",1]`)), 1, 1},
		{"large name", io.MultiReader(strings.NewReader(`{"`), repeat(page, size/64), strings.NewReader("\":1}\n1")), 1, 1},
		{"large number", io.MultiReader(repeat("123456789", 4*limit), strings.NewReader("\n1")), 1, 1},
		{"large white space", io.MultiReader(repeat(strings.Repeat(" \n", 32<<10), size/64), strings.NewReader("1")), 0, 1},
		{"large broken element", io.MultiReader(strings.NewReader(`[x`), repeat(page, size)), 1, 0},
		{"deep arrays", io.MultiReader(strings.NewReader("0\n"), repeat("[", deep)), 1, 1},
		{"deep first array", repeat("[", deep), 1, 0},
		{"deep objects", repeat(`{"a":`, deep), 1, 0},
		{"deep Records", repeat(`{"Records":[`, deep), 1, 0},
		{"many names", io.MultiReader(strings.NewReader(`{"":0`), repeat(`,"k":0`, 600_000), strings.NewReader("}")), 0, 1},
		{"many arrays", io.MultiReader(strings.NewReader("["), repeat("[],", 300_000), strings.NewReader("1]")), 0, 100_001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[bool]int{}
			bytes := allocated(func() {
				r := newReader(t, tt.input, &ingest.Options{MaxValueBytes: limit})
				for {
					item, err := r.Next()
					if err == io.EOF {
						return
					}
					check(t, err)
					got[item.Err == nil]++
				}
			})
			if got[false] != tt.bad || got[true] != tt.good {
				t.Errorf("%d bad and %d good values, want %d and %d", got[false], got[true], tt.bad, tt.good)
			}
			// The window at each of its sizes, and some.
			if bytes > 4*limit {
				t.Errorf("allocated %d bytes, want at most %d", bytes, 4*limit)
			}
		})
	}
}

// TestFault103DeepLines has lines each of which nests one level deeper: reading
// goes back to each line, but no further ahead than the depth limit.
func TestFault103DeepLines(t *testing.T) {
	const lines = 5_000
	input := io.MultiReader(strings.NewReader("0\n"), repeat("[1,\n", 4*lines))
	if got := len(readAll(t, input, nil)); got != 1+lines {
		t.Errorf("%d items, want %d", got, 1+lines)
	}
}

// TestFault103Window has a zstd frame that asks for a window of 1 GiB.
func TestFault103Window(t *testing.T) {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, // magic
		0x00,             // no content size, no checksum
		20 << 3,          // window of 2^(10+20) bytes
		0x03, 0x00, 0x10, // last block, one byte 2^17 times
		'x'}
	var err error
	bytes := allocated(func() { _, err = truncated(frame) })
	if err == nil || !strings.Contains(err.Error(), "read zstd stream: window size exceeded") {
		t.Errorf("got %v, want window size exceeded", err)
	}
	if bytes > 1<<20 {
		t.Errorf("allocated %d bytes", bytes)
	}
	frame[5] = 17 << 3 // 128 MiB is allowed
	if items, err := truncated(frame); len(items) != 1 || err != io.EOF {
		t.Errorf("window at the limit: %d items, %v", len(items), err)
	}
}

// TestFault103Duplicates: the reader and the mapping let repeated names pass, so
// that the journal's parser sees and refuses them.
func TestFault103Duplicates(t *testing.T) {
	raw := base + `,"a":{"b":1,"b":2}}`
	items := readAll(t, strings.NewReader(raw), nil)
	if len(items) != 1 || items[0].Err != nil {
		t.Fatalf("items: %v", show(items))
	}
	out, _, err := lookup(t, "cloudtrail").Map(nil, items[0].Raw, ingest.Input{})
	check(t, err)
	if !bytes.Contains(out, []byte(`"b":1,"b":2`)) {
		t.Errorf("repeated names are gone: %s", out)
	}
}

// TestFault100 puts characters that break lines and terminals into every member:
// the values go through unchanged, and errors show none of them.
func TestFault100(t *testing.T) {
	f := lookup(t, "cloudtrail")
	const text = "a\r\nb\x1b[31m\u202e\u2028\u0085\x7f"
	quoted, err := json.Marshal(text)
	check(t, err)
	raw := `{"eventTime":"2023-07-10T12:00:00Z","userIdentity":{"type":Q,"arn":Q,"userName":Q},"resources":[{"type":Q,"ARN":Q}],` +
		`"eventID":Q,"eventSource":Q,"eventName":Q,"sourceIPAddress":Q,"userAgent":Q,"errorCode":Q,"errorMessage":Q,"requestID":Q}`
	raw = strings.ReplaceAll(raw, "Q", string(quoted))
	out, _, err := f.Map(nil, []byte(raw), ingest.Input{})
	check(t, err)
	var e event
	check(t, json.Unmarshal(out, &e))
	for i, got := range []string{e.ID, e.Source, e.Action, e.Actor.Type, e.Actor.ID, e.Actor.Name, e.Actor.Address,
		e.Actor.UserAgent, e.Entity.Type, e.Entity.ID, e.CorrelationID, e.Error.Code, e.Error.Message} {
		if got != text {
			t.Errorf("member %d is %q, want %q", i, got, text)
		}
	}
	if want := "aws." + text + "." + text; e.Type != want {
		t.Errorf("type is %q, want %q", e.Type, want)
	}

	var errs []error
	for _, c := range text + "\x00\xff" {
		broken := []string{string(c), `{` + string(c) + `}`, `"` + string(c), `"\` + string(c) + `"`, `"\u` + string(c) + `xxx"`,
			`-` + string(c), `t` + string(c) + `xx`, `[` + string(c) + `]`, `[1 ` + string(c),
			strings.Replace(base, "2023-07-10T12:00:00Z", "x"+string(c), 1) + "}"}
		for _, input := range broken {
			for _, item := range readAll(t, strings.NewReader(input), nil) {
				errs = append(errs, item.Err)
			}
			_, _, err := f.Map(nil, []byte(input), ingest.Input{})
			errs = append(errs, err)
		}
	}
	shown := 0
	for _, err := range errs {
		if err != nil {
			shown++
			checkPrintable(t, err)
		}
	}
	if shown < 100 {
		t.Errorf("only %d errors", shown)
	}
}

// checkPrintable checks that an error is short and shows on one line.
func checkPrintable(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 250 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("error is not printable: %q", text)
	}
}

func FuzzReader(f *testing.F) {
	seeds := []string{
		"", "{}\n[1]\n", "[1,{\"a\":[]},\n2]", `{"Records":[{"a":"\u00e9"},1],"b":2}`, "\xef\xbb\xbf1 2\n{\"a\":\nnull",
		"{\n \"a\":1\n}\n{\n", `"\ud800"` + "\n-1.5e-7\nx", strings.Repeat("[", 140), `{"Records":["` + strings.Repeat("x", 90) + `"]}`,
		"\"" + strings.Repeat("é", 70) + "\"\n1", "{\"a\":\n" + strings.Repeat("1,\n", 40) + "}\n2",
		"{}\n" + strings.Repeat("[1,\n", 40) + "x", strings.Repeat("9", 70) + ".\n1",
	}
	for _, form := range []string{"records", "gzip members", "zstd"} {
		seeds = append(seeds, string(container(f, form, corpus(f)[:2])))
	}
	if len(seeds) < 16 {
		f.Fatal("seeds are gone")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		opts := &ingest.Options{MaxValueBytes: 64, MaxWindowBytes: 1 << 20}
		items, err := readFuzz(t, bytes.NewReader(input), opts)
		again, errAgain := readFuzz(t, iotest.OneByteReader(bytes.NewReader(input)), opts)
		if got, want := strings.Join(again, "\n"), strings.Join(items, "\n"); got != want {
			t.Errorf("byte by byte:\n%s\nwant\n%s", got, want)
		}
		if (err == io.EOF) != (errAgain == io.EOF) {
			t.Errorf("byte by byte the end is %v, want %v", errAgain, err)
		}
		if plain := bytes.TrimLeft(input, " \r\n\t"); len(plain) > 0 && len(plain) <= 60 && plain[0] != '[' &&
			json.Valid(plain) && utf8.Valid(plain) && !bytes.Contains(plain, []byte("Records")) && len(items) != 1 {
			t.Errorf("%d items of one valid value %q", len(items), plain)
		}
	})
}

// readFuzz reads to the end and checks every item.
func readFuzz(t *testing.T, input io.Reader, opts *ingest.Options) (shown []string, err error) {
	r, err := ingest.NewReader(input, withRecords(opts))
	if err != nil {
		return nil, err
	}
	items, err := readSome(r)
	line, at := int64(1), int64(-1)
	for i, item := range items {
		if item.Err == nil && (len(item.Raw) > opts.MaxValueBytes || !json.Valid(item.Raw) || !utf8.Valid(item.Raw)) {
			t.Errorf("item %d is good: %q", i, item.Raw)
		}
		if len(item.Raw) > 32<<10 {
			t.Errorf("item %d keeps %d bytes", i, len(item.Raw))
		}
		if item.Line < line || item.Offset <= at {
			t.Errorf("item %d is at %d:%d, before %d:%d", i, item.Line, item.Offset, line, at)
		}
		line, at = item.Line, item.Offset
		if item.Err != nil {
			checkPrintable(t, item.Err)
			if errors.Is(item.Err, ingest.ErrAbandoned) && (i != len(items)-1 || err != io.EOF) {
				t.Errorf("item %d of %d is the last one, then %v", i, len(items), err)
			}
			item.Raw = append(item.Raw, item.Err.Error()...)
		}
		shown = append(shown, show([]ingest.Item{item})...)
	}
	return shown, err
}

// FuzzMap gives every format every value: an event holds the value whole, and is
// JSON exactly if the value is.
func FuzzMap(f *testing.F) {
	seeds := []string{base + "}", base + `,"errorCode":"\u0000","resources":[{"type":"T","ARN":"r"}]} `, `{"eventID":"\ud800"}`,
		"\t" + base + ` , "userIdentity" : { "arn" : "a" , "arn" : 1 } , "resources" : [ ] }`, `[]`, `{"event\u0049D":1}`,
		base + `,"a":[}`, base + `,"a":1},"b":{}`, base + `,"a":"\\"}`}
	for _, raw := range corpus(f)[:20] {
		seeds = append(seeds, string(raw))
	}
	seeds = append(seeds, goldenInputs(f)...)
	if len(seeds) < 30 {
		f.Fatal("seeds are gone")
	}
	for _, s := range seeds {
		f.Add([]byte(s), "")
		f.Add([]byte(s), "2023-07-10T12:00:00Z")
	}
	f.Fuzz(func(t *testing.T, raw []byte, when string) {
		for _, name := range ingest.Names() {
			checkMap(t, lookup(t, name), raw, ingest.Input{Time: when})
		}
	})
}

// checkMap maps a value and checks what every format promises.
func checkMap(t *testing.T, format ingest.Format, raw []byte, in ingest.Input) {
	t.Helper()
	out, notes, err := format.Map([]byte("before"), raw, in)
	out, ok := bytes.CutPrefix(out, []byte("before"))
	if !ok || err != nil && (len(out) > 0 || notes != ingest.Notes{}) {
		t.Fatalf("%s: dst became %q, %+v", format.Name(), out, notes)
	}
	if err != nil {
		checkPrintable(t, err)
		return
	}
	if got, want := isJSON(out), isJSON(raw); got != want {
		t.Fatalf("%s: the event is JSON: %t; its source is: %t\n%s\n%s", format.Name(), got, want, out, raw)
	}
	if !isJSON(raw) || format.Name() == "jsonl" || format.Name() == "cloudevents" || format.Name() == "journald" {
		return
	}
	var e map[string]json.RawMessage
	check(t, json.Unmarshal(out, &e))
	if !bytes.Equal(compact(t, e["data"]), compact(t, raw)) {
		t.Errorf("%s: data is %s, want %s", format.Name(), e["data"], raw)
	}
	for _, name := range []string{"time", "type"} {
		if len(e[name]) < len(`"x"`) {
			t.Errorf("%s: no %s: %s", format.Name(), name, out)
		}
	}
	if _, ok := e["id"]; ok == notes.NoID {
		t.Errorf("%s: has an id: %t, noted: %t", format.Name(), ok, !notes.NoID)
	}
}

// isJSON reports whether text is JSON as the journal takes it, repeated names
// apart.
func isJSON(text []byte) bool {
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
}

package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const corpusFile = "../../testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst"

var loadCorpus = sync.OnceValues(func() ([][]byte, error) {
	file, err := os.ReadFile(corpusFile)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.DecodeAll(file, nil)
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")), err
})

// corpus returns the 2,864 events of the CloudTrail corpus, split without help
// from the package under test.
func corpus(t testing.TB) [][]byte {
	t.Helper()
	lines, err := loadCorpus()
	check(t, err)
	if len(lines) != 2864 {
		t.Fatalf("corpus has %d events, want 2864", len(lines))
	}
	return lines
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lookup(t testing.TB, name string) ingest.Format {
	t.Helper()
	f, err := ingest.Lookup(name)
	check(t, err)
	return f
}

// newReader returns a reader that knows CloudTrail's container, unless opts names
// others.
func newReader(t testing.TB, r io.Reader, opts *ingest.Options) *ingest.Reader {
	t.Helper()
	rd, err := ingest.NewReader(r, withRecords(opts))
	check(t, err)
	return rd
}

// withRecords adds CloudTrail's container to options that name none.
func withRecords(opts *ingest.Options) *ingest.Options {
	var o ingest.Options
	if opts != nil {
		o = *opts
	}
	if o.Containers == nil {
		o.Containers = []string{"Records"}
	}
	return &o
}

// readAll returns the items of r, with memory of their own.
func readAll(t testing.TB, r io.Reader, opts *ingest.Options) []ingest.Item {
	t.Helper()
	items, err := readSome(newReader(t, r, opts))
	if err != io.EOF {
		t.Fatalf("Next: %v, want EOF", err)
	}
	return items
}

// readSome returns the items of r and the error after them.
func readSome(r *ingest.Reader) (items []ingest.Item, err error) {
	for {
		item, err := r.Next()
		if err != nil {
			return items, err
		}
		item.Raw = slices.Clone(item.Raw)
		items = append(items, item)
	}
}

// container puts lines, one value each, into one of the forms that a Reader takes.
func container(t testing.TB, form string, lines [][]byte) []byte {
	t.Helper()
	join := func(before, between, after string) []byte {
		return slices.Concat([]byte(before), bytes.Join(lines, []byte(between)), []byte(after))
	}
	var out bytes.Buffer
	switch form {
	case "lines":
		return join("", "\n", "\n")
	case "no last line end":
		return join("", "\n", "")
	case "blank lines":
		return join("\n\n", "\n\n \n", "\n\n\n")
	case "byte order mark":
		return join("\xef\xbb\xbf", "\n", "\n")
	case "CRLF":
		return join("", "\r\n", "\r\n")
	case "concatenated":
		return join("", "", "")
	case "array":
		return join("[", ",", "]")
	case "array of lines":
		return join("[\n", ",\n", "\n]\n")
	case "records":
		return join(`{"Records":[`, ",", "]}")
	case "records among members":
		return join(`{"a":[1,{"Records":[0]}],"Records" : [ `, ", ", ` ] ,"b":{"Records":[0]},"c":null}`)
	case "a records object a line":
		return join(`{"Records":[`, "]}\n{\"Records\":[", "]}\n")
	case "an array a line":
		return join(`[`, "]\n[", "]\n")
	case "pretty-printed":
		for _, l := range lines {
			check(t, json.Indent(&out, l, "", "  "))
			out.WriteByte('\n')
		}
	case "pretty-printed records":
		check(t, json.Indent(&out, container(t, "records", lines), "", "\t"))
	case "gzip":
		gzipped(t, &out, join("", "\n", "\n"))
	case "gzip members":
		for part := range slices.Chunk(lines, 100) {
			gzipped(t, &out, container(t, "records", part))
		}
	case "zstd":
		zstandard(t, &out, join("", "\n", "\n"))
	case "zstd blocks":
		z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		check(t, err)
		for _, l := range lines {
			_, err = z.Write(append(slices.Clone(l), '\n'))
			check(t, err)
			check(t, z.Flush())
		}
		check(t, z.Close())
	case "zstd frames":
		out.WriteString("\x5e\x2a\x4d\x18\x03\x00\x00\x00abc") // a skippable frame
		for part := range slices.Chunk(lines, 100) {
			zstandard(t, &out, container(t, "lines", part))
		}
	default:
		t.Fatalf("no form %q", form)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, w io.Writer, text []byte) {
	t.Helper()
	z := gzip.NewWriter(w)
	_, err := z.Write(text)
	check(t, err)
	check(t, z.Close())
}

func zstandard(t testing.TB, w io.Writer, text []byte) {
	t.Helper()
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	check(t, err)
	_, err = z.Write(text)
	check(t, err)
	check(t, z.Close())
}

// show renders items for comparison: place, raw text, and whether it is good.
func show(items []ingest.Item) []string {
	var out []string
	for _, i := range items {
		mark := "ok"
		if i.Err != nil {
			mark = "bad"
		}
		out = append(out, fmt.Sprintf("%d:%d %s %s", i.Line, i.Offset, mark, i.Raw))
	}
	return out
}

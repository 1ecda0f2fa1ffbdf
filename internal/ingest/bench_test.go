package ingest_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
)

func BenchmarkReader(b *testing.B) {
	lines := corpus(b)
	for _, form := range []string{"lines", "array", "records", "gzip", "zstd"} {
		input := container(b, form, lines)
		b.Run(form, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = countItems(b, newReader(b, bytes.NewReader(input), nil))
			}
			report(b, n, size(lines))
		})
	}
}

// BenchmarkMap maps the values of the golden files, and the CloudTrail corpus.
func BenchmarkMap(b *testing.B) {
	for _, name := range ingest.Names() {
		b.Run(name, func(b *testing.B) { benchmarkMap(b, lookup(b, name), goodLines(b, name)) })
	}
	b.Run("cloudtrail corpus", func(b *testing.B) { benchmarkMap(b, lookup(b, "cloudtrail"), corpus(b)) })
}

// goodLines returns the lines of a format's golden file that can be mapped.
func goodLines(b *testing.B, name string) (lines [][]byte) {
	for _, line := range readLines(b, "testdata/"+name+".jsonl") {
		if _, _, err := lookup(b, name).Map(nil, []byte(line), ingest.Input{}); err == nil {
			lines = append(lines, []byte(line))
		}
	}
	return lines
}

func benchmarkMap(b *testing.B, f ingest.Format, lines [][]byte) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		for _, raw := range lines {
			var err error
			if dst, _, err = f.Map(dst[:0], raw, ingest.Input{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, len(lines), size(lines))
}

// BenchmarkImport reads and maps, as an import does before the journal.
func BenchmarkImport(b *testing.B) {
	lines := corpus(b)
	input := container(b, "lines", lines)
	f := lookup(b, "cloudtrail")
	var dst []byte
	for b.Loop() {
		r := newReader(b, bytes.NewReader(input), nil)
		for {
			item, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if dst, _, err = f.Map(dst[:0], item.Raw, ingest.Input{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, len(lines), size(lines))
}

// countItems returns how many items r has, all good.
func countItems(b *testing.B, r *ingest.Reader) (n int) {
	for {
		item, err := r.Next()
		if err == io.EOF {
			return n
		}
		if err != nil || item.Err != nil {
			b.Fatal(err, item.Err)
		}
		n++
	}
}

// report gives the rate of b, each of whose loops handled events of total bytes.
func report(b *testing.B, events, total int) {
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.SetBytes(int64(total))
	b.ReportMetric(float64(events)/seconds, "events/s")
	b.ReportMetric(seconds*1e9/float64(events), "ns/event")
}

func size(lines [][]byte) (n int) {
	for _, l := range lines {
		n += len(l)
	}
	return n
}

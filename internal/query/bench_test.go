package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/query"
)

func BenchmarkEval(b *testing.B) {
	var doc query.JSONDocument
	for _, text := range []string{
		"type:order.placed", "type:order.*", "time:>=2026-01-01", "actor:bot-7 outcome:failure", "ip:10.0.0.1", "data.region:eu",
		"data.n:1e1", "data.absent:x", "position:1234", "stock", "absent", "type:order.placed -actor:bob data.last:(x OR y OR z)",
	} {
		b.Run(text, func(b *testing.B) {
			e := mustParse(b, text)
			bytes := []byte(entry)
			b.ReportAllocs()
			for b.Loop() {
				doc.Reset(bytes)
				query.Eval(e, &doc)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	var long strings.Builder
	for i := range 999 {
		fmt.Fprintf(&long, `data.a:%d OR `, i)
	}
	for name, text := range map[string]string{
		"short": `actor:alice type:order.* -outcome:success time:>=2026-01-01 data.region:eu "free text"`,
		"long":  long.String() + "a",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := query.Parse(text, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFold(b *testing.B) {
	for name, text := range map[string]string{"ascii": "The quick Brown fox ", "latin": "Ärger über Öl ", "cjk": "日本語の文章"} {
		b.Run(name, func(b *testing.B) {
			s := []byte(strings.Repeat(text, 50))
			var dst []byte
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				dst = query.Fold(dst[:0], s)
			}
		})
	}
}

package query_test

import (
	"testing"

	"github.com/annals-io/annals/internal/query"
)

// typicalBody is an event of about 1 KB as the journal hands it down.
const typicalBody = `{"id":"bench-0000000001","time":"2026-01-01T00:00:10.000000000Z","type":"invoice.updated","version":"1.0","tenant":"default",` +
	`"source":"invoice-service","action":"updated","outcome":"success",` +
	`"message":"invoice updated by a scheduled reconciliation of the platform controller",` +
	`"actor":{"type":"user","id":"user-00017","name":"User Number 17","address":"10.17.202.9","user_agent":"annals-bench/1.0 (linux; amd64)"},` +
	`"entity":{"type":"invoice","id":"invoice-0004711"},"correlation_id":"req-002a7f31","trace_id":"8c5bb1a35f6f0e1c0c7b0ba27e7b1d55",` +
	`"data":{"region":"eu-west-1","request_id":"5f3c0c7b0ba27e7b","field_00":"alpha-kilo-17","field_01":"echo-bravo-911","field_02":"golf-lima-3",` +
	`"field_03":"india-delta-404","field_04":"hotel-alpha-88","field_05":"kilo-kilo-512","attempt":3,"bytes":518123},` +
	`"recorded_by":{"type":"token","id":"tok_7f3a"}`

func BenchmarkTerms(b *testing.B) {
	some, err := query.ParsePolicy("data.region")
	if err != nil {
		b.Fatal(err)
	}
	none, err := query.ParsePolicy("none")
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name   string
		body   string
		policy *query.Policy
	}{{"all", typicalBody, nil}, {"list", typicalBody, some}, {"none", typicalBody, none}, {"every member", entry, nil}} {
		b.Run(bench.name, func(b *testing.B) {
			var x query.Extractor
			body := []byte(bench.body)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			terms := 0
			for b.Loop() {
				facts, err := x.Read(body, bench.policy)
				if err != nil {
					b.Fatal(err)
				}
				terms = len(facts.Terms)
			}
			b.ReportMetric(float64(terms), "terms")
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	e := mustParse(b, `actor_type:user actor:alice type:order.* -outcome:success time:>=2026-01-01 data.region:eu data.n:>5 "free text"`)
	b.ReportAllocs()
	for b.Loop() {
		query.NewPlan(e)
	}
}

package server

import (
	"testing"
	"time"

	"github.com/annals-io/annals"
)

// BenchmarkAppended is what counting costs an append of one event.
func BenchmarkAppended(b *testing.B) {
	j, err := annals.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	s, err := New(Options{Journal: j})
	if err != nil {
		b.Fatal(err)
	}
	e, err := annals.ParseEvent([]byte(`{"type":"order.placed","source":"shop","action":"insert","outcome":"success","data":{"total":1}}`))
	if err != nil {
		b.Fatal(err)
	}
	events, receipts := []annals.Encoded{e}, make([]annals.Receipt, 1)
	b.ReportAllocs()
	for b.Loop() {
		s.metrics.appended(events, receipts, time.Millisecond)
	}
}

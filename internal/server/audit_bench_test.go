package server_test

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/server"
)

// BenchmarkSearch finds five events by their correlation, with and without an event for
// each search: the difference is what the journal's own record of reads costs.
func BenchmarkSearch(b *testing.B) {
	for _, audit := range []string{server.AuditNone, server.AuditAll} {
		for _, clients := range []int{1, 8} {
			b.Run(fmt.Sprintf("audit=%s/clients=%d", audit, clients), func(b *testing.B) {
				j, err := annals.Open(b.TempDir(), nil)
				check(b, err)
				defer func() { check(b, j.Close()) }()
				s := serveJournal(b, j, func(o *server.Options) { o.AuditReads = audit })
				fillSearched(b, j)
				search := func(i int) {
					w := httptest.NewRecorder()
					s.Handler().ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("/api/v1/audit/events?correlation_id=c%d", i%2000), nil))
					if w.Code != 200 {
						b.Error(w.Body.String())
					}
				}
				b.ResetTimer()
				if clients == 1 {
					for i := range b.N {
						search(i)
					}
					return
				}
				b.SetParallelism(clients / runtime.GOMAXPROCS(0))
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						search(i)
					}
				})
			})
		}
	}
}

// fillSearched appends 10,000 events, five to a correlation.
func fillSearched(b *testing.B, j *annals.Journal) {
	b.Helper()
	events := make([]annals.Encoded, 10_000)
	for i := range events {
		var err error
		text := fmt.Sprintf(`{"type":"order.placed","correlation_id":"c%d","data":{"text":"%s"}}`, i%2000, strings.Repeat("x", 700))
		events[i], err = annals.ParseEvent([]byte(text))
		check(b, err)
	}
	_, err := j.AppendEncoded(b.Context(), nil, events...)
	check(b, err)
}

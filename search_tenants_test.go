package annals_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/annals-io/annals"
)

// TestSearchManyTenants asks for every tenant of a journal that has thousands, whose
// terms are looked up or not: few of them have many events, most have one.
func TestSearchManyTenants(t *testing.T) {
	const tenants, events = 5000, 6000
	s := newSearched(t, newRand(t), nil)
	for n := 0; n < events; n += 1000 {
		batch := make([]annals.Event, 1000)
		for i := range batch {
			k := n + i
			e := annals.Event{ID: fmt.Sprint(k), Type: fmt.Sprint("order.", k%3), Tenant: fmt.Sprint("tenant-", k%tenants)}
			e.CorrelationID, e.Source = fmt.Sprint("c-", k%700), fmt.Sprint("s-", k%10)
			if k%10 == 0 {
				e.Tenant = "big"
			}
			batch[i] = e
		}
		_, err := s.j.Append(context.Background(), batch...)
		check(t, err)
	}
	s.read()
	for range 2 {
		for _, filter := range []string{
			"", "correlation_id:c-7", "type:order.* correlation_id:c-70", "id:77", "id:78 OR id:5999", "correlation_id:none",
			"source:s-7 -type:order.1 position:5000..", "tenant:tenant-4 type:order.1", "tenant:big correlation_id:c-70",
		} {
			for _, tenants := range [][]string{{"*"}, {"*", annals.SystemTenant}} {
				q := annals.Query{Filter: filter, Tenants: tenants}
				if n := s.checkQuery(q); n == 0 && filter != "correlation_id:none" {
					t.Errorf("%s finds nothing", describeQuery(q))
				}
			}
		}
		check(t, s.j.Close())
		s.open(s.options())
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
)

// throughClient measures single appends by n callers of one client, which share requests.
func throughClient(n int) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		dir, err := b.fresh("served")
		if err != nil {
			return Row{}, err
		}
		return b.serve(ctx, dir, "all", func(s *Service) (Row, error) {
			c, err := client.New(s.URL, &client.Options{Token: s.Token})
			if err != nil {
				return Row{}, err
			}
			row, err := b.appendThrough(ctx, c, n)
			return row, errors.Join(err, c.Close())
		})
	}
}

// appendThrough has n callers append until the time is over.
func (b *bench) appendThrough(ctx context.Context, c *client.Client, n int) (Row, error) {
	var done atomic.Int64
	latencies := make([][]time.Duration, n)
	began := time.Now()
	err := together(n, func(w int) error {
		g := newSupply(uint64(w+1), n, 0)
		for time.Since(began) < b.Time {
			e, err := annals.ParseEvent(g.next())
			if err != nil {
				return err
			}
			at := time.Now()
			if _, err := c.AppendEncoded(ctx, nil, e); err != nil {
				return err
			}
			latencies[w] = append(latencies[w], time.Since(at))
			done.Add(1)
		}
		return nil
	})
	p50, p99 := percentiles(latencies)
	return b.rated(float64(done.Load()), time.Since(began),
		fmt.Sprintf("p50 %v, p99 %v", p50.Round(time.Microsecond), p99.Round(time.Microsecond))), err
}

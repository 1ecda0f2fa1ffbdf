package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
)

var writeRows = []measure{
	{"1 writer, single appends", writers(1, 1, "all", 0)},
	{"64 writers, single appends, index_data none", writers(64, 1, "none", 0)},
	{"256 writers, single appends, index_data none", writers(256, 1, "none", 0)},
	{"4 writers, batches of 1,000, index_data none", writers(4, 1000, "none", 0)},
	{"64 writers, single appends, 20 data terms", writers(64, 1, "all", 20)},
	{"256 writers, single appends, 20 data terms", writers(256, 1, "all", 20)},
	{"4 writers, batches of 1,000, 20 data terms", writers(4, 1000, "all", 20)},
}

// writers measures appends of size events by n writers.
func writers(n, size int, indexData string, scalars int) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		j, dir, err := b.open("write", indexData)
		if err != nil {
			return Row{}, err
		}
		defer os.RemoveAll(dir)
		var done, lat, longest atomic.Int64
		var wg sync.WaitGroup
		errs := make(chan error, n)
		supplies := make([]*supply, n)
		for w := range supplies {
			supplies[w] = newSupply(uint64(w+1), n, scalars)
		}
		began, cpu := time.Now(), cpuTime()
		for w := range n {
			wg.Go(func() {
				g := supplies[w]
				batch := make([]annals.Encoded, size)
				for time.Since(began) < b.Time && ctx.Err() == nil {
					t := time.Now()
					for i := range batch {
						e, err := annals.ParseEvent(g.next())
						if err != nil {
							errs <- err
							return
						}
						batch[i] = e
					}
					if _, err := j.AppendEncoded(context.Background(), nil, batch...); err != nil {
						errs <- err
						return
					}
					d := int64(time.Since(t))
					lat.Add(d)
					for m := longest.Load(); d > m && !longest.CompareAndSwap(m, d); m = longest.Load() {
					}
					done.Add(int64(size))
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		cpu = cpuTime() - cpu
		select {
		case err := <-errs:
			return Row{}, err
		default:
		}
		s := statsOf(j)
		if err := j.Close(); err != nil {
			return Row{}, err
		}
		entry, over, err := logOverhead(dir, done.Load())
		if err != nil {
			return Row{}, err
		}
		n := float64(max(1, done.Load()))
		return b.rated(n, took, fmt.Sprintf("mean %v, longest %v; %.0f a sync, %.1f µs of CPU an event; entry %.0f B, log +%.1f B",
			(time.Duration(lat.Load())*time.Duration(size)/time.Duration(n)).Round(time.Microsecond), time.Duration(longest.Load()).Round(time.Millisecond),
			n/float64(max(1, s.Syncs)), cpu.Seconds()*1e6/n, entry, over)), nil
	}
}

// statsOf returns the counters that need no reading.
func statsOf(j *annals.Journal) annals.Stats {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, _ := j.Stats(ctx) // the counters are there before the reading, which is cut short
	return s
}

// logOverhead returns the mean size of an entry and what the log adds to it.
func logOverhead(dir string, events int64) (entry, over float64, err error) {
	var log int64
	names, err := filepath.Glob(filepath.Join(dir, "log", "*.wal"))
	if err != nil || events == 0 {
		return 0, 0, err
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return 0, 0, err
		}
		log += info.Size()
	}
	j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	if err != nil {
		return 0, 0, err
	}
	defer j.Close() // read-only: nothing to lose
	var total int64
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		if err != nil {
			return 0, 0, err
		}
		total += int64(len(e.JSON))
	}
	return float64(total) / float64(events), float64(log-total) / float64(events), nil
}

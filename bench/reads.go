package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/annals-io/annals"
)

// readRows are measured in one journal, which the first one fills.
func readRows(kill bool) []measure {
	rows := []measure{
		{"fill", fillRow},
		{"get by id", getByID},
		{"history of an entity of 8 to 12", history},
		{"correlation of 5", correlation},
		{"last sequence, known entity", lastKnown},
		{"last sequence, new entity", lastNew},
		{"actor and time, newest 50", actorAndTime},
		{"type, newest 50", typeNewest},
		{"data path, newest 50: common", dataPath("data.region:eu-west-1")},
		{"data path, newest 50: rare", dataPath("data.flag:rare")},
		{"data path, newest 50: absent", dataPath("data.region:atlantis-1")},
		{"catch-up follow", follow},
		{"raw NDJSON export", export},
	}
	if kill {
		rows = append(rows, measure{"open after kill -9", openAfterKill})
	}
	return append(rows, measure{"rebuild of the index", rebuild})
}

// A sample is what the read rows ask for, picked from the journal at random.
type sample struct {
	ids, actors, types, correlations []string
	times                            []time.Time
	entities                         []annals.Entity // of 8 to 12 events
}

// filled returns a journal of b.Events events, made once.
func (b *bench) filled(ctx context.Context) (string, error) {
	dir := filepath.Join(b.dir, "filled")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	j, dir, err := b.open("filled", "all")
	if err != nil {
		return "", err
	}
	began := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for w := range errs {
		wg.Go(func() { errs[w] = fill(ctx, j, uint64(w+1), b.Events/len(errs)) })
	}
	wg.Wait()
	b.fillTime = time.Since(began)
	return dir, errors.Join(append(errs, j.Close())...)
}

// fill appends n events in batches.
func fill(ctx context.Context, j *annals.Journal, seed uint64, n int) error {
	g := newGenerator(seed)
	for n > 0 {
		batch := make([]annals.Encoded, min(n, 1000))
		for i := range batch {
			e, err := annals.ParseEvent(g.next())
			if err != nil {
				return err
			}
			batch[i] = e
		}
		if _, err := j.AppendEncoded(ctx, nil, batch...); err != nil {
			return err
		}
		n -= len(batch)
	}
	return nil
}

// fillRow fills the journal that the read rows use.
func fillRow(ctx context.Context, b *bench) (Row, error) {
	dir, err := b.filled(ctx)
	if err != nil {
		return Row{}, err
	}
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return Row{}, err
	}
	defer j.Close()
	s, err := j.Stats(ctx)
	n := float64(max(1, s.Events))
	return b.rated(n, b.fillTime, fmt.Sprintf("in %v; an event: log %.0f B, index %.1f B, tree %.1f B; peak memory %d MiB",
		b.fillTime.Round(time.Second), float64(s.LogBytes)/n, float64(s.IndexBytes)/n, float64(s.TreeBytes)/n, peakMemory()>>20)), err
}

// samples opens the filled journal and picks what the rows ask for.
func (b *bench) samples(ctx context.Context) (*annals.Journal, *sample, error) {
	dir, err := b.filled(ctx)
	if err != nil {
		return nil, nil, err
	}
	if b.journal == nil {
		if b.journal, err = annals.Open(dir, &annals.Options{ScrubInterval: -1}); err != nil {
			return nil, nil, err
		}
	}
	if b.sample != nil {
		return b.journal, b.sample, nil
	}
	s := &sample{}
	r := rand.New(rand.NewPCG(7, 7))
	for len(s.ids) < 20_000 {
		e, err := b.journal.At(ctx, annals.Position(r.Uint64N(uint64(b.journal.Size()))))
		if err != nil {
			return nil, nil, err
		}
		v, err := e.Event()
		if err != nil {
			return nil, nil, err
		}
		if v.CorrelationID == "" {
			continue // one of the journal's own
		}
		s.ids = append(s.ids, v.ID)
		s.actors = append(s.actors, v.Actor.ID)
		s.types = append(s.types, v.Type)
		s.correlations = append(s.correlations, v.CorrelationID)
		s.times = append(s.times, v.Time)
		if n, err := b.journal.LastSequence(ctx, v.Entity); err != nil {
			return nil, nil, err
		} else if n >= 8 && n <= 12 {
			s.entities = append(s.entities, v.Entity)
		}
	}
	b.sample = s
	return b.journal, s, nil
}

// timed measures n calls and returns their median and 99th percentile.
func timed(n int, call func(i int) error) (Row, error) {
	if n == 0 {
		return Row{Detail: "so few events have none"}, nil
	}
	all := make([]time.Duration, n)
	for i := range all {
		began := time.Now()
		if err := call(i); err != nil {
			return Row{}, err
		}
		all[i] = time.Since(began)
	}
	p50, p99 := percentiles([][]time.Duration{all})
	return Row{P50: p50, P99: p99, Detail: "from the page cache"}, nil
}

// percentiles returns the median and the 99th percentile of all latencies.
func percentiles(latencies [][]time.Duration) (p50, p99 time.Duration) {
	all := slices.Concat(latencies...)
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

func getByID(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return timed(len(s.ids), func(i int) error {
		_, err := j.Get(ctx, s.ids[i])
		return err
	})
}

func history(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return timed(len(s.entities), func(i int) error {
		n := 0
		for _, err := range j.History(ctx, s.entities[i], annals.HistoryOptions{}) {
			if err != nil {
				return err
			}
			n++
		}
		if n < 8 || n > 12 {
			return fmt.Errorf("history of %v has %d entries", s.entities[i], n)
		}
		return nil
	})
}

func correlation(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return timed(len(s.correlations), func(i int) error {
		p, err := j.Search(ctx, annals.Query{Filter: `correlation_id:"` + s.correlations[i] + `"`})
		if err == nil && (len(p.Entries) == 0 || len(p.Entries) > requestEvents || !p.Complete) {
			err = fmt.Errorf("%s has %d entries", s.correlations[i], len(p.Entries))
		}
		return err
	})
}

func lastKnown(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return timed(len(s.entities), func(i int) error {
		n, err := j.LastSequence(ctx, s.entities[i])
		if err == nil && n < 8 {
			err = fmt.Errorf("%v is at %d", s.entities[i], n)
		}
		return err
	})
}

func lastNew(ctx context.Context, b *bench) (Row, error) {
	j, _, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return timed(20_000, func(i int) error {
		n, err := j.LastSequence(ctx, annals.Entity{Type: "order", ID: fmt.Sprint("none-", i)})
		if err == nil && n != 0 {
			err = fmt.Errorf("unknown entity is at %d", n)
		}
		return err
	})
}

// newest50 searches for pages of the newest 50.
func newest50(ctx context.Context, j *annals.Journal, n int, filter func(i int) string, least int) (Row, error) {
	return timed(n, func(i int) error {
		p, err := j.Search(ctx, annals.Query{Filter: filter(i)})
		if err == nil && (len(p.Entries) < least || !p.Complete) {
			err = fmt.Errorf("%s: %d entries, complete %t", filter(i), len(p.Entries), p.Complete)
		}
		return err
	})
}

func actorAndTime(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return newest50(ctx, j, 2_000, func(i int) string {
		return fmt.Sprintf("actor:%s time:<%s", s.actors[i], s.times[i].Add(time.Hour).Format(time.RFC3339))
	}, 1)
}

func typeNewest(ctx context.Context, b *bench) (Row, error) {
	j, s, err := b.samples(ctx)
	if err != nil {
		return Row{}, err
	}
	return newest50(ctx, j, 2_000, func(i int) string { return "type:" + s.types[i] }, min(50, b.Events/100))
}

func dataPath(filter string) func(context.Context, *bench) (Row, error) {
	return func(ctx context.Context, b *bench) (Row, error) {
		j, _, err := b.samples(ctx)
		if err != nil {
			return Row{}, err
		}
		least := 1
		if strings.Contains(filter, "atlantis") || b.Events < 10*rareEvery {
			least = 0
		}
		return newest50(ctx, j, 500, func(int) string { return filter }, least)
	}
}

// closeJournal closes the journal of the read rows.
func (b *bench) closeJournal() error {
	if b.journal == nil {
		return nil
	}
	err := b.journal.Close()
	b.journal, b.sample = nil, nil
	return err
}

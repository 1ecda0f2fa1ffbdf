package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
)

var rows = []row{
	{"1 writer, single appends", writers(1, 1, "all", 0)},
	{"64 writers, single appends, index_data none", writers(64, 1, "none", 0)},
	{"256 writers, single appends, index_data none", writers(256, 1, "none", 0)},
	{"4 writers, batches of 1,000, index_data none", writers(4, 1000, "none", 0)},
	{"64 writers, single appends, 20 data terms", writers(64, 1, "all", 20)},
	{"256 writers, single appends, 20 data terms", writers(256, 1, "all", 20)},
	{"4 writers, batches of 1,000, 20 data terms", writers(4, 1000, "all", 20)},
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
	{"open after kill -9", openAfterKill},
	{"rebuild of the index", rebuild},
}

func contains(name, part string) bool { return strings.Contains(name, part) }

// count formats a rate.
func count(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.2f M", x/1e6)
	case x >= 1e4:
		return fmt.Sprintf("%.1f k", x/1e3)
	}
	return fmt.Sprintf("%.0f", x)
}

func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// diskRate measures how often a second the disk takes 1 KB and an fdatasync, in
// space that is filled with zeros beforehand, as the log's is.
func diskRate(name string, d time.Duration) (float64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name)
	defer f.Close()
	const space = 64 << 20
	if _, err := f.Write(make([]byte, space)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	b := make([]byte, 1100)
	for i := range b {
		b[i] = byte(i)
	}
	n, began := 0, time.Now()
	for time.Since(began) < d {
		if _, err := f.WriteAt(b, int64(n*len(b))%(space-int64(len(b)))); err != nil {
			return 0, err
		}
		if err := datasync(f); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// open opens a fresh journal for a row.
func (b *bench) open(name, indexData string) (*annals.Journal, string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, "", err
	}
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1, IndexData: indexData})
	return j, dir, err
}

// writers measures appends of size events by n writers.
func writers(n, size int, indexData string, scalars int) func(context.Context, *bench) (result, error) {
	return func(ctx context.Context, b *bench) (result, error) {
		j, dir, err := b.open("write", indexData)
		if err != nil {
			return result{}, err
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
				for time.Since(began) < b.time && ctx.Err() == nil {
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
		took := time.Since(began).Seconds()
		cpu = cpuTime() - cpu
		select {
		case err := <-errs:
			return result{}, err
		default:
		}
		s := statsOf(j)
		if err := j.Close(); err != nil {
			return result{}, err
		}
		entry, over, err := logOverhead(dir, done.Load())
		if err != nil {
			return result{}, err
		}
		rate := float64(done.Load()) / took
		return result{
			fmt.Sprintf("%s events/s (mean %v, longest %v; %.0f a sync, %.1f µs of CPU an event; entry %.0f B, log +%.1f B)", count(rate),
				time.Duration(lat.Load()/max(1, done.Load()/int64(size))).Round(time.Microsecond), time.Duration(longest.Load()).Round(time.Millisecond),
				float64(done.Load())/float64(max(1, s.Syncs)), cpu.Seconds()*1e6/float64(max(1, done.Load())), entry, over),
			fmt.Sprintf("%.2fx", rate/b.disk),
		}, nil
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

// follow measures catching up with a journal in the page cache.
func follow(ctx context.Context, b *bench) (result, error) {
	return b.read(ctx, func(ctx context.Context, j *annals.Journal) error {
		for e, err := range j.Follow(ctx, 0) {
			if err != nil {
				return err
			}
			if e.Position+1 == j.Size() {
				return nil
			}
		}
		return nil
	})
}

// export measures writing every entry as a line.
func export(ctx context.Context, b *bench) (result, error) {
	return b.read(ctx, func(ctx context.Context, j *annals.Journal) error {
		w := bufio.NewWriterSize(io.Discard, 1<<20)
		for e, err := range j.Scan(ctx, 0, j.Size()) {
			if err != nil {
				return err
			}
			w.Write(e.JSON)
			w.WriteByte('\n')
		}
		return w.Flush()
	})
}

func (b *bench) read(ctx context.Context, do func(context.Context, *annals.Journal) error) (result, error) {
	dir, err := b.filled(ctx)
	if err == nil {
		err = b.closeJournal()
	}
	if err != nil {
		return result{}, err
	}
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return result{}, err
	}
	defer j.Close()
	best := time.Duration(1 << 62)
	for range 3 {
		began := time.Now()
		if err := do(ctx, j); err != nil {
			return result{}, err
		}
		best = min(best, time.Since(began))
	}
	return result{fmt.Sprintf("%s events/s", count(float64(j.Size())/best.Seconds())), "page cache"}, nil
}

// openAfterKill measures opening a journal whose writer was killed.
func openAfterKill(ctx context.Context, b *bench) (result, error) {
	dir, err := b.filled(ctx)
	if err != nil {
		return result{}, err
	}
	if err := b.closeJournal(); err != nil {
		return result{}, err
	}
	if err := appendAndDie(ctx, dir); err != nil {
		return result{}, err
	}
	began := time.Now()
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return result{}, err
	}
	took := time.Since(began)
	size := j.Size()
	return result{fmt.Sprintf("%v with %s events", took.Round(time.Millisecond), count(float64(size))), "page cache"}, j.Close()
}

// dieVariable makes this program the child of [appendAndDie].
const dieVariable = "ANNALS_BENCH_DIE"

// appendAndDie has a child process append to the journal and kills it meanwhile.
func appendAndDie(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), dieVariable+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("child: %w", err)
	}
	c.Process.Kill()
	c.Wait() // killed: its error says so
	return nil
}

// die appends until it is killed.
func die(dir string) error {
	j, err := annals.Open(dir, nil)
	if err != nil {
		return err
	}
	g := newGenerator(uint64(time.Now().UnixNano()))
	for i := 0; ; i++ {
		e, err := annals.ParseEvent(g.next())
		if err != nil {
			return err
		}
		if _, err := j.AppendEncoded(context.Background(), nil, e); err != nil {
			return err
		}
		if i == 1000 {
			fmt.Println("appending")
		}
	}
}

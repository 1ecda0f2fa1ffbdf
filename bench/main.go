// Bench measures a journal beside the disk it is on.
//
// Every figure comes with the rate at which the same disk does nothing but
// fdatasync, measured in the same run and in the same preallocation mode: the
// ratio is what carries over to another machine.
//
//	go run ./bench -dir /var/tmp/annals-bench
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/annals-io/annals"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if dir := os.Getenv(dieVariable); dir != "" {
		return die(dir)
	}
	var b bench
	flag.StringVar(&b.dir, "dir", "", "directory on the disk to measure; a new folder is made there and removed (default: the system's temporary directory)")
	flag.DurationVar(&b.time, "time", 5*time.Second, "how long each write row runs")
	flag.IntVar(&b.events, "events", 1_000_000, "how many events the read rows have")
	flag.StringVar(&b.rows, "rows", "", "run only rows whose name contains this")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the rows to this file")
	flag.Parse()
	dir, err := os.MkdirTemp(b.dir, "annals-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	defer b.closeJournal()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stopProfile, err := startProfile(*profile)
	if err != nil {
		return err
	}
	defer stopProfile()
	return b.run(ctx)
}

// A bench runs rows and prints them.
type bench struct {
	dir      string
	time     time.Duration
	events   int
	rows     string
	fillTime time.Duration
	journal  *annals.Journal // of the read rows, once opened
	sample   *sample
	disk     float64 // fdatasync per second, 1 KB writes into zero-filled space
	table    *tabwriter.Writer
}

// A row is one measurement.
type row struct {
	name string
	do   func(ctx context.Context, b *bench) (result, error)
}

// A result is a figure and its remark.
type result struct {
	figure string
	beside string // how it stands to the disk
}

func (b *bench) run(ctx context.Context) error {
	b.table = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer b.table.Flush()
	var err error
	if b.disk, err = diskRate(filepath.Join(b.dir, "disk"), b.time/2); err != nil {
		return err
	}
	fmt.Fprintf(b.table, "row\tfigure\tbeside the disk\n")
	fmt.Fprintf(b.table, "disk alone: 1 KB write + fdatasync\t%s/s\t1.00x\n", count(b.disk))
	for _, r := range rows {
		if !contains(r.name, b.rows) {
			continue
		}
		res, err := r.do(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(b.table, "%s\t%s\t%s\n", r.name, res.figure, res.beside)
		b.table.Flush()
	}
	again, err := diskRate(filepath.Join(b.dir, "disk"), b.time/2)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.table, "disk alone, afterwards\t%s/s\t%.2fx\n", count(again), again/b.disk)
	return nil
}

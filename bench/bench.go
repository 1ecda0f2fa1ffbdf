// Package bench measures a journal beside the disk it is on, as annals bench does.
//
// Every figure comes with the rate at which the same disk does nothing but
// fdatasync, measured in the same run and in the same preallocation mode: the
// ratio is what carries over to another machine.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/annals-io/annals"
)

// Groups of rows.
const (
	Writes = "writes"
	Reads  = "reads"
	HTTP   = "http"
	Import = "import"
)

// Groups returns the names of all groups, in the order in which they run.
func Groups() []string { return []string{Writes, Reads, HTTP, Import} }

// Options say what to measure.
type Options struct {
	// Dir is on the disk to measure. A folder is made there, and removed.
	Dir string

	// Time is how long each row of writes runs. Zero means 5 seconds.
	Time time.Duration

	// Events is how many events the rows of reads have, and a file to import. Zero
	// means a million.
	Events int

	// Groups are the groups to run; none means all.
	Groups []string

	// Only runs only rows whose name contains it.
	Only string

	// Killable returns a command that calls [AppendUntilKilled] with the directory.
	// Nil leaves out the row that opens a journal after kill -9.
	Killable func(ctx context.Context, dir string) *exec.Cmd

	// Serve starts a server of the journal in dir, with that much of the data indexed
	// and no limit of requests. Nil leaves out the group http.
	Serve func(ctx context.Context, dir, indexData string) (*Service, error)

	// Importers are what the rows of the group import measure, one each.
	Importers []Importer

	// Report is told of each row as it is measured.
	Report func(Row)
}

// An Importer imports a file into the journal in dir, which it makes.
type Importer struct {
	Format string

	// Sample returns the n-th of the values that make the file up, a line each.
	Sample func(dst []byte, n int) []byte

	// Do imports the file, which is compressed with zstd, and returns how many
	// events it had.
	Do func(ctx context.Context, file, dir string) (events uint64, err error)
}

// A Row is one measurement.
type Row struct {
	Group, Name string
	PerSecond   float64       // events, bytes or syncs, as Unit says; zero for a row of latencies
	Unit        string        // of PerSecond
	P50, P99    time.Duration // of one call; zero for a row of rates
	BesideDisk  float64       // PerSecond over the disk's own syncs a second; zero where it says nothing
	Detail      string        // what else was seen
}

// A bench runs rows.
type bench struct {
	Options
	dir      string
	fillTime time.Duration
	journal  *annals.Journal // of the rows that read, once opened
	sample   *sample
	disk     float64 // fdatasync per second, 1 KB writes into zero-filled space
}

// A measure is how a row is measured.
type measure struct {
	name string
	do   func(ctx context.Context, b *bench) (Row, error)
}

// Run measures and reports. It takes some minutes and, with a million events, about
// 3 GB of disk.
func Run(ctx context.Context, o Options) (err error) {
	if o.Time <= 0 {
		o.Time = 5 * time.Second
	}
	if o.Events <= 0 {
		o.Events = 1_000_000
	}
	for _, g := range o.Groups {
		if !slices.Contains(Groups(), g) {
			return fmt.Errorf("unknown group %q, want %s", g, strings.Join(Groups(), ", "))
		}
	}
	b := &bench{Options: o}
	if b.dir, err = os.MkdirTemp(o.Dir, "annals-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.closeJournal(), os.RemoveAll(b.dir)) }()
	return b.run(ctx)
}

func (b *bench) run(ctx context.Context) error {
	disk, err := b.diskRow("disk alone: 1 KB write + fdatasync")
	if err != nil {
		return err
	}
	b.disk = disk.PerSecond
	disk.BesideDisk = 1
	b.Report(disk)
	for _, group := range Groups() {
		if len(b.Groups) > 0 && !slices.Contains(b.Groups, group) {
			continue
		}
		for _, m := range b.measures(group) {
			if !strings.Contains(m.name, b.Only) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			row, err := m.do(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			row.Group, row.Name = group, m.name
			b.Report(row)
		}
	}
	again, err := b.diskRow("disk alone, afterwards")
	if err == nil {
		again.BesideDisk = again.PerSecond / b.disk
		b.Report(again)
	}
	return err
}

func (b *bench) measures(group string) []measure {
	switch group {
	case Writes:
		return writeRows
	case Reads:
		return readRows(b.Killable != nil)
	case HTTP:
		if b.Serve == nil {
			return nil
		}
		return httpRows
	}
	return b.importRows()
}

func (b *bench) diskRow(name string) (Row, error) {
	rate, err := diskRate(filepath.Join(b.dir, "disk"), b.Time/2)
	return Row{Group: "disk", Name: name, PerSecond: rate, Unit: "syncs"}, err
}

// rated is a row of events in a time.
func (b *bench) rated(events float64, took time.Duration, detail string) Row {
	rate := events / took.Seconds()
	return Row{PerSecond: rate, Unit: "events", BesideDisk: rate / b.disk, Detail: detail}
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

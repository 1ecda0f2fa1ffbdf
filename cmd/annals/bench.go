package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/annals-io/annals/bench"
	"github.com/spf13/cobra"
)

func newBench(e *env) *cobra.Command {
	var o bench.Options
	var profile, killable string
	c := &cobra.Command{
		Use:   "bench [writes] [reads] [http] [import]",
		Short: "Measure journals on this machine's disk",
		Long: "Measure writes, reads, a server and imports of journals that are made for it and removed, beside\n" +
			"what the same disk does with nothing but writes of 1 KB and a sync each. All groups run\n" +
			"unless some are named. It takes some minutes, and about 3 GB of disk for a million events.\n\n" +
			"With --output json or ndjson each row is an object {group, row, per_second, unit, p50_us, p99_us,\n" +
			"beside_disk, detail}; beside_disk is the rate over the disk's own syncs a second.",
		Example:   "  annals bench --dir /var/lib\n  annals bench reads --events 10000000\n  annals bench writes --only '64 writers' --time 10s",
		ValidArgs: bench.Groups(),
		RunE: e.action(func(ctx context.Context, args []string) error {
			if killable != "" {
				return bench.AppendUntilKilled(ctx, killable, e.stdout)
			}
			for _, name := range args {
				if !strings.Contains(" "+strings.Join(bench.Groups(), " ")+" ", " "+name+" ") {
					return usagef("unknown group %q, want %s", name, strings.Join(bench.Groups(), ", "))
				}
			}
			o.Groups = args
			return e.bench(ctx, o, profile)
		}),
	}
	c.Flags().StringVar(&o.Dir, "dir", "", "directory on the disk to measure (default: the system's temporary directory)")
	c.Flags().DurationVar(&o.Time, "time", 5*time.Second, "how long each row of writes runs")
	c.Flags().IntVar(&o.Events, "events", 1_000_000, "how many events are read and imported")
	c.Flags().StringVar(&o.Only, "only", "", "run only rows whose name contains this")
	c.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile to this file")
	c.Flags().StringVar(&killable, "append-until-killed", "", "append to a journal until killed, for the row that opens one after kill -9")
	_ = c.Flags().MarkHidden("append-until-killed")
	_ = c.MarkFlagDirname("dir")
	return c
}

// bench measures and prints each row as it is measured.
func (e *env) bench(ctx context.Context, o bench.Options, profile string) error {
	form, err := e.form(formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	o.Killable = func(ctx context.Context, dir string) *exec.Cmd {
		return self(ctx, "bench", "--append-until-killed", dir)
	}
	o.Serve = benchServe
	o.Importers = e.benchImporters()
	var table *tabwriter.Writer
	if form == formTable {
		table = tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "ROW\tFIGURE\tBESIDE THE DISK\tDETAIL\n")
	}
	var failed error
	o.Report = func(r bench.Row) {
		if table == nil {
			failed = firstError(failed, e.printJSON(benchRow(&r)))
			return
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Name, benchFigure(&r), beside(r.BesideDisk), r.Detail)
		failed = firstError(failed, table.Flush())
	}
	stop, err := startProfile(profile)
	if err != nil {
		return err
	}
	err = bench.Run(ctx, o)
	return firstError(err, stop(), failed)
}

// firstError returns the first of errs that is one.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A benchLine is a row for machines. Its shape is a contract.
type benchLine struct {
	Group      string  `json:"group"`
	Row        string  `json:"row"`
	PerSecond  float64 `json:"per_second,omitzero"`
	Unit       string  `json:"unit,omitzero"`
	P50        float64 `json:"p50_us,omitzero"`
	P99        float64 `json:"p99_us,omitzero"`
	BesideDisk float64 `json:"beside_disk,omitzero"`
	Detail     string  `json:"detail,omitzero"`
}

func benchRow(r *bench.Row) benchLine {
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return benchLine{r.Group, r.Name, r.PerSecond, r.Unit, micros(r.P50), micros(r.P99), r.BesideDisk, r.Detail}
}

// benchFigure is the figure of a row for people.
func benchFigure(r *bench.Row) string {
	switch {
	case r.P99 > 0:
		return fmt.Sprintf("p50 %v, p99 %v", r.P50.Round(100*time.Nanosecond), r.P99.Round(100*time.Nanosecond))
	case r.P50 > 0:
		return r.P50.Round(time.Millisecond).String()
	}
	return rate(r.PerSecond) + " " + r.Unit + "/s"
}

// rate is a number a second, to three digits or so.
func rate(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.2f M", x/1e6)
	case x >= 1e4:
		return fmt.Sprintf("%.1f k", x/1e3)
	}
	return fmt.Sprintf("%.0f", x)
}

func beside(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", x)
}

// startProfile profiles the processor's time, unless name is empty, until stop.
func startProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, firstError(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

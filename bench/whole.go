package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/annals-io/annals"
)

// follow measures catching up with a journal in the page cache.
func follow(ctx context.Context, b *bench) (Row, error) {
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
func export(ctx context.Context, b *bench) (Row, error) {
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

func (b *bench) read(ctx context.Context, do func(context.Context, *annals.Journal) error) (Row, error) {
	dir, err := b.filled(ctx)
	if err == nil {
		err = b.closeJournal()
	}
	if err != nil {
		return Row{}, err
	}
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return Row{}, err
	}
	defer j.Close()
	best := time.Duration(1 << 62)
	for range 3 {
		began := time.Now()
		if err := do(ctx, j); err != nil {
			return Row{}, err
		}
		best = min(best, time.Since(began))
	}
	row := b.rated(float64(j.Size()), best, "from the page cache")
	row.BesideDisk = 0
	return row, nil
}

// openAfterKill measures opening a journal whose writer was killed.
func openAfterKill(ctx context.Context, b *bench) (Row, error) {
	dir, err := b.filled(ctx)
	if err != nil {
		return Row{}, err
	}
	if err := b.closeJournal(); err != nil {
		return Row{}, err
	}
	if err := appendAndDie(b.Killable(ctx, dir)); err != nil {
		return Row{}, err
	}
	began := time.Now()
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return Row{}, err
	}
	took := time.Since(began)
	size := j.Size()
	return Row{P50: took, Detail: fmt.Sprintf("once, with %d events, from the page cache", size)}, j.Close()
}

// rebuild measures how long a journal is without its index once that was deleted.
func rebuild(ctx context.Context, b *bench) (Row, error) {
	dir, err := b.filled(ctx)
	if err != nil {
		return Row{}, err
	}
	if err := b.closeJournal(); err != nil {
		return Row{}, err
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		return Row{}, err
	}
	began := time.Now()
	j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
	if err != nil {
		return Row{}, err
	}
	opened := time.Since(began)
	e, err := annals.ParseEvent([]byte(`{"type":"bench.waited"}`))
	if err != nil {
		return Row{}, err
	}
	if _, err := j.AppendEncoded(ctx, nil, e); err != nil {
		return Row{}, err
	}
	took := time.Since(began)
	row := b.rated(float64(j.Size()), took, fmt.Sprintf("opened after %v, first append after %v", opened.Round(time.Millisecond), took.Round(10*time.Millisecond)))
	row.BesideDisk = 0
	return row, j.Close()
}

// appendAndDie lets a process append and kills it meanwhile.
func appendAndDie(c *exec.Cmd) error {
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	err = errors.Join(err, c.Process.Kill())
	_ = c.Wait() // killed: its error says so
	if err != nil {
		return fmt.Errorf("process to kill: %w", err)
	}
	return nil
}

// killableEvents is how many events AppendUntilKilled appends before it says so.
const killableEvents = 1000

// AppendUntilKilled appends to the journal in dir for as long as the process lives,
// one event at a time, and writes a line once it is well under way.
func AppendUntilKilled(ctx context.Context, dir string, out io.Writer) error {
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
		if _, err := j.AppendEncoded(ctx, nil, e); err != nil {
			return err
		}
		if i == killableEvents {
			if _, err := fmt.Fprintln(out, "appending"); err != nil {
				return err
			}
		}
	}
}

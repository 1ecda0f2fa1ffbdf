package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

// importRows measure the importers.
func (b *bench) importRows() []measure {
	rows := make([]measure, len(b.Importers))
	for i, x := range b.Importers {
		rows[i] = measure{"import of " + x.Format + " from a zstd file", x.row}
	}
	return rows
}

func (x Importer) row(ctx context.Context, b *bench) (Row, error) {
	file, dir := filepath.Join(b.dir, x.Format+".zst"), filepath.Join(b.dir, "imported")
	defer os.RemoveAll(dir)
	defer os.Remove(file)
	bytes, err := x.write(file, b.Events)
	if err != nil {
		return Row{}, err
	}
	began, cpu := time.Now(), cpuTime()
	n, err := x.Do(ctx, file, dir)
	took := time.Since(began)
	if err != nil {
		return Row{}, err
	}
	if n != uint64(b.Events) {
		return Row{}, fmt.Errorf("%d of %d events were imported", n, b.Events)
	}
	return b.rated(float64(n), took, fmt.Sprintf("%.0f B a line, %.1f µs of CPU an event; peak memory %d MiB",
		float64(bytes)/float64(n), (cpuTime()-cpu).Seconds()*1e6/float64(n), peakMemory()>>20)), nil
}

// write makes a file of so many values, and returns their size.
func (x *Importer) write(name string, events int) (bytes int64, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w, err := zstd.NewWriter(f)
	if err != nil {
		return 0, err
	}
	var line []byte
	for n := range events {
		line = append(x.Sample(line[:0], n), '\n')
		bytes += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return 0, err
		}
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return bytes, f.Close()
}

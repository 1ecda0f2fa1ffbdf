package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/bench"
	"github.com/annals-io/annals/internal/ingest"
)

// benchImporters returns what measures an import of each format.
func (e *env) benchImporters() []bench.Importer {
	var all []bench.Importer
	for _, format := range ingest.Names() {
		if sample := bench.Sample(format); sample != nil {
			all = append(all, bench.Importer{Format: format, Sample: sample, Do: e.benchImport(format)})
		}
	}
	return all
}

// benchImport imports a file as the command import does, without its report.
func (e *env) benchImport(format string) func(ctx context.Context, file, dir string) (uint64, error) {
	return func(ctx context.Context, file, dir string) (uint64, error) {
		x := &importing{format: format, jobs: 1, rejects: file + rejectsSuffix}
		defer os.Remove(x.rejects)
		if err := x.resolve(); err != nil {
			return 0, err
		}
		files, err := e.sources(ctx, x, []string{file})
		if err != nil {
			return 0, err
		}
		j, err := annals.Open(dir, &annals.Options{ScrubInterval: -1})
		if err != nil {
			return 0, err
		}
		m := newImporter(e, x, j, progress{})
		err = m.run(ctx, files)
		if err = errors.Join(err, m.rejects.close(), j.Close()); err == nil && m.report.Rejected > 0 {
			err = fmt.Errorf("%d of its own lines were rejected", m.report.Rejected)
		}
		return m.report.Imported, err
	}
}

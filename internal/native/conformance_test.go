package native_test

import (
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/engine/enginetest"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
)

// TestConformance runs the suite on files, whose syncs give concurrency room, and
// in memory with segments and files of the index so small that every case crosses
// from one to the next.
func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts native.Options
		fs   func(testing.TB) durable.FS
	}{
		{"files", native.Options{}, openDir},
		{"small segments", native.Options{SegmentBytes: 4 << 10, CheckpointInterval: -1}, func(testing.TB) durable.FS { return durable.NewMem() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Open {
				opts := tt.opts
				opts.FS, opts.Create, opts.Describe, opts.Now = tt.fs(t), true, c.Describe, c.Now
				if opts.SegmentBytes > 0 {
					opts.LimitTails(256)
				}
				return func() (engine.Engine, error) { return native.Open(opts) }
			})
		})
	}
}

// openDir returns a directory of the real file system.
func openDir(t testing.TB) durable.FS {
	dir, err := durable.OpenOS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

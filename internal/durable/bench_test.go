package durable_test

import (
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// BenchmarkMemCrashCycle is one cycle of a crash test: append to a file of 64 KiB,
// sync half of it, and cut the power.
func BenchmarkMemCrashCycle(b *testing.B) {
	m := durable.NewMem()
	m.SetBytes("a", make([]byte, 64<<10))
	m.SetBytes("b", make([]byte, 64<<10))
	f, err := m.OpenWrite("a")
	check(b, err)
	data := make([]byte, 1000)
	seed := uint64(0)
	for b.Loop() {
		seed++
		off := int64(seed*8000) % (60 << 10)
		_, err := f.WriteAt(data, off)
		check(b, err)
		check(b, f.Sync())
		_, err = f.WriteAt(data, off+1000)
		check(b, err)
		m.Crash(durable.Cut{Seed: seed, Keep: 50, Tear: true})
	}
}

// BenchmarkMemWrite appends small records and syncs each.
func BenchmarkMemWrite(b *testing.B) {
	m := durable.NewMem()
	f, err := m.Create("a")
	check(b, err)
	data := make([]byte, 1000)
	b.SetBytes(int64(len(data)))
	off := int64(0)
	for b.Loop() {
		_, err := f.WriteAt(data, off%(64<<20))
		check(b, err)
		check(b, f.Sync())
		off += int64(len(data))
	}
}

// BenchmarkMemPreallocate zero-fills a segment of 64 MiB.
func BenchmarkMemPreallocate(b *testing.B) {
	zeros := make([]byte, 1<<20)
	for b.Loop() {
		m := durable.NewMem()
		f, err := m.Create("a")
		check(b, err)
		for i := range int64(64) {
			_, err := f.WriteAt(zeros, i<<20)
			check(b, err)
		}
		check(b, f.Sync())
	}
}

// BenchmarkOSSync writes and syncs a block in place, in a file with its space.
func BenchmarkOSSync(b *testing.B) {
	fsys := newOS(b, b.TempDir())
	f, err := fsys.Create("a")
	check(b, err)
	defer f.Close()
	_, err = f.WriteAt(make([]byte, 1<<20), 0)
	check(b, err)
	check(b, f.Sync())
	block := make([]byte, 4096)
	for b.Loop() {
		_, err := f.WriteAt(block, 0)
		check(b, err)
		check(b, f.Sync())
	}
}

package bench

import (
	"os"
	"time"
)

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

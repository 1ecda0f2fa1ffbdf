package annals_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/annals-io/annals"
)

// flipped returns a copy of a journal of 20 entries in one segment, each its own
// record, with bits of the segment flipped at the given offsets. With marked the
// journal was left, not closed, behind an idle marker.
func flipped(t *testing.T, marked bool, offsets ...int) string {
	t.Helper()
	dir := t.TempDir()
	j, err := annals.Open(dir, &annals.Options{CheckpointInterval: -1})
	check(t, err)
	for i := range 20 {
		_, err := j.Append(context.Background(), annals.Event{ID: fmt.Sprint(i), Type: "x"})
		check(t, err)
	}
	if marked {
		awaitMarker(t, dir)
	} else {
		check(t, j.Close())
	}
	left := t.TempDir()
	check(t, os.CopyFS(left, os.DirFS(dir)))
	check(t, j.Close())
	segments, err := filepath.Glob(filepath.Join(left, "log", "*.wal"))
	check(t, err)
	if len(segments) != 1 {
		t.Fatalf("%d segments", len(segments))
	}
	b, err := os.ReadFile(segments[0])
	check(t, err)
	for _, at := range offsets {
		b[at] ^= 4
	}
	check(t, os.WriteFile(segments[0], b, 0o600))
	return left
}

// awaitMarker waits until a second process would see all 20 entries, which only
// the marker vouches for.
func awaitMarker(t *testing.T, dir string) {
	t.Helper()
	r, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer r.Close()
	for e, err := range r.Follow(t.Context(), 0) {
		check(t, err)
		if e.Position == 19 {
			return
		}
	}
}

// What a damaged newest segment still holds is read, and what it does not hold is
// named: behind the damage too, and whatever is damaged.
func TestDamageInNewestSegment(t *testing.T) {
	const entryBytes = 200 // a record has more
	cases := []struct {
		name    string
		marked  bool
		offsets []int
		lost    uint64
	}{
		{"header, closed", false, []int{60}, 0},
		{"header, left", true, []int{60}, 0},
		{"magic", false, []int{3}, 0},
		{"one record, closed", false, []int{128 + 5*entryBytes}, 1},
		{"one record, left behind a marker", true, []int{128 + 5*entryBytes}, 1},
		{"three records", false, []int{128 + 2*entryBytes, 128 + 8*entryBytes, 128 + 15*entryBytes}, 3},
		{"three records, left", true, []int{128 + 2*entryBytes, 128 + 8*entryBytes, 128 + 15*entryBytes}, 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := flipped(t, c.marked, c.offsets...)
			r, err := annals.Verify(context.Background(), dir, nil)
			check(t, err)
			if r.OK || uint64(len(r.Problems)) < max(1, c.lost) {
				t.Errorf("verify finds %d problems: %+v", len(r.Problems), r.Problems)
			}
			j, err := annals.Open(dir, nil)
			check(t, err)
			read, lost := uint64(0), uint64(0)
			for _, err := range j.Scan(context.Background(), 0, j.Size()) {
				if e, ok := errors.AsType[*annals.CorruptError](err); ok {
					lost += uint64(e.Next - e.First)
				} else {
					check(t, err)
					read++
				}
			}
			check(t, j.Close())
			if read+lost != 20 || lost != c.lost {
				t.Errorf("%d of 20 entries read, %d named as lost, want %d lost", read, lost, c.lost)
			}
			rep, err := annals.Restore(context.Background(), dir, filepath.Join(t.TempDir(), "new"), nil)
			check(t, err)
			if rep.Restored != 20-c.lost || rep.Lost != c.lost {
				t.Errorf("restored %d, lost %d, want %d lost", rep.Restored, rep.Lost, c.lost)
			}
		})
	}
}

// Damage is damage beside the process that found it, too.
func TestDamageBesideWriter(t *testing.T) {
	dir := flipped(t, true, 128+5*200)
	w, err := annals.Open(dir, nil)
	check(t, err)
	defer w.Close()
	if len(w.Damage()) == 0 {
		t.Fatal("the writer found no damage")
	}
	r, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer r.Close()
	if len(r.Damage()) == 0 || r.Size() != 20 {
		t.Errorf("the reader sees %d entries and the damage %v", r.Size(), r.Damage())
	}
	v, err := annals.Verify(context.Background(), dir, nil)
	check(t, err)
	if v.OK {
		t.Errorf("verify: %+v", v)
	}
}

package annals_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/annals-io/annals"
)

// TestRestoreReportsDamage restores journals that lack something that no scan
// comes across, and looks for all known damage in the report, once.
func TestRestoreReportsDamage(t *testing.T) {
	sound := newTestJournal(t, 300, 1000, 5)
	segments := sound.segments()
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, c := range []struct {
		name, file string
		change     func(b []byte) []byte // nil removes the file
	}{
		{"first segment", segments[0], flip},
		{"missing segment", segments[1], nil},
		{"newest segment", segments[len(segments)-1], cut},
		{"missing newest segment", segments[len(segments)-1], nil},
		{"state", "state", flip},
		{"checkpoint", "checkpoint", flip},
	} {
		t.Run(c.name, func(t *testing.T) {
			tj := sound.copyTo(t)
			if c.change == nil {
				check(t, os.Remove(tj.path(c.file)))
			} else {
				tj.edit(c.file, c.change)
			}
			j, err := annals.Open(tj.dir, &annals.Options{ReadOnly: true})
			check(t, err)
			damage := j.Damage()
			check(t, j.Close())
			if len(damage) == 0 {
				t.Fatal("damage is not seen")
			}
			r, err := annals.Restore(context.Background(), tj.dir, filepath.Join(t.TempDir(), "new"), nil)
			check(t, err)
			if r.Restored+r.Lost != uint64(len(tj.want)) {
				t.Errorf("%d restored, %d lost, of %d", r.Restored, r.Lost, len(tj.want))
			}
			for _, d := range damage {
				if !slices.ContainsFunc(r.Gaps, func(g annals.Problem) bool { return says(g, d) }) {
					t.Errorf("not reported: %v", d)
				}
			}
			seen := make(map[string]bool)
			for _, g := range r.Gaps {
				text, err := json.Marshal(g)
				check(t, err)
				if seen[string(text)] {
					t.Errorf("reported twice: %s", text)
				}
				seen[string(text)] = true
			}
		})
	}
}

// says reports whether a gap of a report tells of some damage: the same, or the
// entries of the same file that it hides.
func says(g annals.Problem, d *annals.CorruptError) bool {
	hides := d.Next > d.First && g.Position != nil && *g.Position <= d.First && d.Next <= *g.Next
	return g.File == d.Path && (hides || g.What == d.Err.Error())
}

// TestRestoreNotClosed restores what a process left that did not close the
// journal: nothing of it is lost.
func TestRestoreNotClosed(t *testing.T) {
	dir, left := t.TempDir(), filepath.Join(t.TempDir(), "left")
	j, err := annals.Open(dir, smallSegments())
	check(t, err)
	for i := range 10 {
		_, err := j.Append(context.Background(), testEvent(i, 100))
		check(t, err)
	}
	check(t, os.CopyFS(left, os.DirFS(dir)))
	check(t, j.Close())
	r, err := annals.Restore(context.Background(), left, filepath.Join(t.TempDir(), "new"), nil)
	check(t, err)
	if r.Restored != 10 || r.Lost != 0 || len(r.Gaps) > 0 {
		t.Errorf("restored: %+v", r)
	}
}

// TestRestoreIncomplete tells by the report whether an error left something
// behind.
func TestRestoreIncomplete(t *testing.T) {
	tj := newTestJournal(t, 10, 10, 5)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	to := filepath.Join(t.TempDir(), "new")
	if r, err := annals.Restore(ctx, tj.dir, to, nil); !errors.Is(err, context.Canceled) || r == nil {
		t.Errorf("stopped: %+v, %v", r, err)
	}
	if r, err := annals.Restore(context.Background(), tj.dir, to, nil); err == nil || r != nil {
		t.Errorf("where that one left something: %+v, %v", r, err)
	}
}

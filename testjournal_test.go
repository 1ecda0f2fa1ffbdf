package annals_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

// long reports whether a test does as many rounds as are worth a night.
func long() bool { return os.Getenv("ANNALS_LONG") == "1" }

// A testJournal is a journal that was written and closed, and what it holds.
type testJournal struct {
	t    testing.TB
	dir  string
	want []string          // entries by position
	gets map[string]string // entries by id
}

// smallSegments makes journals of several segments small.
func smallSegments() *annals.Options {
	return &annals.Options{SegmentBytes: 64 << 10, CheckpointInterval: -1, ScrubInterval: -1}
}

// testEvent is the event number n. Its entity has a sequence of its own for every
// seventh event.
func testEvent(n, bytes int) annals.Event {
	return annals.Event{
		ID: fmt.Sprintf("event-%06d", n), Type: "test.written",
		Entity: annals.Entity{Type: "thing", ID: fmt.Sprint(n % 7)},
		Data:   map[string]string{"text": strings.Repeat("x", bytes)},
	}
}

// newTestJournal makes a journal of n events with so many bytes of data each,
// appended in batches, and closes it.
func newTestJournal(t testing.TB, n, bytes, batch int) *testJournal {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := annals.Open(dir, smallSegments())
	check(t, err)
	for from := 0; from < n; from += batch {
		var events []annals.Event
		for i := from; i < min(from+batch, n); i++ {
			events = append(events, testEvent(i, bytes))
		}
		_, err := j.Append(context.Background(), events...)
		check(t, err)
	}
	check(t, j.Close())
	return readTestJournal(t, dir)
}

// readTestJournal reads a sound, closed journal.
func readTestJournal(t testing.TB, dir string) *testJournal {
	t.Helper()
	tj := &testJournal{t: t, dir: dir, gets: make(map[string]string)}
	j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer j.Close()
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		check(t, err)
		tj.want = append(tj.want, string(e.JSON))
		tj.gets[e.Tenant()+" "+e.ID()] = string(e.JSON)
	}
	return tj
}

// copyTo copies the journal to a directory of its own.
func (tj *testJournal) copyTo(t testing.TB) *testJournal {
	t.Helper()
	c := *tj
	c.t, c.dir = t, filepath.Join(t.TempDir(), "copy")
	check(t, os.CopyFS(c.dir, os.DirFS(tj.dir)))
	check(t, os.Chmod(c.dir, 0o700))
	return &c
}

// segments returns the names of the log's files, in order.
func (tj *testJournal) segments() []string {
	tj.t.Helper()
	names, err := filepath.Glob(filepath.Join(tj.dir, "log", "*.wal"))
	check(tj.t, err)
	for i, name := range names {
		names[i] = "log/" + filepath.Base(name)
	}
	return names
}

func (tj *testJournal) path(name string) string {
	return filepath.Join(tj.dir, filepath.FromSlash(name))
}

// edit changes a file's content.
func (tj *testJournal) edit(name string, change func(b []byte) []byte) {
	tj.t.Helper()
	b, err := os.ReadFile(tj.path(name))
	check(tj.t, err)
	check(tj.t, os.WriteFile(tj.path(name), change(b), 0o600))
}

// contents returns every file of a directory, name to the hash of its content,
// and every directory.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, sum := strings.TrimPrefix(path, dir), "directory"
		if !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h := sha256.Sum256(b)
			sum = hex.EncodeToString(h[:])
		}
		all[name] = sum
		return nil
	}))
	return all
}

// verify verifies a journal.
func verify(t testing.TB, dir string) *annals.VerifyReport {
	t.Helper()
	r, err := annals.Verify(context.Background(), dir, nil)
	check(t, err)
	return r
}

// mustVerify verifies a journal that must be sound.
func mustVerify(t testing.TB, dir string) *annals.VerifyReport {
	t.Helper()
	r := verify(t, dir)
	if !r.OK || len(r.Problems) > 0 {
		t.Fatalf("journal is not sound: %v", problemTexts(r))
	}
	return r
}

func problemTexts(r *annals.VerifyReport) []string {
	var texts []string
	for _, p := range r.Problems {
		text := p.File
		if p.Offset != nil {
			text += fmt.Sprintf(" at %d", *p.Offset)
		}
		if p.Position != nil {
			text += fmt.Sprintf(" [%d,%d)", *p.Position, *p.Next)
		}
		texts = append(texts, text+": "+p.What)
	}
	return texts
}

// A gap is a range of positions that cannot be read.
type gap struct{ First, Next annals.Position }

// readAll scans an open journal, whose readable entries must be those that it
// held, and returns the positions that are hidden.
func (tj *testJournal) readAll(j *annals.Journal) []gap {
	t := tj.t
	t.Helper()
	var gaps []gap
	next := annals.Position(0)
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		if c, ok := errors.AsType[*annals.CorruptError](err); ok {
			if c.First > next || c.Next <= next {
				t.Fatalf("gap [%d,%d) at position %d: %v", c.First, c.Next, next, err)
			}
			if n := len(gaps); n > 0 && gaps[n-1].Next == next {
				gaps[n-1].Next = c.Next
			} else {
				gaps = append(gaps, gap{next, c.Next})
			}
			next = c.Next
			continue
		}
		check(t, err)
		if e.Position != next || int(next) >= len(tj.want) || string(e.JSON) != tj.want[next] {
			t.Fatalf("entry %d, wanted at %d, is %s", e.Position, next, e.JSON)
		}
		if got, err := j.GetTenant(context.Background(), e.Tenant(), e.ID()); err != nil || string(got.JSON) != tj.want[next] {
			t.Fatalf("get %q: %s, %v", e.ID(), got.JSON, err)
		}
		next++
	}
	if next != j.Size() {
		t.Fatalf("scan ended at %d of %d", next, j.Size())
	}
	return gaps
}

// An outcome is what becomes of a damaged journal.
type outcome struct {
	problems []string // of Verify
	open     string   // what Open does: readOnly, refuses or unaware
	damage   []string // what Open says
	gaps     []gap    // positions that are hidden
	restored *annals.RestoreReport
}

// checkDamaged checks what must hold for every journal with damage in what was
// acknowledged: Verify reports it; Open refuses or opens for reading with the
// damage named, and appends fail with it; what is readable is what was stored;
// nothing on disk changes; what is readable can be restored.
func (tj *testJournal) checkDamaged() outcome {
	t := tj.t
	t.Helper()
	before := contents(t, tj.dir)
	var o outcome
	r := verify(t, tj.dir)
	if o.problems = problemTexts(r); r.OK || len(o.problems) == 0 {
		t.Fatal("Verify found nothing")
	}
	tj.openDamaged(&o)
	if o.open == unaware {
		return o // a sound opening writes
	}
	if o.open != refuses {
		o.restored = tj.restore(o.gaps)
	}
	if diff := cmp.Diff(contents(t, tj.dir), before); diff != "" {
		t.Fatalf("files changed (-got +want):\n%s", diff)
	}
	return o
}

// openDamaged opens a damaged journal for writing.
func (tj *testJournal) openDamaged(o *outcome) {
	t := tj.t
	t.Helper()
	j, err := annals.Open(tj.dir, smallSegments())
	if err != nil {
		if _, ok := errors.AsType[*annals.CorruptError](err); !ok {
			t.Fatalf("open: %v", err)
		}
		o.open, o.damage = refuses, []string{err.Error()}
		return
	}
	defer func() { check(t, j.Close()) }()
	o.gaps = tj.readAll(j)
	if len(j.Damage()) == 0 {
		o.open = unaware
		return
	}
	o.open = readOnly
	for _, d := range j.Damage() {
		o.damage = append(o.damage, d.Error())
	}
	if _, err := j.Append(context.Background(), testEvent(1_000_000, 1)); !errors.As(err, new(*annals.CorruptError)) {
		t.Fatalf("append to a damaged journal: %v", err)
	}
}

// restore restores the journal to a new directory and checks what comes out.
func (tj *testJournal) restore(gaps []gap) *annals.RestoreReport {
	t := tj.t
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	r, err := annals.Restore(context.Background(), tj.dir, to, nil)
	check(t, err)
	hidden := uint64(0)
	for _, g := range gaps {
		hidden += uint64(g.Next - g.First)
	}
	if r.Lost < hidden {
		t.Fatalf("restored with %d lost, %d are hidden", r.Lost, hidden)
	}
	if v := mustVerify(t, to); v.Events != r.Restored+1 {
		t.Fatalf("restored journal has %d entries, want %d and the note", v.Events, r.Restored)
	}
	got := readTestJournal(t, to)
	for p := range r.Identical {
		if got.want[p] != tj.want[p] {
			t.Fatalf("restored entry %d is %s, was %s", p, got.want[p], tj.want[p])
		}
	}
	for id := range got.gets {
		if _, ok := tj.gets[id]; !ok && !strings.HasPrefix(id, annals.SystemTenant) {
			t.Fatalf("restored %s, which was not there", id)
		}
	}
	return r
}

// fileNames returns the journal's files, LOCK left out: it has no content.
func (tj *testJournal) fileNames() []string {
	all := contents(tj.t, tj.dir)
	maps.DeleteFunc(all, func(name, sum string) bool { return sum == "directory" || name == "/LOCK" })
	names := slices.Sorted(maps.Keys(all))
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "/")
	}
	return names
}

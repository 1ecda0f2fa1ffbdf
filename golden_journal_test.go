package annals_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

var newJournals = flag.Bool("newjournals", false, "make the golden journals that are missing")

// goldenJournals make the journals of testdata/journals, one directory for each
// format and case. They are made once and kept for ever: -newjournals adds those
// that are missing and changes none.
var goldenJournals = map[string]func(t *testing.T, dir string){
	"v2-empty":  func(t *testing.T, dir string) { goldenJournal(t, dir, 0, 0) },
	"v2-small":  func(t *testing.T, dir string) { goldenJournal(t, dir, 20, 40) },
	"v2-rotate": func(t *testing.T, dir string) { goldenJournal(t, dir, 90, 1500) },
	"v2-left":   func(t *testing.T, dir string) { goldenLeft(t, dir, false) },
	"v2-marker": func(t *testing.T, dir string) { goldenLeft(t, dir, true) },
}

// goldenLeft makes a journal that was not closed, without the space that was set
// aside for it.
func goldenLeft(t *testing.T, dir string, idle bool) {
	u := leave(t, 12, idle)
	u.edit(u.segment(-1), func(b []byte) []byte { return b[:records(b)[len(records(b))-1]+64] })
	check(t, os.Remove(u.path("reserve")))
	check(t, os.CopyFS(dir, os.DirFS(u.dir)))
}

// goldenJournal makes a journal of n events, in batches of different sizes.
func goldenJournal(t *testing.T, dir string, n, bytes int) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	opts := smallSegments()
	opts.Origin = "example.com/golden"
	opts.RecordedBy = annals.Identity{Type: "token", ID: "golden"}
	opts.Now = func() time.Time { now = now.Add(time.Second); return now }
	j, err := annals.Open(dir, opts)
	check(t, err)
	for i, batch := 0, 1; i < n; batch++ {
		var events []annals.Event
		for range min(batch%5+1, n-i) {
			events = append(events, testEvent(i, bytes))
			i++
		}
		_, err := j.Append(context.Background(), events...)
		check(t, err)
	}
	check(t, j.Close())
}

// listing is one line for each entry: position, recorded_at, tenant, id, hash.
func listing(t *testing.T, dir string) string {
	t.Helper()
	j, err := annals.Open(dir, &annals.Options{MustExist: true, ScrubInterval: -1})
	check(t, err)
	defer func() { check(t, j.Close()) }()
	if d := j.Damage(); len(d) > 0 {
		t.Fatal(d)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "journal %s, origin %s\n", j.ID(), j.Origin())
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		check(t, err)
		if e.Type() == annals.TypeRecovered {
			continue // written by this opening
		}
		fmt.Fprintf(&b, "%d %s %s %s %s\n", e.Position, e.RecordedAt.Format(time.RFC3339Nano), e.Tenant(), e.ID(), e.Hash())
	}
	return b.String()
}

// TestFault51GoldenJournals reads every journal that a version of this format ever
// wrote, appends to it, and compares what it holds with the listing made then.
func TestFault51GoldenJournals(t *testing.T) {
	root := filepath.Join("testdata", "journals")
	if *newJournals {
		makeGoldenJournals(t, root)
	}
	dirs, err := filepath.Glob(filepath.Join(root, "v*-*"))
	check(t, err)
	seen := 0
	for _, dir := range dirs {
		if strings.HasSuffix(dir, ".txt") {
			continue
		}
		seen++
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want, err := os.ReadFile(dir + ".txt")
			check(t, err)
			tj := (&testJournal{t: t, dir: dir}).copyTo(t)
			restoreEmpty(t, tj.dir)
			mustVerify(t, tj.dir)
			if diff := cmp.Diff(listing(t, tj.dir), string(want)); diff != "" {
				t.Errorf("listing differs (-got +want):\n%s", diff)
			}
			j, err := annals.Open(tj.dir, smallSegments())
			check(t, err)
			got, err := j.Append(context.Background(), testEvent(0, 40), testEvent(1_000_000, 10))
			if c, ok := errors.AsType[*annals.ConflictError](err); ok && c.ID == testEvent(0, 0).ID {
				got, err = j.Append(context.Background(), testEvent(1_000_000, 10))
			}
			check(t, err)
			t.Logf("appended at position %d", got[len(got)-1].Position)
			check(t, j.Close())
			mustVerify(t, tj.dir)
		})
	}
	if seen < len(goldenJournals) {
		t.Errorf("%d golden journals, want %d", seen, len(goldenJournals))
	}
}

// restoreEmpty makes the directories and the lock that version control leaves out
// when they are empty.
func restoreEmpty(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"log", "tiles"} {
		check(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	for _, name := range []string{"keys/checkpoint.key", "journal.json"} {
		check(t, os.Chmod(filepath.Join(dir, name), 0o600))
	}
}

func makeGoldenJournals(t *testing.T, root string) {
	t.Helper()
	for name, build := range goldenJournals {
		dir := filepath.Join(root, name)
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		build(t, dir)
		check(t, os.Remove(filepath.Join(dir, "LOCK")))
		copied := (&testJournal{t: t, dir: dir}).copyTo(t)
		check(t, os.WriteFile(dir+".txt", []byte(listing(t, copied.dir)), 0o644))
	}
}

// TestFault51NewerFormat opens journals that a later program wrote: they are
// refused with ErrNewerFormat, and nothing changes.
func TestFault51NewerFormat(t *testing.T) {
	sound := newTestJournal(t, 200, 1000, 10)
	for _, tt := range []struct {
		name  string
		newer func(tj *testJournal)
	}{
		{"journal.json", newerIdentity("")},
		{"journal.json with unknown members", newerIdentity(`,"shards":[1,2]`)},
		{"newest segment", func(tj *testJournal) { newerSegment(tj, -1, 3) }},
		{"newest segment, far newer", func(tj *testJournal) { newerSegment(tj, -1, 1<<31) }},
		{"segment before the newest", func(tj *testJournal) { newerSegment(tj, -2, 3) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tj := sound.copyTo(t)
			tt.newer(tj)
			before := contents(t, tj.dir)
			_, err := annals.Verify(context.Background(), tj.dir, nil)
			if !errors.Is(err, annals.ErrNewerFormat) {
				t.Errorf("Verify: %v", err)
			}
			for _, opts := range []*annals.Options{nil, {ReadOnly: true}, {MustExist: true}} {
				if _, err := annals.Open(tj.dir, opts); !errors.Is(err, annals.ErrNewerFormat) {
					t.Errorf("Open %+v: %v", opts, err)
				}
			}
			if _, err := annals.Restore(context.Background(), tj.dir, tj.dir+"-restored", nil); !errors.Is(err, annals.ErrNewerFormat) {
				t.Errorf("Restore: %v", err)
			}
			if diff := cmp.Diff(contents(t, tj.dir), before); diff != "" {
				t.Errorf("files changed (-got +before):\n%s", diff)
			}
		})
	}
}

// newerIdentity writes journal.json as a later version might, with a checksum.
func newerIdentity(members string) func(*testJournal) {
	return func(tj *testJournal) {
		tj.edit("journal.json", func(b []byte) []byte {
			var id map[string]any
			check(tj.t, json.Unmarshal(b, &id))
			text := fmt.Sprintf(`{"id":%q,"origin":%q,"format":2,"created":%q%s`, id["id"], id["origin"], id["created"], members)
			sum := sha256.Sum256([]byte(text))
			return []byte(text + `,"checksum":"` + hex.EncodeToString(sum[:]) + `"}` + "\n")
		})
	}
}

// newerSegment gives a segment a later version, with the right checksum.
func newerSegment(tj *testJournal, n int, version uint32) {
	tj.edit(tj.segment(n), func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], version)
		binary.LittleEndian.PutUint32(b[124:], crc32.Checksum(b[:124], crc32.MakeTable(crc32.Castagnoli)))
		return b
	})
}

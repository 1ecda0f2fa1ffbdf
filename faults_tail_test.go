package annals_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals"
	"github.com/google/go-cmp/cmp"
)

// An unclosed is the directory of a journal as a crash of its process leaves it,
// and what its writer was told.
type unclosed struct {
	*testJournal
	receipts []annals.Receipt
}

// leave makes a journal of n events, one a call, and copies its directory while it
// is open: right after the last receipt or, with idle, after the pause that brings
// a marker.
func leave(t *testing.T, n int, idle bool) *unclosed {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	u := &unclosed{testJournal: &testJournal{t: t, dir: dir + "-left", gets: make(map[string]string)}}
	synctest.Test(t, func(t *testing.T) {
		j, err := annals.Open(dir, smallSegments())
		check(t, err)
		for i := range n {
			got, err := j.Append(context.Background(), testEvent(i, 50))
			check(t, err)
			u.receipts = append(u.receipts, got...)
		}
		if idle {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		check(t, os.CopyFS(u.dir, os.DirFS(dir)))
		check(t, os.Chmod(u.dir, 0o700))
		for e, err := range j.Scan(context.Background(), 0, j.Size()) {
			check(t, err)
			u.want = append(u.want, string(e.JSON))
			u.gets[e.Tenant()+" "+e.ID()] = string(e.JSON)
		}
		check(t, j.Close())
	})
	return u
}

// records returns where the records of the newest segment start, and where the
// last ends.
func (u *unclosed) records() []int {
	u.t.Helper()
	b, err := os.ReadFile(u.path(u.segment(-1)))
	check(u.t, err)
	return records(b)
}

// hasMarker reports whether the last record is a marker.
func (u *unclosed) hasMarker() bool {
	u.t.Helper()
	b, err := os.ReadFile(u.path(u.segment(-1)))
	check(u.t, err)
	at := records(b)
	return binary.LittleEndian.Uint32(b[at[len(at)-2]+40:]) == 2
}

// reopen opens the journal, which must be sound, checks that it holds every entry
// of before, and returns the data of its recovery's event, "" if there is none.
func (u *unclosed) reopen(t *testing.T) string {
	t.Helper()
	j, err := annals.Open(u.dir, smallSegments())
	check(t, err)
	if len(j.Damage()) > 0 {
		t.Fatal(j.Damage())
	}
	recovered, n := "", 0
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		check(t, err)
		if e.Type() == annals.TypeRecovered {
			data, _ := e.Member("data")
			recovered = string(data)
			continue
		}
		if string(e.JSON) != u.want[n] {
			t.Fatalf("entry %d is %s, was %s", n, e.JSON, u.want[n])
		}
		n++
	}
	if n != len(u.want) {
		t.Fatalf("%d entries, want %d", n, len(u.want))
	}
	check(t, j.Close())
	mustVerify(t, u.dir)
	return recovered
}

// TestFault25PreallocatedTail finds zeros behind the last record, as after every
// crash: they are the end, nothing is set aside.
func TestFault25PreallocatedTail(t *testing.T) {
	for _, idle := range []bool{false, true} {
		u := leave(t, 10, idle)
		if u.hasMarker() != idle {
			t.Fatalf("idle %v: marker %v", idle, u.hasMarker())
		}
		info, err := os.Stat(u.path(u.segment(-1)))
		check(t, err)
		if at := u.records(); int(info.Size()) <= at[len(at)-1] {
			t.Fatalf("nothing is preallocated behind %d", at[len(at)-1])
		}
		r := mustVerify(t, u.dir)
		unproven := uint64(1) // each group vouches for those before it
		if idle {
			unproven = 0
		}
		if r.TornTail != 0 || r.Unproven != unproven || r.Events != 10-unproven {
			t.Errorf("idle %v: %d events, torn tail of %d, %d unproven", idle, r.Events, r.TornTail, r.Unproven)
		}
		if got := u.reopen(t); !strings.Contains(got, `"torn_bytes":0,"may_include_acknowledged":false`) {
			t.Errorf("idle %v: recovered %s", idle, got)
		}
	}
}

// TestFlipsInAcknowledged flips a random bit of acknowledged data, of a journal
// that was not closed. With an idle marker every flip is corruption (fault 16).
// Without one, flips in the last group may look like an unfinished write, and are
// reported as that: then the receipts prove what is lost (fault 17).
func TestFlipsInAcknowledged(t *testing.T) {
	rounds := 150
	if long() {
		rounds = 5000
	}
	for _, idle := range []bool{true, false} {
		name := "fault 17 without marker"
		if idle {
			name = "fault 16 with marker"
		}
		t.Run(name, func(t *testing.T) {
			u := leave(t, 12, idle)
			at := u.records()
			end := at[len(at)-1]
			if idle {
				end = at[len(at)-2] // the marker itself holds no data
			}
			r := newRand(t)
			file := u.path(u.segment(-1))
			sound, err := os.ReadFile(file)
			check(t, err)
			torn := 0
			for range rounds {
				flipped := slices.Clone(sound)
				bit := 128*8 + r.IntN((end-128)*8)
				flipped[bit/8] ^= 1 << (bit % 8)
				check(t, os.WriteFile(file, flipped, 0o600))
				v := verify(t, u.dir)
				if !v.OK {
					continue
				}
				if idle || v.TornTail == 0 {
					t.Fatalf("bit %d of byte %d: not found: %+v", bit%8, bit/8, v)
				}
				torn++
				if torn <= 3 {
					u.checkLossIsProven(t)
				}
			}
			t.Logf("%d flips: %d reported as corruption, %d as a torn tail", rounds, rounds-torn, torn)
			if !idle && torn == 0 {
				t.Error("no flip hit the last group")
			}
		})
	}
}

// checkLossIsProven opens a copy of a journal whose last group was lost and checks
// that the loss is named, and that a receipt proves it.
func (u *unclosed) checkLossIsProven(t *testing.T) {
	t.Helper()
	lost := u.copyTo(t)
	j, err := annals.Open(lost.dir, smallSegments())
	check(t, err)
	defer j.Close()
	missing := 0
	for _, r := range u.receipts {
		e, err := j.At(context.Background(), r.Position)
		if errors.Is(err, annals.ErrNotFound) || err == nil && e.Hash() != r.Hash {
			missing++
		}
	}
	if missing != 1 {
		t.Errorf("the receipts prove that %d events are missing, want 1", missing)
	}
	e, err := j.At(context.Background(), j.Size()-1)
	check(t, err)
	data, _ := e.Member("data")
	if e.Type() != annals.TypeRecovered || !strings.Contains(string(data), `"may_include_acknowledged":true`) {
		t.Errorf("the last entry does not say what may be lost: %s", e.JSON)
	}
	if names, _ := filepath.Glob(lost.path("log/*.torn")); len(names) != 1 {
		t.Errorf("torn bytes are kept in %v", names)
	}
}

// TestSalvage restores from a journal that was not closed: what its writer was
// told of last is there, though nothing vouches for it, with and without damage
// elsewhere.
func TestSalvage(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		u := leave(t, 300, false)
		if len(u.segments()) < 2 {
			t.Fatal("too few segments")
		}
		if damaged {
			flipIn(0, "entry")(u.testJournal)
			o := u.checkDamaged()
			if o.open != readOnly || len(o.gaps) != 1 || o.restored.Lost != 1 || o.restored.Restored != 299 {
				t.Errorf("%+v", o)
			}
			continue
		}
		if r := u.restore(nil); r.Restored != 300 || r.Identical != 300 || r.Lost != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestForeignBytes adds bytes where the journal does not look, or which a crash
// may leave: no entry is concerned.
func TestForeignBytes(t *testing.T) {
	sound := newTestJournal(t, 100, 1000, 5)
	for _, tt := range []struct {
		name string
		do   func(tj *testJournal)
		torn int64
	}{
		{"byte behind the newest segment", func(tj *testJournal) { growFile(tj.segment(-1))(tj) }, 1},
		{"zeros behind the newest segment", func(tj *testJournal) { growBy(tj, tj.segment(-1), 4096) }, 0},
		{"bytes behind a sealed segment", func(tj *testJournal) { growFile(tj.segment(0))(tj) }, 0},
		{"bytes behind the tiles", growFile("tiles/level-0"), 0},
		{"content of the lock", growFile("LOCK"), 0},
		{"no lock", removeFile("LOCK"), 0},
		{"file of another name", func(tj *testJournal) { check(tj.t, os.WriteFile(tj.path("log/notes"), []byte("x"), 0o600)) }, 0},
		{"spare left behind", func(tj *testJournal) {
			check(tj.t, os.WriteFile(tj.path("log/spare"), make([]byte, 64<<10), 0o600))
		}, 0},
		{"state missing", removeFile("state"), 0},
		{"checkpoint missing", removeFile("checkpoint"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tj := sound.copyTo(t)
			tt.do(tj)
			before := contents(t, tj.dir)
			if r := mustVerify(t, tj.dir); r.TornTail != tt.torn {
				t.Errorf("torn tail of %d bytes, want %d", r.TornTail, tt.torn)
			}
			if diff := cmp.Diff(contents(t, tj.dir), before); diff != "" {
				t.Errorf("Verify changed files (-before +after):\n%s", diff)
			}
			u := unclosed{testJournal: tj}
			u.reopen(t)
			torn, _ := filepath.Glob(tj.path("log/*.torn"))
			if (len(torn) > 0) != (tt.torn > 0) {
				t.Errorf("kept aside: %v", torn)
			}
		})
	}
}

// TestNothingVouches takes away all that vouches for the log besides itself, and
// then damages it: what is still found, and what only receipts and witnesses
// prove.
func TestNothingVouches(t *testing.T) {
	sound := newTestJournal(t, 300, 1000, 3)
	for _, tt := range []struct {
		name   string
		damage func(*testJournal)
		found  bool
		torn   bool
	}{
		{"nothing", func(*testJournal) {}, false, false},
		{"sealed segment flipped", flipIn(1, "entry"), true, false},
		{"sealed segment cut", cut(1, "record"), true, false},
		{"middle segment missing", removed(1), true, false},
		{"first segment missing", removed(0), true, false},
		{"newest segment flipped in its middle", flipIn(-1, "length"), true, false},
		{"newest segment cut by a byte", cut(-1, "byte"), false, true},
		{"newest segment cut at a record", cut(-1, "record"), false, false},
		{"newest segment missing", removed(-1), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tj := sound.copyTo(t)
			for _, name := range []string{"state", "checkpoint", "tiles/level-0", "tiles/level-1"} {
				check(t, os.Remove(tj.path(name)))
			}
			tt.damage(tj)
			r := verify(t, tj.dir)
			if r.OK == tt.found || (r.TornTail > 0) != tt.torn {
				t.Errorf("OK %v, torn tail %d: %v", r.OK, r.TornTail, problemTexts(r))
			}
		})
	}
}

// TestTilesAreRebuilt deletes or damages the tree: Verify says so, and opening
// makes it anew from the log.
func TestTilesAreRebuilt(t *testing.T) {
	sound := newTestJournal(t, 300, 10, 30)
	for name, damage := range map[string]func(*testJournal){
		"missing":  func(tj *testJournal) { check(tj.t, os.Remove(tj.path("tiles/level-0"))) },
		"no tiles": func(tj *testJournal) { check(tj.t, os.RemoveAll(tj.path("tiles"))) },
		"cut":      cutFile("tiles/level-0"),
		"zeros":    func(tj *testJournal) { tj.edit("tiles/level-0", func(b []byte) []byte { clear(b); return b }) },
		"upper":    flipFile("tiles/level-1", 0),
		"flipped":  flipFile("tiles/level-0", 32*299),
	} {
		t.Run(name, func(t *testing.T) {
			tj := sound.copyTo(t)
			damage(tj)
			if r := verify(t, tj.dir); r.OK {
				t.Error("Verify found nothing")
			}
			u := unclosed{testJournal: tj}
			if got := u.reopen(t); got != "" {
				t.Errorf("recovered: %s", got)
			}
		})
	}
}

// TestFault24Rollback restores an old copy of the log under a newer checkpoint,
// and an old copy of everything: the first is named, the second is proven by a
// receipt.
func TestFault24Rollback(t *testing.T) {
	tj := newTestJournal(t, 10, 100, 1)
	old := tj.copyTo(t)
	j, err := annals.Open(tj.dir, smallSegments())
	check(t, err)
	got, err := j.Append(context.Background(), testEvent(10, 1), testEvent(11, 1), testEvent(12, 1))
	check(t, err)
	check(t, j.Close())
	newer, err := os.ReadFile(tj.path("checkpoint"))
	check(t, err)

	whole := old.copyTo(t)
	mustVerify(t, whole.dir)
	j, err = annals.Open(whole.dir, smallSegments())
	check(t, err)
	if _, err := j.At(context.Background(), got[2].Position); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("the receipt's position: %v", err)
	}
	check(t, j.Close())

	old.edit("checkpoint", func([]byte) []byte { return newer })
	o := old.checkDamaged()
	if want := "rolled back by 3"; o.open != readOnly || !strings.Contains(strings.Join(o.damage, " "), want) || !cmp.Equal(o.gaps, []gap{{10, 13}}) {
		t.Errorf("%+v, want %q", o, want)
	}
}

// TestFault49OtherHands opens a journal that others may enter, with a warning, and
// one from a machine whose clock was ahead: time stands still until it has caught
// up.
func TestFault49OtherHands(t *testing.T) {
	tj := newTestJournal(t, 3, 10, 1)
	for mode, warned := range map[os.FileMode]bool{0o700: false, 0o750: true, 0o755: true, 0o777: true} {
		check(t, os.Chmod(tj.dir, mode))
		var log bytes.Buffer
		opts := smallSegments()
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		j, err := annals.Open(tj.dir, opts)
		check(t, err)
		check(t, j.Close())
		if got := strings.Contains(log.String(), "open to others"); got != warned {
			t.Errorf("mode %v: %s", mode, log.String())
		}
	}
	ahead := smallSegments()
	later := time.Now().Add(10 * 365 * 24 * time.Hour).UTC()
	ahead.Now = func() time.Time { return later }
	j, err := annals.Open(tj.dir, ahead)
	check(t, err)
	_, err = j.Append(context.Background(), testEvent(3, 1))
	check(t, err)
	check(t, j.Close())
	j, err = annals.Open(tj.dir, smallSegments())
	check(t, err)
	got, err := j.Append(context.Background(), testEvent(4, 1))
	check(t, err)
	if !got[0].RecordedAt.Equal(later.Truncate(0)) {
		t.Errorf("recorded at %v, want %v", got[0].RecordedAt, later)
	}
	check(t, j.Close())
	mustVerify(t, tj.dir)
}

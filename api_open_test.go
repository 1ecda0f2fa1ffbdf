package annals_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/merkle"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

func TestOptions(t *testing.T) {
	const bad = false
	for _, tt := range []struct {
		field string
		opts  annals.Options
		ok    bool
	}{
		{"MaxEventBytes", annals.Options{MaxEventBytes: -1}, bad},
		{"MaxEventBytes", annals.Options{MaxEventBytes: 1}, bad},
		{"MaxEventBytes", annals.Options{MaxEventBytes: 1<<10 - 1}, bad},
		{"MaxEventBytes", annals.Options{MaxEventBytes: 1 << 10}, true},
		{"MaxEventBytes", annals.Options{MaxEventBytes: 1<<10 + 1}, true},
		{"MaxEventBytes", annals.Options{MaxEventBytes: annals.MaxEventBytes - 1}, true},
		{"MaxEventBytes", annals.Options{MaxEventBytes: annals.MaxEventBytes}, true},
		{"MaxEventBytes", annals.Options{MaxEventBytes: annals.MaxEventBytes + 1}, bad},
		{"SegmentBytes", annals.Options{SegmentBytes: -1}, bad},
		{"SegmentBytes", annals.Options{SegmentBytes: 1}, bad},
		{"SegmentBytes", annals.Options{SegmentBytes: 64<<10 - 1}, bad},
		{"SegmentBytes", annals.Options{SegmentBytes: 64 << 10}, true},
		{"SegmentBytes", annals.Options{SegmentBytes: 64<<10 + 1}, true},
		{"SegmentBytes", annals.Options{SegmentBytes: 1<<30 - 1}, true},
		{"SegmentBytes", annals.Options{SegmentBytes: 1 << 30}, true},
		{"SegmentBytes", annals.Options{SegmentBytes: 1<<30 + 1}, bad},
		{"SyncInterval", annals.Options{SyncInterval: -1}, bad},
		{"SyncInterval", annals.Options{SyncInterval: 1}, true},
		{"SyncInterval", annals.Options{SyncInterval: time.Minute - 1}, true},
		{"SyncInterval", annals.Options{SyncInterval: time.Minute}, true},
		{"SyncInterval", annals.Options{SyncInterval: time.Minute + 1}, bad},
		{"ScrubBytesPerSecond", annals.Options{ScrubBytesPerSecond: -1}, bad},
		{"ScrubBytesPerSecond", annals.Options{ScrubBytesPerSecond: 1}, true},
		{"ScrubInterval", annals.Options{ScrubInterval: -1}, true},
		{"ScrubInterval", annals.Options{ScrubInterval: 1}, true},
		{"CheckpointInterval", annals.Options{CheckpointInterval: -1}, true},
		{"CheckpointInterval", annals.Options{CheckpointInterval: 1}, true},
		{"Tenant", annals.Options{Tenant: annals.SystemTenant}, bad},
		{"Tenant", annals.Options{Tenant: annals.SystemTenant + "2"}, true},
	} {
		_, err := tt.opts.WithDefaults()
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), tt.field) {
			t.Errorf("%s of %+v: %v", tt.field, tt.opts, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "journal")
	if j, err := annals.Open(dir, &annals.Options{MaxEventBytes: 1}); err == nil {
		t.Errorf("open with bad options: %v", j.Close())
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open with bad options made something: %v", err)
	}
}

// TestOptionsAreCopied opens a journal with options of which each zero field has
// a default, and finds them untouched.
func TestOptionsAreCopied(t *testing.T) {
	var o annals.Options
	d, err := o.WithDefaults()
	check(t, err)
	if d.Tenant == "" || d.RecordedBy == (annals.Identity{}) || d.MaxEventBytes == 0 || d.ScrubInterval == 0 || d.Logger == nil || d.Now == nil {
		t.Errorf("defaults are %+v", d)
	}
	newJournal(t, &o)
	if diff := cmp.Diff(annals.Options{}, o, cmp.Comparer(func(a, b func() time.Time) bool { return (a == nil) == (b == nil) }), cmp.AllowUnexported(annals.Options{})); diff != "" {
		t.Errorf("options of the caller changed (-want +got):\n%s", diff)
	}
	if _, err := (*annals.Options)(nil).WithDefaults(); err != nil {
		t.Errorf("nil options: %v", err)
	}
}

func TestReadOnlyBesideWriter(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := filepath.Join(t.TempDir(), "journal")
	w, err := annals.Open(dir, &annals.Options{CheckpointInterval: -1})
	check(t, err)
	appended(t, w, ctx, annals.Event{ID: "old", Type: "a", Entity: annals.Entity{Type: "order", ID: "1"}})

	// FAULT 48: a second writer is refused.
	if _, err := annals.Open(dir, &annals.Options{LockWait: -1}); !errors.Is(err, annals.ErrLocked) {
		t.Errorf("open for writing beside a writer: %v", err)
	}
	r, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	if _, err := r.Append(ctx, annals.Event{Type: "a"}); !errors.Is(err, annals.ErrReadOnly) {
		t.Errorf("append to a reader: %v", err)
	}
	if _, err := r.Checkpoint(ctx); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("checkpoint of a journal that has none: %v", err)
	}
	if r.ID() != w.ID() || r.Origin() != w.Origin() {
		t.Errorf("reader is of %s %s, writer of %s %s", r.ID(), r.Origin(), w.ID(), w.Origin())
	}
	signed, err := w.Checkpoint(ctx)
	check(t, err)
	if got, err := r.Checkpoint(ctx); err != nil || !bytes.Equal(got, signed) {
		t.Errorf("reader's checkpoint is %q, %v, want %q", got, err, signed)
	}

	// The reader gets what the writer makes durable, also after it is closed.
	want := appended(t, w, ctx, annals.Event{ID: "new", Type: "a", Entity: annals.Entity{Type: "order", ID: "1"}})[0]
	for e, err := range r.Follow(ctx, 1) {
		check(t, err)
		if !bytes.Equal(e.JSON, want.JSON) {
			t.Errorf("reader follows %s, want %s", e.JSON, want.JSON)
		}
		break
	}
	if e, err := r.Get(ctx, "new"); err != nil || e.Hash() != want.Hash() {
		t.Errorf("get from the reader: %v", err)
	}
	if n, err := r.LastSequence(ctx, annals.Entity{Type: "order", ID: "1"}); err != nil || n != 2 {
		t.Errorf("last sequence from the reader: %d, %v", n, err)
	}
	check(t, w.Close())
	before := contents(t, dir)
	check(t, r.Close())
	r, err = annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	if r.Size() != 2 {
		t.Errorf("reader of a closed journal sees %d entries", r.Size())
	}
	check(t, r.Close())
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("reading changed files (-before +after):\n%s", diff)
	}
}

func TestMustExist(t *testing.T) {
	parent := t.TempDir()
	empty, missing, real := filepath.Join(parent, "empty"), filepath.Join(parent, "missing"), filepath.Join(parent, "real")
	check(t, os.Mkdir(empty, 0o700))
	for _, dir := range []string{empty, missing} {
		for _, opts := range []annals.Options{{MustExist: true}, {ReadOnly: true}, {ReadOnly: true, MustExist: true}} {
			if _, err := annals.Open(dir, &opts); !errors.Is(err, annals.ErrNoJournal) {
				t.Errorf("open %s: %v", filepath.Base(dir), err)
			}
		}
		if _, err := annals.Verify(context.Background(), dir, nil); !errors.Is(err, annals.ErrNoJournal) {
			t.Errorf("verify %s: %v", filepath.Base(dir), err)
		}
	}
	if diff := cmp.Diff(map[string]string{"": "directory", "/empty": "directory"}, contents(t, parent)); diff != "" {
		t.Errorf("something was made (-want +got):\n%s", diff)
	}
	j, err := annals.Open(real, nil)
	check(t, err)
	check(t, j.Close())
	j, err = annals.Open(real, &annals.Options{MustExist: true})
	check(t, err)
	check(t, j.Close())
}

func TestOrigin(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "journal")
	for _, bad := range []string{"two words", "a+b", "a\nb", "\xff", strings.Repeat("x", 256)} {
		if j, err := annals.Open(dir, &annals.Options{Origin: bad}); err == nil {
			t.Errorf("open with origin %q: %v", bad, j.Close())
		}
	}
	const origin = "example.com/audit"
	for i, opts := range []annals.Options{{Origin: origin}, {}, {Origin: origin}} {
		j, err := annals.Open(dir, &opts)
		check(t, err)
		signed, err := j.Checkpoint(ctx)
		check(t, err)
		key, err := os.ReadFile(filepath.Join(dir, "keys", "checkpoint.vkey"))
		check(t, err)
		verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
		check(t, err)
		if c, err := merkle.Open(signed, verifier); err != nil || c.Origin != origin || j.Origin() != origin {
			t.Errorf("opening %d: journal of %q, checkpoint of %q, %v", i, j.Origin(), c.Origin, err)
		}
		check(t, j.Close())
	}
	_, err := annals.Open(dir, &annals.Options{Origin: "example.com/other"})
	if err == nil || !strings.Contains(err.Error(), origin) || !strings.Contains(err.Error(), "example.com/other") {
		t.Errorf("open with another origin: %v", err)
	}
	if j := newJournal(t, nil); j.Origin() != "annals/"+j.ID() || len(j.ID()) != 32 {
		t.Errorf("default origin is %q of journal %q", j.Origin(), j.ID())
	}
	mustVerify(t, dir)
}

func TestSyncInterval(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "journal")
	e := annals.Event{ID: "a", Type: "a"}
	j, err := annals.Open(dir, &annals.Options{SyncInterval: time.Minute})
	check(t, err)
	appended(t, j, ctx, annals.Event{Type: "a"}) // a new segment is synced anyhow
	got, err := j.Append(ctx, e)
	check(t, err)
	again, err := j.Append(ctx, e)
	check(t, err)
	if got[0].Durable || again[0].Durable || !again[0].Duplicate {
		t.Errorf("receipts before the sync: %+v, %+v", got, again)
	}
	if entry, err := j.Get(ctx, "a"); err != nil || entry.Hash() != got[0].Hash {
		t.Errorf("get before the sync: %v", err)
	}
	check(t, j.Close())
	j, err = annals.Open(dir, &annals.Options{SyncInterval: time.Minute})
	check(t, err)
	again, err = j.Append(ctx, e)
	if err != nil || !again[0].Durable || !again[0].Duplicate || again[0].Hash != got[0].Hash {
		t.Errorf("retry after closing: %+v, %v", again, err)
	}
	check(t, j.Close())
	if r := mustVerify(t, dir); r.Events != 2 {
		t.Errorf("verified %d entries", r.Events)
	}
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	j := newJournal(t, nil) // which closes it once more
	order := annals.Entity{Type: "order", ID: "1"}
	e := annals.Event{ID: "a", Type: "a", Entity: order}
	appended(t, j, ctx, e)
	encoded, err := e.Encode()
	check(t, err)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := j.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	calls := map[string]func() error{
		"Append":        func() error { _, err := j.Append(ctx, e); return err },
		"AppendExpect":  func() error { _, err := j.AppendExpect(ctx, nil, e); return err },
		"AppendEncoded": func() error { _, err := j.AppendEncoded(ctx, nil, encoded); return err },
		"Get":           func() error { _, err := j.Get(ctx, "a"); return err },
		"GetTenant":     func() error { _, err := j.GetTenant(ctx, "default", "a"); return err },
		"At":            func() error { _, err := j.At(ctx, 0); return err },
		"LastSequence":  func() error { _, err := j.LastSequence(ctx, order); return err },
		"Checkpoint":    func() error { _, err := j.Checkpoint(ctx); return err },
		"Stats":         func() error { _, err := j.Stats(ctx); return err },
		"Scan": func() (last error) {
			for _, last = range j.Scan(ctx, 0, 1) {
			}
			return last
		},
		"Follow": func() (last error) {
			for _, last = range j.Follow(ctx, 1) {
			}
			return last
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, annals.ErrClosed) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
}

func TestGetNotFound(t *testing.T) {
	ctx := context.Background()
	j := newJournal(t, nil)
	appended(t, j, ctx, annals.Event{ID: "a", Type: "a"}, annals.Event{ID: "b", Type: "a", Tenant: "other"})
	_, otherTenant := j.Get(ctx, "b")
	_, unknown := j.Get(ctx, "c")
	_, noTenant := j.GetTenant(ctx, "nobody", "a")
	_, beyond := j.At(ctx, 2)
	for name, err := range map[string]error{"other tenant": otherTenant, "unknown id": unknown, "unknown tenant": noTenant, "beyond the end": beyond} {
		if !errors.Is(err, annals.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFault49OpenDirectory warns of a directory that others may read.
func TestFault49OpenDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	for _, tt := range []struct {
		mode os.FileMode
		warn bool
	}{{0o700, false}, {0o750, true}, {0o704, true}} {
		check(t, errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, tt.mode)))
		var log bytes.Buffer
		j, err := annals.Open(dir, &annals.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		check(t, err)
		check(t, j.Close())
		if got := strings.Contains(log.String(), "chmod 0700"); got != tt.warn {
			t.Errorf("mode %v: log is %q", tt.mode, &log)
		}
	}
}

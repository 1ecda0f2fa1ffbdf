package wal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/wal"
	"github.com/google/go-cmp/cmp"
)

// journalID is the journal that every test log belongs to.
var journalID = [16]byte([]byte("annals-test-log!"))

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// entry returns the bytes of the entry at p, with a length that differs from its
// neighbours'.
func entry(p engine.Position) []byte {
	return fmt.Appendf(nil, `{"position":%d,"text":%q}`, p, strings.Repeat("x", int(p*7%61)))
}

// A testLog is a log in memory and what it should hold.
type testLog struct {
	t    testing.TB
	fs   durable.FS
	opts wal.Options
	log  *wal.Log
	want [][]byte
}

func newTestLog(t testing.TB, segmentBytes int64) *testLog {
	t.Helper()
	mem := durable.NewMem()
	check(t, mem.Mkdir(wal.Dir))
	l := &testLog{t: t, fs: mem, opts: wal.Options{Journal: journalID, SegmentBytes: segmentBytes}}
	l.open()
	return l
}

// open opens the log, which must be sound and cleanly closed.
func (l *testLog) open() {
	l.t.Helper()
	log, rec, damage, err := wal.Open(l.fs, l.opts)
	check(l.t, err)
	if rec != nil || damage != nil {
		l.t.Fatalf("opened with recovery %+v and damage %v", rec, damage)
	}
	l.log = log
}

// close closes the log and keeps its state for the next opening.
func (l *testLog) close() {
	l.t.Helper()
	state, err := l.log.Close()
	check(l.t, err)
	l.log.CloseReads()
	l.opts.Evidence.State = state
}

// record adds entries as one record of the group in the making.
func (l *testLog) record(entries ...[]byte) {
	l.log.Begin()
	for _, e := range entries {
		hash := (&engine.Entry{Bytes: e}).Hash()
		half := len(e) / 2
		l.log.Add(e[:half], e[half:], wal.Checksum(e[:half]), &hash)
	}
	l.log.End()
	l.want = append(l.want, entries...)
}

// commit writes, syncs and publishes the group.
func (l *testLog) commit() {
	l.t.Helper()
	check(l.t, l.log.Write())
	check(l.t, l.log.Sync())
	l.log.Publish()
}

func total(entries [][]byte) int64 {
	n := int64(0)
	for _, e := range entries {
		n += int64(len(e))
	}
	return n
}

// append commits a group of one record.
func (l *testLog) append(entries ...[]byte) {
	l.t.Helper()
	check(l.t, l.log.Start(len(entries), total(entries)))
	l.record(entries...)
	l.commit()
}

// fill commits n records of one entry.
func (l *testLog) fill(n int) {
	l.t.Helper()
	for range n {
		l.append(entry(engine.Position(len(l.want))))
	}
}

// check compares a view with what was appended.
func (l *testLog) check(v *wal.View) {
	l.t.Helper()
	if v.Size() != engine.Position(len(l.want)) {
		l.t.Fatalf("size is %d, want %d", v.Size(), len(l.want))
	}
	for p, want := range l.want {
		got, err := v.Read([]byte("kept "), engine.Position(p))
		check(l.t, err)
		if string(got) != "kept "+string(want) {
			l.t.Fatalf("entry %d is %q, want %q", p, got, want)
		}
	}
	if _, err := v.Read(nil, v.Size()); !errors.Is(err, engine.ErrNotFound) {
		l.t.Fatalf("read behind the end: %v", err)
	}
	p := engine.Position(0)
	for raw, err := range v.Scan(context.Background(), 0, 1<<60) {
		check(l.t, err)
		if raw.Position != p || !bytes.Equal(raw.Bytes, l.want[p]) {
			l.t.Fatalf("scan yields %d %q, want %d %q", raw.Position, raw.Bytes, p, l.want[p])
		}
		p++
	}
	if p != v.Size() {
		l.t.Fatalf("scan ended at %d of %d", p, v.Size())
	}
}

// files returns the log's directory, name to content.
func files(t testing.TB, fsys durable.FS) map[string]string {
	t.Helper()
	infos, err := fsys.ReadDir(wal.Dir)
	check(t, err)
	all := make(map[string]string)
	for _, info := range infos {
		b, err := durable.ReadFile(fsys, wal.Dir+"/"+info.Name, 1<<30)
		check(t, err)
		all[info.Name] = string(b)
	}
	return all
}

// withFiles makes a log directory of the given content.
func withFiles(t testing.TB, all map[string]string) *durable.Mem {
	t.Helper()
	mem := durable.NewMem()
	check(t, mem.Mkdir(wal.Dir))
	for name, content := range all {
		f, err := mem.Create(wal.Dir + "/" + name)
		check(t, err)
		_, err = f.WriteAt([]byte(content), 0)
		check(t, err)
		check(t, f.Sync())
		check(t, f.Close())
	}
	check(t, mem.SyncDir(wal.Dir))
	return mem
}

// A span is the positions that a gap hides.
type span struct{ First, Next engine.Position }

// readable scans a view: the entries that it yields, and the gaps between them.
func readable(t testing.TB, v *wal.View) (map[engine.Position]string, []span) {
	t.Helper()
	got, gaps := make(map[engine.Position]string), []span(nil)
	next := engine.Position(0)
	for raw, err := range v.Scan(context.Background(), 0, v.Size()) {
		if c, ok := errors.AsType[*engine.CorruptError](err); ok {
			if c.Next <= c.First || c.First > next {
				t.Fatalf("gap from %d to %d at %d: %v", c.First, c.Next, next, err)
			}
			gaps = append(gaps, span{next, c.Next})
			next = c.Next
			continue
		}
		check(t, err)
		if raw.Position != next {
			t.Fatalf("scan yields %d, want %d", raw.Position, next)
		}
		got[raw.Position] = string(raw.Bytes)
		next++
	}
	if next < v.Size() {
		t.Fatalf("scan ended at %d of %d", next, v.Size())
	}
	return got, gaps
}

// checkGaps checks that a view hides exactly the given positions of want, both to
// Scan and to Read.
func checkGaps(t testing.TB, v *wal.View, want [][]byte, gaps ...span) {
	t.Helper()
	got, hidden := readable(t, v)
	if diff := cmp.Diff(hidden, gaps); diff != "" {
		t.Fatalf("gaps differ (-got +want):\n%s", diff)
	}
	for p := range engine.Position(len(want)) {
		text, ok := got[p]
		if ok && text != string(want[p]) {
			t.Fatalf("entry %d is %q, want %q", p, text, want[p])
		}
		b, err := v.Read(nil, p)
		if ok && (err != nil || string(b) != text) {
			t.Fatalf("read %d: %q, %v; scan yields %q", p, b, err, text)
		}
		if _, damaged := errors.AsType[*engine.CorruptError](err); !ok && !damaged {
			t.Fatalf("read %d: %q, %v; scan reports damage", p, b, err)
		}
	}
}

package native_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/native"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A tracer records the mutating operations on a journal, with the names that
// files have at that moment.
type tracer struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

// add adds a line.
func (tr *tracer) add(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	fmt.Fprintf(&tr.text, format+"\n", args...)
}

// lines returns the trace so far.
func (tr *tracer) lines() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

func (tr *tracer) skip(op durable.Op) bool {
	text := op.String()
	if op.Kind == durable.OpWrite && !strings.HasPrefix(op.Name, "log") && !strings.HasPrefix(op.Name, "tiles") {
		text = fmt.Sprintf("write %s", op.Name) // the length of a key or time is of no interest
	}
	tr.add("%s", text)
	return false
}

// step names what follows.
func (tr *tracer) step(name string) { tr.add("# %s", name) }

// golden compares a trace with testdata/trace/name.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "trace", name+".txt")
	if *update {
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("operations differ from %s (-want +got), rewrite it with -update if that is meant:\n%s", path, diff)
	}
}

// TestTraceLife pins every operation of a journal's life.
func TestTraceLife(t *testing.T) {
	t.Parallel()
	var tr tracer
	bubble(t, func(t *testing.T) {
		fsys := newTracked(durable.NewMem(), tr.skip)
		tr.step("create")
		e := open(t, fsys)
		synctest.Wait()
		tr.step("first append")
		appendOne(t, e, "a", "x")
		synctest.Wait()
		tr.step("append")
		appendOne(t, e, "b", "x")
		synctest.Wait()
		tr.step("idle")
		idle()
		tr.step("append of 7,000 bytes: the segment is half full, a spare is made")
		appendBig(t, e, "c", 7000)
		tr.step("append that does not fit: rotation")
		appendBig(t, e, "d", 5000)
		tr.step("checkpoint")
		_, err := e.Checkpoint(ctx)
		check(t, err)
		synctest.Wait()
		tr.step("close")
		check(t, e.Close())
		tr.step("open and close")
		check(t, open(t, fsys).Close())
	})
	golden(t, "life", tr.lines())
}

func appendBig(t *testing.T, e *native.Engine, id string, pad int) {
	t.Helper()
	_, err := e.Append(ctx, engine.Batch{Records: []engine.Record{paddedRecord(id, "x", pad)}})
	check(t, err)
	synctest.Wait()
}

// TestFault44RecoveredTailIsRewritten pins the operations of a recovery: torn
// bytes are kept, and the tail is written to a new file, synced, named and marked
// before anything of it can be read.
func TestFault44RecoveredTailIsRewritten(t *testing.T) {
	t.Parallel()
	var tr tracer
	bubble(t, func(t *testing.T) {
		disk := durable.NewMem()
		e := open(t, disk)
		for _, id := range []string{"a", "b", "c"} {
			appendOne(t, e, id, "x")
		}
		mem := disk.Crash(durable.KeepAll)
		name := newest(mem)
		tail := records(mem.Bytes(name))
		change(mem, name, func(b []byte) []byte { // an unfinished write behind the last record
			copy(b[tail[2].end:], "unfinished")
			return b
		})
		files := newTracked(mem, func(op durable.Op) bool {
			if op.Kind != durable.OpOpenWrite && tr.lines() != "" && !strings.Contains(tr.lines(), "# opened") {
				r, err := native.OpenReader(testOptions(mem))
				check(t, err)
				if r.Size() > 2 && !strings.Contains(tr.lines(), "syncdir log\n") {
					t.Errorf("before %v a reader shows %d entries: more than is proven", op, r.Size())
				}
				shown, err := readAll(r)
				check(t, err)
				check(t, stillThere(mem.Crash(durable.Cut{}), shown))
				check(t, r.Close())
			}
			return tr.skip(op)
		})
		tr.step("open after a crash")
		e = open(t, files)
		tr.step("opened")
		if r := e.Recovery(); r == nil || r.Rewritten != 1 || r.TornBytes != int64(len("unfinished")) || e.Size() != 3 {
			t.Errorf("recovery %+v, size %d", r, e.Size())
		}
		synctest.Wait()
		tr.step("close")
		check(t, e.Close())
	})
	golden(t, "recovery", tr.lines())
}

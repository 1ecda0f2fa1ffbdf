package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/annals-io/annals"
)

// writeLogs writes n files of lines each, with ids FILE-LINE, and returns their folder.
func writeLogs(t *testing.T, n, lines int) string {
	t.Helper()
	dir := t.TempDir()
	for f := range n {
		var b strings.Builder
		for i := range lines {
			fmt.Fprintf(&b, `{"id":"%d-%d","type":"a"}`+"\n", f, i)
		}
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.jsonl", f)), []byte(b.String()), 0o600))
	}
	return dir
}

// TestLanesOrder imports several files at a time: lines of each keep their order,
// and with one job files do, too.
func TestLanesOrder(t *testing.T) {
	const files, lines = 7, 2*batchLines + 9
	logs := writeLogs(t, files, lines)
	for _, jobs := range []string{"1", "3", "20"} {
		dir := filepath.Join(t.TempDir(), "journal")
		runOK(t, "", "import", "--data", dir, "--format", "jsonl", "--jobs", jobs, logs)
		next := make(map[int]int)
		last, entries := 0, 0
		for text := range strings.Lines(runOK(t, "", "export", "--data", dir)) {
			var f, i int
			if _, err := fmt.Sscanf(text, `{"id":"%d-%d"`, &f, &i); err != nil || i != next[f] || jobs == "1" && f < last {
				t.Fatalf("%s jobs: entry %d is %s: want line %d of it", jobs, entries, text, next[f])
			}
			next[f]++
			last = f
			entries++
		}
		if entries != files*lines {
			t.Errorf("%s jobs: %d entries, want %d", jobs, entries, files*lines)
		}
	}
}

// TestLanesStop ends an import of several files by a signal, after the first entries
// and while one file has no end: it says where it stopped, and repeated it goes on.
func TestLanesStop(t *testing.T) {
	const files, lines = 4, 3 * batchLines
	logs := writeLogs(t, files, lines)
	dir := filepath.Join(t.TempDir(), "journal")
	ctx, cancel := context.WithCancelCause(t.Context())
	e := newTestEnv("")
	e.stdin, _ = io.Pipe()
	j, err := annals.Open(dir, nil)
	check(t, err)
	x := &importing{format: "jsonl", jobs: 2, rejects: filepath.Join(t.TempDir(), "rejects")}
	check(t, x.resolve())
	sources, err := e.sources(ctx, x, []string{"-", logs})
	check(t, err)
	m := newImporter(&e.env, x, j, progress{})
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range j.Follow(ctx, 0) {
			break
		}
		cancel(&signalError{syscall.SIGTERM})
	}()
	err = m.run(ctx, sources)
	<-stop
	check(t, j.Close())
	if exitStatus(err) != 143 {
		t.Fatalf("got %v", err)
	}
	_ = m.incomplete(err)
	if msg := e.err.String(); !strings.Contains(msg, "annals: stopped after ") || !strings.Contains(msg, "the start of standard input") || m.report.Imported == 0 {
		t.Errorf("%d imported; it said %q", m.report.Imported, msg)
	}
	again := importJSON(t, []string{"import", "--data", dir, "--format", "jsonl", logs})
	if again.Duplicates != m.report.Imported || again.Imported+again.Duplicates != files*lines {
		t.Errorf("first %+v, then %+v", m.report, again)
	}
}

// TestLanesFail has one file among others that cannot be read to its end, and one that
// has none.
func TestLanesFail(t *testing.T) {
	logs := writeLogs(t, 3, 10)
	check(t, os.WriteFile(filepath.Join(logs, "00.jsonl.gz"), []byte("\x1f\x8b\x08\x00"), 0o600))
	e := newTestEnv("")
	dir := filepath.Join(t.TempDir(), "journal")
	e.stdin, _ = io.Pipe() // which is not waited for
	if status := run(t.Context(), &e.env, []string{"import", "--data", dir, "--format", "jsonl", "--jobs", "2", "-", logs}); status != statusInvalid {
		t.Errorf("exit status %d, want %d", status, statusInvalid)
	}
	if msg := e.err.String(); !strings.Contains(msg, "00.jsonl.gz: gzip stream is truncated") || !strings.Contains(msg, "hint: repeat the command") {
		t.Errorf("it said %q", msg)
	}
}

// A hugeLog is n lines of size bytes each, none like another, made as they are read,
// which looks at the heap each time.
type hugeLog struct {
	n, size int
	rest    []byte
	heap    uint64 // at its largest
}

func (r *hugeLog) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = fmt.Appendf(nil, `{"type":"a","time":"2026-01-02T03:04:05Z","data":"%d%s"}`+"\n", r.n, strings.Repeat("x", r.size-1000*(r.n%2)))
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.heap = max(r.heap, m.HeapAlloc)
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestImportMemory imports far more than the memory it may hold, in huge lines, half
// of them too large for an event.
func TestImportMemory(t *testing.T) {
	const n, limit = 500, 300 << 20
	log := &hugeLog{n: n, size: 1 << 20}
	e := newTestEnv("")
	e.stdin = log
	dir := t.TempDir()
	status := run(t.Context(), &e.env, []string{"import", "--data", filepath.Join(dir, "j"), "--rejects", filepath.Join(dir, "r"), "--format", "jsonl"})
	if status != statusInvalid || !strings.Contains(e.out.String(), `"imported":250,"duplicates":0,"rejected":250,`) {
		t.Errorf("exit status %d: %s%s", status, e.out.String(), e.err.String())
	}
	if log.heap > limit {
		t.Errorf("%d MiB of heap for lines of 1 MiB, want at most %d", log.heap>>20, limit>>20)
	}
}

// TestIsRetry compares events as the journal does, which is asked too.
func TestIsRetry(t *testing.T) {
	const base = `{"id":"1","time":"2026-01-02T03:04:05Z","type":"a","data":1`
	for again, want := range map[string]bool{
		base + `}`:                       true,
		base + `,"version":"1.0"}`:       true,
		base + `,"trace_id":"t"}`:        true,
		`{"id":"1","type":"a"}`:          false,
		`{"id":"1","type":"a","data":1}`: true,
		base + `,"source":"s"}`:          false,
		base + `,"message":"other"}`:     false,
		`{"id":"1","type":"b","data":1}`: false,
	} {
		first, err := annals.ParseEvent([]byte(base + `,"version":"1.0","trace_id":"t"}`))
		check(t, err)
		second, err := annals.ParseEvent([]byte(again))
		check(t, err)
		if got := isRetry(&first, &second); got != want {
			t.Errorf("%s: got %t, want %t", again, got, want)
		}
		j, err := annals.Open(filepath.Join(t.TempDir(), "journal"), nil)
		check(t, err)
		_, err = j.AppendEncoded(t.Context(), nil, first)
		check(t, err)
		_, err = j.AppendEncoded(t.Context(), nil, second)
		if (err == nil) != want || err != nil && !isConflict(err) {
			t.Errorf("%s: the journal says %v", again, err)
		}
		check(t, j.Close())
	}
}

// TestOtherID makes ids of ids that are taken.
func TestOtherID(t *testing.T) {
	for _, n := range []int{1, maxID - 17, maxID - 16, maxID} {
		id := strings.Repeat("x", n)
		got, again, other := otherID(id, []byte("a")), otherID(id, []byte("a")), otherID(id, []byte("b"))
		if got != again || got == other || len(got) > maxID || strings.HasPrefix(got, id+"#ca978112ca1bbdca") != (n <= maxID-17) {
			t.Errorf("%d bytes: %q, %q, %q", n, got, again, other)
		}
	}
}

// TestImportRepeats changes a file that was imported in every way, and imports it
// again: what is there is found, and what is not is added.
func TestImportRepeats(t *testing.T) {
	const n = 2*batchLines + 100
	event := func(id int, name string) string {
		return fmt.Sprintf(`{"eventID":"%d","eventTime":"2026-01-01T00:00:00Z","eventSource":"s.amazonaws.com","eventName":"%s"}`, id, name)
	}
	base := make([]string, n)
	for i := range base {
		base[i] = event(i, "A")
	}
	insert := func(at int, line string) []string { return slices.Insert(slices.Clone(base), at, line) }
	for name, tt := range map[string]struct {
		lines                         []string
		imported, duplicates, renamed uint64
	}{
		"the same":             {base, 0, n, 0},
		"more":                 {append(slices.Clone(base), event(n, "A")), 1, n, 0},
		"fewer":                {base[:n-1], 0, n - 1, 0},
		"a batch later":        {base[batchLines:], 0, n - batchLines, 0},
		"one before":           {insert(0, event(n, "A")), 1, n, 0},
		"one in between":       {insert(batchLines+5, event(n, "A")), 1, n, 0},
		"other content":        {insert(batchLines+5, event(batchLines+4, "B")), 1, n, 1},
		"other content, first": {insert(0, event(0, "B")), 1, n, 1},
		"other content, last":  {insert(n, event(n-1, "B")), 1, n, 1},
		"the other way round":  {reversed(base), 0, n, 0},
		"twice":                {insert(batchLines+1, base[batchLines]), 0, n + 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			runOK(t, strings.Join(base, "\n"), "import", "--data", dir, "--format", "cloudtrail")
			for range 2 {
				var r importReport
				check(t, json.Unmarshal([]byte(runOK(t, strings.Join(tt.lines, "\n"), "import", "--data", dir, "--format", "cloudtrail")), &r))
				if r.Imported != tt.imported || r.Duplicates != tt.duplicates || r.RenamedIDs != tt.renamed {
					t.Errorf("got %+v, want %d imported, %d duplicates, %d renamed", r, tt.imported, tt.duplicates, tt.renamed)
				}
				tt.imported, tt.duplicates = 0, tt.duplicates+tt.imported
			}
		})
	}
}

func reversed(lines []string) []string {
	lines = slices.Clone(lines)
	slices.Reverse(lines)
	return lines
}

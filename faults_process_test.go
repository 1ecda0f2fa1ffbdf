//go:build linux

package annals_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"golang.org/x/sys/unix"
)

// TestFault40KillUnderLoad kills a process again and again, under load, while it
// opens the journal and while it recovers: every receipt is kept, no event is
// there twice.
func TestFault40KillUnderLoad(t *testing.T) {
	cycles := func(n int, _ time.Time) bool { return n < 10 }
	if long() {
		cycles = func(_ int, began time.Time) bool { return time.Since(began) < 10*time.Minute }
	}
	r := newRand(t)
	dir := filepath.Join(t.TempDir(), "journal")
	var receipts []receiptLine
	began, slowest := time.Now(), time.Duration(0)
	for n := 0; cycles(n, began); n++ {
		at := time.Now()
		p := start(t, childConfig{Dir: dir, Run: fmt.Sprint("run", n), Writers: 1 + r.IntN(16), EventBytes: r.IntN(2000), SegmentBytes: 64 << 10})
		if n%3 == 2 { // while it opens, with a recovery to do
			p.await("opening", 1)
			killAfter(p, r, 20*time.Millisecond)
		} else {
			p.await("ok", 1)
			slowest = max(slowest, time.Since(at))
			p.await("ok", r.IntN(500))
		}
		receipts = append(receipts, p.kill()...)
	}
	t.Logf("%d receipts; the slowest restart took %v to its first", len(receipts), slowest)
	checkRecovered(t, dir, receipts)
}

// killAfter kills a child at a random moment within a time, if it does not end
// before.
func killAfter(p *child, r *rand.Rand, within time.Duration) {
	fired := make(chan struct{})
	time.AfterFunc(time.Duration(r.Int64N(int64(within))), func() {
		p.cmd.Process.Kill()
		close(fired)
	})
	<-fired
}

// TestFault48SecondWriter opens a journal that another handle and another process
// have open, and one whose process was killed.
func TestFault48SecondWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := annals.Open(dir, nil)
	check(t, err)
	if _, err := annals.Open(dir, &annals.Options{LockWait: -1}); !errors.Is(err, annals.ErrLocked) {
		t.Errorf("second handle: %v", err)
	}
	other := start(t, childConfig{Dir: dir, Writers: 1})
	other.await("failed", 1)
	if !strings.Contains(other.text, annals.ErrLocked.Error()) {
		t.Errorf("second process: %s", other.text)
	}
	check(t, j.Close())

	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 2, EventBytes: 10})
	p.await("ok", 10)
	if _, err := annals.Open(dir, &annals.Options{LockWait: -1}); !errors.Is(err, annals.ErrLocked) {
		t.Errorf("while another process writes: %v", err)
	}
	r, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	if r.Size() == 0 {
		t.Error("a reader beside the writer sees nothing")
	}
	check(t, r.Close())
	checkRecovered(t, dir, p.kill())
}

// TestFault41Stop stops a process and lets it go on: meanwhile nobody else gets
// the journal, afterwards it goes on where it was.
func TestFault41Stop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, EventBytes: 10, SegmentBytes: 64 << 10})
	for range 3 {
		p.await("ok", 50)
		check(t, p.cmd.Process.Signal(syscall.SIGSTOP))
		if _, err := annals.Open(dir, &annals.Options{LockWait: -1}); !errors.Is(err, annals.ErrLocked) {
			t.Errorf("while the process is stopped: %v", err)
		}
		check(t, p.cmd.Process.Signal(syscall.SIGCONT))
	}
	p.await("ok", 50)
	checkRecovered(t, dir, p.stop())
}

// ballast fills a file system and can be removed again.
func ballast(t *testing.T, dir string, leave int64) (remove func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	check(t, err)
	defer f.Close()
	var s unix.Statfs_t
	check(t, unix.Statfs(dir, &s))
	room := int64(s.Bavail)*int64(s.Bsize) - leave
	for at := int64(0); at < room; at += 64 << 10 {
		if _, err := f.WriteAt(make([]byte, min(64<<10, room-at)), at); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() { check(t, os.Remove(name)) }
}

// checkBeside reads a journal beside the process that writes it.
func checkBeside(t *testing.T, dir string) {
	t.Helper()
	j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	for _, err := range j.Scan(context.Background(), 0, j.Size()) {
		check(t, err)
	}
	check(t, j.Close())
}

// countTypes counts the journal's own events by their type.
func countTypes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	j, err := annals.Open(dir, &annals.Options{ReadOnly: true})
	check(t, err)
	defer j.Close()
	s, err := j.Stats(context.Background())
	check(t, err)
	return s.ByType
}

// TestFault27DiskFull fills the disk under load: appends are refused, readers go
// on, and when there is room again appends resume by themselves, with a note of
// the pause (fault 30).
func TestFault27DiskFull(t *testing.T) {
	for _, size := range []string{"1m", "16m"} {
		t.Run(size, func(t *testing.T) {
			below := tmpfs(t, "size="+size)
			remove := ballast(t, below, 700<<10)
			dir := filepath.Join(below, "journal")
			p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, EventBytes: 300, SegmentBytes: 128 << 10})
			p.await("err full", 20)
			checkBeside(t, dir)
			p.await("err full", 20)
			remove()
			p.await("ok", 20)
			for _, bad := range []string{"err unknown", "err failed", "err corrupt"} {
				if n := p.count(bad); n > 0 {
					t.Errorf("%d times %s", n, bad)
				}
			}
			receipts := p.stop()
			if n := countTypes(t, dir); n[annals.TypePaused] == 0 || n[annals.TypePaused] != n[annals.TypeResumed] {
				t.Errorf("the journal's own events are %v", n)
			}
			checkRecovered(t, dir, receipts)
		})
	}
}

// TestFault29FullAtStart opens a journal on a full disk: it is readable, appends
// are refused. So it is after a second start, and after a kill; once there is room
// nothing has to be done by hand (fault 31).
func TestFault29FullAtStart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			below := tmpfs(t, "size=2m")
			dir := filepath.Join(below, "journal")
			p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, EventBytes: 300, SegmentBytes: 64 << 10})
			p.await("ok", 200)
			var receipts []receiptLine
			if killed {
				receipts = p.kill()
			} else {
				receipts = p.stop()
			}
			check(t, removeReserve(dir))
			remove := ballast(t, below, 0)
			for run := range 2 {
				p := start(t, childConfig{Dir: dir, Run: fmt.Sprint("full", run), Writers: 1, Readers: 1, EventBytes: 300, SegmentBytes: 64 << 10})
				p.await("err full", 5)
				p.await("read ok", 1)
				receipts = append(receipts, p.kill()...)
			}
			p = start(t, childConfig{Dir: dir, Run: "b", Writers: 4, EventBytes: 300, SegmentBytes: 64 << 10})
			p.await("err full", 5)
			remove()
			p.await("ok", 20)
			receipts = append(receipts, p.stop()...)
			checkRecovered(t, dir, receipts)
		})
	}
}

// removeReserve gives the journal's own reserve to whoever fills the disk.
func removeReserve(dir string) error {
	err := os.Remove(filepath.Join(dir, "reserve"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// TestFault32FileSizeLimit writes up to the process's limit on the size of files:
// as a full disk, and no signal ends the process.
func TestFault32FileSizeLimit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 2, EventBytes: 1000, FileBytes: 300 << 10})
	p.await("err full", 10)
	checkBeside(t, dir)
	receipts := p.stop()
	if len(receipts) < 50 {
		t.Errorf("%d receipts before the limit", len(receipts))
	}
	checkRecovered(t, dir, receipts)
}

// TestFault33FileLimit reads a journal of more segments than files may be open:
// appends survive, reads fail with an error that is no damage, or not at all.
func TestFault33FileLimit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 16, EventBytes: 8000, SegmentBytes: 64 << 10})
	p.await("ok", 1000)
	receipts := p.stop()
	p = start(t, childConfig{Dir: dir, Run: "b", Writers: 4, Readers: 3, EventBytes: 8000, SegmentBytes: 64 << 10, Files: 64})
	p.await("ok", 200)
	receipts = append(receipts, p.stop()...)
	p.mu.Lock()
	for what, n := range p.told {
		t.Logf("%s: %d", what, n)
		if strings.HasPrefix(what, "read ") && what != "read ok" && what != "read files" {
			t.Errorf("%d times %q", n, what)
		}
		if strings.HasPrefix(what, "err ") && what != "err unavailable" {
			t.Errorf("%d times %q", n, what)
		}
	}
	p.mu.Unlock()
	checkRecovered(t, dir, receipts)
}

// TestFault34Inodes lets the file system run out of inodes: the next segment
// cannot be made, which is as a full disk.
func TestFault34Inodes(t *testing.T) {
	below := tmpfs(t, "size=16m,nr_inodes=40")
	dir := filepath.Join(below, "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, EventBytes: 1000, SegmentBytes: 64 << 10})
	p.await("ok", 50)
	var fillers []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/filler-%d", below, i)
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
		fillers = append(fillers, name)
	}
	p.await("err full", 10)
	checkBeside(t, dir)
	for _, name := range fillers {
		check(t, os.Remove(name))
	}
	p.await("ok", 20)
	checkRecovered(t, dir, p.stop())
}

// checkPoisoned lets a process run into an error of the disk and checks that it
// goes on refusing, and ends on request.
func checkPoisoned(t *testing.T, p *child) []receiptLine {
	t.Helper()
	p.await("err failed", 10)
	if n := p.count("err corrupt"); n > 0 {
		t.Errorf("%d appends failed with damage", n)
	}
	before := p.count("ok")
	p.await("err failed", 10)
	if after := p.count("ok"); after != before {
		t.Errorf("%d receipts after the failure", after-before)
	}
	p.stdin.Close() // whether Close can report success depends on the disk
	p.done.Wait()
	p.cmd.Wait()
	return p.receipts
}

// TestFault08RealEIO makes fsync fail with a real EIO: the image of the file
// system is a sparse file on a memory disk that has no more room (fault 28). The
// outcome is unknown, then everything is refused; after a restart on a disk with
// room every receipt is kept.
func TestFault08RealEIO(t *testing.T) {
	below := tmpfs(t, "size=24m")
	i := newImage(t, below, 128, "")
	dir := filepath.Join(i.dir, "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, EventBytes: 100_000, SegmentBytes: 4 << 20})
	if !p.reaches("err failed", 1) {
		t.Fatalf("no failure: %v %s", p.told, p.text)
	}
	receipts := checkPoisoned(t, p)
	if p.count("err unknown") == 0 {
		t.Error("no append had an unknown outcome")
	}
	i.unmount()
	check(t, unix.Mount("tmpfs", below, "tmpfs", unix.MS_REMOUNT, "mode=0700,size=200m"))
	i.mount("")
	checkRecovered(t, dir, receipts)
}

// TestFault35ReadOnly has the kernel remount the file system read-only under load,
// as it does after an error of its own.
func TestFault35ReadOnly(t *testing.T) {
	i := newImage(t, t.TempDir(), 64, "errors=remount-ro")
	dir := filepath.Join(i.dir, "journal")
	p := start(t, childConfig{Dir: dir, Run: "a", Writers: 4, Readers: 1, EventBytes: 300, SegmentBytes: 64 << 10})
	p.await("ok", 200)
	trigger := "/sys/fs/ext4/" + filepath.Base(i.device) + "/trigger_fs_error"
	if err := os.WriteFile(trigger, []byte("1"), 0o200); err != nil {
		t.Skipf("skip: platform cannot trigger an error of the file system: %v", err)
	}
	p.await("err failed", 10)
	p.await("read ok", 2)
	receipts := checkPoisoned(t, p)
	_, err := annals.Open(dir, nil)
	if err == nil {
		t.Error("opened for writing on a read-only file system")
	}
	i.unmount()
	i.mount("")
	checkRecovered(t, dir, receipts)
}

// TestFault38PowerCut cuts the power of a file system with 32 writers at work:
// every receipt is kept. A file that was not synced shows that something was lost
// at all.
func TestFault38PowerCut(t *testing.T) {
	cycles := 3
	if long() {
		cycles = 20
	}
	r := newRand(t)
	i := newImage(t, t.TempDir(), 128, "")
	dir := filepath.Join(i.dir, "journal")
	var receipts []receiptLine
	for n := range cycles {
		p := start(t, childConfig{Dir: dir, Run: fmt.Sprint("run", n), Writers: 32, EventBytes: 500, SegmentBytes: 256 << 10})
		p.await("ok", 100+r.IntN(1000))
		canary := filepath.Join(i.dir, fmt.Sprint("canary", n))
		check(t, os.WriteFile(canary, []byte("not synced"), 0o600))
		i.cutPower()
		receipts = append(receipts, p.kill()...)
		i.unmount()
		i.mount("")
		if b, err := os.ReadFile(canary); err == nil && len(b) > 0 {
			t.Errorf("the power cut lost nothing: %q", b)
		}
	}
	t.Logf("%d receipts in %d power cuts", len(receipts), cycles)
	checkRecovered(t, dir, receipts)
}

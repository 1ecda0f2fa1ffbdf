//go:build linux

package annals_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/annals-io/annals"
	"golang.org/x/sys/unix"
)

// childEnv holds the settings of a child process, as a childConfig prints itself.
const childEnv = "ANNALS_TEST_CHILD"

// A childConfig says what a child process does: open the journal, append from
// several goroutines until its standard input ends, and close it. It tells on its
// standard output what happens, one line each:
//
//	opening
//	open SIZE                 the journal is open
//	ok ID POSITION HASH       a receipt
//	err KIND                  an append failed
//	read KIND                 a scan ended; KIND is ok or an error's
//	closed                    after the end of standard input
//	failed TEXT               the journal cannot be opened or closed
type childConfig struct {
	Dir          string
	Run          string // part of every event's id
	Writers      int
	Readers      int // goroutines that scan the whole journal again and again
	EventBytes   int
	SegmentBytes int64
	FileBytes    uint64 // limit on the size of files; 0 = none
	Files        uint64 // limit on open files; 0 = none
}

func (c childConfig) String() string {
	return fmt.Sprintf("%q %q %d %d %d %d %d %d", c.Dir, c.Run, c.Writers, c.Readers, c.EventBytes, c.SegmentBytes, c.FileBytes, c.Files)
}

func parseChildConfig(s string) (c childConfig, err error) {
	_, err = fmt.Sscanf(s, "%q %q %d %d %d %d %d %d", &c.Dir, &c.Run, &c.Writers, &c.Readers, &c.EventBytes, &c.SegmentBytes, &c.FileBytes, &c.Files)
	return c, err
}

// TestMain runs the tests or, in a child process of one, the child.
func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		c, err := parseChildConfig(s)
		if err != nil {
			panic(err)
		}
		c.main()
		return
	}
	os.Exit(m.Run())
}

// A teller prints whole lines from several goroutines.
type teller struct{ mu sync.Mutex }

func (l *teller) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Printf(format+"\n", args...)
}

// main is the child process.
func (c childConfig) main() {
	var l teller
	if err := c.limit(); err != nil {
		l.printf("failed %v", err)
		return
	}
	l.printf("opening")
	j, err := annals.Open(c.Dir, &annals.Options{SegmentBytes: c.SegmentBytes, CheckpointInterval: 50 * time.Millisecond, ScrubInterval: -1})
	if err != nil {
		l.printf("failed %v", err)
		return
	}
	l.printf("open %d", j.Size())
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for w := range c.Writers {
		work.Go(func() { c.write(ctx, j, &l, w) })
	}
	for range c.Readers {
		work.Go(func() { c.read(ctx, j, &l) })
	}
	io.Copy(io.Discard, os.Stdin)
	cancel()
	work.Wait()
	if err := j.Close(); err != nil {
		l.printf("failed %v", err)
		return
	}
	l.printf("closed")
}

// limit sets the limits of the process.
func (c childConfig) limit() error {
	var errs []error
	if c.FileBytes > 0 {
		errs = append(errs, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: c.FileBytes, Max: c.FileBytes}))
	}
	if c.Files > 0 {
		errs = append(errs, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: c.Files, Max: c.Files}))
	}
	return errors.Join(errs...)
}

// write appends until ctx ends. A refused event is tried again.
func (c childConfig) write(ctx context.Context, j *annals.Journal, l *teller, w int) {
	for n := 0; ctx.Err() == nil; {
		e := testEvent(0, c.EventBytes)
		e.ID = fmt.Sprintf("%s-%d-%d", c.Run, w, n)
		got, err := j.Append(context.Background(), e)
		if err != nil {
			l.printf("err %s", kindOf(err))
			<-time.After(5 * time.Millisecond)
			continue
		}
		l.printf("ok %s %d %s", got[0].ID, got[0].Position, got[0].Hash)
		n++
	}
}

// read scans the journal until ctx ends.
func (c childConfig) read(ctx context.Context, j *annals.Journal, l *teller) {
	for ctx.Err() == nil {
		kind := "ok"
		for _, err := range j.Scan(context.Background(), 0, j.Size()) {
			if err != nil {
				kind = kindOf(err)
			}
		}
		l.printf("read %s", kind)
	}
}

// kindOf is an error in one word.
func kindOf(err error) string {
	for kind, target := range map[string]error{
		"full": annals.ErrDiskFull, "unknown": annals.ErrUnknown, "failed": annals.ErrFailed,
		"unavailable": annals.ErrUnavailable, "files": unix.EMFILE,
	} {
		if errors.Is(err, target) {
			return kind
		}
	}
	if errors.As(err, new(*annals.CorruptError)) {
		return "corrupt"
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

// A child is a running child process.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer

	mu       sync.Mutex
	told     map[string]int // lines by their kind: "ok", "err full", …; guarded by mu
	receipts []receiptLine  // guarded by mu
	text     string         // of failed; guarded by mu
	ended    bool           // guarded by mu
	more     chan struct{}  // closed when something was told; guarded by mu
	done     sync.WaitGroup
}

// A receiptLine is what a child said of a receipt.
type receiptLine struct {
	id       string
	position annals.Position
	hash     string
}

// start starts a child process, which is killed when the test ends.
func start(t *testing.T, c childConfig) *child {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	p := &child{t: t, cmd: exec.Command(exe), told: make(map[string]int), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+c.String())
	p.cmd.Stderr = os.Stderr
	p.stdin, err = p.cmd.StdinPipe()
	check(t, err)
	out, err := p.cmd.StdoutPipe()
	check(t, err)
	check(t, p.cmd.Start())
	p.done.Go(func() { p.listenLoop(out) })
	t.Cleanup(func() { p.kill() })
	return p
}

// listenLoop takes the child's lines until it ends.
func (p *child) listenLoop(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.take(strings.Fields(lines.Text()))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	close(p.more)
}

func (p *child) take(words []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := words[0]
	switch key {
	case "ok":
		if len(words) != 4 {
			return // cut off by a kill
		}
		n, _ := strconv.ParseUint(words[2], 10, 64)
		p.receipts = append(p.receipts, receiptLine{words[1], annals.Position(n), words[3]})
	case "err", "read":
		key += " " + strings.Join(words[1:], " ")
	case "failed":
		p.text = strings.Join(words[1:], " ")
	}
	p.told[key]++
	close(p.more)
	p.more = make(chan struct{})
}

// count returns how often the child told something so far.
func (p *child) count(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told[what]
}

// await waits until the child has told something n more times.
func (p *child) await(what string, n int) {
	p.t.Helper()
	if !p.reaches(what, p.count(what)+n) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("the child did not say %q %d more times: %v %s", what, n, p.told, p.text)
	}
}

// reaches waits until the child has told something n times. It returns false if
// the child ends before, or is silent about it for a minute.
func (p *child) reaches(what string, n int) bool {
	deadline := time.After(time.Minute)
	for {
		p.mu.Lock()
		have, more, ended := p.told[what], p.more, p.ended
		p.mu.Unlock()
		if have >= n || ended {
			return have >= n
		}
		select {
		case <-more:
		case <-deadline:
			return false
		}
	}
}

// kill ends the child with SIGKILL and returns the receipts that it got.
func (p *child) kill() []receiptLine {
	p.cmd.Process.Kill()
	p.done.Wait()
	p.cmd.Wait()
	p.stdin.Close()
	return p.receipts
}

// stop lets the child close the journal, and returns the receipts that it got.
func (p *child) stop() []receiptLine {
	p.t.Helper()
	p.stdin.Close()
	p.done.Wait()
	err := p.cmd.Wait()
	if err != nil || p.told["closed"] != 1 {
		p.t.Fatalf("the child did not close the journal: %v, %v %s", err, p.told, p.text)
	}
	return p.receipts
}

// checkReceipts opens the journal for reading, or as it is, and checks that it
// keeps every receipt and has no event twice.
func checkReceipts(t *testing.T, j *annals.Journal, receipts []receiptLine) {
	t.Helper()
	ids := make(map[string]annals.Position)
	hashes := make(map[annals.Position]string)
	for e, err := range j.Scan(context.Background(), 0, j.Size()) {
		check(t, err)
		if p, twice := ids[e.ID()]; twice {
			t.Fatalf("event %s is at positions %d and %d", e.ID(), p, e.Position)
		}
		ids[e.ID()] = e.Position
		hashes[e.Position] = e.Hash().String()
	}
	for _, r := range receipts {
		if ids[r.id] != r.position || hashes[r.position] != r.hash {
			t.Fatalf("receipt of %s at position %d with hash %s is not kept: the journal has %s there, and the event at %d",
				r.id, r.position, r.hash, hashes[r.position], ids[r.id])
		}
	}
}

// checkRecovered opens a journal after a crash, checks its receipts and that it
// takes events, closes and verifies it.
func checkRecovered(t *testing.T, dir string, receipts []receiptLine) {
	t.Helper()
	j, err := annals.Open(dir, &annals.Options{SegmentBytes: 64 << 10, MustExist: true})
	check(t, err)
	if len(j.Damage()) > 0 {
		t.Fatal(j.Damage())
	}
	checkReceipts(t, j, receipts)
	_, err = j.Append(context.Background(), annals.Event{Type: "test.after"})
	check(t, err)
	checkReceipts(t, j, receipts)
	check(t, j.Close())
	mustVerify(t, dir)
}

// needRoot skips a test that mounts file systems.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skip: needs root to mount")
	}
}

// mount mounts a file system on a new directory until the test ends.
func mount(t *testing.T, source, fstype string, flags uintptr, data string) string {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("", "annals-mount-")
	check(t, err)
	t.Cleanup(func() { os.Remove(dir) })
	err = unix.Mount(source, dir, fstype, flags, data)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENODEV) {
		t.Skipf("skip: needs root with the right to mount %s: %v", fstype, err)
	}
	check(t, err)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// tmpfs mounts a memory file system with the given limits.
func tmpfs(t *testing.T, limits string) string {
	t.Helper()
	return mount(t, "tmpfs", "tmpfs", 0, "mode=0700,"+limits)
}

// An image is a file with an ext4 file system in it.
type image struct {
	t      *testing.T
	file   string
	device string // loop device while it is mounted
	dir    string
}

// newImage makes and mounts an image of a size in MiB below a directory.
func newImage(t *testing.T, below string, sizeMiB int64, options string) *image {
	t.Helper()
	needRoot(t)
	for _, tool := range []string{"mkfs.ext4", "losetup"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skip: platform lacks %s", tool)
		}
	}
	i := &image{t: t, file: below + "/image"}
	check(t, os.WriteFile(i.file, nil, 0o600))
	check(t, os.Truncate(i.file, sizeMiB<<20))
	run(t, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", i.file)
	var err error
	i.dir, err = os.MkdirTemp("", "annals-image-")
	check(t, err)
	t.Cleanup(func() {
		i.unmount()
		os.Remove(i.dir)
	})
	i.mount(options)
	return i
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// mount mounts the image.
func (i *image) mount(options string) {
	i.t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", i.file).CombinedOutput()
	if err != nil {
		i.t.Skipf("skip: needs root with loop devices: %v %s", err, out)
	}
	i.device = strings.TrimSpace(string(out))
	check(i.t, unix.Mount(i.device, i.dir, "ext4", 0, options))
}

// unmount undoes mount, if it was done.
func (i *image) unmount() {
	i.t.Helper()
	if i.device == "" {
		return
	}
	unix.Unmount(i.dir, unix.MNT_DETACH) // it may not have come so far
	if out, err := exec.Command("losetup", "--detach", i.device).CombinedOutput(); err != nil {
		i.t.Errorf("detach %s: %v %s", i.device, err, out)
	}
	i.device = ""
}

// cutPower makes the file system lose all that is not durable.
func (i *image) cutPower() {
	i.t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2 // FS_IOC_SHUTDOWN
	f, err := os.Open(i.dir)
	check(i.t, err)
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		i.t.Skipf("skip: platform cannot shut a file system down: %v", err)
	}
}

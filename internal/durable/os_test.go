package durable_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

func TestOpenOSMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "no")
	if _, err := durable.OpenOS(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening made something: %v", err)
	}
}

func TestCreateDir(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"a/b/c", "a/b/c", "a/b/d" + string(filepath.Separator), "a"} {
		check(t, durable.CreateDir(filepath.Join(base, "x")+string(filepath.Separator)+dir))
	}
	for _, dir := range []string{"x", "x/a", "x/a/b", "x/a/b/c", "x/a/b/d"} {
		info, err := os.Lstat(filepath.Join(base, dir))
		check(t, err)
		if !info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, want a directory with 0700", dir, info.Mode())
		}
	}
	file := filepath.Join(base, "file")
	check(t, os.WriteFile(file, nil, 0o600))
	if err := durable.CreateDir(file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: got %v, want %v", err, fs.ErrExist)
	}
	if err := durable.CreateDir(filepath.Join(file, "a")); err == nil {
		t.Error("below a file: no error")
	}
}

// TestFault49Permissions checks that everything is made for the owner alone, and
// that a directory open to others can be told by its mode.
func TestFault49Permissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: platform has no permission bits")
	}
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o755))
	fsys := newOS(t, dir)
	put(t, fsys, "file", "")
	check(t, fsys.Mkdir("dir"))
	lock, err := fsys.Lock("LOCK")
	check(t, err)
	defer lock.Close()
	check(t, durable.WriteFile(fsys, "replaced", nil))
	for name, want := range map[string]fs.FileMode{".": 0o755, "file": 0o600, "dir": 0o700, "LOCK": 0o600, "replaced": 0o600} {
		info, err := fsys.Stat(name)
		check(t, err)
		if got := info.Mode.Perm(); got != want {
			t.Errorf("%s: got %#o, want %#o", name, got, want)
		}
	}
}

// TestFault105SymlinkEscape plants links that lead out of the directory.
func TestFault105SymlinkEscape(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	check(t, os.MkdirAll(outside, 0o700))
	secret := filepath.Join(outside, "secret")
	check(t, os.WriteFile(secret, []byte("secret"), 0o600))
	inside := filepath.Join(base, "inside")
	check(t, durable.CreateDir(inside))
	fsys := newOS(t, inside)
	for name, target := range map[string]string{
		"absfile": secret, "relfile": "../outside/secret", "absdir": outside, "reldir": "../outside",
	} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	put(t, fsys, "a", "a")
	for _, name := range []string{"absfile", "relfile", "absdir/secret", "reldir/secret"} {
		_, open := fsys.Open(name)
		_, openWrite := fsys.OpenWrite(name)
		_, lock := fsys.Lock(name)
		_, create := fsys.Create(name)
		for i, err := range []error{open, openWrite, lock, create} {
			if err == nil {
				t.Errorf("%s, call %d: no error", name, i)
			}
		}
	}
	for _, name := range []string{"absdir", "reldir"} {
		_, list := fsys.ReadDir(name)
		_, create := fsys.Create(name + "/new")
		for i, err := range []error{list, create, fsys.SyncDir(name), fsys.Mkdir(name + "/new"),
			fsys.Remove(name + "/secret"), fsys.Rename("a", name+"/a")} {
			if err == nil {
				t.Errorf("%s, call %d: no error", name, i)
			}
		}
		info, err := fsys.Stat(name)
		check(t, err)
		if info.Mode.Type() != fs.ModeSymlink {
			t.Errorf("stat %s: got %v, want a symbolic link", name, info.Mode)
		}
	}
	check(t, durable.WriteFile(fsys, "relfile", []byte("mine")))
	entries, err := os.ReadDir(outside)
	check(t, err)
	data, err := os.ReadFile(secret)
	check(t, err)
	if len(entries) != 1 || string(data) != "secret" {
		t.Errorf("outside now has %v, with %q in secret", entries, data)
	}
}

// TestDirectoryReplaced checks that an OS keeps to the directory that it opened.
func TestDirectoryReplaced(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not rename an open directory")
	}
	base := t.TempDir()
	dir := filepath.Join(base, "dir")
	check(t, durable.CreateDir(dir))
	fsys := newOS(t, dir)
	check(t, os.Rename(dir, dir+".moved"))
	check(t, os.Mkdir(dir, 0o700))
	check(t, durable.WriteFile(fsys, "a", []byte("x")))
	if _, err := os.Stat(filepath.Join(dir+".moved", "a")); err != nil {
		t.Error(err)
	}
}

// lockEnv, when set, makes TestLockHelper take a lock and wait to be killed.
const lockEnv = "DURABLE_TEST_LOCK_DIR"

func TestLockHelper(t *testing.T) {
	dir := os.Getenv(lockEnv)
	if dir == "" {
		return // not a child of TestFault48StaleLock
	}
	_, err := newOS(t, dir).Lock("LOCK")
	check(t, err)
	os.Stdout.WriteString("locked\n")
	os.Stdin.Read(make([]byte, 1)) // until killed or the parent ends
}

// TestFault48StaleLock takes over the lock of a process that was killed.
func TestFault48StaleLock(t *testing.T) {
	dir := t.TempDir()
	fsys := newOS(t, dir)
	child := exec.Command(os.Args[0], "-test.run=^TestLockHelper$")
	child.Env = append(os.Environ(), lockEnv+"="+dir)
	stdin, err := child.StdinPipe()
	check(t, err)
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	check(t, err)
	check(t, child.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "locked") {
		child.Process.Kill()
		t.Fatalf("child says %q, %v", line, err)
	}
	_, held := fsys.Lock("LOCK")
	check(t, child.Process.Kill())
	child.Wait() // reports the kill
	if !errors.Is(held, durable.ErrLocked) {
		t.Errorf("while the child lives: got %v, want %v", held, durable.ErrLocked)
	}
	lock, err := fsys.Lock("LOCK")
	check(t, err)
	check(t, lock.Close())
}

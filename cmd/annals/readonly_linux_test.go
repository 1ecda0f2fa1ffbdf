package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadOnlyDirectory reads a journal whose directory may not be written. Root
// may write everything, so the command runs as another user then.
func TestReadOnlyDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	runOK(t, lines(3), "import", "--data", dir, "--format", "jsonl")
	check(t, filepath.WalkDir(filepath.Dir(dir), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o555)
		} else if err == nil {
			return os.Chmod(name, 0o444)
		}
		return err
	}))
	t.Cleanup(func() {
		check(t, os.Chmod(filepath.Dir(dir), 0o700))
		check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(name, 0o700)
			}
			return err
		}))
	})
	check(t, os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755))

	status, out, msg := runAsOther(t, "query", "--data", dir)
	if status != 0 || strings.Count(out, "\n") != 3 {
		t.Errorf("query: exit status %d, output %q", status, out)
	}
	if !strings.HasPrefix(msg, "annals: "+dir+" cannot be written (") || !strings.Contains(msg, "it is read as it is, without recovery\n") {
		t.Errorf("query said %q", msg)
	}
	status, _, msg = runAsOther(t, "append", "--data", dir)
	if status != statusError || !strings.Contains(msg, "permission denied") {
		t.Errorf("append: exit status %d, standard error %q", status, msg)
	}
	status, out, msg = runAsOther(t, "verify", "--data", dir)
	if status != 0 || !strings.HasPrefix(out, `{"ok":true,"events":3,`) {
		t.Errorf("verify: exit status %d, output %q, standard error %q", status, out, msg)
	}
}

// nobody is a user id that owns nothing.
const nobody = 65534

// runAsOther runs annals as a user who is not root. The program is this one, which
// that user may not find by its name.
func runAsOther(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Args[0] = "annals"
	cmd.Dir = "/"
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var out, msg buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	return cmd.ProcessState.ExitCode(), out.String(), msg.String()
}

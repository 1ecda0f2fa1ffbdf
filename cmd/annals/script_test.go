package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets tests and scripts run annals as a process of its own. With the
// race detector, such a process would wait a second at its end.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	testscript.Main(m, map[string]func(){"annals": main})
}

// TestScript runs the scripts in testdata/script, which show how commands behave.
// Beside the commands of package testscript they use:
//
//	status N command…   the command ends with exit status N
//	flip file text      changes one bit of the first occurrence of text in a file
//	head N from to      copies the first N bytes of a file
//	lines file N        a file, stdout or stderr has N lines
//	capture NAME file regexp  sets a variable to the group that matches in a file, stdout or stderr
func TestScript(t *testing.T) {
	corpora, err := filepath.Abs("../../testdata/corpora")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CORPORA", corpora)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":  scriptStatus,
			"flip":    scriptFlip,
			"head":    scriptHead,
			"lines":   scriptLines,
			"capture": scriptCapture,
		},
	})
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status is %d, want %d", got, want)
	}
}

func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip file text")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	i := bytes.Index(data, []byte(args[1]))
	if i < 0 {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	data[i] ^= 1
	ts.Check(os.WriteFile(name, data, 0o600))
}

func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines file N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := bytes.Count([]byte(ts.ReadFile(args[0])), []byte("\n")); got != want {
		ts.Fatalf("%s has %d lines, want %d", args[0], got, want)
	}
}

func scriptHead(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: head N from to")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(data) <= n {
		ts.Fatalf("%s has %d bytes, no more than %d", args[1], len(data), n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data[:n], 0o600))
}

func scriptCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture NAME file regexp")
	}
	re, err := regexp.Compile(`(?m)` + args[2])
	ts.Check(err)
	found := re.FindStringSubmatch(ts.ReadFile(args[1]))
	if len(found) != 2 {
		ts.Fatalf("no match for %q with one group in %s", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

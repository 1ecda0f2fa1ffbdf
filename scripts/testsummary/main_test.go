package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// lines builds the events of one package p, of "action", "action test" and
// "output test text" each.
func lines(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		action, rest, _ := strings.Cut(e, " ")
		test, output, _ := strings.Cut(rest, " ")
		fmt.Fprintf(&b, `{"Action":%q,"Package":"p","Test":%q,"Output":%q,"Elapsed":1.25}`+"\n", action, test, output)
	}
	return b.String()
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, in string
		want     string
		ok       bool
	}{
		{
			"passes are silent",
			lines("start", "run A", "output A noise\n", "pass A", "pass"),
			"ok   p 1.2s\n1 passed, 0 failed, 0 skipped\n", true,
		},
		{
			"failure shows its output",
			lines("start", "run A", "output A why\n", "fail A", "output  FAIL\n", "fail"),
			"FAIL p A\nwhy\nFAIL p 1.2s\n0 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"panic in the middle of a test",
			lines("start", "run A", "pass A", "run B", "output B panic: x\n", "fail"),
			"FAIL p B (did not end)\npanic: x\nFAIL p 1.2s\n1 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"package fails outside its tests",
			lines("start", "run A", "pass A", "output  TestMain says no\n", "fail"),
			"TestMain says no\nFAIL p 1.2s\n1 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"build fails",
			`{"ImportPath":"p","Action":"build-output","Output":"x.go:1:1: bad\n"}` + "\n" +
				`{"ImportPath":"p","Action":"build-fail"}` + "\n" + lines("start", "output  FAIL p [build failed]\n", "fail"),
			"x.go:1:1: bad\nFAIL p [build failed]\nFAIL p 1.2s\n0 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"allowed skips",
			lines("start", "run A", "output A     a_test.go:3: skip: needs root\n", "output A --- SKIP: A (0.00s)\n", "skip A", "pass B", "pass"),
			"ok   p 1.2s\nskipped 1: skip: needs root\n1 passed, 0 failed, 1 skipped\n", true,
		},
		{
			"another skip",
			lines("start", "output A     a_test.go:3: flaky\n", "skip A", "pass B", "pass"),
			"ok   p 1.2s\nskipped 1: flaky\nFAIL p A was skipped for a reason that is not allowed\n1 passed, 0 failed, 1 skipped\n", false,
		},
		{
			"silent skip",
			lines("start", "output A --- SKIP: A (0.00s)\n", "skip A", "pass B", "pass"),
			"ok   p 1.2s\nskipped 1: no reason given\nFAIL p A was skipped for a reason that is not allowed\n1 passed, 0 failed, 1 skipped\n", false,
		},
		{
			"package without tests",
			lines("start", "output  ? p [no test files]\n", "skip"),
			"FAIL no test ran\n0 passed, 0 failed, 0 skipped\n", false,
		},
		{
			"cut short",
			lines("start", "run A", "pass A"),
			"FAIL p did not end\n1 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"all tests skipped",
			lines("start", "output A     a_test.go:3: skip: platform\n", "skip A", "pass"),
			"ok   p 1.2s\nskipped 1: skip: platform\nFAIL no test ran\n0 passed, 0 failed, 1 skipped\n", false,
		},
		{
			"not JSON",
			"warning: x\n" + lines("start", "pass A", "pass"),
			"warning: x\nok   p 1.2s\n1 passed, 0 failed, 0 skipped\n", true,
		},
		{"nothing", "", "FAIL no test ran\n0 passed, 0 failed, 0 skipped\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(strings.NewReader(tt.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if ok != tt.ok {
				t.Errorf("got ok = %v, want %v", ok, tt.ok)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := run(iotest.ErrReader(broken), new(strings.Builder)); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	if _, err := run(strings.NewReader(strings.Repeat("x", maxLineBytes+1)), new(strings.Builder)); err == nil {
		t.Error("a line over the limit was taken")
	}
}

func TestOutputIsBounded(t *testing.T) {
	s := newSummary(new(strings.Builder))
	key := testKey{"p", "A"}
	for range 100 {
		s.keep(key, strings.Repeat("x", maxOutputBytes/10))
	}
	s.keep(key, "the end")
	got := s.output[key]
	if len(got) > 2*maxOutputBytes {
		t.Errorf("kept %d bytes, want at most %d", len(got), 2*maxOutputBytes)
	}
	if !strings.HasSuffix(string(got), "the end") {
		t.Error("the end of the output is lost")
	}
}

// TestRealOutput holds the parser against the go command that is installed.
func TestRealOutput(t *testing.T) {
	dir, err := filepath.Abs("testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-json", "-count=1", ".")
	cmd.Dir = dir
	in, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var out strings.Builder
	ok, err := run(strings.NewReader(string(in)), &out)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		t.Error("a failing test was taken for success")
	}
	for _, want := range []string{
		"FAIL sample TestFails/deep\n", "deep trouble\n",
		"skipped 1: skip: class B data of 2015\n",
		"FAIL sample TestSkipsOddly was skipped for a reason that is not allowed\n",
		"\n1 passed, 2 failed, 2 skipped\n",
	} {
		if !strings.Contains("\n"+out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
}

// Testsummary reads the output of go test -json and says what came of it.
//
// While the tests run it prints one line a package. Where a test fails it prints
// the test's whole output; what passes stays silent. At the end it counts the
// skipped tests by reason, and its last line is
//
//	N passed, N failed, N skipped
//
// It exits 1 if a test or a package failed, if a package did not finish, if no
// test ran at all, or if a test was skipped for a reason that is not one of
// allowedSkips: a test that skips itself for any other reason is one that nobody
// runs.
//
//	go test -json ./... | testsummary
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// maxLineBytes bounds one line of input; the go command splits test output well
// below it.
const maxLineBytes = 4 << 20

func main() {
	ok, err := run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run summarises in on out and reports whether everything is well.
func run(in io.Reader, out io.Writer) (ok bool, err error) {
	w := bufio.NewWriter(out)
	s := newSummary(w)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		s.line(lines.Bytes())
		if err := w.Flush(); err != nil {
			return false, fmt.Errorf("write: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read test output: %w", err)
	}
	ok = s.finish()
	return ok, w.Flush()
}

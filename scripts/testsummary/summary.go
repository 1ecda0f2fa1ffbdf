package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// allowedSkips are the beginnings of the reasons for which a test may skip
// itself. CONTRIBUTING.md explains them.
var allowedSkips = []string{"skip: class B", "skip: needs root", "skip: platform"}

// maxOutputBytes bounds what is kept of one test's output. Of more, the end is
// kept: that is where a test says why it failed.
const maxOutputBytes = 256 << 10

// reasonPattern finds the place that the testing package puts before a message.
var reasonPattern = regexp.MustCompile(`^\s*\S+\.go:\d+: (.*)`)

// An event is one line of go test -json; "go doc test2json" describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string // empty for the package as a whole
	Output     string
	Elapsed    float64 // seconds
}

// A testKey names a test, or a package when test is empty.
type testKey struct {
	pkg, test string
}

// A summary collects what the tests say.
type summary struct {
	w io.Writer

	output    map[testKey][]byte // of what has not ended
	packages  map[string]bool    // package -> has ended
	failures  map[string]int     // package -> failed tests
	reasons   map[string]int     // why tests were skipped -> how many
	forbidden []string           // tests that were skipped for another reason

	passed, failed, skipped int
}

func newSummary(w io.Writer) *summary {
	return &summary{
		w:        w,
		output:   map[testKey][]byte{},
		packages: map[string]bool{},
		failures: map[string]int{},
		reasons:  map[string]int{},
	}
}

// line takes one line of input. What is not an event is printed as it is.
func (s *summary) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		fmt.Fprintf(s.w, "%s\n", line)
		return
	}
	if e.Action == "build-output" {
		fmt.Fprint(s.w, e.Output)
		return
	}
	key := testKey{e.Package, e.Test}
	switch e.Action {
	case "start":
		s.packages[e.Package] = false
	case "output":
		s.keep(key, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(key, e)
		}
		delete(s.output, key)
	}
}

func (s *summary) keep(key testKey, output string) {
	kept := append(s.output[key], output...)
	if len(kept) > 2*maxOutputBytes {
		kept = append(kept[:0], kept[len(kept)-maxOutputBytes:]...)
	}
	s.output[key] = kept
}

func (s *summary) endTest(key testKey, e event) {
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.failures[key.pkg]++
		fmt.Fprintf(s.w, "FAIL %s %s\n%s", key.pkg, key.test, s.output[key])
	case "skip":
		s.skipped++
		reason := skipReason(string(s.output[key]))
		s.reasons[reason]++
		if !isAllowed(reason) {
			s.forbidden = append(s.forbidden, key.pkg+" "+key.test)
		}
	}
}

func (s *summary) endPackage(e event) {
	s.packages[e.Package] = true
	switch e.Action {
	case "pass":
		fmt.Fprintf(s.w, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		// A panic, a time-out or a build that failed ends the package in the
		// middle of a test, or before any.
		s.printUnfinished(e.Package)
		if s.failures[e.Package] == 0 {
			s.failed++
			fmt.Fprintf(s.w, "%s", s.output[testKey{pkg: e.Package}])
		}
		fmt.Fprintf(s.w, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
	}
}

// printUnfinished prints what the tests of a package said that have not ended.
func (s *summary) printUnfinished(pkg string) {
	for _, key := range slices.SortedFunc(maps.Keys(s.output), compareKeys) {
		if key.pkg == pkg && key.test != "" {
			s.failed++
			s.failures[pkg]++
			fmt.Fprintf(s.w, "FAIL %s %s (did not end)\n%s", key.pkg, key.test, s.output[key])
			delete(s.output, key)
		}
	}
}

func compareKeys(a, b testKey) int {
	return strings.Compare(a.pkg+" "+a.test, b.pkg+" "+b.test)
}

// finish prints the end of the summary and reports whether all is well.
func (s *summary) finish() bool {
	for _, pkg := range slices.Sorted(maps.Keys(s.packages)) {
		if !s.packages[pkg] {
			s.failed++
			fmt.Fprintf(s.w, "FAIL %s did not end\n", pkg)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(s.reasons)) {
		fmt.Fprintf(s.w, "skipped %d: %s\n", s.reasons[reason], reason)
	}
	for _, test := range s.forbidden {
		fmt.Fprintf(s.w, "FAIL %s was skipped for a reason that is not allowed\n", test)
	}
	ran := s.passed+s.failed > 0
	if !ran {
		fmt.Fprintln(s.w, "FAIL no test ran")
	}
	fmt.Fprintf(s.w, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return ran && s.failed == 0 && len(s.forbidden) == 0
}

func isAllowed(reason string) bool {
	return slices.ContainsFunc(allowedSkips, func(allowed string) bool {
		return strings.HasPrefix(reason, allowed)
	})
}

// skipReason finds why a test was skipped in what it printed: the last line that
// begins with "skip:" behind the place that the testing package puts before a
// message, or the last message of any kind.
func skipReason(output string) string {
	reason := "no reason given"
	for line := range strings.Lines(output) {
		m := reasonPattern.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		if strings.HasPrefix(m[1], "skip:") || !strings.HasPrefix(reason, "skip:") {
			reason = m[1]
		}
	}
	return reason
}

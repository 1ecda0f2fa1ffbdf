package enginetest

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
)

func TestMain(m *testing.M) {
	many = 2_500
	m.Run()
}

func TestSuitePasses(t *testing.T) {
	Run(t, newMemStore(""))
}

// A recorder takes the place of a test whose failure is wanted.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool     // guarded by mu
	said   []string // guarded by mu
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprintln(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// TestSuiteFails proves for each fault that the suite finds it, in the case that
// is there for it. Time is that of a bubble, so an engine that never wakes a
// follower costs no patience.
func TestSuiteFails(t *testing.T) {
	tried := make(map[string]bool)
	for _, tt := range []struct{ fault, wantCase string }{
		{"skips a position", "one total order under concurrency"},
		{"answers in another order", "sequences are an entity's own order"},
		{"counts from zero", "sequences are an entity's own order"},
		{"counts what has no entity", "sequences are an entity's own order"},
		{"stores what precedes a bad record", "fault 59 a bad record undoes its batch"},
		{"has a time for each record", "fault 54 clock jumps"},
		{"follows the clock back", "fault 54 clock jumps"},
		{"forgets the clock when reopened", "fault 54 clock jumps"},
		{"counts ahead", "what is told is visible"},
		{"stores what precedes a bad record", "batches of several tenants"},
		{"shares entities between tenants", "batches of several tenants"},
		{"shows parts of batches", "batches show whole"},
		{"checks no expectation while others append", "random operations agree with a model"},
		{"finds the newest 1,000", "many records"},
		{"knows 1,000 entities", "many records"},

		{"stores duplicates", "fault 57 a retry gets the first receipt"},
		{"does not mark duplicates", "fault 57 a retry gets the first receipt"},
		{"dates duplicates anew", "fault 57 a retry gets the first receipt"},
		{"forgets ids when reopened", "fault 57 a retry gets the first receipt"},
		{"checks expectations of duplicates", "expectations of duplicates alone are ignored"},
		{"ignores expectations", "duplicates beside new records"},
		{"stores twins", "twins in one batch"},
		{"takes different twins for the same", "twins in one batch"},
		{"compares bodies", "twins in one batch"},
		{"takes other content for the same", "fault 58 an id that other content has"},
		{"tells no position", "fault 58 an id that other content has"},
		{"shares ids between tenants", "ids belong to tenants"},

		{"tells no current sequence", "expectations hold before the call"},
		{"takes more for enough", "expectations hold before the call"},
		{"forgets sequences when reopened", "expectations hold before the call"},
		{"takes zero for any", "zero expects a new entity"},
		{"checks the first expectation", "every expectation counts"},
		{"checks no expectation while others append", "fault 56 one of 64 writers wins"},
		{"shares entities between tenants", "entities belong to tenants"},
		{"joins type and id", "entities belong to tenants"},

		{"reads beyond the end", "an empty engine"},
		{"finds what is not there", "read, find and last sequence"},
		{"scans to inclusively", "a scan ends where it began"},
		{"scans what comes later", "a scan ends where it began"},
		{"gives its own memory away", "entries belong to the consumer"},
		{"ignores contexts", "a context that has ended"},
		{"wakes no follower", "follow catches up and goes on"},
		{"follows an entry twice", "follow catches up and goes on"},
		{"follows from the end at most", "follow catches up and goes on"},
		{"follows from where it is", "fault 60 follow under load"},
		{"ends follow without a word", "follow ends with its context"},
		{"follows past its close", "close ends follow"},

		{"leaves the newest entry out of searches", "search by a term"},
		{"gives no id term", "search by a term"},
		{"gives no entity term", "search by a term"},
		{"gives no tenant term", "search by a term"},
		{"asks for no terms", "search by a term"},
		{"keeps the caller's terms", "search by a term"},
		{"changes the batch", "search by a term"},
		{"finds what is not stored", "search by a term"},
		{"estimates nothing", "search by a term"},
		{"estimates more than there is", "search by a term"},
		{"takes an empty all for nothing", "filters nest"},
		{"takes any for all", "filters nest"},
		{"searches the first part of any", "filters nest"},
		{"yields one part after the other", "filters nest"},
		{"finds an entry twice", "filters nest"},
		{"ascends always", "filters nest"},
		{"takes a to of zero for zero", "bounds of a search"},
		{"takes from exclusively", "bounds of a search"},
		{"takes to a position early", "bounds of a search"},
		{"estimates outside of the bounds", "bounds of a search"},
		{"takes since exclusively", "times of a search"},
		{"takes until a nanosecond early", "times of a search"},
		{"keeps times in seconds", "times of a search"},
		{"keeps times as nanoseconds since 1970", "times of a search"},
		{"takes position for time", "times of a search"},
		{"forgets times when reopened", "many records"},
		{"searches the first tenant", "tenants of a search"},
		{"takes no tenant for none", "tenants of a search"},
		{"has no filter for every tenant", "tenants of a search"},
		{"drops terms without a value", "terms of any content"},
		{"drops terms without a field", "terms of any content"},
		{"drops long terms", "terms of any content"},
		{"cuts what is asked at NUL", "terms of any content"},
		{"lowers what is asked", "terms of any content"},
		{"trims what is asked", "terms of any content"},
		{"drops terms past the 256th", "records with few and many terms"},
		{"leaves records without terms out", "records with few and many terms"},
		{"leaves the newest entry out of searches", "random operations agree with a model"},
		{"takes since exclusively", "random operations agree with a model"},
		{"counts tenants together", "random operations agree with a model"},
		{"finds what is not there", "random operations agree with a model"},

		{"searches what comes later", "a search ends where it began"},
		{"gives its own memory away in searches", "searches and their entries belong to the consumer"},
		{"searches on when its context has ended", "a search whose context ends"},
		{"leaves the newest entry out of searches", "searches beside appends"},
		{"shows parts of batches", "searches beside appends"},
		{"shows parts of batches", "kinds beside appends"},
		{"counts tenants together", "kinds"},
		{"counts what is to come", "kinds"},
		{"lists kinds that there are not", "kinds"},
		{"counts half of the records", "kinds"},
		{"has one secret everywhere", "secrets"},
		{"has one secret for all purposes", "secrets"},
		{"makes a new secret when reopened", "secrets"},
		{"indexes the first 2,048", "many records"},

		{"takes too many records", "most records of a batch"},
		{"takes a record too few", "most records of a batch"},
		{"takes too many bytes", "most bytes of a batch"},
		{"takes a byte too few", "most bytes of a batch"},
		{"rewrites bodies", "bytes are kept as they are"},
		{"hashes the body", "bytes are kept as they are"},
		{"keeps the caller's memory", "bytes are kept as they are"},
		{"answers before it is durable", "bytes are kept as they are"},

		{"closes once", "closed is closed"},
		{"appends when closed", "closed is closed"},
		{"reads when closed", "closed is closed"},
		{"finds when closed", "closed is closed"},
		{"scans when closed", "closed is closed"},
		{"searches when closed", "closed is closed"},
		{"estimates when closed", "closed is closed"},
		{"counts when closed", "closed is closed"},
		{"loses the newest entry when reopened", "reopening keeps everything"},
		{"signs an entry less", "checkpoints cover what is durable"},
		{"signs entries, not hashes", "checkpoints cover what is durable"},
		{"signs nothing", "checkpoints cover what is durable"},
		{"cries damage", "an empty engine"},
		{"counts entities again", "an empty engine"},
	} {
		tried[tt.fault] = true
		t.Run(tt.fault, func(t *testing.T) {
			wrong, said := outcome(t, tt.wantCase, tt.fault)
			if !wrong {
				t.Errorf("case %q passes an engine that %s", tt.wantCase, tt.fault)
			}
			if !strings.Contains(strings.Join(said, "\n"), "rule: ") {
				t.Errorf("the failure does not state the rule: %q", said)
			}
		})
	}
	t.Run("every fault is provoked", func(t *testing.T) {
		for _, fault := range plantedFaults(t) {
			if !tried[fault] {
				t.Errorf("no case is asked to find an engine that %s", fault)
			}
		}
	})
}

// plantedFaults returns the faults that memEngine's code asks for.
func plantedFaults(t *testing.T) (all []string) {
	for _, name := range []string{"mem_test.go", "mem_search_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:\.has\(|fault [!=]= |case )"([^"]+)"`).FindAllSubmatch(source, -1) {
			all = append(all, string(m[1]))
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d planted faults", len(all))
	}
	return all
}

// outcome runs one case on an engine with a fault, and reports whether it failed
// and what it said.
func outcome(t *testing.T, name, fault string) (failed bool, said []string) {
	for i := range cases {
		if cases[i].name != name {
			continue
		}
		r := &recorder{TB: t}
		synctest.Test(t, func(*testing.T) {
			var wg sync.WaitGroup
			wg.Go(func() { cases[i].test(r, newMemStore(fault)) }) // may call Goexit
			wg.Wait()
		})
		return r.failed, r.said
	}
	t.Fatalf("there is no case %q", name)
	return false, nil
}

func TestCases(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range cases {
		if seen[c.name] || c.name == "" || !strings.HasSuffix(c.rule, ".") {
			t.Errorf("case %q is unnamed, named twice or without a rule", c.name)
		}
		seen[c.name] = true
	}
	if len(cases) < 58 {
		t.Errorf("only %d cases", len(cases))
	}
}

func TestDescribe(t *testing.T) {
	items := []item{
		{id: "a"},
		{id: "a", entity: thing("b")},
		{tenant: "u", id: "quote\" slash\\ line\n tab\t nul\x00", entity: engine.Entity{Type: "\u2028", ID: "<&>\U0001f600"}, data: `{"id":"no","entity":null}`},
		{id: "x", data: `"\",\"recorded_at\":"`},
		{id: `\`, kind: `"\\"`, time: "0000-01-01T00:00:00.000000000Z", terms: []engine.Term{}},
		{id: "y", entity: thing("b"), time: "9999-12-31T23:59:59.999999999Z", terms: []engine.Term{{}, {Field: `"]}`, Value: `\"`}, {Field: "\x00", Value: "]"}}, data: `{"terms":[]}`},
		{id: "z", terms: oddTerms()},
	}
	for _, x := range items {
		entry := engine.Finish(nil, x.body(), time.Unix(0, 0), 1, 2)
		got := engine.Facts{Terms: []engine.Term{{Field: "of the entry before"}}}
		err := describeAsked(&got, entry)
		want := x.facts()
		if err != nil || !sameFacts(&got, &want) {
			t.Errorf("describe %.300s: %.300v, %v, want %.300v", entry, got, err, want)
		}
		got = engine.Facts{}
		want.Terms, want.Time = nil, time.Time{}
		if err := describeAsked(&got, entry); err != nil || !sameFacts(&got, &want) {
			t.Errorf("describe %.300s without terms: %.300v, %v, want %.300v", entry, got, err, want)
		}
		if bytes.Contains(entry, []byte(`\u003c`)) || bytes.Contains(entry, []byte(`\u2028`)) {
			t.Errorf("entry is not canonical: %s", entry)
		}
	}
	for _, bad := range []string{"", "{}", `{"id":"a"}`, `{"id":"a`, `{"id":"a","time":"2026-01-02T03:04:05.000000000Z","type":"test.happened","version":"1.0","tenant":"t","x":1}`} {
		var k engine.Facts
		if err := describe(&k, []byte(bad)); err == nil {
			t.Errorf("describe %q: %+v without an error", bad, k)
		}
	}
}

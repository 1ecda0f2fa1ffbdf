package enginetest

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/annals-io/annals/engine"
)

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
		{"checks no expectation while others append", "random operations agree with a model"},

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
		{"loses the newest entry when reopened", "reopening keeps everything"},
		{"signs an entry less", "checkpoints cover what is durable"},
		{"signs entries, not hashes", "checkpoints cover what is durable"},
		{"signs nothing", "checkpoints cover what is durable"},
		{"cries damage", "an empty engine"},
		{"counts entities again", "an empty engine"},
	} {
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
		faultsAsked.Range(func(fault, _ any) bool {
			if _, ran := faultsRun.Load(fault); !ran {
				t.Errorf("no case is asked to find an engine that %s", fault)
			}
			return true
		})
	})
}

// faultsRun holds the faults that TestSuiteFails has tried.
var faultsRun sync.Map

// outcome runs one case on an engine with a fault, and reports whether it failed
// and what it said.
func outcome(t *testing.T, name, fault string) (failed bool, said []string) {
	faultsRun.Store(fault, true)
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
	if len(cases) < 40 {
		t.Errorf("only %d cases", len(cases))
	}
}

func TestDescribe(t *testing.T) {
	items := []item{
		{id: "a"},
		{id: "a", entity: thing("b")},
		{tenant: "u", id: "quote\" slash\\ line\n tab\t nul\x00", entity: engine.Entity{Type: "\u2028", ID: "<&>\U0001f600"}, data: `{"id":"no","entity":null}`},
		{id: "x", data: `"\",\"recorded_at\":"`},
	}
	for _, x := range items {
		entry := engine.Finish(nil, x.body(), time.Unix(0, 0), 1, 2)
		var f engine.Facts
		err := describe(&f, entry)
		got := key{f.Tenant, f.ID, f.Entity}
		if want := (key{Tenant: x.owner(), ID: x.id, Entity: x.entity}); err != nil || got != want {
			t.Errorf("describe %s: %+v, %v, want %+v", entry, got, err, want)
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

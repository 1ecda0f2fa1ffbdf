package index

import (
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
)

// TestPass leaves out entries of an index that only reads. A letter is a step: a adds
// an entry, p passes one.
func TestPass(t *testing.T) {
	for _, tt := range []struct {
		name, steps, want string
	}{
		{"nothing else", "p", "ht"},
		{"neighbours", "ppp", "ht"},
		{"the first", "pa", "ht"},
		{"between", "aapa", "tht"},
		{"twice", "apapa", "ththt"},
		{"the last", "aap", "tht"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, x := passing(t, tt.steps)
			if got := x.view.Load().shape(); got != tt.want {
				t.Errorf("parts are %s, want %s", got, tt.want)
			}
			check(t, l.check(x, l.size(), true))
		})
	}
}

// passing returns an index that only reads, after some steps, and its log.
func passing(t *testing.T, steps string) (*testLog, *Index) {
	t.Helper()
	l := newTestLog(newRand(t))
	o := testOptions(durable.NewMem())
	o.ReadOnly = true
	x, err := Open(o)
	check(t, err)
	t.Cleanup(x.Abandon)
	x.Cover(0)
	x.Start(0)
	for i, step := range steps {
		l.extend()
		if next := engine.Position(i + 1); step == 'p' {
			x.Pass(next)
		} else {
			l.add(x, next)
		}
	}
	return l, x
}

// TestPassMany: however many places are left out, the tails between them take no more
// room than a writer's, and the holes do not add up.
func TestPassMany(t *testing.T) {
	steps := make([]byte, 4000)
	for i := range steps {
		steps[i] = "ap"[i%2]
	}
	l, x := passing(t, string(steps))
	if n := len(tailsOf(x.parts)); n < maxWaiting+2 || n > 1+maxWaiting*tailShares {
		t.Errorf("there are %d tails", n)
	}
	if n := len(x.parts); n > 2*(1+maxWaiting*tailShares) {
		t.Errorf("there are %d parts", n)
	}
	check(t, l.check(x, l.size(), true))
}

package annals

import (
	"errors"
	"fmt"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/query"
)

// TestMatcherExamine takes what an engine may yield beside what it was asked for:
// entries out of bounds, once more, and damage that reaches further.
func TestMatcherExamine(t *testing.T) {
	entry := func(p Position) engine.Entry {
		body := `{"id":"i","time":"2026-01-01T00:00:00.000000000Z","type":"t","version":"1.0","tenant":"x"`
		return engine.Entry{Position: p, Bytes: fmt.Appendf(nil, `%s,"recorded_at":"2026-01-01T00:00:00.000000000Z","position":%d}`, body, p)}
	}
	damage := func(first, next Position) error {
		return &CorruptError{Path: "log", First: first, Next: next, Err: errors.New("rot")}
	}
	type step struct {
		p        Position
		err      error
		ok       bool
		from, to Position // that are left then
	}
	for _, c := range []struct {
		desc  bool
		steps []step
	}{
		{false, []step{
			{9, nil, false, 10, 20}, {10, nil, true, 11, 20}, {10, nil, false, 11, 20}, {13, nil, true, 14, 20},
			{0, damage(5, 18), false, 15, 20}, {0, damage(16, 17), false, 17, 20}, {0, damage(0, 0), false, 17, 20},
			{17, nil, true, 18, 20}, {20, nil, false, 18, 20}, {0, damage(30, 40), false, 18, 20},
		}},
		{true, []step{
			{20, nil, false, 10, 20}, {19, nil, true, 10, 19}, {19, nil, false, 10, 19}, {16, nil, true, 10, 16},
			{0, damage(11, 30), false, 10, 15}, {0, damage(13, 14), false, 10, 13}, {0, damage(0, 0), false, 10, 13},
			{12, nil, true, 10, 12}, {9, nil, false, 10, 12}, {0, damage(0, 5), false, 10, 12},
		}},
	} {
		m := &matcher{search: &search{desc: c.desc, expr: query.AllOf(), tenants: tenantSet{producers: true}}, from: 10, to: 20}
		for i, s := range c.steps {
			_, ok, err := m.examine(entry(s.p), s.err)
			if ok != s.ok || err != s.err || m.from != s.from || m.to != s.to {
				t.Fatalf("descending %t, step %d: %t, %v, left are [%d,%d), want %+v", c.desc, i, ok, err, m.from, m.to, s)
			}
		}
	}
}

// TestHidden counts positions once that several reports are about.
func TestHidden(t *testing.T) {
	for _, c := range []struct {
		ranges [][2]Position
		want   uint64
	}{
		{nil, 0}, {[][2]Position{{0, 0}}, 0}, {[][2]Position{{3, 5}}, 2}, {[][2]Position{{5, 8}, {3, 6}}, 5},
		{[][2]Position{{2, 9}, {3, 4}, {8, 9}}, 7}, {[][2]Position{{8, 100}}, 2}, {[][2]Position{{20, 30}}, 0}, {[][2]Position{{0, 4}, {4, 10}}, 10},
	} {
		var damage []*CorruptError
		for _, r := range c.ranges {
			damage = append(damage, &CorruptError{First: r[0], Next: r[1]})
		}
		if got := hidden(damage, 10); got != c.want {
			t.Errorf("%v of 10: %d, want %d", c.ranges, got, c.want)
		}
	}
}

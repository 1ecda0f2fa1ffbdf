package annals

import (
	"context"
	"fmt"
	"strings"

	"github.com/annals-io/annals/engine"
)

// Explain says how a search for q is made: what is looked up, what is checked on
// each entry, and how many entries are read at most. The text is for people.
func (j *Journal) Explain(ctx context.Context, q Query) (string, error) {
	s, err := j.newSearch(q, 0)
	if err != nil {
		return "", err
	}
	x, err := s.matcher().estimate(ctx)
	if err != nil {
		return "", err
	}
	order := "oldest first"
	if s.desc {
		order = "newest first"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\n%s", s.tenants.String(), order, s.plan.String())
	fmt.Fprintf(&b, "reads at most %d of %d entries\n", x.Candidates, j.Size())
	if x.Unindexed > 0 {
		fmt.Fprintf(&b, "%d of them for want of an index\n", x.Unindexed)
	}
	return b.String(), nil
}

// estimate returns how much a matcher reads at most.
func (m *matcher) estimate(ctx context.Context) (engine.Estimate, error) {
	q := m.query()
	if q == nil {
		return engine.Estimate{}, nil
	}
	return m.journal.engine.Estimate(ctx, *q)
}

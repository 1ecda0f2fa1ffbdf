package annals

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/annals-io/annals/engine"
)

// maxTypes is how many types are counted apart.
const maxTypes = 10_000

// A kinder counts its records by kind, as [engine.Engine] does.
type kinder interface {
	Kinds(ctx context.Context) iter.Seq2[engine.KindCount, error]
}

// A typeCount is how many events there are, and of which types.
type typeCount struct {
	events, system uint64
	byType         map[string]uint64
	others         uint64 // events whose types byType does not have

	most   int  // types that are counted apart
	fixed  bool // no type is added any more
	pruned bool // types are missing, and the others have less than their events
}

// countTypes counts events, and apart those of the types of most events. If there
// are very many types it counts twice: first it finds the types that there may be
// most of, in memory for twice as many, and then it counts those.
func countTypes(ctx context.Context, k kinder, most int) (*typeCount, error) {
	c := &typeCount{byType: make(map[string]uint64), most: most}
	if err := c.addAll(ctx, k); err != nil {
		return nil, err
	}
	if c.pruned {
		for name := range c.byType {
			c.byType[name] = 0
		}
		c = &typeCount{byType: c.byType, most: most, fixed: true}
		if err := c.addAll(ctx, k); err != nil {
			return nil, err
		}
	}
	c.finish()
	return c, nil
}

func (c *typeCount) addAll(ctx context.Context, k kinder) error {
	for k, err := range k.Kinds(ctx) {
		if err != nil {
			return err
		}
		c.add(k)
	}
	return nil
}

// add takes a count. What has no kind is no event.
func (c *typeCount) add(k engine.KindCount) {
	switch {
	case k.Kind == "":
		return
	case k.Tenant == SystemTenant:
		c.system += k.Count
	default:
		c.events += k.Count
	}
	if _, ok := c.byType[k.Kind]; !ok && (c.fixed || len(k.Kind) > eventShape.fields[memberType].max) {
		return
	}
	if c.byType[k.Kind] += k.Count; len(c.byType) > 2*c.most && !c.fixed {
		c.prune()
	}
}

// prune takes from every type as many events as the first one has that is too many,
// and drops those that have none left. This is Misra and Gries' way to find what is
// frequent: what a type loses in all is less than a part of the events, one in most.
func (c *typeCount) prune() {
	counts := slices.SortedFunc(maps.Values(c.byType), func(a, b uint64) int { return cmp.Compare(b, a) })
	less := counts[c.most]
	maps.DeleteFunc(c.byType, func(_ string, n uint64) bool { return n <= less })
	for name := range c.byType {
		c.byType[name] -= less
	}
	c.pruned = true
}

// finish leaves the types of most events, and none without.
func (c *typeCount) finish() {
	names := slices.SortedFunc(maps.Keys(c.byType), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.byType[b], c.byType[a]), cmp.Compare(a, b))
	})
	for _, name := range names[min(len(names), c.most):] {
		delete(c.byType, name)
	}
	c.others = c.events + c.system
	for name, n := range c.byType {
		if c.others -= n; n == 0 {
			delete(c.byType, name)
		}
	}
}

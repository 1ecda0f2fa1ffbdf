package annals

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fakeKinds counts as an engine does that was given these parts.
type fakeKinds []engine.KindCount

func (f fakeKinds) Kinds(context.Context) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		for _, k := range f {
			if !yield(k, nil) {
				return
			}
		}
	}
}

// TestCountTypes: whatever parts come in whatever order, the numbers are those of
// the types, what is left out has fewer events than what is not, and nothing that is
// frequent is left out.
func TestCountTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) engine.KindCount {
			return engine.KindCount{
				Tenant: rapid.SampledFrom([]string{"a", "b", SystemTenant}).Draw(t, "tenant"),
				Kind:   fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "kind")),
				Count:  rapid.Uint64Range(1, 50).Draw(t, "count"),
			}
		}), 0, 200).Draw(t, "parts")
		all := make(map[string]uint64)
		want := typeCount{byType: make(map[string]uint64)}
		for _, k := range parts {
			if all[k.Kind] += k.Count; k.Tenant == SystemTenant {
				want.system += k.Count
			} else {
				want.events += k.Count
			}
		}
		got, err := countTypes(context.Background(), append(fakeKinds(parts), engine.KindCount{Tenant: "a", Count: 3}), most)
		if err != nil {
			t.Fatal(err)
		}
		want.others = want.events + want.system
		for name := range got.byType {
			want.byType[name] = all[name]
			want.others -= all[name]
		}
		if diff := cmp.Diff(want, typeCount{events: got.events, system: got.system, byType: got.byType, others: got.others}, cmp.AllowUnexported(typeCount{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if len(got.byType) != min(most, len(all)) && !got.fixed || len(got.byType) > most {
			t.Fatalf("%d of %d types are counted apart, want %d", len(got.byType), len(all), most)
		}
		for name, n := range all {
			if _, ok := got.byType[name]; !ok && n*uint64(most) > want.events+want.system {
				t.Fatalf("%d events of type %s are left out", n, name)
			}
		}
	})
}

// brokenKinds fails after so many parts.
type brokenKinds int

var errBroken = errors.New("broken")

func (b brokenKinds) Kinds(context.Context) iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		for i := range int(b) {
			if !yield(engine.KindCount{Tenant: "a", Kind: fmt.Sprint(i), Count: 1}, nil) {
				return
			}
		}
		yield(engine.KindCount{}, errBroken)
	}
}

// TestCountTypesError: what cannot be counted is not half counted.
func TestCountTypesError(t *testing.T) {
	for _, n := range []int{0, 1, 10} {
		if c, err := countTypes(context.Background(), brokenKinds(n), 2); c != nil || !errors.Is(err, errBroken) {
			t.Errorf("after %d: %+v, %v", n, c, err)
		}
	}
}

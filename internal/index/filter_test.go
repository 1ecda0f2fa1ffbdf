package index

import "testing"

// TestFilter has all that was added, and little else.
func TestFilter(t *testing.T) {
	rng := newRand(t)
	for _, n := range []int{1, 10, 25, 26, 1000, 50_000} {
		f := newFilter(n)
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = keyOf(rng.Uint64())
			f.add(keys[i])
		}
		for _, key := range keys {
			if !f.has(key) {
				t.Fatalf("filter of %d lacks %x", n, key)
			}
		}
		wrong := 0
		const tries = 20_000
		for range tries {
			if f.has(keyOf(rng.Uint64())) {
				wrong++
			}
		}
		if wrong > tries/40 {
			t.Errorf("filter of %d takes %d of %d absent keys for present", n, wrong, tries)
		}
	}
	if got, want := len(newFilter(1000).blocks), 40*filterBlockBytes; got != want {
		t.Errorf("filter of 1000 has %d bytes, want %d", got, want)
	}
}

// TestFilterEmpty has a filter for nothing, which takes what it is given
// nevertheless.
func TestFilterEmpty(t *testing.T) {
	f := newFilter(0)
	if f.has(7) {
		t.Error("the empty filter has something")
	}
	if f.add(7); !f.has(7) {
		t.Error("the filter lacks what was added")
	}
}

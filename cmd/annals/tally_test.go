package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// keyOf returns the key of a number.
func keyOf(n int) lineKey {
	sum := sha256.Sum256(fmt.Append(nil, n))
	return lineKey(sum[:])
}

// TestTally compares a tally that spills after a few keys with a map.
func TestTally(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := newTally(rapid.IntRange(1, 8).Draw(r, "most"))
		defer func() { check(t, c.close()) }()
		want := make(map[int]uint64)
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 200), 0, 2000).Draw(r, "keys") {
			got, err := c.add(keyOf(n))
			if err != nil || got != want[n] {
				r.Fatalf("key %d came %d times, want %d: %v", n, got, want[n], err)
			}
			want[n]++
			if len(c.recent) >= c.most {
				r.Fatalf("%d keys in memory, want fewer than %d", len(c.recent), c.most)
			}
		}
	})
}

// TestTallyLevels spills so often that runs of several levels are merged, and leaves
// no files behind.
func TestTallyLevels(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // on Windows
	const most, spills = 4, tallyFan*tallyFan + 3
	c := newTally(most)
	for round := range uint64(2) {
		for n := range most * spills {
			if got, err := c.add(keyOf(n)); err != nil || got != round {
				t.Fatalf("key %d came %d times, want %d: %v", n, got, round, err)
			}
		}
		if level := c.runs[0].level; len(c.runs) >= 3*tallyFan || level != 2 {
			t.Fatalf("%d runs, the first of level %d", len(c.runs), level)
		}
	}
	check(t, c.close())
	left, err := os.ReadDir(dir)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// TestTallyNoRoom has no place for files: counting fails, and says so.
func TestTallyNoRoom(t *testing.T) {
	missing := t.TempDir() + "/missing"
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	c := newTally(2)
	_, first := c.add(keyOf(1))
	check(t, first)
	if _, err := c.add(keyOf(2)); err == nil {
		t.Error("no error")
	}
	check(t, c.close())
}

// TestBloom adds keys: it has each, and few others.
func TestBloom(t *testing.T) {
	const n = 10_000
	b, wrong := newBloom(n), 0
	for i := range n {
		b.add(keyOf(i))
	}
	for i := range n {
		if !b.mayHave(keyOf(i)) {
			t.Fatalf("key %d is missing", i)
		}
		if b.mayHave(keyOf(n + i)) {
			wrong++
		}
	}
	if wrong > n/20 {
		t.Errorf("%d of %d keys that were not added are there", wrong, n)
	}
}

package annals

import (
	"testing"
	"time"
)

// testCursors are cursors of all shapes.
func testCursors() []cursor {
	at := time.Date(2026, 3, 9, 12, 0, 0, 123, time.UTC)
	b := binding{journal: [8]byte{1}, query: [16]byte{2}, tenants: [8]byte{3}}
	down := b
	down.desc = true
	return []cursor{
		{binding: b, now: at, issued: at.Truncate(time.Second)},
		{binding: down, next: 1<<63 + 5, end: 1<<64 - 1, skip: MaxOffset, total: new(uint64(1 << 60)), now: at, issued: at.Truncate(time.Second)},
		{binding: b, uncounted: true, now: at, issued: at.Truncate(time.Second)},
		{binding: down, total: new(uint64(0)), now: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), issued: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
}

func TestCursorRoundTrip(t *testing.T) {
	key := [32]byte{7}
	for i, c := range testCursors() {
		text := c.text(key)
		got, detail := parseCursor(text, key, c.journal)
		if detail != "" {
			t.Fatalf("cursor %d: %s", i, detail)
		}
		if got.binding != c.binding || got.next != c.next || got.end != c.end || got.skip != c.skip || got.uncounted != c.uncounted ||
			!got.now.Equal(c.now) || !got.issued.Equal(c.issued) || (got.total == nil) != (c.total == nil) || got.text(key) != text {
			t.Errorf("cursor %d: got %+v, want %+v", i, got, c)
		}
		if _, detail := parseCursor(text, [32]byte{8}, c.journal); detail == "" {
			t.Errorf("cursor %d passes under another key", i)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	key := [32]byte{7}
	seeds := []string{"", "A", "====", "\n", "é"}
	for _, c := range testCursors() {
		text := c.text(key)
		seeds = append(seeds, text, text[1:], text+"A", text[:len(text)-1]+"_", "B"+text[1:])
	}
	if len(seeds) < 20 {
		f.Fatalf("%d seeds", len(seeds))
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, detail := parseCursor(text, key, [8]byte{1})
		if detail == "" && c.text(key) != text {
			t.Errorf("%q is taken for %q", text, c.text(key))
		}
	})
}

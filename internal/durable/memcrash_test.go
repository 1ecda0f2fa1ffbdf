package durable_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/durable"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawCut draws any cut.
func drawCut(t *rapid.T) durable.Cut {
	return durable.Cut{
		Seed: rapid.Uint64().Draw(t, "seed"),
		Keep: rapid.IntRange(0, 100).Draw(t, "keep"),
		Tear: rapid.Bool().Draw(t, "tear"),
	}
}

// TestFault5UnsyncedNameLost checks what the zero Cut leaves, for each step of
// the new-file recipe that was forgotten.
func TestFault5UnsyncedNameLost(t *testing.T) {
	m := durable.NewMem()
	check(t, m.Mkdir("d"))
	check(t, m.Mkdir("lost"))
	check(t, m.SyncDir("."))
	putDurable(t, m, "d/durable", "data")
	put(t, m, "d/unsynced", "data")
	check(t, m.SyncDir("d"))
	putDurable(t, m, "d/nameless", "data")
	check(t, m.Mkdir("late"))
	putDurable(t, m, "late/a", "data")
	check(t, m.SyncDir("late")) // but not its parent
	lock, err := m.Lock("d/LOCK")
	check(t, err)

	want := map[string]string{"./": "", "d/": "", "lost/": "", "d/durable": "data", "d/unsynced": ""}
	after := m.Crash(durable.Cut{})
	if diff := cmp.Diff(want, tree(t, after, ".")); diff != "" {
		t.Errorf("zero cut (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(tree(t, m, "."), tree(t, m.Crash(durable.KeepAll), ".")); diff != "" {
		t.Errorf("everything kept (-want +got)\n%s", diff)
	}
	again, err := m.Crash(durable.KeepAll).Lock("d/LOCK")
	check(t, err) // a lock does not outlive the power
	check(t, again.Close())
	check(t, lock.Close())
}

// TestCrashLeavesTheOldMemAlone writes to both sides after a crash: to a file that
// was clean, to one with a block written so often that it is written in place,
// and to one filled with zeros.
func TestCrashLeavesTheOldMemAlone(t *testing.T) {
	m := durable.NewMem()
	zeros := strings.Repeat("\x00", 8192)
	files := map[string]string{"clean": strings.Repeat("x", 8192), "often": strings.Repeat("6", 8192), "zeros": zeros}
	for name := range files {
		m.SetBytes(name, []byte(strings.Repeat("x", 8192)))
	}
	open := func(m *durable.Mem, name string) durable.File {
		f, err := m.OpenWrite(name)
		check(t, err)
		return f
	}
	often := open(m, "often")
	for i := range 7 {
		writeAt(t, often, strings.Repeat(fmt.Sprint(i), 8192), 0)
		writeAt(t, open(m, "zeros"), zeros, 0)
	}
	after := m.Crash(durable.KeepAll)
	sides := map[string]*durable.Mem{"old": m, "new": after}
	for round := range 7 {
		for side, mem := range sides {
			for name := range files {
				writeAt(t, open(mem, name), fmt.Sprint(side, name, round), 4096)
			}
		}
	}
	check(t, after.Mkdir("d"))
	for side, mem := range sides {
		for name, before := range files {
			text := fmt.Sprint(side, name, 6)
			want := before[:4096] + text + before[4096+len(text):]
			if got := string(mem.Bytes(name)); got != want {
				t.Errorf("%s side, %s: differs from what was written", side, name)
			}
		}
	}
	for name, before := range files {
		if got := string(m.Crash(durable.Cut{}).Bytes(name)); got != strings.Repeat("x", 8192) {
			t.Errorf("old side, %s: the durable state changed", name)
		}
		if got := string(after.Crash(durable.Cut{}).Bytes(name)); got != before {
			t.Errorf("new side, %s: the durable state changed", name)
		}
	}
	if _, err := m.Stat("d"); err == nil {
		t.Error("the old side has a directory of the new one")
	}
	if got := string(after.Crash(durable.KeepAll).Bytes("zeros")[:4096]); got != zeros[:4096] {
		t.Error("a block of zeros changed")
	}
}

// TestZeroFilledBlocksAreApart checks that blocks filled with zeros, which share a
// page, do not share what is written to one of them.
func TestZeroFilledBlocksAreApart(t *testing.T) {
	m := durable.NewMem()
	m.SetBytes("other", make([]byte, 4096))
	f, err := m.Create("a")
	check(t, err)
	for range 7 { // until it would be written in place
		writeAt(t, f, string(make([]byte, 4096)), 0)
	}
	writeAt(t, f, "data", 10)
	if got := m.Bytes("other"); !bytes.Equal(got, make([]byte, 4096)) {
		t.Error("another block changed")
	}
	if got := string(m.Bytes("a")[9:15]); got != "\x00data\x00" {
		t.Errorf("got %q", got)
	}
}

// TestSyncedSurvivesAnyCut covers faults 2, 3 and 4 where they must do nothing.
func TestSyncedSurvivesAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := durable.NewMem()
		f, err := m.Create("a")
		check(t, err)
		h := newHistory(f)
		for range rapid.IntRange(0, 10).Draw(t, "steps") {
			h.step(t)
		}
		check(t, f.Sync())
		check(t, m.SyncDir("."))
		after := m.Crash(drawCut(t))
		if !bytes.Equal(after.Bytes("a"), m.Bytes("a")) {
			t.Fatal("a synced file changed")
		}
		if diff := cmp.Diff(tree(t, after, "."), tree(t, after.Crash(drawCut(t)), ".")); diff != "" {
			t.Fatalf("what survived a cut did not survive the next (-want +got)\n%s", diff)
		}
	})
}

// TestFault2UnsyncedBytes checks, after any cut, that the size is one that the
// file had since its last sync, and each byte one that was there: faults 2, 3, 4.
func TestFault2UnsyncedBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := durable.NewMem()
		f, err := m.Create("a")
		check(t, err)
		check(t, m.SyncDir("."))
		h := newHistory(f)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			h.step(t)
			h.check(t, m.Crash(drawCut(t)).Bytes("a"))
			if !bytes.Equal(m.Crash(durable.Cut{}).Bytes("a"), h.states[0]) {
				t.Fatal("nothing kept: not as synced")
			}
			if !bytes.Equal(m.Crash(durable.KeepAll).Bytes("a"), h.states[len(h.states)-1]) {
				t.Fatal("everything kept: not as it is")
			}
		}
		if got := m.Bytes("a"); !bytes.Equal(got, h.states[len(h.states)-1]) {
			t.Fatal("a crash changed the old side")
		}
	})
}

// A history is all that a file held since its last sync.
type history struct {
	file   durable.File
	states [][]byte // oldest first; the first is durable
	writes int
}

func newHistory(f durable.File) *history { return &history{file: f, states: [][]byte{nil}} }

// step does something to the file. Every write has a byte of its own.
func (h *history) step(t *rapid.T) {
	now := bytes.Clone(h.states[len(h.states)-1])
	off := rapid.IntRange(0, 5*4096).Draw(t, "off")
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		check(t, h.file.Sync())
		h.states = nil
	case 1:
		check(t, h.file.Truncate(int64(off)))
		now = append(now, make([]byte, max(0, off-len(now)))...)[:off]
	case 2:
		now = h.write(t, now, make([]byte, 2*4096), off&^4095)
	default:
		h.writes++
		data := bytes.Repeat([]byte{byte(h.writes)}, rapid.IntRange(1, 9000).Draw(t, "len"))
		now = h.write(t, now, data, off)
	}
	h.states = append(h.states, now)
}

func (h *history) write(t *rapid.T, now, data []byte, off int) []byte {
	writeAt(t, h.file, string(data), int64(off))
	now = append(now, make([]byte, max(0, off+len(data)-len(now)))...)
	copy(now[off:], data)
	return now
}

// check compares what a cut left with what can be left.
func (h *history) check(t *rapid.T, left []byte) {
	if !slices.ContainsFunc(h.states, func(s []byte) bool { return len(s) == len(left) }) {
		t.Fatalf("size %d was never there", len(left))
	}
	for i, got := range left {
		if !slices.ContainsFunc(h.states, func(s []byte) bool { return byteAt(s, i) == got }) {
			t.Fatalf("byte %d is %d, which was never there", i, got)
		}
	}
}

// byteAt returns a byte of a file, which is zero beyond its end.
func byteAt(state []byte, i int) byte {
	if i < len(state) {
		return state[i]
	}
	return 0
}

// TestFault4CutsReachEverything checks that cuts do what they are for: that each
// of these outcomes is found within a thousand seeds.
func TestFault4CutsReachEverything(t *testing.T) {
	m := durable.NewMem()
	putDurable(t, m, "a", strings.Repeat("0", 3*4096))
	check(t, m.SyncDir("."))
	f, err := m.OpenWrite("a")
	check(t, err)
	writeAt(t, f, strings.Repeat("1", 3*4096), 0)
	writeAt(t, f, strings.Repeat("2", 2*4096), 2*4096)
	writeAt(t, f, strings.Repeat("3", 4096), 4*4096)
	outcomes := map[string]bool{
		"later block without earlier":          false,
		"earlier block without later":          false,
		"state between":                        false,
		"size between":                         false,
		"size without bytes":                   false,
		"bytes without size":                   false,
		"torn block, later sector (fault 3)":   false,
		"torn block, earlier sector (fault 3)": false,
	}
	for seed := range uint64(1000) {
		whole := m.Crash(durable.Cut{Seed: seed, Keep: 50}).Bytes("a")
		mark := func(outcome string, seen bool) { outcomes[outcome] = outcomes[outcome] || seen }
		mark("later block without earlier", whole[0] == '0' && whole[4096] == '1')
		mark("earlier block without later", whole[0] == '1' && whole[4096] == '0')
		mark("state between", whole[8192] == '1')
		mark("size between", len(whole) == 4*4096)
		mark("size without bytes", len(whole) > 3*4096 && whole[3*4096] == 0)
		mark("bytes without size", len(whole) == 3*4096 && whole[8192] == '2')
		for at := 0; at < 3*4096; at += 4096 {
			if block := whole[at : at+4096]; len(bytes.Trim(block, string(block[:1]))) > 0 {
				t.Fatalf("seed %d: block at %d is torn", seed, at)
			}
		}
		torn := m.Crash(durable.Cut{Seed: seed, Keep: 50, Tear: true}).Bytes("a")
		mark("torn block, later sector (fault 3)", torn[0] == '0' && torn[512] == '1')
		mark("torn block, earlier sector (fault 3)", torn[0] == '1' && torn[512] == '0')
		for at := 0; at < len(torn); at += 512 {
			if sector := torn[at : at+512]; len(bytes.Trim(sector, string(sector[:1]))) > 0 {
				t.Fatalf("seed %d: sector at %d is torn", seed, at)
			}
		}
	}
	for outcome, seen := range outcomes {
		if !seen {
			t.Errorf("never seen: %s", outcome)
		}
	}
}

// TestSizeCutsBlock checks that a block kept beyond a size that was not kept ends
// with the size, also when the file grows again.
func TestSizeCutsBlock(t *testing.T) {
	m := durable.NewMem()
	putDurable(t, m, "a", strings.Repeat("0", 1000))
	check(t, m.SyncDir("."))
	f, err := m.OpenWrite("a")
	check(t, err)
	writeAt(t, f, strings.Repeat("1", 3000), 0)
	seen := false
	for seed := range uint64(100) {
		after := m.Crash(durable.Cut{Seed: seed, Keep: 50})
		data := after.Bytes("a")
		if len(data) != 1000 || data[0] != '1' {
			continue
		}
		seen = true
		g, err := after.OpenWrite("a")
		check(t, err)
		check(t, g.Truncate(3000))
		if tail := after.Bytes("a")[1000:]; len(bytes.Trim(tail, "\x00")) > 0 {
			t.Fatalf("seed %d: bytes beyond the size came back", seed)
		}
	}
	if !seen {
		t.Error("no seed kept the block but not the size")
	}
}

func TestCrashIsRepeatable(t *testing.T) {
	trees := make(map[string]bool)
	for range 5 {
		m := durable.NewMem()
		for i := range 20 {
			put(t, m, fmt.Sprintf("f%d", i), strings.Repeat("x", 10_000))
		}
		after := m.Crash(durable.Cut{Seed: 7, Keep: 50, Tear: true})
		trees[fmt.Sprint(tree(t, after, "."))] = true
	}
	if len(trees) != 1 {
		t.Errorf("one seed left %d different trees", len(trees))
	}
}

package index

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"strings"
)

// goldenModels are runs whose bytes are pinned. The first is the worked example of
// docs/format.md.
var goldenModels = map[string]func() *runModel{
	"tiny": func() *runModel {
		m := newRunModel(7, 3)
		m.meta.policy = "all"
		m.lists[identities][0x111111111111] = []uint32{0}
		m.lists[identities][0x222222222222] = []uint32{1, 2}
		m.lists[terms][0xaaaaaaaaaaaa] = []uint32{0, 1, 2}
		m.times = []int64{1_000_000_000, 1_000_000_005, 1_000_100_000}
		m.rows = []row{{place: 128}, {512, 1, 0x33333333}, {1024, 2, 0x33333333}}
		m.kinds = []engine.KindCount{{Tenant: "t", Kind: "a.b", Count: 3}}
		m.entities = 1
		return m
	},
	"long": func() *runModel {
		m := newRunModel(0, 400)
		m.lists[terms][0x111111111111] = stretchOf(0, 129)
		m.lists[terms][0x222222222222] = append(stretchOf(5, 133), 300, 399)
		for i := range uint64(130) {
			m.lists[identities][i<<40] = []uint32{uint32(i)}
		}
		return m
	},
}

// TestGolden pins the bytes of run files.
func TestGolden(t *testing.T) {
	for name, model := range goldenModels {
		t.Run(name, func(t *testing.T) {
			m := model()
			fsys := durable.NewMem()
			m.verify(t, newRand(t), m.write(t, fsys, "run"), 0)
			got := hex.Dump(fsys.Bytes("run"))
			path := filepath.Join("testdata", name+".golden")
			if *update {
				check(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			check(t, err)
			if got != string(want) {
				t.Errorf("bytes differ from %s; -update rewrites it", path)
			}
		})
	}
}

// TestFooterRefuses has footers with sound checksums and wrong content.
func TestFooterRefuses(t *testing.T) {
	fsys := durable.NewMem()
	m := smallModel(newRand(t))
	r := m.write(t, fsys, "run")
	sound := fsys.Bytes("run")
	end := r.foot.sections[zoneTable].off + r.foot.sections[zoneTable].len
	add := func(b []byte, at int, n uint64) {
		binary.LittleEndian.PutUint64(b[at:], binary.LittleEndian.Uint64(b[at:])+n)
	}
	at := func(s section) int { return 56 + int(s)*sectionBytes }
	for name, edit := range map[string]func(b []byte){
		"buckets":                    func(b []byte) { b[0] = maxBits + 1 },
		"fewer buckets":              func(b []byte) { b[4] = 1 },
		"gap":                        func(b []byte) { add(b, at(termLists), 1) },
		"overlap":                    func(b []byte) { add(b, at(termLists), 1<<64-1) },
		"longer section":             func(b []byte) { add(b, at(termLists)+8, 1) },
		"negative length":            func(b []byte) { b[at(termLists)+15] = 0x80 },
		"sum of a summed section":    func(b []byte) { b[at(kindTable)+16] ^= 1 },
		"sum where none is":          func(b []byte) { b[at(timeColumn)+16] = 1 },
		"longer times":               func(b []byte) { add(b, at(timeColumn)+8, 264); add(b, at(entryColumn), 264) },
		"times that go back":         func(b []byte) { add(b, 40, 1<<62) },
		"more entities than entries": func(b []byte) { b[24] = 151 },
		"more identities":            func(b []byte) { b[8]++ },
		"many more terms":            func(b []byte) { b[22] = 1 },
		"fewer terms":                func(b []byte) { b[16]-- },
		"more kinds":                 func(b []byte) { b[32]++ },
		"fewer kinds":                func(b []byte) { b[32]-- },
		"other times":                func(b []byte) { b[48]++ },
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(sound)
			foot := b[end : len(b)-trailerBytes]
			edit(foot)
			fsys.SetBytes("run", append(b[:end+int64(len(foot))], appendTrailer(nil, foot)...))
			if err := m.tryAll(fsys); !errors.Is(err, errDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("policy", func(t *testing.T) {
		foot := append(bytes.Clone(sound[end:end+int64(footerFixedBytes)]), "other"...)
		fsys.SetBytes("run", append(append(bytes.Clone(sound[:end]), foot...), appendTrailer(nil, foot)...))
		if r := open(t, fsys, "run"); r.policy() != "other" {
			t.Errorf("got policy %q", r.policy())
		}
	})
}

// TestFormatExample finds the bytes of testdata/tiny.golden in docs/format.md,
// where lines of zeros are left out.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format.md"))
	check(t, err)
	golden, err := os.ReadFile(filepath.Join("testdata", "tiny.golden"))
	check(t, err)
	at := 0
	for line := range strings.Lines(string(golden)) {
		if strings.Contains(line, strings.Repeat("00 ", 8)+" "+strings.Repeat("00 ", 8)) {
			continue
		}
		i := strings.Index(string(doc[at:]), line)
		if i < 0 {
			t.Fatalf("docs/format.md lacks, or has out of order: %s", line)
		}
		at += i + len(line)
	}
}

package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/annals-io/annals/merkle"
)

func TestLeafHash(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 63, 64, 65, 1000} {
		data := bytes.Repeat([]byte{0xa5}, n)
		want := merkle.Hash(sha256.Sum256(append([]byte{0}, data...)))
		if got := merkle.LeafHash(data); got != want {
			t.Errorf("LeafHash of %d bytes = %v, want %v", n, got, want)
		}
	}
}

func TestNodeHash(t *testing.T) {
	l, r := entry(1), entry(2)
	want := merkle.Hash(sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...)))
	if got := merkle.NodeHash(l, r); got != want {
		t.Errorf("NodeHash = %v, want %v", got, want)
	}
	// A leaf with the content of a node is another hash: no second preimage.
	if merkle.LeafHash(append(l[:], r[:]...)) == want {
		t.Error("a leaf passes for a node")
	}
}

func TestEmptyRoot(t *testing.T) {
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got := merkle.EmptyRoot().Hex(); got != want {
		t.Errorf("EmptyRoot = %s, want %s", got, want)
	}
}

func TestHashesDoNotAllocate(t *testing.T) {
	h := entry(0)
	var tree merkle.Tree
	n := testing.AllocsPerRun(100, func() {
		h = merkle.NodeHash(h, merkle.LeafHash(h[:]))
		tree.Append(h, func(int, uint64, merkle.Hash) {})
		h = tree.Root()
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestParseHash(t *testing.T) {
	good := entry(7)
	got, err := merkle.ParseHash(good.String())
	check(t, err)
	if got != good {
		t.Errorf("got %v, want %v", got, good)
	}
	s := "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for name, bad := range map[string]string{
		"empty":          "",
		"short":          s[:40],
		"no padding":     s[:43],
		"long":           s + "=",
		"hex":            good.Hex(),
		"URL alphabet":   strings.NewReplacer("+", "-", "/", "_").Replace(s),
		"stray bits":     s[:42] + "V=",
		"33 bytes":       strings.Repeat("A", 44),
		"31 bytes":       strings.Repeat("A", 42) + "==",
		"line break":     s[:20] + "\n" + s[21:],
		"line break end": s[:43] + "\n",
		"space":          " " + s[:43],
	} {
		if h, err := merkle.ParseHash(bad); err == nil {
			t.Errorf("%s: ParseHash(%q) = %v, want an error", name, bad, h)
		}
	}
}

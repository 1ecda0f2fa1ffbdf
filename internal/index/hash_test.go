package index

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strings"
	"testing"

	"github.com/annals-io/annals/engine"
)

// sipHash is SipHash-c-d as its authors describe it, for any message.
func sipHash(c, d int, key, message []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	v0, v1 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d
	v2, v3 := k0^0x6c7967656e657261, k1^0x7465646279746573
	rounds := func(n int) {
		for range n {
			v0 += v1
			v1 = bits.RotateLeft64(v1, 13)
			v1 ^= v0
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v3
			v3 = bits.RotateLeft64(v3, 16)
			v3 ^= v2
			v0 += v3
			v3 = bits.RotateLeft64(v3, 21)
			v3 ^= v0
			v2 += v1
			v1 = bits.RotateLeft64(v1, 17)
			v1 ^= v2
			v2 = bits.RotateLeft64(v2, 32)
		}
	}
	padded := append(message[:len(message):len(message)], make([]byte, 7-len(message)%8)...)
	padded = append(padded, byte(len(message)))
	for ; len(padded) > 0; padded = padded[8:] {
		m := binary.LittleEndian.Uint64(padded)
		v3 ^= m
		rounds(c)
		v0 ^= m
	}
	v2 ^= 0xff
	rounds(d)
	return v0 ^ v1 ^ v2 ^ v3
}

// TestSipHashVectors checks the function that the next test relies on against the
// published vectors of SipHash-2-4: key 00 to 0f, messages of 0 to 15 bytes.
func TestSipHashVectors(t *testing.T) {
	vectors := []string{
		"310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785",
		"b7877127e09427cf", "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab",
		"6224939a79f5f593", "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4",
		"fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7", "e545be4961ca29a1",
	}
	var message []byte
	for i, want := range vectors {
		sum := sipHash(2, 4, testKey(), message)
		if got := hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum)); got != want {
			t.Errorf("%d bytes: got %s, want %s", i, got, want)
		}
		message = append(message, byte(i))
	}
}

func testKey() (key []byte) {
	for i := range 16 {
		key = append(key, byte(i))
	}
	return key
}

var hashTerms = []struct {
	tenant string
	term   engine.Term
}{
	{"", engine.Term{}},
	{"a", engine.Term{}},
	{"", engine.Term{Field: "a"}},
	{"", engine.Term{Value: "a"}},
	{"", engine.Term{Value: "a\x00"}},
	{"ab", engine.Term{Field: "c"}},
	{"a", engine.Term{Field: "bc"}},
	{"default", engine.IDTerm("0190d9f0-0000-7000-8000-000000000000")},
	{"12345678", engine.Term{Field: "12345678", Value: "12345678"}},
	{"123456789", engine.Term{Field: "1234567", Value: strings.Repeat("x", 1000)}},
}

// TestTermHash compares the hashes with SipHash-1-3 of the bytes that the format
// says, and with each other.
func TestTermHash(t *testing.T) {
	h := NewHasher([16]byte(testKey()))
	seen := make(map[uint64]bool)
	for _, tt := range hashTerms {
		var message []byte
		for _, text := range []string{tt.tenant, tt.term.Field, tt.term.Value} {
			message = binary.LittleEndian.AppendUint64(message, uint64(len(text)))
			message = append(message, text...)
			for len(message)%8 != 0 {
				message = append(message, 0)
			}
		}
		want := sipHash(1, 3, testKey(), message)
		hash, check := h.Identity(tt.tenant, tt.term)
		if got := h.Term(tt.tenant, tt.term); got != want || hash != want {
			t.Errorf("%q: got %x and %x, want %x", tt, got, hash, want)
		}
		if seen[hash] || seen[check] {
			t.Errorf("%q has the hash of another", tt)
		}
		seen[hash], seen[check] = true, true
	}
}

// TestHasherKeys has different keys hash differently, and tells them apart.
func TestHasherKeys(t *testing.T) {
	a, b := NewHasher([16]byte{1}), NewHasher([16]byte{2})
	if a.KeyID() == b.KeyID() || a.KeyID() != NewHasher([16]byte{1}).KeyID() {
		t.Error("key ids do not tell keys apart")
	}
	if term := (engine.Term{Field: "type", Value: "order.paid"}); a.Term("", term) == b.Term("", term) {
		t.Error("two keys give one hash")
	}
}

func TestHashAllocates(t *testing.T) {
	h := NewHasher([16]byte(testKey()))
	term := engine.Term{Field: "correlation_id", Value: strings.Repeat("x", 30)}
	if n := testing.AllocsPerRun(100, func() { h.Identity("default", term) }); n != 0 {
		t.Errorf("a hash takes %v allocations", n)
	}
}

func BenchmarkHash(b *testing.B) {
	h := NewHasher([16]byte(testKey()))
	term := engine.Term{Field: "actor.id", Value: "user-1234567890123456789"}
	for b.Loop() {
		h.Term("default", term)
	}
}

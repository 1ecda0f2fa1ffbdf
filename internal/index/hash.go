package index

import (
	"crypto/sha256"
	"math/bits"

	"github.com/annals-io/annals/engine"
)

// A Hasher hashes terms under a secret key, so that nobody who does not know it
// can make two terms with one hash, or many terms of one bucket. It may be used
// concurrently.
type Hasher struct {
	first, second sipKey
	id            [8]byte
}

// checkPurpose is what the second key is derived for.
const checkPurpose = "annals index check\n"

// NewHasher returns the hasher of a key.
func NewHasher(key [16]byte) *Hasher {
	id := sha256.Sum256(key[:])
	second := sha256.Sum256(append([]byte(checkPurpose), key[:]...))
	h := &Hasher{first: newSipKey(string(key[:])), second: newSipKey(string(second[:16]))}
	copy(h.id[:], id[:])
	return h
}

// KeyID tells the hasher's key from others without giving it away.
func (h *Hasher) KeyID() [8]byte { return h.id }

// Term returns the hash of a tenant's term.
func (h *Hasher) Term(tenant string, t engine.Term) uint64 { return h.first.sum(tenant, t) }

// Identity returns the hash of a tenant's term, the same as Term, and a second
// one under another key. Two terms do not share both.
func (h *Hasher) Identity(tenant string, t engine.Term) (hash, check uint64) {
	return h.first.sum(tenant, t), h.second.sum(tenant, t)
}

// A sipKey is a key of SipHash: its two halves.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(key string) sipKey { return sipKey{word(key, 0), word(key, 8)} }

// sum is SipHash-1-3 of tenant, field and value, each as its length in 8 bytes
// and its bytes, zero padded to a multiple of 8. Two terms never have the same
// bytes, and every string begins at a word, so that none has to be copied.
func (k sipKey) sum(tenant string, t engine.Term) uint64 { return k.of(tenant).term(t) }

// A sipTenant has taken in a tenant: the terms of one go on from there.
type sipTenant struct {
	state sipState
	words uint64 // taken in
}

func (k sipKey) of(tenant string) sipTenant {
	s := sipState{
		k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573,
	}
	return sipTenant{s.absorb(tenant), 1 + uint64(len(tenant)+7)/8}
}

// term returns the sum of the tenant and a term.
func (x sipTenant) term(t engine.Term) uint64 {
	s := x.state.absorb(t.Field).absorb(t.Value)
	// The last word of SipHash: the length of the message, modulo 256, on top.
	words := x.words + 2 + uint64(len(t.Field)+7)/8 + uint64(len(t.Value)+7)/8
	s = s.compress(words * 8 << 56)
	s.v2 ^= 0xff
	s = s.round().round().round()
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

// A sipState is the state of a SipHash. Its methods return the next one, which
// keeps it in registers.
type sipState struct{ v0, v1, v2, v3 uint64 }

// absorb takes in a string: its length, then its bytes.
func (s sipState) absorb(text string) sipState {
	s = s.compress(uint64(len(text)))
	for len(text) >= 8 {
		s = s.compress(word(text, 0))
		text = text[8:]
	}
	if len(text) == 0 {
		return s
	}
	var last uint64
	for i := range len(text) {
		last |= uint64(text[i]) << (8 * i)
	}
	return s.compress(last)
}

// compress takes in one word.
func (s sipState) compress(m uint64) sipState {
	s.v3 ^= m
	s = s.round()
	s.v0 ^= m
	return s
}

// round is SipRound.
func (s sipState) round() sipState {
	s.v0 += s.v1
	s.v2 += s.v3
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 = bits.RotateLeft64(s.v0, 32) + s.v3
	s.v2 += s.v1
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
	return s
}

// word returns the 8 bytes of text from offset i as a little-endian number.
func word(text string, i int) uint64 {
	b := text[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

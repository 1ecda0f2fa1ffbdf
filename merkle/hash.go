package merkle

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// HashBytes is the length of a [Hash].
const HashBytes = sha256.Size

// A Hash is a SHA-256 value: an entry hash, a leaf hash or a node of the tree.
type Hash [HashBytes]byte

// Domain separation of RFC 6962, section 2.1: no leaf can pass for a node.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// shortLeafBytes is the longest leaf data that is hashed without allocating.
const shortLeafBytes = 64

// LeafHash returns the leaf hash of an entry's data: SHA-256(0x00 ‖ data). In a
// journal's tree the data is the 32-byte entry hash.
func LeafHash(data []byte) Hash {
	if len(data) <= shortLeafBytes {
		var b [1 + shortLeafBytes]byte
		b[0] = leafPrefix
		n := copy(b[1:], data)
		return sha256.Sum256(b[:1+n])
	}
	d := sha256.New()
	d.Write([]byte{leafPrefix})
	d.Write(data)
	return Hash(d.Sum(nil))
}

// NodeHash returns the hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*HashBytes]byte
	b[0] = nodePrefix
	copy(b[1:], left[:])
	copy(b[1+HashBytes:], right[:])
	return sha256.Sum256(b[:])
}

// EmptyRoot returns the root of the tree of size 0: the SHA-256 of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// String returns h in standard base64, as C2SP texts write it.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// Hex returns h in lower-case hexadecimal, as the journal writes entry hashes.
func (h Hash) Hex() string { return hex.EncodeToString(h[:]) }

// ParseHash is the inverse of [Hash.String]. It takes no other spelling of the
// same hash.
func ParseHash(s string) (Hash, error) {
	if want := base64.StdEncoding.EncodedLen(HashBytes); len(s) != want {
		return Hash{}, fmt.Errorf("hash has %d characters, want %d", len(s), want)
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return Hash{}, fmt.Errorf("decode hash: %v", err)
	}
	// The decoder skips line breaks and ignores stray bits at the end.
	if len(b) != HashBytes || Hash(b).String() != s {
		return Hash{}, fmt.Errorf("hash %q is not in standard form", s)
	}
	return Hash(b), nil
}

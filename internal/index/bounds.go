package index

import (
	"io"
)

// What a run's footer may ask memory for. Whoever reads it has only its word, and a
// file can be larger than what was ever written to it: its missing bytes are zeros.

// maxIdentities is how many identities n entries have at most: each has an id, and
// perhaps an entity.
func maxIdentities(n uint64) uint64 { return 2 * n }

// mostBound is how many terms a dictionary can have been made for, going by how many
// it has. A merge expects as many as all of its runs have, and they may all be the
// same ones.
func (f *footer) mostBound(c class) uint64 { return f.distinct[c] * mergeMost }

// checkBounds checks that directories and filter are no larger than the number of
// terms calls for, and that there are no more identities than n entries can have. The
// numbers of terms fit their sections, see [footer.check].
func (f *footer) checkBounds(n uint64) error {
	if f.distinct[identities] > maxIdentities(n) {
		return damage("number of identities does not fit the number of entries")
	}
	for c := range f.distinct {
		if f.bits[c] > bitsFor(f.mostBound(class(c))) {
			return damage("number of buckets does not fit the number of terms")
		}
	}
	items := min(f.mostBound(identities), maxIdentities(n))
	if f.sections[filterBits].len > filterBytes(items) {
		return damage("filter is larger than its identities need")
	}
	return nil
}

// Sizes of reading a section.
const (
	firstPiece  = 1 << 20  // bytes that are allocated before anything was read
	zeroStretch = 64 << 10 // bytes of a directory or filter that are never all zero
)

// hashed reports whether a section is filled by hashes, all over: a stretch of zeros
// was never written.
func (s section) hashed() bool {
	return s == filterBits || s == identityDirectory || s == termDirectory
}

// readSection reads all of a section. What it allocates is at most twice of what it
// has found there, and firstPiece. Where the section is hashed zeros do not count.
func readSection(r io.ReaderAt, e extent, hashed bool) ([]byte, error) {
	b := make([]byte, 0, min(e.len, firstPiece))
	for int64(len(b)) < e.len {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(e.len, 2*int64(cap(b))))
			copy(grown, b)
			b = grown
		}
		piece := b[len(b):cap(b)]
		if err := readFull(r, piece, e.off+int64(len(b))); err != nil {
			return nil, err
		}
		if hashed && hasZeroStretch(piece) {
			return nil, damage("section was never written")
		}
		b = b[:cap(b)]
	}
	return b, nil
}

// hasZeroStretch reports whether b has a whole stretch of zeros.
func hasZeroStretch(b []byte) bool {
	for ; len(b) >= zeroStretch; b = b[zeroStretch:] {
		if isZero(b[:zeroStretch]) {
			return true
		}
	}
	return false
}

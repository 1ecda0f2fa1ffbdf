package index

import "encoding/binary"

// Sizes of filters.
const (
	filterBlockBytes  = 32 // read at once: 8 words of 32 bits
	filterBitsPerItem = 10 // one absent item in about 100 is taken for present
)

// filterSalts choose the bit of each word; they are those of Parquet.
var filterSalts = [8]uint32{
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
}

// A filter is a split block Bloom filter over keys: it says that an item may be
// there, or that it is not. It has a block at least.
type filter struct{ blocks []byte }

// newFilter returns an empty filter for a number of items.
func newFilter(items int) *filter { return &filter{make([]byte, filterBytes(uint64(items)))} }

// filterBytes is the size of a filter for a number of items.
func filterBytes(items uint64) int64 {
	blocks := max(1, (items*filterBitsPerItem+8*filterBlockBytes-1)/(8*filterBlockBytes))
	return int64(blocks) * filterBlockBytes
}

// filterSpread spreads the 48 bits of a key over 64. It is odd, so that no two
// keys become one.
const filterSpread = 0x9e3779b97f4a7c15

// block returns the block of a key, and the number that chooses its bits.
func (f *filter) block(key uint64) (block []byte, x uint32) {
	h := key * filterSpread
	at := (h >> 32) * uint64(len(f.blocks)/filterBlockBytes) >> 32 * filterBlockBytes
	return f.blocks[at : at+filterBlockBytes], uint32(h)
}

// add adds an item.
func (f *filter) add(key uint64) {
	block, x := f.block(key)
	for i, salt := range filterSalts {
		word := block[4*i:]
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|1<<(x*salt>>27))
	}
}

// has reports whether an item may be there.
func (f *filter) has(key uint64) bool {
	block, x := f.block(key)
	for i, salt := range filterSalts {
		if binary.LittleEndian.Uint32(block[4*i:])>>(x*salt>>27)&1 == 0 {
			return false
		}
	}
	return true
}

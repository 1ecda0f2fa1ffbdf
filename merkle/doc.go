// Package merkle is the arithmetic of proof: the Merkle tree of a journal, its
// inclusion and consistency proofs, and the C2SP texts and tiles that publish
// it.
//
// The tree is that of RFC 6962 with SHA-256. Its entries are the 32-byte hashes
// of the journal's entries, so the leaf hash of an entry is
// LeafHash(entryHash[:]): the tree and everything made from it can be mirrored
// and witnessed without the contents.
//
// A [Tree] grows by one leaf at a time and keeps only what it needs to go on.
// Its owner stores the entry hashes, and the roots of full subtrees that
// [Tree.Append] reports, as one array a tile level, and hands them back through
// [Levels]. From those arrays come the tree again ([NewTree]), the root of any
// earlier size ([RootAt]), proofs ([InclusionProof], [ConsistencyProof]) and
// tiles ([ReadTile]). A [Checkpoint] states size and root, and [Sign] and [Open]
// turn it into a signed note and back.
//
// The formats are those of https://c2sp.org/tlog-tiles,
// https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note. The package
// does no I/O, and knows neither files nor events. Whatever it parses or
// verifies may come from an adversary: it is refused with an error, never with a
// panic, and costs memory in proportion to its length.
package merkle

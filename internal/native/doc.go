/*
Package native is the embedded engine: a directory, one writer, no other service.

It glues the log (internal/wal), which holds the entries, to what is derived from
it: the Merkle tree and its signed checkpoints (merkle), and the index of ids,
entities and terms (internal/index). Only the log decides what is stored;
everything else can be deleted and is rebuilt.

# The commit loop

Callers prepare their batches in parallel: hash the bodies, compare retries with
what is stored. Whoever holds the turn takes all that waits, decides what is new,
assigns positions, writes it as one group, syncs it, publishes a new view and
answers. That is commitLoop, or a caller that finds nobody at it and would not
leave before the answer anyway: it leads. While a large group is synced,
integrateLoop adds it to the tree and the index. One group is in flight at a
time, so what is written is durable up to the last group, and a caller that waits
alone waits for one sync.

# Files

	LOCK          held by the writer
	journal.json  identity: id, origin, format version, creation time
	log/          segments (internal/wal)
	tiles/        the tree's hashes, an array a level
	checkpoint    the newest signed checkpoint
	index/        runs of the index (internal/index)
	keys/         the checkpoint key, and a secret that keys hashes and cursors
	state         where the log ended when it was closed
	reserve       space kept back so that a full disk can be closed cleanly
*/
package native

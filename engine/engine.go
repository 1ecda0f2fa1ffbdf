// Package engine is the storage contract: what stands below the journal.
//
// The journal knows events; an [Engine] knows records: bytes, identities,
// terms and positions. It assigns the total order, makes records durable, and
// answers by position, by identity and (with the index) by term. It never looks
// into a record's bytes, except through [Options] functions that the journal
// hands down, and file names, offsets and tables never leave it.
//
// Package engine/enginetest holds the suite that every engine passes.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A Position is a place in the total order of one engine, from 0, without gaps.
type Position uint64

// A Sequence is a place in one entity's own order, from 1, without gaps. Zero
// means that there is none: the record has no entity, or the entity no record.
type Sequence uint64

// A Hash is the SHA-256 of an entry's bytes. Its text form is hex.
type Hash [32]byte

// String returns the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("hash has %d characters, not %d", len(text), 2*len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// An Entity names the thing a record is about, within its tenant. The zero
// Entity means none.
type Entity struct {
	Type, ID string
}

// A Term is one searchable fact of a record: a field and its value. Fields that
// begin with ~ are the engines' own.
type Term struct {
	Field, Value string
}

// IDTerm is the term that an engine gives the record with an id.
func IDTerm(id string) Term { return Term{"~id", id} }

// EntityTerm is the term that an engine gives the records of an entity.
func EntityTerm(e Entity) Term { return Term{"~entity", e.Type + "\x00" + e.ID} }

// TenantTerm is the term that an engine gives every record, to tell those of one
// tenant from the others.
func TenantTerm() Term { return Term{} }

// Facts are what an engine may know of a record besides its bytes.
type Facts struct {
	Tenant string // owner; part of every identity and of every term
	ID     string // unique within Tenant for the engine's whole life
	Entity Entity
	Kind   string    // engines count records by tenant and kind
	Time   time.Time // when it happened, as its producer says

	// Terms are what searches can ask for, unhashed, besides those of [IDTerm],
	// [EntityTerm] and [TenantTerm], which engines add. None is repeated.
	Terms []Term
}

// A Record is what the journal hands down for one event.
type Record struct {
	Facts

	// Body is the canonical entry up to recorded_at, without the closing brace;
	// [Finish] completes it.
	Body []byte

	// Same reports whether a stored entry with the same Tenant and ID has the
	// content of this record, so that this is a retry. It may be called from any
	// goroutine and must not keep its argument.
	Same func(stored []byte) bool
}

// An Expect is a condition of an append: before it, Entity's last sequence must
// be Sequence. Zero means that the entity must be new. The entity need not have
// a record in the batch.
type Expect struct {
	Tenant   string
	Entity   Entity
	Sequence Sequence
}

// A Batch is one atomic append.
type Batch struct {
	Records []Record
	Expect  []Expect

	// Reserved lets the batch use the space that an engine keeps back for the
	// journal's own notes when a disk is full. Only the journal sets it.
	Reserved bool
}

// A Receipt is the answer for one record of a batch.
type Receipt struct {
	Position   Position
	Sequence   Sequence // zero without an entity
	RecordedAt time.Time
	Hash       Hash
	Duplicate  bool // the record was there before; the rest describes it
	Durable    bool // on stable storage
}

// An Entry is a stored record.
type Entry struct {
	Position Position

	// Bytes is the canonical entry. It is the caller's until the next step of
	// the iteration that yielded it; a Read gives it away for good.
	Bytes []byte
}

// Hash returns the entry's hash.
func (e *Entry) Hash() Hash { return sha256.Sum256(e.Bytes) }

// A Describe reads the facts of a finished entry into f, whose Terms it may
// reuse. Where f.Terms is nil neither terms nor time are wanted, which may save most
// of the work. It keeps nothing of the entry. The journal gives it to an engine, which
// uses it to rebuild what it derives from its entries; it may be called from any
// goroutine.
type Describe func(f *Facts, entry []byte) error

// A Filter chooses records by their terms: a [Has], [All] or [Any]. There is none
// for what a record lacks, since an engine may return more than was asked for.
type Filter interface{ filter() }

// Has chooses the records that have a term.
type Has Term

// All chooses the records that all its parts choose. The empty All chooses
// every record.
type All []Filter

// Any chooses the records that any of its parts chooses. The empty Any chooses
// none.
type Any []Filter

func (Has) filter() {}
func (All) filter() {}
func (Any) filter() {}

// A Query asks for records.
type Query struct {
	// Tenants are whose records are wanted; none means those of every tenant.
	Tenants []string

	// Filter chooses records by the terms that they have of their own tenant. Nil
	// chooses every record.
	Filter Filter

	// From (inclusive) and To (exclusive) bound the positions. A To of zero or past
	// the end means the end at the moment of the call.
	From, To Position

	// Since (inclusive) and Until (exclusive) bound the time of the records; the
	// zero time is no bound.
	Since, Until time.Time

	Descending bool // newest position first
}

// An Estimate says how much a [Query] reads at most.
type Estimate struct {
	Candidates uint64 // entries that are read, at most
	Unindexed  uint64 // of the positions asked for, those that have to be read for want of an index
}

// Errors that engines return and the journal passes on, possibly wrapped.
var (
	// ErrNotFound reports that nothing has the position or identity asked for.
	ErrNotFound = errors.New("annals: not found")

	// ErrUnknown reports that a write or sync failed after it had begun, so the
	// batch may or may not be stored. Retrying with the same ids is safe.
	ErrUnknown = errors.New("annals: outcome unknown")

	// ErrFailed reports that an earlier write or sync failed: the engine takes
	// nothing more until it is opened again. Nothing of this batch was stored.
	ErrFailed = errors.New("annals: failed by an earlier write error")

	// ErrDiskFull reports that there is no room. Nothing of this batch was
	// stored, and appends resume by themselves when there is room again.
	ErrDiskFull = errors.New("annals: disk full")

	// ErrUnavailable reports that the engine is overloaded or its disk does not
	// answer. Nothing of this batch was stored.
	ErrUnavailable = errors.New("annals: unavailable")

	// ErrReadOnly reports an append to an engine that was opened for reading.
	ErrReadOnly = errors.New("annals: read-only")

	// ErrClosed reports a call after Close.
	ErrClosed = errors.New("annals: closed")

	// ErrLocked reports that another process has the journal open for writing.
	ErrLocked = errors.New("annals: locked by another process")

	// ErrTooLarge reports a batch above [MaxBatchRecords] or [MaxBatchBytes].
	ErrTooLarge = errors.New("annals: batch too large")

	// ErrSameID reports a batch in which two records have one id and different
	// content. Nothing was appended.
	ErrSameID = errors.New("annals: two records of the batch have the same id and different content")

	// ErrNewerFormat reports stored data of a later format version. Nothing was
	// changed; use the newer program.
	ErrNewerFormat = errors.New("annals: format is newer than this program")
)

// Limits of one batch.
const (
	MaxBatchRecords = 10_000
	MaxBatchBytes   = 32 << 20 // of bodies, each counted with MaxAssignedBytes
)

// A ConflictError reports an append that contradicts what is stored. Nothing
// was appended.
type ConflictError struct {
	Tenant string

	// For an expectation that does not hold: the entity and its last sequence.
	Entity   Entity
	Expected Sequence
	Current  Sequence

	// For an id that is taken by other content: the id and its position.
	ID       string
	Position Position
}

func (e *ConflictError) Error() string {
	if e.ID != "" {
		return fmt.Sprintf("id %q is taken by other content at position %d", e.ID, e.Position)
	}
	return fmt.Sprintf("entity %s/%s is at sequence %d, not %d", e.Entity.Type, e.Entity.ID, e.Current, e.Expected)
}

// A CorruptError reports stored bytes that do not check out. It is evidence: no
// engine repairs what it describes.
type CorruptError struct {
	Path   string // file or table, relative to the journal's directory
	Offset int64  // first bad byte; -1 where that says nothing

	// First and Next bound the positions that cannot be read, First inclusive
	// and Next exclusive. They are equal when no entry is concerned.
	First, Next Position

	Err error // what is wrong
}

func (e *CorruptError) Error() string {
	s := e.Path + " is corrupt"
	if e.Offset >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.Next > e.First {
		s += fmt.Sprintf(" (positions %d to %d)", e.First, e.Next-1)
	}
	return s + ": " + e.Err.Error()
}

func (e *CorruptError) Unwrap() error { return e.Err }

// An Engine stores records. All methods may be called concurrently; those that
// overlap Close either do their work or say ErrClosed.
type Engine interface {
	// Append stores a batch, all or none, and returns one receipt a record, in
	// order, once the batch is durable. All its records get one RecordedAt: the
	// clock's time, or that of the entry before if the clock went back. The batch
	// may be reused afterwards, except when ctx ended the call: the engine may
	// still be reading it then. An empty batch does nothing.
	//
	// Ids are checked before expectations. When every record is a duplicate the
	// expectations are ignored and the first receipts are returned; otherwise
	// they are checked, the new records appended and the duplicates answered. An
	// id that other content has is a *ConflictError. Two records of one batch
	// with one id must satisfy Same; the second is then a duplicate of the first.
	//
	// If ctx ends first its error is returned and the outcome is not known.
	//
	// Errors: *ConflictError, ErrTooLarge, ErrUnknown, ErrFailed, ErrDiskFull,
	// ErrUnavailable, ErrReadOnly, ErrClosed, *CorruptError (damaged: no appends).
	Append(ctx context.Context, b Batch) ([]Receipt, error)

	// Read returns the entry at p, checked.
	// Errors: ErrNotFound, ErrClosed, *CorruptError.
	Read(ctx context.Context, p Position) (Entry, error)

	// Scan yields the entries from from (inclusive) to to (exclusive) that are
	// visible when it starts, in order. Damage is yielded as a *CorruptError that
	// names the gap; the iteration goes on after it if the consumer does. Any
	// other error ends it.
	Scan(ctx context.Context, from, to Position) iter.Seq2[Entry, error]

	// Follow is Scan without an end: it catches up and then yields new entries
	// as they become visible, until ctx ends, whose error it yields last.
	Follow(ctx context.Context, from Position) iter.Seq2[Entry, error]

	// Find returns the position of the record with an identity, or ErrNotFound.
	Find(ctx context.Context, tenant, id string) (Position, error)

	// LastSequence returns the entity's last sequence, zero if it has none.
	LastSequence(ctx context.Context, tenant string, e Entity) (Sequence, error)

	// Search yields the entries that q chooses, each once, in the order of
	// positions, of those visible when it starts. It may yield others among
	// them: the caller evaluates its own filter on what it gets. It never leaves one
	// out, whatever an index says or lacks.
	//
	// An entry that may be among them and cannot be read is yielded as a
	// *CorruptError, whose positions may reach further; the iteration goes on
	// after it if the consumer does. Any other error ends it.
	Search(ctx context.Context, q Query) iter.Seq2[Entry, error]

	// Estimate returns what a Search for q would have to read.
	Estimate(ctx context.Context, q Query) (Estimate, error)

	// Kinds counts the visible records by tenant and kind, exactly, in no order.
	// A pair may come several times, each time with a part of its count, so that
	// nobody needs memory for all of them. Unreadable records are not counted. An
	// error ends the iteration, and what came before it says nothing.
	Kinds(ctx context.Context) iter.Seq2[KindCount, error]

	// Entities counts the distinct entities that have a sequence. Unreadable
	// records are not counted.
	Entities(ctx context.Context) (uint64, error)

	// Size returns how many entries are visible: one past the last position.
	Size() Position

	// Secret returns bytes that are the same for a purpose as long as the engine's
	// storage lives, and that nobody can know who cannot read it. An engine on
	// storage that it may not write and that has no secret yet makes one up.
	Secret(purpose string) [32]byte

	// Checkpoint returns a signed C2SP checkpoint that covers at least the
	// entries that were durable when it was called, making one if needed.
	Checkpoint(ctx context.Context) ([]byte, error)

	// Stats describes the engine's state at this moment. It reads no records.
	Stats() Stats

	// Damage returns what is known to be damaged; none when the engine is sound.
	Damage() []*CorruptError

	// Close waits for appends in progress and leaves everything durable. Calls
	// after the first return nil.
	Close() error
}

// A KindCount is how many records of a kind a tenant has, or some of them.
type KindCount struct {
	Tenant, Kind string
	Count        uint64 // never zero
}

// Stats are an engine's figures.
type Stats struct {
	Entries     uint64
	LogBytes    int64 // bytes of records, headers included, preallocation not
	TreeBytes   int64
	IndexBytes  int64
	Segments    int
	Checkpoint  uint64 // size of the newest signed checkpoint
	Groups      uint64 // commits since opening
	Syncs       uint64 // syncs of the log since opening
	SlowestSync time.Duration
	SyncTime    time.Duration // of all syncs of the log since opening
	Waiting     int           // appends that wait for their turn
	DiskFull    bool          // appends are refused until there is room
	Failed      bool          // a write has failed; nothing is taken until the journal is opened again
	Stalled     bool          // the disk does not answer; appends are refused
	ReadOnly    bool
}

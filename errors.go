package annals

import (
	"errors"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/native"
)

// Errors that callers test for with [errors.Is].
var (
	// ErrNotFound reports that no entry has the id or position asked for.
	ErrNotFound = engine.ErrNotFound

	// ErrNoJournal reports a directory that holds no journal, where none was to
	// be made.
	ErrNoJournal = native.ErrNoJournal

	// ErrLocked reports that another process has the journal open for writing.
	// Open it with [Options.ReadOnly] to read beside that process.
	ErrLocked = engine.ErrLocked

	// ErrReadOnly reports an append to a journal opened with [Options.ReadOnly].
	ErrReadOnly = engine.ErrReadOnly

	// ErrClosed reports a call after [Journal.Close].
	ErrClosed = engine.ErrClosed

	// ErrUnknown reports that writing failed after it had begun: the events may
	// or may not be stored. Repeat the call with the same ids once the journal
	// works again.
	ErrUnknown = engine.ErrUnknown

	// ErrFailed reports that an earlier write failed, so the journal takes no
	// more until it is closed and opened again. Nothing of this call was stored.
	ErrFailed = engine.ErrFailed

	// ErrDiskFull reports that there is no room. Nothing of this call was stored;
	// appends resume by themselves when there is room again.
	ErrDiskFull = engine.ErrDiskFull

	// ErrUnavailable reports that the disk does not answer or files cannot be
	// opened. Nothing of this call was stored.
	ErrUnavailable = engine.ErrUnavailable

	// ErrIncomplete reports a search that could not examine everything: its budget
	// came to an end, or damage may hide what was looked for.
	ErrIncomplete = errors.New("annals: not everything could be examined")

	// ErrNewerFormat reports a journal of a later format. Nothing was changed;
	// use a newer program.
	ErrNewerFormat = engine.ErrNewerFormat
)

// A ConflictError reports an append that contradicts what is stored: an
// expectation that does not hold, or an id that other content has. Nothing was
// appended.
type ConflictError = engine.ConflictError

// A CorruptError reports stored bytes that do not check out. It is evidence: the
// journal never repairs what it describes.
type CorruptError = engine.CorruptError

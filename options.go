package annals

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"
)

// Tenants with a meaning of their own.
const (
	DefaultTenant = "default"     // of events that name none, unless Options say otherwise
	SystemTenant  = journalTenant // of the journal's own events
)

// Options configure a journal. The zero value is ready to use.
type Options struct {
	// ReadOnly opens an existing journal for reading, beside the process that
	// writes it or where nothing may be changed. It takes no lock and does not
	// recover; entries show once they are known to be durable.
	ReadOnly bool

	salvage bool // show what is sound at the end of a journal that was not closed

	// MustExist refuses to make a journal where there is none, with
	// [ErrNoJournal].
	MustExist bool

	// LockWait is how long [Open] waits for another process that has the journal open
	// for writing, as a command that reads it has while it opens it. Zero means two
	// seconds. Negative means not at all. It does not concern ReadOnly.
	LockWait time.Duration

	// Tenant is the owner of events that do not name one. Empty means "default".
	Tenant string

	// RecordedBy is the credential that entries name as the one that appended
	// them. Zero means the local user: {local, numeric user id}.
	RecordedBy Identity

	// Origin names the journal in its checkpoints, by custom a URL without its
	// scheme. It is chosen when the journal is made and never changes. Empty means
	// annals/ and the journal's id.
	Origin string

	// MaxEventBytes limits the canonical size of one entry. Zero means 1 MiB; at
	// most 16 MiB.
	MaxEventBytes int

	// SegmentBytes is the size of a log file. Zero means 64 MiB; 64 KiB to 1 GiB.
	SegmentBytes int64

	// IndexData says which scalars of an event's data, changes and tags the index
	// knows: "all", "none", or paths separated by commas, such as
	// "data.region,data.user.*,tags.env", each with all below it. Empty means all.
	// Answers do not depend on it, but a search for what the index does not know
	// reads entries. A change applies to events from then on.
	IndexData string

	// SyncInterval gives up durability for speed: appends return before their
	// events are on stable storage, which follows within this time, and receipts
	// say so. A crash of the machine loses what was not synced. Zero, the default,
	// syncs before answering; at most one minute.
	SyncInterval time.Duration

	// CheckpointInterval is the longest time from a commit to a signed checkpoint
	// that covers it. Zero means one second. Negative means only on demand and at
	// Close.
	CheckpointInterval time.Duration

	// ScrubInterval is how often the whole log is read again in search of rot.
	// Zero means every 24 hours. Negative means never.
	ScrubInterval time.Duration

	// ScrubBytesPerSecond bounds what that reading takes of the disk. Zero means
	// 16 MiB a second.
	ScrubBytesPerSecond int64

	// Logger receives operational messages, never event contents. Nil discards
	// them.
	Logger *slog.Logger

	// Now is the clock for the times that the journal assigns. Nil means
	// [time.Now]. Order never depends on it.
	Now func() time.Time
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Tenant == "" {
		d.Tenant = DefaultTenant
	}
	if d.RecordedBy == (Identity{}) {
		d.RecordedBy = Identity{Type: "local", ID: strconv.Itoa(os.Getuid())}
	}
	if d.MaxEventBytes == 0 {
		d.MaxEventBytes = DefaultEventBytes
	}
	if d.ScrubInterval == 0 {
		d.ScrubInterval = 24 * time.Hour
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return d
}

func (o *Options) validate() error {
	switch {
	case o.MaxEventBytes < 1<<10 || o.MaxEventBytes > MaxEventBytes:
		return fmt.Errorf("annals: MaxEventBytes is %d, want 1 KiB to %d", o.MaxEventBytes, MaxEventBytes)
	case o.SegmentBytes != 0 && (o.SegmentBytes < 64<<10 || o.SegmentBytes > 1<<30):
		return fmt.Errorf("annals: SegmentBytes is %d, want %d to %d", o.SegmentBytes, 64<<10, 1<<30)
	case o.SyncInterval < 0 || o.SyncInterval > time.Minute:
		return fmt.Errorf("annals: SyncInterval is %v, want 0 to 1m", o.SyncInterval)
	case o.ScrubBytesPerSecond < 0:
		return fmt.Errorf("annals: ScrubBytesPerSecond is %d, want 0 or more", o.ScrubBytesPerSecond)
	case o.Tenant == SystemTenant:
		return fmt.Errorf("annals: Tenant %q is the journal's own", SystemTenant)
	}
	if _, err := newDescriber(o.IndexData); err != nil {
		return fmt.Errorf("annals: IndexData: %w", err)
	}
	// What every event gets is checked once, as it will be then.
	if _, err := NewPrincipal(o.RecordedBy, o.Tenant); err != nil {
		return fmt.Errorf("annals: Tenant or RecordedBy: %w", err)
	}
	return nil
}

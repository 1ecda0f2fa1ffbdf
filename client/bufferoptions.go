package client

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/annals-io/annals"
	"github.com/google/uuid"
)

// A Policy says what a [Buffer] does with an event that it has no room for.
type Policy string

// The policies.
const (
	// Block lets the caller wait, as long as its context allows.
	Block Policy = "block"

	// Spill writes events to files when the memory is full or the server is away.
	// They are on stable storage when the call returns, and are delivered in order,
	// by this process or the next one. When the files are full, it is Block.
	Spill Policy = "spill"

	// Drop refuses the event with [ErrDropped] and counts it. The count is journalled
	// as soon as something can be, as an event of type [TypeDropped].
	Drop Policy = "drop"
)

// TypeDropped is the type of the event that says how many others were dropped. Its data
// has the members count, first and last: how many, and between which times.
const TypeDropped = "audit.dropped"

// ErrDropped reports an event that a [Buffer] had no room for.
var ErrDropped = errors.New("annals: the buffer is full: event dropped")

// BufferOptions configure a [Buffer]. The zero value is ready to use.
type BufferOptions struct {
	// Events and Bytes bound what is held in memory and not yet under way. Zero means
	// 10,000 events and 16 MiB.
	Events, Bytes int

	// BatchEvents, BatchBytes and Age say when events are sent: as soon as there are as
	// many, or the oldest has waited so long. Zero means 1,000 events, 1 MiB and 100
	// milliseconds. A batch is never larger than the server takes.
	BatchEvents, BatchBytes int
	Age                     time.Duration

	// Policy is what to do when there is no room. Empty means Block.
	Policy Policy

	// Dir is the directory of spilled and rejected events, made if needed, for one
	// process at a time. Spill needs one.
	Dir string

	// SpillBytes bounds the files of spilled events, and that of rejected ones. Zero
	// means 256 MiB.
	SpillBytes int64

	// Producer names this process in the member producer of events that have none,
	// where their numbers show gaps. A unique part is added: numbers begin with 1 in
	// each buffer. Empty means that part alone.
	Producer string

	// Tenant owns the events of type [TypeDropped]. Empty means the token's only one.
	Tenant string

	// OnReject is told of every event that the server refuses for good, such as an
	// invalid one or one whose id is taken. It is called on the goroutine that sends,
	// so it should not wait. Without it, and without Dir, [Buffer.Flush] and
	// [Buffer.Close] report how many there were.
	OnReject func(event annals.Encoded, err error)

	// OnError is told of every try that failed and will be repeated, such as when the
	// token has expired. It should not wait.
	OnError func(err error)
}

func (o *BufferOptions) withDefaults() BufferOptions {
	var d BufferOptions
	if o != nil {
		d = *o
	}
	d.Events, d.Bytes = cmp.Or(d.Events, 10_000), cmp.Or(d.Bytes, 16<<20)
	d.BatchEvents, d.BatchBytes = cmp.Or(d.BatchEvents, 1000), cmp.Or(d.BatchBytes, 1<<20)
	d.Age = cmp.Or(d.Age, 100*time.Millisecond)
	d.Policy = cmp.Or(d.Policy, Block)
	d.SpillBytes = cmp.Or(d.SpillBytes, 256<<20)
	return d
}

func (o *BufferOptions) validate() error {
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"Events", int64(o.Events)}, {"Bytes", int64(o.Bytes)}, {"BatchEvents", int64(o.BatchEvents)},
		{"BatchBytes", int64(o.BatchBytes)}, {"Age", int64(o.Age)}, {"SpillBytes", o.SpillBytes},
	} {
		if limit.value < 0 {
			return fmt.Errorf("client: %s is %d, want 0 or more", limit.name, limit.value)
		}
	}
	switch o.Policy {
	case Block, Drop:
	case Spill:
		if o.Dir == "" {
			return errors.New("client: the policy spill needs a Dir")
		}
	default:
		return fmt.Errorf("client: Policy is %q, want %s, %s or %s", o.Policy, Block, Spill, Drop)
	}
	return nil
}

// producer returns the id of a producer that nobody else has had. An error also says that
// the buffer could not make events of its own.
func (o *BufferOptions) producer() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name producer: %w", err)
	}
	name := id.String()
	if o.Producer != "" {
		name = o.Producer + "/" + name
	}
	_, err = annals.Event{Type: TypeDropped, Tenant: o.Tenant, Producer: annals.Producer{ID: name}}.Encode()
	return name, err
}

// logError logs what the program is told, too.
func (b *Buffer) logError(text string, err error, args ...any) {
	b.client.opts.Logger.Warn(text, append([]any{slog.Any("error", err)}, args...)...)
}

package annals

import "time"

// An Event is what a producer sends: who did what to which thing, when, and
// how it ended. Only Type is required. The zero value of a field means that it
// is not sent; what the journal stores is described in docs/format.md.
//
// Strings must be valid UTF-8 without NUL. Limits are bytes of UTF-8.
type Event struct {
	// ID is the event's identity and idempotency key within its tenant, for the
	// journal's whole life: at most 255 bytes. Empty means a new UUIDv7, which
	// no retry can repeat.
	ID string

	// Time is when it happened. Zero means when the journal took the call. It
	// never orders anything.
	Time time.Time

	// Type is what happened, dotted and in lower case by convention, such as
	// order.placed: at most 200 bytes. The prefix "annals." is the journal's own.
	Type string

	// Version is the version of the type's schema, at most 20 bytes. Empty means 1.0.
	Version string

	// Tenant owns the event: at most 100 bytes. Empty means the only tenant of
	// whoever appends it. The tenant _annals is the journal's own.
	Tenant string

	// Source is the emitting service, at most 255 bytes.
	Source string

	// Category is a coarse group and Action a verb, such as insert, update,
	// delete, ingest or login: at most 100 bytes each.
	Category, Action string

	Outcome  Outcome  // how it ended
	Severity Severity // how much it matters

	// Reason is why it was allowed, denied or done: at most 1,000 bytes.
	Reason string

	// Message is one sentence for people, at most 4,096 bytes.
	Message string

	// Actor is who did it, by the producer's own account.
	Actor Actor

	// Entity is what it was done to. Without it the event has no sequence.
	Entity Entity

	// Related names up to 32 other things that it touched. They are searchable
	// and get no sequence.
	Related []Entity

	// CorrelationID and the ids after it link events; ParentID is another
	// event's ID. At most 255 bytes each.
	CorrelationID, ParentID, TraceID, SpanID, SessionID, WorkspaceID string

	// Namespace and Cluster are where it runs, at most 253 bytes each.
	Namespace, Cluster string

	// Producer is the producer's own counter.
	Producer Producer

	// Subjects names up to 16 people whose personal data this is, at most 1,000
	// bytes each.
	Subjects []string

	// Tags are request metadata, at most 64.
	Tags map[string]string

	// Changes holds the fields that changed, by their flat names.
	Changes map[string]Change

	// Snapshot is the entity's full state after the event, or its last state
	// for a delete; Data is the payload; Metadata is like Data, about the event
	// rather than the fact. Snapshot and Metadata must be JSON objects.
	//
	// A [json.RawMessage] is taken as it is. Anything else is marshalled by
	// package [encoding/json], without escaping for HTML, but for invalid UTF-8,
	// which is refused rather than replaced. Nil is not sent.
	Snapshot, Data, Metadata any

	// DurationMS is how long it took, in milliseconds, zero or more.
	DurationMS *float64

	// Error is what went wrong; it does not go with [OutcomeSuccess].
	Error Failure

	// RetentionDays raises the time that policy keeps the event, 1 to 36,500
	// days. It never lowers it.
	RetentionDays int

	// Sensitive is a flag for readers and exports.
	Sensitive *bool
}

// An Outcome is how an event ended.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
	OutcomePending Outcome = "pending"
	OutcomeUnknown Outcome = "unknown"
)

// A Severity is how much an event matters.
type Severity string

// The severities, lowest first.
const (
	SeverityDebug    Severity = "debug"
	SeverityInfo     Severity = "info"
	SeverityNotice   Severity = "notice"
	SeverityWarning  Severity = "warning"
	SeverityError    Severity = "error"
	SeverityCritical Severity = "critical"
)

// An Actor is who did something. It is the producer's claim; which credential
// appended the event is [Entry.RecordedBy].
type Actor struct {
	Type string // user, service, agent, system or anonymous by convention; at most 200 bytes
	ID   string // at most 1,000 bytes
	Name string // at most 1,000 bytes

	// Address is where the actor came from, kept as sent: at most 255 bytes. An
	// IP address is also found by its normal form.
	Address string

	UserAgent string // at most 4,096 bytes

	// OnBehalfOf is for whom an agent acts. Each of its fields may be empty.
	OnBehalfOf Entity
}

// An Entity names a thing. It needs a Type and an ID, except in
// [Actor.OnBehalfOf].
type Entity struct {
	Type string // at most 200 bytes
	ID   string // at most 1,000 bytes
	Name string // for people; at most 1,000 bytes
}

// A Producer is a producer's own counter, from which gaps are reported.
type Producer struct {
	ID       string // at most 255 bytes
	Sequence uint64 // zero is not sent
}

// A Change is the change of one field. Values are taken as those of
// [Event.Data] are, except that nil is a null, which is a value.
type Change struct {
	Old, New any

	// OldUnknown says that the old value is not known; Old is then ignored.
	OldUnknown bool
}

// A Failure is what went wrong.
type Failure struct {
	Code    string // at most 255 bytes
	Message string // at most 4,096 bytes
}

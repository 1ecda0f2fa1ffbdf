package annals

import (
	"maps"

	"github.com/annals-io/annals/engine"
)

// Limits that no setting raises.
const (
	// DefaultEventBytes is the default limit of one event's canonical bytes,
	// assigned members included.
	DefaultEventBytes = 1 << 20

	// MaxEventBytes is the highest limit that can be set.
	MaxEventBytes = 16 << 20

	// MaxBatchEvents is the most events that one append takes.
	MaxBatchEvents = engine.MaxBatchRecords

	// MaxBatchBytes is the most canonical bytes that one append takes.
	MaxBatchBytes = engine.MaxBatchBytes

	// MaxDepth is how deep objects and arrays nest in an event, the event itself
	// being the first level.
	MaxDepth = 64

	// MaxRelated, MaxSubjects and MaxTags bound the members of those names.
	MaxRelated, MaxSubjects, MaxTags = 32, 16, 64

	// MaxRetentionDays bounds the member retention_days.
	MaxRetentionDays = 36_500
)

// maxTextBytes bounds one JSON text before it is read: the largest event with
// every character escaped, and room for white space.
const maxTextBytes = 8 * MaxEventBytes

// journalTypes is the prefix of event types, and journalTenant the tenant, that
// belong to the journal itself.
const (
	journalTypes  = "annals."
	journalTenant = "_annals"
)

// defaultVersion is the version of an event's type when none was sent.
const defaultVersion = "1.0"

// A member is a top-level member of an entry. Their order is that of the
// canonical form.
type member uint8

// The members, in canonical order.
const (
	memberID member = iota
	memberTime
	memberType
	memberVersion
	memberTenant
	memberSource
	memberCategory
	memberAction
	memberOutcome
	memberSeverity
	memberReason
	memberMessage
	memberActor
	memberEntity
	memberRelated
	memberCorrelationID
	memberParentID
	memberTraceID
	memberSpanID
	memberSessionID
	memberWorkspaceID
	memberNamespace
	memberCluster
	memberProducer
	memberSubjects
	memberTags
	memberChanges
	memberSnapshot
	memberData
	memberMetadata
	memberDurationMS
	memberError
	memberRetentionDays
	memberSensitive

	// Assigned by the journal, the last three by the engine.
	memberRecordedBy
	memberRedacted
	memberRecordedAt
	memberSequence
	memberPosition

	memberCount     = iota
	firstAssigned   = memberRecordedBy
	firstOfEngine   = memberRecordedAt
	encodedMembers  = int(firstOfEngine) // those that a body can hold
	alwaysPresent   = 1<<memberID | 1<<memberTime | 1<<memberType | 1<<memberVersion | 1<<memberTenant
	mayLackOnRetry  = 1<<memberID | 1<<memberTime | 1<<memberTenant | 1<<memberVersion | 1<<memberTraceID | 1<<memberSpanID
	assignedMembers = 1<<memberCount - 1<<firstAssigned
)

// A kind is what a member's value may be.
type kind uint8

const (
	kindString   kind = iota // text of at most max bytes, or one of choices
	kindTime                 // RFC 3339
	kindRecord               // object of the given shape
	kindRecords              // array of at most max objects of the given shape
	kindStrings              // array of at most max strings of at most each bytes
	kindCounter              // unsigned 64-bit integer
	kindDays                 // integer from 1 to max
	kindDuration             // number, zero or more
	kindBool                 // true or false
	kindTags                 // verbatim object of at most max strings
	kindChanges              // verbatim object of pairs
	kindObject               // verbatim object
	kindAny                  // verbatim value
	kindRefused              // written by the engine only
)

// A field is a member of a shape.
type field struct {
	name     string
	kind     kind
	max      int      // bytes of a string, elements of an array, value of a number; see kind
	each     int      // bytes of an element
	choices  []string // the only values of a string; empty means any
	shape    *shape   // of objects
	required bool     // within an object that is present at all
}

// A shape is an object with known members, in canonical order.
type shape struct {
	name   string // as in "an entity"
	fields []field
}

// maxShapeFields bounds the fields of a nested shape.
const maxShapeFields = 8

var (
	partyShape = &shape{"a party", []field{
		{name: "type", max: 200}, {name: "id", max: 1_000}, {name: "name", max: 1_000},
	}}
	actorShape = &shape{"an actor", []field{
		{name: "type", max: 200}, {name: "id", max: 1_000}, {name: "name", max: 1_000},
		{name: "address", max: 255}, {name: "user_agent", max: 4_096},
		{name: "on_behalf_of", kind: kindRecord, shape: partyShape},
	}}
	entityShape = &shape{"an entity", []field{
		{name: "type", max: 200, required: true}, {name: "id", max: 1_000, required: true}, {name: "name", max: 1_000},
	}}
	producerShape = &shape{"a producer", []field{
		{name: "id", max: 255}, {name: "sequence", kind: kindCounter},
	}}
	failureShape = &shape{"an error", []field{
		{name: "code", max: 255}, {name: "message", max: 4_096},
	}}
	identityShape = &shape{"an identity", []field{
		{name: "type", max: 200}, {name: "id", max: 1_000},
	}}
)

var (
	outcomes   = []string{"success", "failure", "pending", "unknown"}
	severities = []string{"debug", "info", "notice", "warning", "error", "critical"}
)

// eventShape is the entry: the table of docs/format.md, section Event.
var eventShape = &shape{"an event", []field{
	memberID:            {name: "id", max: 255},
	memberTime:          {name: "time", kind: kindTime},
	memberType:          {name: "type", max: 200, required: true},
	memberVersion:       {name: "version", max: 20},
	memberTenant:        {name: "tenant", max: 100},
	memberSource:        {name: "source", max: 255},
	memberCategory:      {name: "category", max: 100},
	memberAction:        {name: "action", max: 100},
	memberOutcome:       {name: "outcome", max: 100, choices: outcomes},
	memberSeverity:      {name: "severity", max: 100, choices: severities},
	memberReason:        {name: "reason", max: 1_000},
	memberMessage:       {name: "message", max: 4_096},
	memberActor:         {name: "actor", kind: kindRecord, shape: actorShape},
	memberEntity:        {name: "entity", kind: kindRecord, shape: entityShape},
	memberRelated:       {name: "related", kind: kindRecords, max: MaxRelated, shape: entityShape},
	memberCorrelationID: {name: "correlation_id", max: 255},
	memberParentID:      {name: "parent_id", max: 255},
	memberTraceID:       {name: "trace_id", max: 255},
	memberSpanID:        {name: "span_id", max: 255},
	memberSessionID:     {name: "session_id", max: 255},
	memberWorkspaceID:   {name: "workspace_id", max: 255},
	memberNamespace:     {name: "namespace", max: 253},
	memberCluster:       {name: "cluster", max: 253},
	memberProducer:      {name: "producer", kind: kindRecord, shape: producerShape},
	memberSubjects:      {name: "subjects", kind: kindStrings, max: MaxSubjects, each: 1_000},
	memberTags:          {name: "tags", kind: kindTags, max: MaxTags},
	memberChanges:       {name: "changes", kind: kindChanges},
	memberSnapshot:      {name: "snapshot", kind: kindObject},
	memberData:          {name: "data", kind: kindAny},
	memberMetadata:      {name: "metadata", kind: kindObject},
	memberDurationMS:    {name: "duration_ms", kind: kindDuration},
	memberError:         {name: "error", kind: kindRecord, shape: failureShape},
	memberRetentionDays: {name: "retention_days", kind: kindDays, max: MaxRetentionDays},
	memberSensitive:     {name: "sensitive", kind: kindBool},
	memberRecordedBy:    {name: "recorded_by", kind: kindRecord, shape: identityShape},
	memberRedacted:      {name: "redacted", kind: kindStrings, max: maxRedacted, each: MaxEventBytes},
	memberRecordedAt:    {name: "recorded_at", kind: kindRefused},
	memberSequence:      {name: "sequence", kind: kindRefused},
	memberPosition:      {name: "position", kind: kindRefused},
}}

// maxRedacted bounds the JSON pointers that an entry names as redacted.
const maxRedacted = 1_000

// memberPrefix holds `,"name":` of every member.
var memberPrefix = func() (p [memberCount]string) {
	for i, f := range eventShape.fields {
		p[i] = `,"` + f.name + `":`
	}
	return p
}()

// index returns the place of the field with a name, or -1. It looks first
// where the caller expects it: most producers keep one order.
func (sh *shape) index(name []byte, expected int) int {
	for i := expected; i < len(sh.fields); i++ {
		if sh.fields[i].name == string(name) {
			return i
		}
	}
	for i := range min(expected, len(sh.fields)) {
		if sh.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// names returns the names of the fields that a producer may send.
func (sh *shape) names() []string {
	var names []string
	for i, f := range sh.fields {
		if sh != eventShape || member(i) < firstAssigned {
			names = append(names, f.name)
		}
	}
	return names
}

// StringLimits returns the limit of each string member of an event in bytes of
// UTF-8, by its JSON pointer; "*" stands for the elements of an array.
func StringLimits() map[string]int {
	return eventShape.stringLimits("")
}

func (sh *shape) stringLimits(at string) map[string]int {
	limits := make(map[string]int)
	for i, f := range sh.fields {
		p := at + "/" + f.name
		switch {
		case sh == eventShape && member(i) >= firstAssigned:
		case f.kind == kindString && f.choices == nil:
			limits[p] = f.max
		case f.kind == kindStrings:
			limits[p+"/*"] = f.each
		case f.kind == kindRecord:
			maps.Copy(limits, f.shape.stringLimits(p))
		case f.kind == kindRecords:
			maps.Copy(limits, f.shape.stringLimits(p+"/*"))
		}
	}
	return limits
}

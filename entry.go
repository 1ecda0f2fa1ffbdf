package annals

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/wal"
)

// A Position is a place in the journal's total order, from 0, without gaps.
type Position = engine.Position

// A Sequence is a place in one entity's own order, from 1, without gaps. Zero
// means that there is none.
type Sequence = engine.Sequence

// A Hash is the SHA-256 of an entry's bytes.
type Hash = engine.Hash

// An Entry is an event as stored.
type Entry struct {
	Position   Position
	Sequence   Sequence // zero without an entity
	RecordedAt time.Time

	// JSON is the entry in canonical form: the bytes that are stored, hashed and
	// proven. Whatever is read from an Entry may refer to them.
	JSON []byte
}

var errNotEntry = errors.New("not a canonical entry")

// parseEntry returns the entry at a position. It reads the assigned members
// only, and requires that they agree with the position. The error is a
// *[CorruptError].
func parseEntry(p Position, text []byte) (Entry, error) {
	a, err := engine.ParseAssigned(text)
	if err == nil && a.Position != p {
		err = fmt.Errorf("entry says position %d", a.Position)
	}
	if err != nil {
		return Entry{}, &CorruptError{Path: wal.Dir, Offset: -1, First: p, Next: p + 1, Err: err}
	}
	return Entry{Position: p, Sequence: a.Sequence, RecordedAt: a.RecordedAt, JSON: text}, nil
}

// Hash returns the SHA-256 of the entry's bytes. It is computed at each call.
func (e *Entry) Hash() Hash { return sha256.Sum256(e.JSON) }

// Member returns the canonical JSON of a top-level member, and whether the entry
// has it. It is part of [Entry.JSON].
func (e *Entry) Member(name string) (json []byte, ok bool) {
	return entryMember(e.JSON, name)
}

// ID returns the event's id.
func (e *Entry) ID() string { return e.text("id") }

// Type returns the event's type.
func (e *Entry) Type() string { return e.text("type") }

// Tenant returns the event's tenant.
func (e *Entry) Tenant() string { return e.text("tenant") }

// Time returns when the event happened, as its producer says.
func (e *Entry) Time() time.Time {
	raw, _ := e.Member("time")
	return decodeTime(raw)
}

// Entity returns what the event is about, the zero Entity if nothing.
func (e *Entry) Entity() Entity {
	raw, _ := e.Member("entity")
	return decodeEntity(raw)
}

// RecordedBy returns the credential that appended the event.
func (e *Entry) RecordedBy() Identity {
	raw, _ := e.Member("recorded_by")
	var who Identity
	for w := walk(raw); w.next(); {
		switch string(w.name) {
		case "type":
			who.Type = unquote(w.value)
		case "id":
			who.ID = unquote(w.value)
		}
	}
	return who
}

// Redacted returns JSON pointers of what was filtered before the event was
// stored.
func (e *Entry) Redacted() []string {
	raw, _ := e.Member("redacted")
	return decodeStrings(raw)
}

func (e *Entry) text(name string) string {
	raw, _ := e.Member(name)
	return unquote(raw)
}

// entryMember returns the text of a top-level member of a canonical entry.
func entryMember(entry []byte, name string) (raw []byte, ok bool) {
	for w := walk(entry); w.next(); {
		if string(w.name) == name {
			return w.value, true
		}
	}
	return nil, false
}

// describe returns what lookups are made of, from the first members of a
// canonical entry. The entity comes without its name.
func describe(entry []byte) (tenant, id, typ string, entity Entity, err error) {
	expected := 0
	w := walk(entry)
	for w.next() {
		i := eventShape.index(w.name, expected)
		if i < 0 {
			return "", "", "", Entity{}, errNotEntry
		}
		expected = i + 1
		switch member(i) {
		case memberID:
			id = unquote(w.value)
		case memberType:
			typ = unquote(w.value)
		case memberTenant:
			tenant = unquote(w.value)
		case memberEntity:
			entity = decodeEntityKey(w.value)
		}
		if member(i) >= memberEntity {
			break
		}
	}
	if w.bad || tenant == "" || id == "" || typ == "" {
		return "", "", "", Entity{}, errNotEntry
	}
	return tenant, id, typ, entity, nil
}

// CheckEntry reports whether an entry's bytes are canonical: whether encoding
// what they say gives exactly these bytes. It is the strict check that
// verification makes; the error says what is wrong.
func CheckEntry(entry []byte) error {
	a, err := engine.ParseAssigned(entry)
	if err != nil {
		return err
	}
	body := entry[:a.BodyBytes]
	e, err := parseEvent(append(body[:len(body):len(body)], '}'), parseMode{system: true, keepAssigned: true})
	if err != nil {
		return err
	}
	if e.sent&alwaysPresent != alwaysPresent {
		return fmt.Errorf("check entry: it lacks an id, time, version or tenant: %w", errNotEntry)
	}
	if a.Sequence != 0 != e.has(memberEntity) {
		return fmt.Errorf("check entry: sequence and entity do not go together: %w", errNotEntry)
	}
	if canonical := e.JSON(); !bytes.Equal(canonical[:len(canonical)-1], body) {
		return fmt.Errorf("check entry: byte %d is not canonical: %w", firstDifference(canonical, body), errNotEntry)
	}
	return nil
}

// firstDifference returns how many bytes a and b begin with in common.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// Event returns the event as its producer sent it, with the defaults that the
// journal filled in. Values of any type are [json.RawMessage], and parts of
// [Entry.JSON]. What the journal assigned is not part of an event.
//
// Encoding the result gives the same members but for what an [Event] cannot hold:
// the time 0001-01-01T00:00:00Z and a producer's sequence 0 are lost, the order
// of tags and changes is that of their names, and duration_ms gets the shortest
// text of its float64. The exact way is
// ParseOptions{DropAssigned: true}.ParseEvent(e.JSON).
//
// An error means that JSON is not a canonical entry.
func (e *Entry) Event() (Event, error) {
	var event Event
	expected := 0
	w := walk(e.JSON)
	for w.next() {
		i := eventShape.index(w.name, expected)
		if i < 0 {
			return Event{}, fmt.Errorf("decode entry at position %d: member %q: %w", e.Position, w.name, errNotEntry)
		}
		expected = i + 1
		if err := event.decode(member(i), w.value); err != nil {
			return Event{}, fmt.Errorf("decode entry at position %d: member %q: %w", e.Position, w.name, err)
		}
	}
	if w.bad || event.Type == "" {
		return Event{}, fmt.Errorf("decode entry at position %d: %w", e.Position, errNotEntry)
	}
	return event, nil
}

// decode sets what a member's canonical text says.
func (e *Event) decode(m member, raw []byte) (err error) {
	if s := e.stringOf(m); s != nil {
		*s = unquote(raw)
		return nil
	}
	switch m {
	case memberTime:
		e.Time = decodeTime(raw)
	case memberOutcome:
		e.Outcome = Outcome(unquote(raw))
	case memberSeverity:
		e.Severity = Severity(unquote(raw))
	case memberActor:
		e.Actor = decodeActor(raw)
	case memberEntity:
		e.Entity = decodeEntity(raw)
	case memberRelated:
		for el := range elements(raw) {
			e.Related = append(e.Related, decodeEntity(el))
		}
	case memberProducer:
		e.Producer, err = decodeProducer(raw)
	case memberSubjects:
		e.Subjects = decodeStrings(raw)
	case memberTags:
		e.Tags = decodeTags(raw)
	case memberChanges:
		e.Changes = decodeChanges(raw)
	case memberSnapshot:
		e.Snapshot = json.RawMessage(raw)
	case memberData:
		e.Data = json.RawMessage(raw)
	case memberMetadata:
		e.Metadata = json.RawMessage(raw)
	case memberDurationMS:
		var ms float64
		ms, err = strconv.ParseFloat(string(raw), 64)
		e.DurationMS = &ms
	case memberError:
		e.Error = decodeFailure(raw)
	case memberRetentionDays:
		e.RetentionDays, err = strconv.Atoi(string(raw))
	case memberSensitive:
		e.Sensitive = new(string(raw) == "true")
	}
	return err
}

// stringOf returns where a plain string member goes, nil for other members.
func (e *Event) stringOf(m member) *string {
	switch m {
	case memberID:
		return &e.ID
	case memberType:
		return &e.Type
	case memberVersion:
		return &e.Version
	case memberTenant:
		return &e.Tenant
	case memberSource:
		return &e.Source
	case memberCategory:
		return &e.Category
	case memberAction:
		return &e.Action
	case memberReason:
		return &e.Reason
	case memberMessage:
		return &e.Message
	case memberCorrelationID:
		return &e.CorrelationID
	case memberParentID:
		return &e.ParentID
	case memberTraceID:
		return &e.TraceID
	case memberSpanID:
		return &e.SpanID
	case memberSessionID:
		return &e.SessionID
	case memberWorkspaceID:
		return &e.WorkspaceID
	case memberNamespace:
		return &e.Namespace
	case memberCluster:
		return &e.Cluster
	}
	return nil
}

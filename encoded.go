package annals

import (
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/annals-io/annals/engine"
)

// An Encoded is a checked event in canonical form, ready to be appended. It
// never changes and may be used concurrently. Make one with [Event.Encode] or
// [ParseEvent]; the zero value is no event.
type Encoded struct {
	values  []byte               // canonical texts of the members that were sent
	at      [encodedMembers]span // where each is in values
	sent    uint64               // a bit for each member that was sent
	dropped int                  // assigned members that were dropped
}

// A span is a part of some text. An empty one means that there is none.
type span struct {
	from, to uint32
}

func (s span) empty() bool { return s.from == s.to }

// set says where a member is; an empty text means that it was not sent.
func (e *Encoded) set(m member, from, to int) {
	if from != to {
		e.at[m] = span{uint32(from), uint32(to)}
		e.sent |= 1 << m
	}
}

// has reports whether a member was sent.
func (e *Encoded) has(m member) bool { return e.sent>>m&1 != 0 }

// raw returns the canonical text of a member, nil if it was not sent. The caller
// must not change it.
func (e *Encoded) raw(m member) []byte {
	if !e.has(m) {
		return nil
	}
	return e.values[e.at[m].from:e.at[m].to]
}

// ID returns the event's id, "" if none was sent.
func (e *Encoded) ID() string { return unquote(e.raw(memberID)) }

// WithID returns the event with an id, for one that has none. It counts as sent.
//
// Errors: [ErrInvalid], also for an event that has an id.
func (e *Encoded) WithID(id string) (Encoded, error) {
	if e.has(memberID) || id == "" {
		return Encoded{}, &InvalidError{Pointer: "/id", Offset: -1, Detail: "there is one already, or none was given"}
	}
	b := builder{out: slices.Clone(e.values), done: *e}
	b.text(memberID, id)
	return b.encoded(), b.err
}

// Type returns the event's type.
func (e *Encoded) Type() string { return unquote(e.raw(memberType)) }

// Tenant returns the event's tenant, "" if none was sent.
func (e *Encoded) Tenant() string { return unquote(e.raw(memberTenant)) }

// Entity returns what the event is about, the zero Entity if nothing was sent.
func (e *Encoded) Entity() Entity { return decodeEntity(e.raw(memberEntity)) }

// Time returns when the event happened, the zero time if none was sent.
func (e *Encoded) Time() time.Time { return decodeTime(e.raw(memberTime)) }

// Member returns the canonical JSON of a top-level member that was sent. The
// caller must not change it.
func (e *Encoded) Member(name string) (json []byte, ok bool) {
	i := eventShape.index([]byte(name), 0)
	if i < 0 || i >= encodedMembers || !e.has(member(i)) {
		return nil, false
	}
	return e.raw(member(i)), true
}

// DroppedMembers returns how many assigned members [ParseOptions.DropAssigned]
// has dropped.
func (e *Encoded) DroppedMembers() int { return e.dropped }

// JSON returns the event as it was sent, in canonical form: without what the
// journal adds, so that [ParseEvent] takes it. The result is the caller's.
func (e *Encoded) JSON() []byte {
	dst := make([]byte, 0, e.size()+len("{}"))
	for left := e.sent; left != 0; left &= left - 1 {
		m := member(bits.TrailingZeros64(left))
		dst = append(append(dst, memberPrefix[m]...), e.raw(m)...)
	}
	if len(dst) == 0 {
		return append(dst, "{}"...)
	}
	dst[0] = '{'
	return append(dst, '}')
}

// size returns the bytes of the canonical members that were sent.
func (e *Encoded) size() int {
	n := len(e.values)
	for left := e.sent; left != 0; left &= left - 1 {
		n += len(memberPrefix[bits.TrailingZeros64(left)])
	}
	return n
}

// defaults are what the journal adds to every event that it takes.
type defaults struct {
	tenant     string   // used if none was sent; must not be empty then
	recordedBy Identity // left out if zero
	redacted   []string // JSON pointers of what the door filtered
	maxBytes   int      // limit of the finished entry
}

// A finisher adds to events what the journal adds. What is the same for all is
// encoded once.
type finisher struct {
	common   Encoded // version, tenant, recorded_by, redacted
	time     []byte  // of events without one; in now
	now      [32]byte
	maxBytes int // limit of a finished entry
}

// newFinisher checks defaults as if they had been sent.
func newFinisher(d defaults) (finisher, error) {
	b := builder{out: make([]byte, 0, 128+len(d.tenant))}
	b.text(memberVersion, defaultVersion)
	b.text(memberTenant, d.tenant)
	b.identity(memberRecordedBy, d.recordedBy)
	b.strings(memberRedacted, d.redacted)
	return finisher{common: b.encoded(), maxBytes: d.maxBytes}, b.err
}

// at sets the time of events without one.
func (f *finisher) at(t time.Time) error {
	b := builder{out: f.now[:0]}
	b.time(memberTime, t)
	f.time = b.out
	return b.err
}

// finish appends the body of an entry to dst: its canonical members up to
// recorded_at, without the closing brace. What was sent wins over the defaults, the
// id of which is given apart. After an error it returns dst as it was.
//
// Errors: [ErrInvalid] for the id, [ErrTooLarge].
func (f *finisher) finish(dst []byte, e *Encoded, id string) ([]byte, error) {
	if !e.has(memberType) {
		return dst, e.check(-1, parseMode{}) // a zero Encoded
	}
	if !e.has(memberTenant) && !f.common.has(memberTenant) {
		return dst, &InvalidError{Pointer: "/tenant", Offset: -1, Detail: "is required", Hint: "the credential may append to several tenants: name one of them"}
	}
	ownID, err := f.id(e, id)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	for left := e.sent | f.common.sent | 1<<memberID | 1<<memberTime; left != 0; left &= left - 1 {
		m := member(bits.TrailingZeros64(left))
		raw := e.raw(m)
		if raw == nil {
			switch m {
			case memberID:
				raw = ownID
			case memberTime:
				raw = f.time
			default:
				raw = f.common.raw(m)
			}
		}
		if raw == nil {
			panic("annals: internal error: event finished without an id or time")
		}
		dst = append(append(dst, memberPrefix[m]...), raw...)
	}
	if len(dst)-start+engine.MaxAssignedBytes > f.maxBytes {
		return dst[:start], ErrTooLarge
	}
	dst[start] = '{'
	return dst, nil
}

// id returns the text of the id of an event without one.
func (f *finisher) id(e *Encoded, id string) ([]byte, error) {
	if e.has(memberID) {
		return nil, nil
	}
	b := builder{out: make([]byte, 0, 2+len(id))}
	b.text(memberID, id)
	return b.out, b.err
}

// mostBytes bounds what finish appends, the id being the event's own or a UUID.
func (f *finisher) mostBytes(e *Encoded) int { return e.size() + f.common.size() + 96 }

// withContext returns the event with what the context of the append adds: the
// actor if the event has none, and the tags whose names it does not have, after
// its own and in the order of their names. It counts as sent.
func (e *Encoded) withContext(actor *Actor, tags map[string]string) (Encoded, error) {
	useActor := actor != nil && *actor != (Actor{}) && !e.has(memberActor)
	if !useActor && len(tags) == 0 {
		return *e, nil
	}
	b := builder{out: slices.Clone(e.values), done: *e}
	if useActor {
		b.actor(memberActor, *actor)
	}
	if len(tags) > 0 {
		b.mergeTags(e.raw(memberTags), tags)
	}
	if b.err != nil {
		return Encoded{}, b.err
	}
	return b.encoded(), nil
}

// mergeTags sets the tags of own, an object, and those of more with other names.
func (b *builder) mergeTags(own []byte, more map[string]string) {
	members := 0
	more = maps.Clone(more)
	for w := walk(own); w.next(); {
		members++
		delete(more, w.nameText())
	}
	if len(more) == 0 {
		return
	}
	if members += len(more); members > MaxTags {
		b.fail(memberTags, "has more than "+strconv.Itoa(MaxTags)+" members, those of the context included", "")
		return
	}
	b.begin()
	if len(own) > 0 {
		b.out = append(b.out, own[:len(own)-1]...)
	} else {
		b.out = append(b.out, '{')
	}
	b.tagList(more)
	b.out = append(b.out, '}')
	b.end(memberTags)
}

// An Identity is a credential: a token, an OIDC subject, a service account, a
// local user.
type Identity struct {
	Type string // such as token, oidc, service_account or local
	ID   string
}

package annals

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Encode checks the event and returns its canonical form. Nothing of the event
// is kept, so the caller may change it afterwards.
//
// Errors: [ErrInvalid], [ErrTooLarge].
func (e Event) Encode() (Encoded, error) {
	return e.encode(encodeOptions{})
}

// encodeOptions say who encodes.
type encodeOptions struct {
	system bool // the journal itself, for whom its own types and tenant are
}

func (e *Event) encode(o encodeOptions) (Encoded, error) {
	b := builder{out: make([]byte, 0, 768+rawSize(e.Data)+rawSize(e.Snapshot)+rawSize(e.Metadata))}
	b.envelope(e)
	b.links(e)
	b.contents(e)
	if b.err != nil {
		return Encoded{}, b.err
	}
	done := b.encoded()
	if len(done.values) > MaxEventBytes {
		return Encoded{}, ErrTooLarge
	}
	return done, done.check(-1, parseMode{system: o.system})
}

// rawSize returns the length of a value that is JSON already.
func rawSize(v any) int {
	raw, _ := v.(json.RawMessage)
	return len(raw)
}

func (b *builder) envelope(e *Event) {
	b.text(memberID, e.ID)
	b.time(memberTime, e.Time)
	b.text(memberType, e.Type)
	b.text(memberVersion, e.Version)
	b.text(memberTenant, e.Tenant)
	b.text(memberSource, e.Source)
	b.text(memberCategory, e.Category)
	b.text(memberAction, e.Action)
	b.text(memberOutcome, string(e.Outcome))
	b.text(memberSeverity, string(e.Severity))
	b.text(memberReason, e.Reason)
	b.text(memberMessage, e.Message)
	b.actor(memberActor, e.Actor)
	b.entity(memberEntity, e.Entity)
	b.related(e.Related)
}

func (b *builder) links(e *Event) {
	b.text(memberCorrelationID, e.CorrelationID)
	b.text(memberParentID, e.ParentID)
	b.text(memberTraceID, e.TraceID)
	b.text(memberSpanID, e.SpanID)
	b.text(memberSessionID, e.SessionID)
	b.text(memberWorkspaceID, e.WorkspaceID)
	b.text(memberNamespace, e.Namespace)
	b.text(memberCluster, e.Cluster)
	b.producer(e.Producer)
	b.strings(memberSubjects, e.Subjects)
}

func (b *builder) contents(e *Event) {
	b.tags(e.Tags)
	b.changes(e.Changes)
	b.embedded(memberSnapshot, e.Snapshot)
	b.embedded(memberData, e.Data)
	b.embedded(memberMetadata, e.Metadata)
	b.duration(e.DurationMS)
	b.failure(e.Error)
	if e.RetentionDays != 0 {
		b.days(e.RetentionDays)
	}
	if e.Sensitive != nil {
		b.begin()
		b.out = strconv.AppendBool(b.out, *e.Sensitive)
		b.end(memberSensitive)
	}
}

// A builder writes the canonical texts of members, each at most once. After an
// error it does nothing more that matters.
type builder struct {
	out   []byte
	done  Encoded // without values
	start int     // of the member being written, in out
	err   error   // the first
}

// encoded returns what was written.
func (b *builder) encoded() Encoded {
	b.done.values = slices.Clip(b.out)
	return b.done
}

func (b *builder) begin() { b.start = len(b.out) }

func (b *builder) end(m member) { b.done.set(m, b.start, len(b.out)) }

// fail records an error of a member.
func (b *builder) fail(m member, detail, hint string) {
	b.failAt("/"+eventShape.fields[m].name, detail, hint)
}

func (b *builder) failAt(pointer, detail, hint string) {
	if b.err == nil {
		b.err = &InvalidError{Pointer: pointer, Offset: -1, Detail: detail, Hint: hint}
	}
}

// text writes a string member, if it is not empty.
func (b *builder) text(m member, s string) {
	if s == "" {
		return
	}
	b.begin()
	b.quoted("", &eventShape.fields[m], s)
	b.end(m)
}

// quoted writes the string of a field in the object at a pointer.
func (b *builder) quoted(at string, f *field, s string) {
	switch {
	case len(s) > f.max:
		b.failAt(at+"/"+f.name, "is "+strconv.Itoa(len(s))+" bytes long, the limit is "+strconv.Itoa(f.max), "")
	case !utf8.ValidString(s):
		b.failAt(at+"/"+f.name, "invalid UTF-8", "")
	case hasNUL(s):
		b.failAt(at+"/"+f.name, "may not contain NUL", "Data, Metadata, Snapshot, Changes and Tags may")
	case f.choices != nil && !slices.Contains(f.choices, s):
		err, _ := errChoice(-1, f.choices, s).(*InvalidError)
		b.failAt(at+"/"+f.name, err.Detail, err.Hint)
	}
	if b.err == nil {
		b.out = appendQuoted(b.out, s)
	}
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// time writes a time, if it is not zero.
func (b *builder) time(m member, t time.Time) {
	if t.IsZero() {
		return
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		b.fail(m, "its year in UTC is outside 0000 to 9999", "")
		return
	}
	b.begin()
	b.out = appendTime(b.out, t)
	b.end(m)
}

// object writes the object of a shape whose first fields are strings, without
// its closing brace. Empty strings are left out; if all are, nothing is written.
func (b *builder) object(at string, sh *shape, texts ...string) {
	next := byte('{')
	for i, s := range texts {
		if s == "" {
			continue
		}
		b.name(next, sh.fields[i].name)
		b.quoted(at, &sh.fields[i], s)
		next = ','
	}
}

// name writes a brace or comma, and a known name.
func (b *builder) name(before byte, name string) {
	b.out = append(b.out, before, '"')
	b.out = append(b.out, name...)
	b.out = append(b.out, '"', ':')
}

// brace closes the object that began at start, if anything was written.
func (b *builder) brace(start int) {
	if len(b.out) > start {
		b.out = append(b.out, '}')
	}
}

func (b *builder) actor(m member, a Actor) {
	if a == (Actor{}) {
		return
	}
	b.begin()
	b.object("/actor", actorShape, a.Type, a.ID, a.Name, a.Address, a.UserAgent)
	if o := a.OnBehalfOf; o != (Entity{}) {
		next := byte(',')
		if len(b.out) == b.start {
			next = '{'
		}
		b.name(next, "on_behalf_of")
		start := len(b.out)
		b.object("/actor/on_behalf_of", partyShape, o.Type, o.ID, o.Name)
		b.brace(start)
	}
	b.brace(b.start)
	b.end(m)
}

func (b *builder) entity(m member, e Entity) {
	b.begin()
	b.entityAt("/"+eventShape.fields[m].name, e)
	b.end(m)
}

// entityAt writes an entity, if it is not zero.
func (b *builder) entityAt(at string, e Entity) {
	if e == (Entity{}) {
		return
	}
	if e.Type == "" {
		b.failAt(at+"/type", "is required in an entity", "")
	}
	if e.ID == "" {
		b.failAt(at+"/id", "is required in an entity", "")
	}
	start := len(b.out)
	b.object(at, entityShape, e.Type, e.ID, e.Name)
	b.brace(start)
}

// list writes an array of n elements, leaving out those that write nothing.
func (b *builder) list(m member, n int, element func(i int)) {
	b.begin()
	written := 0
	for i := range n {
		before := len(b.out)
		b.out = append(b.out, ',')
		if element(i); len(b.out) == before+1 {
			b.out = b.out[:before]
		} else {
			written++
		}
	}
	if limit := eventShape.fields[m].max; written > limit {
		b.fail(m, "has more than "+strconv.Itoa(limit)+" elements", "")
	}
	if written > 0 {
		b.out[b.start] = '['
		b.out = append(b.out, ']')
	}
	b.end(m)
}

func (b *builder) related(entities []Entity) {
	b.list(memberRelated, len(entities), func(i int) {
		b.entityAt("/related/"+strconv.Itoa(i), entities[i])
	})
}

func (b *builder) strings(m member, texts []string) {
	f := &eventShape.fields[m]
	b.list(m, len(texts), func(i int) {
		if texts[i] != "" {
			b.quoted("/"+f.name, &field{name: strconv.Itoa(i), max: f.each}, texts[i])
		}
	})
}

func (b *builder) producer(p Producer) {
	if p == (Producer{}) {
		return
	}
	b.begin()
	b.object("/producer", producerShape, p.ID)
	if p.Sequence != 0 {
		next := byte(',')
		if p.ID == "" {
			next = '{'
		}
		b.name(next, "sequence")
		b.out = strconv.AppendUint(b.out, p.Sequence, 10)
	}
	b.brace(b.start)
	b.end(memberProducer)
}

func (b *builder) failure(f Failure) {
	b.begin()
	b.object("/error", failureShape, f.Code, f.Message)
	b.brace(b.start)
	b.end(memberError)
}

func (b *builder) identity(m member, who Identity) {
	b.begin()
	b.object("/"+eventShape.fields[m].name, identityShape, who.Type, who.ID)
	b.brace(b.start)
	b.end(m)
}

func (b *builder) duration(ms *float64) {
	switch {
	case ms == nil:
		return
	case math.IsNaN(*ms) || math.IsInf(*ms, 0) || *ms < 0:
		b.fail(memberDurationMS, "must be a number, zero or more", "")
		return
	}
	b.begin()
	format := byte('f')
	if *ms != 0 && (*ms < 1e-6 || *ms >= 1e21) {
		format = 'e'
	}
	b.out = strconv.AppendFloat(b.out, math.Abs(*ms), format, -1, 64)
	b.end(memberDurationMS)
}

func (b *builder) days(n int) {
	if n < 1 || n > MaxRetentionDays {
		b.fail(memberRetentionDays, "must be an integer from 1 to "+strconv.Itoa(MaxRetentionDays), "")
		return
	}
	b.begin()
	b.out = strconv.AppendInt(b.out, int64(n), 10)
	b.end(memberRetentionDays)
}

func (b *builder) tags(tags map[string]string) {
	switch {
	case len(tags) == 0:
		return
	case len(tags) > MaxTags:
		b.fail(memberTags, "has more than "+strconv.Itoa(MaxTags)+" members", "")
		return
	}
	b.begin()
	b.out = append(b.out, '{')
	b.tagList(tags)
	b.out = append(b.out, '}')
	b.end(memberTags)
}

// tagList writes tags in the order of their names, after a comma unless they are
// the first.
func (b *builder) tagList(tags map[string]string) {
	for _, name := range sortedNames(tags) {
		if !utf8.ValidString(name) || !utf8.ValidString(tags[name]) {
			b.failAt("/tags/"+pointerName(name), "invalid UTF-8", "")
			return
		}
		if b.out[len(b.out)-1] != '{' {
			b.out = append(b.out, ',')
		}
		b.out = appendQuoted(b.out, name)
		b.out = append(b.out, ':')
		b.out = appendQuoted(b.out, tags[name])
	}
}

// sortedNames returns the names of a map in their order.
func sortedNames[V any](m map[string]V) []string {
	names := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(names)
	return names
}

// changes writes the changed fields in the order of their names.
func (b *builder) changes(changes map[string]Change) {
	if len(changes) == 0 {
		return
	}
	b.begin()
	next := byte('{')
	for _, name := range sortedNames(changes) {
		if !utf8.ValidString(name) {
			b.failAt("/changes/"+pointerName(name), "invalid UTF-8", "")
			return
		}
		b.out = append(b.out, next)
		next = ','
		b.out = appendQuoted(b.out, name)
		b.out = append(b.out, ':')
		b.change(name, changes[name])
	}
	b.out = append(b.out, '}')
	b.end(memberChanges)
}

// changeDepth is the depth of an object or array that is a changed value: the
// event, changes and the pair are above it.
const changeDepth = 4

// anyField is the field of a changed value.
var anyField = &field{kind: kindAny}

// change writes the pair of a changed field.
func (b *builder) change(name string, c Change) {
	b.out = append(b.out, '[')
	if !c.OldUnknown {
		if err := b.value(c.Old, anyField, changeDepth); err != nil {
			b.within("/changes/"+pointerName(name)+"/0", err)
		}
		b.out = append(b.out, ',')
	}
	if err := b.value(c.New, anyField, changeDepth); err != nil {
		b.within("/changes/"+pointerName(name)+"/1", err)
	}
	b.out = append(b.out, ']')
}

// embedded writes a member that is kept verbatim, if v is not nil.
func (b *builder) embedded(m member, v any) {
	if raw, ok := v.(json.RawMessage); v == nil || ok && len(raw) == 0 {
		return
	}
	b.begin()
	if err := b.value(v, &eventShape.fields[m], 2); err != nil {
		b.within("/"+eventShape.fields[m].name, err)
	}
	b.end(m)
}

// within records an error about something at a pointer.
func (b *builder) within(at string, err error) {
	if e, ok := errors.AsType[*InvalidError](err); ok {
		b.failAt(at+e.Pointer, e.Detail, e.Hint)
	} else {
		b.failAt(at, err.Error(), "")
	}
}

// value writes a value verbatim. A nil pointer or map where an object must be is
// not sent, since its marshalled form could only be refused.
func (b *builder) value(v any, f *field, depth int) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	if _, ok := v.(json.RawMessage); !ok && f.kind == kindObject && string(text) == "null" {
		return nil
	}
	s := newScanner(text, b.out)
	defer s.release()
	s.space()
	if err = s.typed(f, depth); err == nil {
		err = s.end()
	}
	b.out = s.out
	return located(err, text)
}

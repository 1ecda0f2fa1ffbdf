package annals

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"slices"
	"strings"
)

// ParseCloudEvent reads a CloudEvent 1.0 in the JSON event format. How it
// becomes an event is in docs/format.md, section Accepted forms: its id is the
// source and the id, and every attribute is kept in metadata.
//
// Errors: [ErrInvalid], [ErrTooLarge].
func ParseCloudEvent(text []byte) (Encoded, error) {
	events, err := parseCloudEvents(text, false)
	if err != nil {
		return Encoded{}, err
	}
	return events[0], nil
}

// ParseCloudEventBatch reads an array of CloudEvents, which may be empty.
//
// Errors: [ErrInvalid]; [ErrTooLarge], above [MaxBatchEvents] too.
func ParseCloudEventBatch(text []byte) ([]Encoded, error) {
	return parseCloudEvents(text, true)
}

func parseCloudEvents(text []byte, batch bool) ([]Encoded, error) {
	if len(text) > maxTextBytes {
		return nil, ErrTooLarge
	}
	var p cloudParser
	p.in, p.out = text, make([]byte, 0, len(text))
	p.space()
	var err error
	if batch {
		err = p.each(p.cloudEvent)
	} else {
		err = p.cloudEvent()
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, located(err, text)
	}
	return p.events, nil
}

// cloudShape names a CloudEvent in errors; its attributes are open.
var cloudShape = &shape{name: "a CloudEvent"}

// A cloudParser reads CloudEvents.
type cloudParser struct {
	batchParser
}

// cloudEvent reads one CloudEvent and adds the event it becomes.
func (p *cloudParser) cloudEvent() error {
	if len(p.events) == MaxBatchEvents {
		return fmt.Errorf("%w: more than %d events", ErrTooLarge, MaxBatchEvents)
	}
	open, start := p.pos, len(p.out)
	var c cloudEvent
	err := p.fields(cloudShape, 1, func(name []byte, at int) error {
		from, value := len(p.out), p.pos
		if err := p.verbatim(2); err != nil {
			return err
		}
		return c.add(string(name), p.out[from:len(p.out):len(p.out)], at, value)
	})
	if err != nil {
		return err
	}
	e, err := c.encode(open)
	p.out = p.out[:start]
	p.events = append(p.events, e)
	return err
}

// A cloudAttribute is a context attribute or extension.
type cloudAttribute struct {
	name  string
	value []byte // canonical JSON
	at    int    // offset of the value; -1 without a text
}

// A cloudEvent is a CloudEvent on its way to become an event.
type cloudEvent struct {
	attributes []cloudAttribute
	names      map[string]bool // of all members read, null ones included
	data       []byte          // JSON; nil if there is none
}

// maxCloudMembers bounds the members of a CloudEvent.
const maxCloudMembers = 256

// add takes a member; at is the offset of its name.
func (c *cloudEvent) add(name string, value []byte, at, valueAt int) error {
	if c.names == nil {
		c.names = make(map[string]bool)
	}
	if c.names[name] {
		return errDuplicate(at)
	}
	c.names[name] = true
	if len(c.names) > maxCloudMembers {
		return invalidAt(at, fmt.Sprintf("a CloudEvent has at most %d members", maxCloudMembers))
	}
	switch name {
	case "data", "data_base64":
		return c.addData(name == "data_base64", value, valueAt)
	}
	if !cloudName(name) {
		return invalidHint(at, "is no name of a CloudEvents attribute", "names are of a to z and 0 to 9")
	}
	switch value[0] {
	case 'n':
		return nil // the same as leaving it out
	case '{', '[':
		return invalidAt(valueAt, "an attribute must be a string, an integer or a boolean")
	case '"', 't', 'f':
	default:
		if bytes.ContainsAny(value, ".eE") {
			return invalidAt(valueAt, "a number in an attribute must be an integer")
		}
	}
	c.attributes = append(c.attributes, cloudAttribute{name, value, valueAt})
	return nil
}

// cloudName reports whether a name is of lower-case letters and digits.
func cloudName(name string) bool {
	for _, r := range []byte(name) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func (c *cloudEvent) addData(encoded bool, value []byte, at int) error {
	if encoded && value[0] == 'n' {
		return nil
	}
	if c.data != nil {
		return invalidAt(at, "data and data_base64 exclude each other")
	}
	if encoded {
		if value[0] != '"' {
			return invalidAt(at, "must be a string")
		}
		if _, err := base64.StdEncoding.DecodeString(unquote(value)); err != nil {
			return invalidAt(at, "is not base64")
		}
	}
	c.data = value
	return nil
}

// text returns the string of an attribute, "" if it is not there. The core
// attributes must be strings, and not empty.
func (c *cloudEvent) text(name string) (text string, at int, err error) {
	for _, a := range c.attributes {
		if a.name != name {
			continue
		}
		if a.value[0] != '"' {
			return "", a.at, invalidAt(a.at, "must be a string")
		}
		if text = unquote(a.value); text == "" {
			return "", a.at, invalidAt(a.at, "may not be empty")
		}
		return text, a.at, nil
	}
	return "", -1, nil
}

// extension returns the string of an extension, "" if it is not there or no
// string: other meanings than ours are kept in metadata only.
func (c *cloudEvent) extension(name string) string {
	for _, a := range c.attributes {
		if a.name == name {
			return unquote(a.value)
		}
	}
	return ""
}

// required are the attributes that every CloudEvent has.
var required = []string{"specversion", "id", "source", "type"}

// encode returns the event that a CloudEvent becomes. The offset is that of the
// CloudEvent in its text.
func (c *cloudEvent) encode(offset int) (Encoded, error) {
	core := make(map[string]string)
	for _, name := range []string{"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"} {
		text, _, err := c.text(name)
		if err, ok := err.(*InvalidError); ok && offset < 0 { // no text that would tell where
			err.Pointer = "/" + name
		}
		if err != nil {
			return Encoded{}, err
		}
		if text == "" && slices.Contains(required, name) {
			return Encoded{}, errLacks(offset, cloudShape, name)
		}
		core[name] = text
	}
	if err := checkCore(core, offset); err != nil {
		return Encoded{}, err
	}
	e, err := c.event(core)
	if err, ok := err.(*InvalidError); ok {
		err.Offset = offset
		return Encoded{}, err
	}
	if err != nil {
		return Encoded{}, err
	}
	return e, e.check(offset, parseMode{})
}

// checkCore tests the attributes that have a form of their own.
func checkCore(core map[string]string, offset int) error {
	fail := func(name, detail string) error {
		return &InvalidError{Pointer: "/" + name, Offset: offset, Detail: detail}
	}
	if v := core["specversion"]; v != "1.0" {
		return fail("specversion", "is not 1.0")
	}
	if t := core["datacontenttype"]; t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || !strings.Contains(media, "/") {
			return fail("datacontenttype", "is no media type")
		}
	}
	if t := core["time"]; t != "" {
		if _, detail := parseTime([]byte(t)); detail != "" {
			return fail("time", detail)
		}
	}
	return nil
}

// event writes the members that a CloudEvent fills.
func (c *cloudEvent) event(core map[string]string) (Encoded, error) {
	b := builder{out: make([]byte, 0, 512+len(c.data))}
	b.text(memberID, cloudID(core["source"], core["id"]))
	if t := core["time"]; t != "" {
		at, _ := parseTime([]byte(t))
		b.begin()
		b.out = appendTime(b.out, at)
		b.end(memberTime)
	}
	b.text(memberType, core["type"])
	b.text(memberSource, core["source"])
	b.actor(memberActor, Actor{ID: c.extension("authid")})
	b.entity(memberEntity, cloudEntity(core["subject"]))
	b.text(memberCorrelationID, c.extension("correlationid"))
	b.text(memberParentID, c.extension("causationid"))
	trace, span := parseTraceparent(c.extension("traceparent"))
	b.text(memberTraceID, trace)
	b.text(memberSpanID, span)
	b.begin()
	b.out = append(b.out, c.data...)
	b.end(memberData)
	c.metadata(&b)
	if b.err != nil {
		return Encoded{}, cloudPointer(b.err)
	}
	e := b.encoded()
	if len(e.values) > MaxEventBytes {
		return Encoded{}, ErrTooLarge
	}
	return e, nil
}

// metadata keeps every attribute, in the order of the names: senders and HTTP
// headers have none, and a retry must have the same bytes.
func (c *cloudEvent) metadata(b *builder) {
	sorted := slices.SortedFunc(slices.Values(c.attributes), func(x, y cloudAttribute) int {
		return strings.Compare(x.name, y.name)
	})
	b.begin()
	b.out = append(b.out, `{"cloudevents":`...)
	next := byte('{')
	for _, a := range sorted {
		b.name(next, a.name)
		b.out = append(b.out, a.value...)
		next = ','
	}
	b.out = append(b.out, '}', '}')
	b.end(memberMetadata)
}

// cloudPointer makes an error about one of our members one about the attribute
// that fills it.
func cloudPointer(err error) error {
	e, ok := err.(*InvalidError)
	if !ok {
		return err
	}
	attribute := map[string]string{
		"/actor/id": "/authid", "/entity/id": "/subject", "/entity/type": "/subject", "/correlation_id": "/correlationid",
		"/parent_id": "/causationid", "/trace_id": "/traceparent", "/span_id": "/traceparent",
	}[e.Pointer]
	if attribute != "" {
		e.Pointer = attribute
	}
	return e
}

// cloudID returns the id of an event: the CloudEvent's source and id, or their
// SHA-256 if that is too long.
func cloudID(source, id string) string {
	s := source + "#" + id
	if len(s) <= eventShape.fields[memberID].max {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// cloudEntity returns what a CloudEvent is about: a subject of the form type/id
// names both, with one slash and a type of at most 200 bytes; any other is an id.
func cloudEntity(subject string) Entity {
	if subject == "" {
		return Entity{}
	}
	typ, id, ok := strings.Cut(subject, "/")
	if !ok || typ == "" || len(typ) > 200 || id == "" || strings.Contains(id, "/") {
		return Entity{Type: "subject", ID: subject}
	}
	return Entity{Type: typ, ID: id}
}

// parseTraceparent returns the ids of a W3C traceparent, nothing if it is not
// valid: the specification says to ignore it then.
func parseTraceparent(s string) (traceID, spanID string) {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	if len(s) < len(form) || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", ""
	}
	version, trace, span, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if !lowerHex(version+trace+span+flags) || version == "ff" {
		return "", ""
	}
	if len(s) > len(form) && (version == "00" || s[len(form)] != '-') {
		return "", ""
	}
	if strings.Trim(trace, "0") == "" || strings.Trim(span, "0") == "" {
		return "", ""
	}
	return trace, span
}

func lowerHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

package ingest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// cloudEvents is a CloudEvent 1.0 in the JSON format. It becomes what the journal
// makes of one that is sent to it, with an importer's leniency: the id is the
// source and the id, the data is the CloudEvent's, and every attribute, even one
// that breaks the rules, is kept in metadata.
type cloudEvents struct{}

func (cloudEvents) Name() string { return "cloudevents" }

func (cloudEvents) Containers() []string { return nil }

func (cloudEvents) recognizes(raw []byte) bool {
	return string(plain(memberOf(raw, "specversion"))) == "1.0"
}

// maxAttributes bounds the attributes of a CloudEvent.
const maxAttributes = 256

// A cloudEvent is what was read of one.
type cloudEvent struct {
	attributes []attribute
	data       []byte // JSON; nil if there is none
	omitted    int
}

// An attribute is one of a CloudEvent, an extension included.
type attribute struct {
	name string
	raw  []byte
}

func (cloudEvents) Map(dst, raw []byte, in Input) ([]byte, Notes, error) {
	var c cloudEvent
	if err := c.read(raw); err != nil {
		return dst, Notes{}, err
	}
	if err := c.check(); err != nil {
		return dst, Notes{}, err
	}
	out, err := c.head(dst, in)
	if err != nil {
		return dst, Notes{}, err
	}
	out[len(dst)] = '{' // in place of the first comma
	out = c.links(out)
	if c.data != nil {
		out = append(appendName(out, "data"), c.data...)
	}
	return append(c.metadata(out), '}'), Notes{Omitted: c.omitted}, nil
}

// read collects the members. An attribute that is null is none.
func (c *cloudEvent) read(raw []byte) error {
	w := walker{in: raw}
	if w.space(); w.pos == len(raw) || raw[w.pos] != '{' {
		return errors.New("a CloudEvent is an object")
	}
	for first := true; ; first = false {
		name, done, err := w.member(first)
		if err != nil {
			return err
		}
		if done {
			return c.end(&w)
		}
		from, err := w.skip()
		if err != nil {
			return err
		}
		if err := c.add(string(name), raw[from:w.pos]); err != nil {
			return err
		}
	}
}

// end checks the whole text. Other formats leave that to the journal's parser,
// which finds all of it in the event's data; of a CloudEvent some is left behind.
func (c *cloudEvent) end(w *walker) error {
	if err := w.end(); err != nil {
		return err
	}
	if !jsontext.Value(w.in).IsValid(jsontext.AllowDuplicateNames(true)) {
		return errors.New("event is not valid JSON")
	}
	return nil
}

func (c *cloudEvent) add(name string, raw []byte) error {
	switch {
	case name != "data" && raw[0] == 'n':
		return nil
	case name == "data" || name == "data_base64":
		if c.data != nil {
			return errors.New("more than one of data and data_base64")
		}
		if name == "data_base64" && !isBase64(raw) {
			return errors.New("data_base64 is not base64")
		}
		c.data = raw
		return nil
	case len(c.attributes) == maxAttributes:
		return fmt.Errorf("more than %d attributes", maxAttributes)
	}
	c.attributes = append(c.attributes, attribute{name, raw})
	return nil
}

func isBase64(raw []byte) bool {
	_, err := base64.StdEncoding.DecodeString(string(plain(raw)))
	return raw[0] == '"' && err == nil
}

// text returns what a string attribute says; "" if it is none.
func (c *cloudEvent) text(name string) string {
	for i := len(c.attributes) - 1; i >= 0; i-- {
		if a := c.attributes[i]; a.name == name && a.raw[0] == '"' {
			return string(plain(a.raw))
		}
	}
	return ""
}

// optional is text if the journal takes it in a member of limit bytes; what it
// does not take is counted.
func (c *cloudEvent) optional(name string, limit int) string {
	text := c.text(name)
	if !takesText([]byte(text), limit) {
		c.omitted++
		return ""
	}
	return text
}

// check looks for what every CloudEvent has.
func (c *cloudEvent) check() error {
	for _, name := range []string{"specversion", "id", "source", "type"} {
		text := c.text(name)
		switch {
		case text == "":
			return fmt.Errorf("%s is missing, or no text", name)
		case strings.Contains(text, "\x00"):
			return fmt.Errorf("%s contains a NUL", name)
		}
	}
	if v := c.text("specversion"); v != "1.0" {
		return fmt.Errorf("specversion is %.20q, want 1.0", v)
	}
	if n, limit := len(c.text("type")), members[2].limit; n > limit {
		return fmt.Errorf("type is %d bytes, limit %d", n, limit)
	}
	return nil
}

// head appends the members up to source.
func (c *cloudEvent) head(dst []byte, in Input) ([]byte, error) {
	when := c.text("time")
	if !isTime([]byte(when)) {
		switch {
		case in.Time == "" && when == "":
			return nil, fmt.Errorf("%w: want the attribute time", ErrNoTime)
		case in.Time == "":
			return nil, fmt.Errorf("%w: time %.40q is not in RFC 3339 form", ErrNoTime, when)
		case !isTime([]byte(in.Time)):
			return nil, errBadInput(in)
		case when != "":
			c.omitted++
		}
		when = in.Time
	}
	dst = appendText(dst, nameID, cloudID(c.text("source"), c.text("id")))
	dst = appendText(dst, nameTime, when)
	dst = appendText(dst, nameType, c.text("type"))
	return appendText(dst, "source", c.optional("source", 255)), nil
}

// errBadInput says that the caller's time is none.
func errBadInput(in Input) error {
	return fmt.Errorf("time given for the event, %.40q, is not in RFC 3339 form", in.Time)
}

// links appends actor, entity, and the ids of other events.
func (c *cloudEvent) links(dst []byte) []byte {
	if id := c.optional("authid", maxEntityID); id != "" {
		dst = append(appendText(append(dst, `,"actor":{`...), "id", id), '}')
	}
	if subject := c.optional("subject", maxEntityID); subject != "" {
		typ, id := cloudEntity(subject)
		dst = appendText(append(dst, `,"entity":{`...), "type", typ)
		dst = append(appendText(dst, "id", id), '}')
	}
	dst = appendText(dst, "correlation_id", c.optional("correlationid", 255))
	dst = appendText(dst, "parent_id", c.optional("causationid", 255))
	trace, span := parseTraceparent(c.text("traceparent"))
	dst = appendText(dst, "trace_id", trace)
	return appendText(dst, "span_id", span)
}

// metadata appends all attributes, in the order of their names.
func (c *cloudEvent) metadata(dst []byte) []byte {
	slices.SortStableFunc(c.attributes, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, `,"metadata":{"cloudevents":`...)
	next := byte('{')
	for _, a := range c.attributes {
		dst = append(dst, next)
		dst, _ = jsontext.AppendQuote(dst, a.name)
		dst = append(append(dst, ':'), a.raw...)
		next = ','
	}
	return append(dst, '}', '}')
}

// appendText appends a member that is a string, unless it is empty, with a comma
// before unless it is the first of an object.
func appendText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	if n := len(dst); n == 0 || dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst, _ = jsontext.AppendQuote(append(dst, '"', ':'), text)
	return dst
}

// cloudID returns the source and the id, or their SHA-256 if that is too long.
func cloudID(source, id string) string {
	s := source + "#" + id
	if len(s) <= members[0].limit {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// cloudEntity returns what a subject of the form type/id names, with one slash and
// a type of at most 200 bytes; any other is an id.
func cloudEntity(subject string) (typ, id string) {
	typ, id, ok := strings.Cut(subject, "/")
	if !ok || typ == "" || len(typ) > 200 || id == "" || strings.Contains(id, "/") {
		return "subject", subject
	}
	return typ, id
}

// parseTraceparent returns the ids of a W3C traceparent, nothing if it is not
// valid: the specification says to ignore it then.
func parseTraceparent(s string) (traceID, spanID string) {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	if len(s) < len(form) || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", ""
	}
	version, trace, span, flags := s[:2], s[3:35], s[36:52], s[53:55]
	hexOnly := strings.Trim(version+trace+span+flags, "0123456789abcdef") == ""
	longer := len(s) > len(form) && (version == "00" || s[len(form)] != '-')
	if !hexOnly || longer || version == "ff" || strings.Trim(trace, "0") == "" || strings.Trim(span, "0") == "" {
		return "", ""
	}
	return trace, span
}

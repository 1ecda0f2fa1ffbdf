package annals

import (
	"encoding/base64"
	"fmt"
	"iter"
	"mime"
	"strings"
	"unicode/utf8"
)

// Headers are the fields of a message's header: names in any case, and each value of
// each name.
type Headers = iter.Seq2[string, string]

// ParseHeaderEvent reads an event whose envelope is in a header and whose body is its
// data alone, as senders have it that do not build envelopes: X-Event-Type is the type,
// which is required, X-Service the source, X-Correlation-ID the correlation_id,
// X-Resource-Type and X-Resource-ID the entity, X-Actor-ID the actor's id, X-Outcome the
// outcome. Other fields say nothing.
//
// A body is JSON, or what its content type says: text becomes a string, anything else
// the string of its base64. An empty one is none. Errors: [ErrInvalid], [ErrTooLarge].
func ParseHeaderEvent(contentType string, headers Headers, body []byte) (Encoded, error) {
	var e Event
	if err := e.takeHeaders(headers); err != nil {
		return Encoded{}, err
	}
	data, err := bodyData(contentType, true, body)
	if err != nil {
		return Encoded{}, err
	}
	b := builder{out: make([]byte, 0, 512+len(data))}
	b.envelope(&e)
	b.links(&e)
	b.begin()
	b.out = append(b.out, data...)
	b.end(memberData)
	if b.err != nil {
		return Encoded{}, b.err
	}
	done := b.encoded()
	if len(done.values) > MaxEventBytes {
		return Encoded{}, ErrTooLarge
	}
	return done, done.check(-1, parseMode{})
}

// takeHeaders sets what the fields of a header say.
func (e *Event) takeHeaders(headers Headers) error {
	var outcome string
	members := map[string]*string{
		"x-event-type": &e.Type, "x-service": &e.Source, "x-correlation-id": &e.CorrelationID,
		"x-resource-type": &e.Entity.Type, "x-resource-id": &e.Entity.ID, "x-actor-id": &e.Actor.ID,
		"x-outcome": &outcome,
	}
	for name, value := range headers {
		name = strings.ToLower(name)
		into := members[name]
		switch {
		case into == nil:
			continue
		case *into != "":
			return headerError(name, "is there more than once")
		}
		*into = value
	}
	e.Outcome = Outcome(outcome)
	return nil
}

// headerError is the error for a field of a header.
func headerError(name, detail string) error {
	return &InvalidError{Offset: -1, Detail: "header " + pointerName(name) + " " + detail}
}

// bodyData returns the JSON of a body that is an event's data alone, nil for none.
// Without a content type it is JSON if json says so, and else bytes.
func bodyData(contentType string, json bool, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, nil
	}
	if len(body) > maxTextBytes {
		return nil, ErrTooLarge
	}
	media := ""
	if contentType != "" {
		var err error
		if media, _, err = mime.ParseMediaType(contentType); err != nil {
			return nil, headerError("content-type", "is no media type")
		}
	}
	kind, sub, _ := strings.Cut(media, "/")
	switch {
	case media == "" && json, sub == "json", strings.HasSuffix(sub, "+json"):
		return bodyJSON(body)
	case kind == "text", sub == "xml", strings.HasSuffix(sub, "+xml"):
		if !utf8.Valid(body) {
			return nil, &InvalidError{Pointer: "/data", Offset: -1, Detail: fmt.Sprintf("body of type %.60q is not UTF-8", media)}
		}
		return appendQuoted(nil, body), nil
	}
	data := make([]byte, 0, 2+base64.StdEncoding.EncodedLen(len(body)))
	data = base64.StdEncoding.AppendEncode(append(data, '"'), body)
	return append(data, '"'), nil
}

// bodyJSON returns a JSON text without the white space between its tokens.
func bodyJSON(body []byte) ([]byte, error) {
	s := newScanner(body, make([]byte, 0, len(body)))
	defer s.release()
	s.space()
	err := s.verbatim(2)
	if err == nil {
		err = s.end()
	}
	if err := located(err, body); err != nil {
		if e, ok := err.(*InvalidError); ok {
			e.Pointer = "/data" + e.Pointer
		}
		return nil, err
	}
	return s.out, nil
}

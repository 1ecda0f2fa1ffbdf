package server

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/annals-io/annals"
)

// A form is a way in which requests carry events.
type form uint8

const (
	formJSON        form = iota // an event, an array or a batch
	formNDJSON                  // a sequence of values
	formCloudEvent              // in the JSON format
	formCloudEvents             // an array of them
	formCloudBinary             // attributes in the header, data in the body
	formHeader                  // our envelope in the header, data in the body
)

// mediaForms are the forms that a content type stands for. All but JSON are marks: a
// request has one at most.
var mediaForms = map[string]form{
	"":                                   formJSON,
	"application/json":                   formJSON,
	"application/x-ndjson":               formNDJSON,
	"application/cloudevents+json":       formCloudEvent,
	"application/cloudevents-batch+json": formCloudEvents,
}

// form returns the form of the request's body.
func (x *exchange) form() (form, error) {
	contentType := x.r.Header.Get("Content-Type")
	media, charset, err := mediaType(contentType)
	if err != nil {
		return 0, err
	}
	byType, known := mediaForms[media]
	var marks []string
	f := byType
	if known && byType != formJSON {
		marks = append(marks, "the content type "+media)
	}
	if len(x.r.Header.Values("X-Event-Type")) > 0 {
		f, known = formHeader, true
		marks = append(marks, "the header X-Event-Type")
	}
	if len(x.r.Header.Values("Ce-Specversion")) > 0 {
		f, known = formCloudBinary, true
		marks = append(marks, "the header ce-specversion")
	}
	switch {
	case len(marks) > 1:
		return 0, problemf(codeInvalid, strings.Join(marks, " and ")+" exclude each other")
	case !known:
		return 0, problemf(codeMediaType, fmt.Sprintf("content type %q is none of those for events: application/json, application/x-ndjson, "+
			"application/cloudevents+json, application/cloudevents-batch+json", clip(contentType, 100)))
	case f == byType && charset != "" && charset != "utf-8":
		return 0, problemf(codeMediaType, "events are UTF-8")
	}
	return f, nil
}

// mediaType returns the media type of a content type, and its charset, in lower case.
func mediaType(contentType string) (media, charset string, err error) {
	if contentType == "" || contentType == "application/json" {
		return contentType, "", nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", "", problemf(codeMediaType, fmt.Sprintf("content type %q is no media type", clip(contentType, 100)))
	}
	return media, strings.ToLower(params["charset"]), nil
}

// An addition is what a request asks to append.
type addition struct {
	events []annals.Encoded
	expect []annals.Expect
	single bool // one event, that is answered by its receipt
}

// parse reads a body. The result does not refer to it.
func (x *exchange) parse(f form, body []byte) (a addition, err error) {
	switch f {
	case formNDJSON:
		a.events, err = parseValues(body)
	case formCloudEvents:
		a.events, err = annals.ParseCloudEventBatch(body)
	case formJSON:
		a.events, a.expect, err = annals.ParseBatch(body)
		a.single = len(a.events) == 1 && len(a.expect) == 0 && isEvent(body)
	default:
		var e annals.Encoded
		e, err = x.parseOne(f, body)
		a.events, a.single = []annals.Encoded{e}, true
	}
	return a, err
}

// parseOne reads a body that is one event.
func (x *exchange) parseOne(f form, body []byte) (annals.Encoded, error) {
	contentType := x.r.Header.Get("Content-Type")
	switch f {
	case formCloudBinary:
		return annals.ParseBinaryCloudEvent(contentType, x.headers, body)
	case formHeader:
		return annals.ParseHeaderEvent(contentType, x.headers, body)
	case formCloudEvent:
		return annals.ParseCloudEvent(body)
	}
	return annals.ParseEvent(body)
}

// headers yields the fields of the request's header.
func (x *exchange) headers(yield func(name, value string) bool) {
	for name, values := range x.r.Header {
		for _, value := range values {
			if !yield(name, value) {
				return
			}
		}
	}
}

// isEvent reports whether a body that is valid is an event rather than a list of them.
func isEvent(body []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return ok && !bytes.HasPrefix(rest, []byte(`"events"`)) && !bytes.HasPrefix(rest, []byte(`"expect"`))
}

// parseValues reads a sequence of values, each of them an event.
func parseValues(body []byte) (events []annals.Encoded, err error) {
	d := annals.NewDecoder(bytes.NewReader(body), maxValueBytes)
	for {
		text, err := d.Next()
		if err == io.EOF {
			return events, nil
		}
		if err == nil && len(events) == annals.MaxBatchEvents {
			err = fmt.Errorf("%w: more than %d events", annals.ErrTooLarge, annals.MaxBatchEvents)
		}
		var e annals.Encoded
		if err == nil {
			e, err = annals.ParseEvent(text)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", d.Line(), err)
		}
		events = append(events, e)
	}
}

// maxValueBytes bounds one value of a sequence: the largest event, with room for white
// space and escapes.
const maxValueBytes = 2 * annals.MaxEventBytes

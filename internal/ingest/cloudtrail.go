package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the members that mappings fill in, in bytes of UTF-8.
const (
	maxID       = 255 // id, source, address, correlation_id and error code, too
	maxType     = 200
	maxAction   = 100
	maxEntityID = 1000 // of actors and entities; of names, too
	maxText     = 4096 // user agents and error messages
)

// Members of a CloudTrail event, in the order of cloudTrailNames.
const (
	ctEventID = iota
	ctEventTime
	ctEventSource
	ctEventName
	ctUserIdentity
	ctAddress
	ctUserAgent
	ctErrorCode
	ctErrorMessage
	ctResources
	ctSharedEventID
	ctRequestID
	ctCount
)

var cloudTrailNames = []string{
	ctEventID:       "eventID",
	ctEventTime:     "eventTime",
	ctEventSource:   "eventSource",
	ctEventName:     "eventName",
	ctUserIdentity:  "userIdentity",
	ctAddress:       "sourceIPAddress",
	ctUserAgent:     "userAgent",
	ctErrorCode:     "errorCode",
	ctErrorMessage:  "errorMessage",
	ctResources:     "resources",
	ctSharedEventID: "sharedEventID",
	ctRequestID:     "requestID",
}

var (
	identityNames = []string{"type", "arn", "principalId", "invokedBy", "accountId", "userName"}

	// What a resource is called depends on the service and on who converted it.
	resourceNames = []string{"type", "resourceType", "ARN", "arn", "ARNPrefix", "resourceName"}
)

// cloudTrail is one event of an AWS CloudTrail file.
//
//	id, time          eventID, eventTime
//	type              aws.SERVICE.EVENT: eventSource up to its first dot, eventName
//	source, action    eventSource, eventName
//	outcome           failure exactly when there is an errorCode, else success
//	actor             userIdentity: type; arn, else principalId, invokedBy or
//	                  accountId as id; userName; sourceIPAddress as it is; userAgent
//	entity            the first of resources, if it has a type and a name
//	correlation_id    sharedEventID, else requestID
//	data              the event, byte for byte
//	error             errorCode and errorMessage
//
// An errorCode that is null or "" is none: some tools write every column. Without
// eventID, eventTime, eventSource and eventName there is no event.
type cloudTrail struct{}

func (cloudTrail) Name() string { return "cloudtrail" }

func (cloudTrail) Containers() []string { return []string{"Records"} }

func (cloudTrail) recognizes(raw []byte) bool {
	_, _, err := cloudTrail{}.Map(nil, raw, Input{})
	return err == nil
}

func (cloudTrail) Map(dst, raw []byte, _ Input) ([]byte, Notes, error) {
	s := sources.Get().(*source)
	defer s.release()
	var m [ctCount][]byte
	if err := s.members(raw, cloudTrailNames, m[:]); err != nil {
		return dst, Notes{}, err
	}
	typ, err := s.cloudTrailHead(&m)
	if err != nil {
		return dst, Notes{}, err
	}
	dst = append(dst, `{"id":`...)
	dst = append(dst, m[ctEventID]...)
	dst = appendMembers(dst,
		member{"time", m[ctEventTime]},
		member{"type", typ},
		member{"source", s.optional(m[ctEventSource], maxID)},
		member{"action", s.optional(m[ctEventName], maxAction)})
	failure, code := isSet(m[ctErrorCode]), s.optional(m[ctErrorCode], maxID)
	if failure {
		dst = append(dst, `,"outcome":"failure"`...)
	} else {
		dst = append(dst, `,"outcome":"success"`...)
	}
	dst = s.appendActor(dst, &m)
	dst = s.appendEntity(dst, m[ctResources])
	dst = appendMembers(dst,
		member{"correlation_id", s.firstOptional(maxID, m[ctSharedEventID], m[ctRequestID])},
		member{"data", raw})
	if failure {
		dst = appendObject(dst, "error",
			member{"code", code},
			member{"message", s.optional(m[ctErrorMessage], maxText)})
	}
	return append(dst, '}'), Notes{Omitted: s.omitted}, nil
}

// cloudTrailHead checks the members without which there is no event, and returns
// its type as a JSON string.
func (s *source) cloudTrailHead(m *[ctCount][]byte) ([]byte, error) {
	var text [ctEventName + 1][]byte
	for i := range text {
		var err error
		if text[i], err = s.required(cloudTrailNames[i], m[i]); err != nil {
			return nil, err
		}
	}
	if n := len(text[ctEventID]); n > maxID {
		return nil, fmt.Errorf("eventID is %d bytes, limit %d", n, maxID)
	}
	if !isTime(string(text[ctEventTime])) {
		return nil, fmt.Errorf("eventTime %.40q is not an RFC 3339 time", text[ctEventTime])
	}
	service, _, _ := bytes.Cut(text[ctEventSource], []byte{'.'})
	if len(service) == 0 {
		return nil, fmt.Errorf("eventSource %.40q names no service", text[ctEventSource])
	}
	const parts = len("aws.") + len(".")
	if n := parts + len(service) + len(text[ctEventName]); n > maxType {
		return nil, fmt.Errorf("type would be %d bytes, limit %d", n, maxType)
	}
	return jsontext.AppendQuote(nil, "aws."+string(service)+"."+string(text[ctEventName]))
}

// isSet reports whether the member raw says anything.
func isSet(raw []byte) bool {
	return raw != nil && string(raw) != `null` && string(raw) != `""`
}

func (s *source) appendActor(dst []byte, m *[ctCount][]byte) []byte {
	var v [6][]byte // in the order of identityNames
	if raw := m[ctUserIdentity]; raw != nil && !s.object(raw, identityNames, v[:]) {
		s.omitted++
	}
	return appendObject(dst, "actor",
		member{"type", s.optional(v[0], maxType)},
		member{"id", s.firstOptional(maxEntityID, v[1], v[2], v[3], v[4])},
		member{"name", s.optional(v[5], maxEntityID)},
		member{"address", s.optional(m[ctAddress], maxID)},
		member{"user_agent", s.optional(m[ctUserAgent], maxText)})
}

// appendEntity appends the first of resources, unless it lacks what an entity
// needs; the whole resource then counts as one omitted member.
func (s *source) appendEntity(dst, resources []byte) []byte {
	if resources == nil {
		return dst
	}
	var v [6][]byte // in the order of resourceNames
	omitted := s.omitted
	s.object(s.first(resources), resourceNames, v[:])
	typ := s.firstOptional(maxType, v[0], v[1])
	id := s.firstOptional(maxEntityID, v[2], v[3], v[4], v[5])
	if typ == nil || id == nil {
		s.omitted = omitted + 1
		return dst
	}
	return appendObject(dst, "entity", member{"type", typ}, member{"id", id})
}

// isTime reports whether text is an RFC 3339 time of at most nanoseconds. The
// standard library's parser alone also takes a comma, one-digit hours, and any
// number of digits.
func isTime(text string) bool {
	const seconds = len("2006-01-02T15:04:05")
	if len(text) <= seconds || text[13] != ':' {
		return false
	}
	zone := text[seconds:]
	if zone[0] == '.' {
		rest := strings.TrimLeft(zone[1:], "0123456789")
		if n := len(zone) - len(rest) - 1; n == 0 || n > 9 {
			return false
		}
		zone = rest
	}
	if zone != "Z" && !isOffset(zone) {
		return false
	}
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// isOffset reports whether zone has the form of a numeric offset. The parser
// knows the digits, but lets hours reach 24 and minutes 60.
func isOffset(zone string) bool {
	return len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-') &&
		zone[1:3] <= "23" && zone[4:] <= "59"
}

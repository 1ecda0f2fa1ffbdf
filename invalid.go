package annals

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/annals-io/annals/internal/query"
)

// ErrInvalid reports input that is not a valid event, value or request. Nothing
// was appended.
var ErrInvalid = errors.New("annals: invalid event")

// ErrTooLarge reports an event or an append above a limit of size or number.
// Nothing was appended.
var ErrTooLarge = errors.New("annals: too large")

// An InvalidError says what is wrong with an event and where. It is an
// [ErrInvalid].
type InvalidError struct {
	Pointer string // JSON pointer of the member concerned; "" is the whole text
	Offset  int    // byte of the text where the trouble was noticed; -1 without a text
	Detail  string // what is wrong
	Hint    string // what to do about it; may be empty
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("annals: invalid event: ")
	if e.Pointer != "" {
		b.WriteString(e.Pointer + ": ")
	}
	b.WriteString(e.Detail)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

func invalidAt(offset int, detail string) error {
	return &InvalidError{Offset: offset, Detail: detail}
}

func invalidHint(offset int, detail, hint string) error {
	return &InvalidError{Offset: offset, Detail: detail, Hint: hint}
}

func errDuplicate(offset int) error {
	return invalidAt(offset, "duplicate member name")
}

func errDepth(offset int) error {
	return invalidAt(offset, "objects and arrays nest deeper than "+strconv.Itoa(MaxDepth)+" levels")
}

// errUTF8 points at the first invalid byte of in from i on.
func errUTF8(in []byte, i int) error {
	for i < len(in) {
		r, n := utf8.DecodeRune(in[i:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		i += n
	}
	return invalidAt(i, "invalid UTF-8")
}

// located completes an error of a scanner over in: its Pointer so far is
// relative to the value at its Offset.
func located(err error, in []byte) error {
	if e, ok := errors.AsType[*InvalidError](err); ok {
		e.Pointer = pointerAt(in, e.Offset) + e.Pointer
	}
	return err
}

// A pointerStep is an object or array that [pointerAt] has entered.
type pointerStep struct {
	array bool
	index int    // of the element, in an array
	name  string // of the member, in an object; "" before the first
	value bool   // in an object: the name has been read
}

// pointerAt returns the JSON pointer of the value or member name at an offset.
// The text before the offset must be what a scanner has accepted. Keeping a
// pointer while scanning would cost every event; this costs only bad ones.
func pointerAt(in []byte, offset int) string {
	var open []pointerStep
	for i := 0; i < len(in) && i <= offset; i++ {
		top := len(open) - 1
		naming := top >= 0 && !open[top].array && !open[top].value
		c := in[i]
		if i == offset && (c != '"' || !naming) {
			break
		}
		switch c {
		case '{', '[':
			open = append(open, pointerStep{array: c == '['})
		case '}', ']':
			open = open[:max(top, 0)]
		case ',':
			if top >= 0 {
				open[top].index++
				open[top].value = false
			}
		case '"':
			end := stringEnd(in, i)
			if naming && (end <= offset || i == offset) {
				open[top].name, open[top].value = unquote(in[i:end]), true
			}
			i = end - 1
		}
	}
	return joinPointer(open)
}

// stringEnd returns the offset after the string at i, len(in) if it has no end.
func stringEnd(in []byte, i int) int {
	for i++; i < len(in); i++ {
		switch in[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(in)
}

// maxPointerName bounds the names that are shown in pointers, so that no error
// is as large as what it complains about.
const maxPointerName = 200

func joinPointer(open []pointerStep) string {
	var b strings.Builder
	for _, step := range open {
		switch {
		case step.array:
			b.WriteByte('/')
			b.WriteString(strconv.Itoa(step.index))
		case step.value || step.name != "":
			b.WriteByte('/')
			b.WriteString(pointerName(step.name))
		}
	}
	return b.String()
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// pointerName returns a member name as a step of a JSON pointer.
func pointerName(name string) string {
	if len(name) > maxPointerName {
		name = strings.ToValidUTF8(name[:maxPointerName], "") + "…"
	}
	return pointerEscaper.Replace(name)
}

// quoteStart shows the first character of a text.
func quoteStart(text []byte) string {
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError && n <= 1 {
		return fmt.Sprintf("byte 0x%02x", text[0])
	}
	return strconv.QuoteRune(r)
}

// synonyms maps names that other systems use to ours.
var synonyms = map[string]string{
	"@timestamp": "time", "timestamp": "time", "ts": "time", "datetime": "time", "date": "time", "created_at": "time",
	"occurred_at": "time", "event_time": "time", "eventtime": "time", "at": "time",
	"event_id": "id", "eventid": "id", "uuid": "id", "uid": "id", "idempotency_key": "id", "_id": "id",
	"event_type": "type", "eventtype": "type", "event": "type", "kind": "type", "event_name": "type", "eventname": "type",
	"schema_version": "version", "event_version": "version", "specversion": "version",
	"tenant_id": "tenant", "organization": "tenant", "org": "tenant", "account": "tenant",
	"service": "source", "source_service": "source", "app": "source", "application": "source", "origin": "source",
	"verb": "action", "operation": "action", "op": "action",
	"result": "outcome", "status": "outcome", "success": "outcome",
	"level": "severity", "log_level": "severity", "priority": "severity",
	"msg": "message", "description": "message", "summary": "message",
	"user": "actor", "user_id": "actor", "actor_id": "actor", "principal": "actor", "subject": "actor", "who": "actor",
	"resource": "entity", "aggregate": "entity", "object": "entity", "target": "entity", "entity_id": "entity",
	"entity_type": "entity", "resource_id": "entity", "resource_type": "entity", "aggregate_id": "entity",
	"correlationid": "correlation_id", "request_id": "correlation_id", "requestid": "correlation_id",
	"causation_id": "parent_id", "causationid": "parent_id", "parent": "parent_id",
	"traceid": "trace_id", "traceparent": "trace_id", "spanid": "span_id", "session": "session_id",
	"workspace": "workspace_id", "labels": "tags", "attributes": "tags", "diff": "changes", "delta": "changes",
	"state": "snapshot", "after": "snapshot", "payload": "data", "body": "data", "details": "data", "detail": "data",
	"content": "data", "properties": "data", "params": "data", "context": "metadata", "meta": "metadata", "extra": "metadata",
	"duration": "duration_ms", "elapsed_ms": "duration_ms", "latency_ms": "duration_ms", "err": "error", "errors": "error",
	"retention": "retention_days", "ttl": "retention_days", "related_entities": "related", "ip": "actor.address",
	"user_agent": "actor.user_agent", "ip_address": "actor.address", "client_ip": "actor.address",
}

// errUnknown reports a member that the shape does not have.
func errUnknown(offset int, sh *shape, name []byte) error {
	detail := "unknown member of " + sh.name
	if near := nearest(sh, string(name)); near != "" {
		return invalidHint(offset, detail, "did you mean "+near+"?")
	}
	if sh == eventShape {
		return invalidHint(offset, detail, "free content goes into data")
	}
	return invalidHint(offset, detail, "it takes "+strings.Join(sh.names(), ", "))
}

// nearest returns the known name that a producer probably meant, or "".
func nearest(sh *shape, name string) string {
	if len(name) > 40 {
		return ""
	}
	name = snake(name)
	if sh == eventShape && synonyms[name] != "" {
		return synonyms[name]
	}
	names := sh.names()
	if sh == eventShape && synonyms[strings.ReplaceAll(name, "_", "")] != "" {
		return synonyms[strings.ReplaceAll(name, "_", "")]
	}
	best, limit := "", 1+len(name)/5
	for _, known := range names {
		if d := query.EditDistance(name, known); d <= limit {
			best, limit = known, d-1
		}
	}
	return best
}

// snake returns a name in snake_case: userAgent and User-Agent are user_agent.
func snake(name string) string {
	var b strings.Builder
	lower := false
	for _, c := range []byte(name) {
		switch {
		case c == '-' || c == '.' || c == ' ':
			c, lower = '_', false
		case 'A' <= c && c <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			c, lower = c|0x20, false
		default:
			lower = c != '_'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// errChoice reports a string that is none of the choices.
func errChoice(offset int, choices []string, text string) error {
	detail := "must be one of " + strings.Join(choices, ", ")
	meant := choiceSynonyms[strings.ToLower(text)]
	if slices.Contains(choices, strings.ToLower(text)) {
		meant = strings.ToLower(text)
	}
	if slices.Contains(choices, meant) {
		return invalidHint(offset, detail, "did you mean "+meant+"?")
	}
	return invalidAt(offset, detail)
}

// choiceSynonyms maps what other systems say for outcomes and severities.
var choiceSynonyms = map[string]string{
	"ok": "success", "succeeded": "success", "successful": "success", "allowed": "success", "allow": "success", "true": "success",
	"fail": "failure", "failed": "failure", "denied": "failure", "deny": "failure", "error": "failure", "false": "failure",
	"warn": "warning", "err": "error", "fatal": "critical", "emergency": "critical", "alert": "critical", "crit": "critical",
	"information": "info", "informational": "info", "trace": "debug",
}

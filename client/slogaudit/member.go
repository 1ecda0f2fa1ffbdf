package slogaudit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/annals-io/annals"
)

// limits are the most bytes of each string member, by its JSON pointer.
var limits = annals.StringLimits()

// A member is a part of an event that an attribute can be.
type member struct {
	max     int
	choices []string
	at      func(e *annals.Event) *string
}

// set sets the member, unless it cannot hold the text.
func (m member) set(e *annals.Event, text string) bool {
	if m.choices != nil && !slices.Contains(m.choices, text) {
		return false
	}
	return set(m.at(e), text, m.max)
}

// set sets a string of at most so many bytes.
func set(at *string, text string, most int) bool {
	if text == "" || len(text) > most || printable(text) != text {
		return false
	}
	*at = text
	return true
}

// members are those that attributes can be, and where they are in an event.
var members = map[string]func(e *annals.Event) *string{
	"id":               func(e *annals.Event) *string { return &e.ID },
	"type":             func(e *annals.Event) *string { return &e.Type },
	"version":          func(e *annals.Event) *string { return &e.Version },
	"tenant":           func(e *annals.Event) *string { return &e.Tenant },
	"source":           func(e *annals.Event) *string { return &e.Source },
	"category":         func(e *annals.Event) *string { return &e.Category },
	"action":           func(e *annals.Event) *string { return &e.Action },
	"outcome":          func(e *annals.Event) *string { return (*string)(&e.Outcome) },
	"reason":           func(e *annals.Event) *string { return &e.Reason },
	"actor.type":       func(e *annals.Event) *string { return &e.Actor.Type },
	"actor.id":         func(e *annals.Event) *string { return &e.Actor.ID },
	"actor.name":       func(e *annals.Event) *string { return &e.Actor.Name },
	"actor.address":    func(e *annals.Event) *string { return &e.Actor.Address },
	"actor.user_agent": func(e *annals.Event) *string { return &e.Actor.UserAgent },
	"entity.type":      func(e *annals.Event) *string { return &e.Entity.Type },
	"entity.id":        func(e *annals.Event) *string { return &e.Entity.ID },
	"entity.name":      func(e *annals.Event) *string { return &e.Entity.Name },
	"correlation_id":   func(e *annals.Event) *string { return &e.CorrelationID },
	"parent_id":        func(e *annals.Event) *string { return &e.ParentID },
	"trace_id":         func(e *annals.Event) *string { return &e.TraceID },
	"span_id":          func(e *annals.Event) *string { return &e.SpanID },
	"session_id":       func(e *annals.Event) *string { return &e.SessionID },
	"workspace_id":     func(e *annals.Event) *string { return &e.WorkspaceID },
	"namespace":        func(e *annals.Event) *string { return &e.Namespace },
	"cluster":          func(e *annals.Event) *string { return &e.Cluster },
	"error.code":       func(e *annals.Event) *string { return &e.Error.Code },
	"error.message":    func(e *annals.Event) *string { return &e.Error.Message },
}

// outcomes are the values of an outcome.
var outcomes = []string{
	string(annals.OutcomeSuccess), string(annals.OutcomeFailure), string(annals.OutcomePending), string(annals.OutcomeUnknown),
}

// memberOf returns the member with a name.
func memberOf(name string) (member, bool) {
	m := member{max: limits["/"+strings.ReplaceAll(name, ".", "/")], at: members[name]}
	if name == "outcome" {
		m.max, m.choices = math.MaxInt, outcomes
	}
	return m, m.at != nil
}

// textOf returns a value as a member has it.
func textOf(v slog.Value) string {
	if err, ok := v.Any().(error); ok {
		return err.Error()
	}
	return v.String()
}

// valueOf returns a value as the data have it. What has no JSON is text.
func valueOf(v slog.Value) any {
	switch v.Kind() {
	case slog.KindString:
		return strings.ToValidUTF8(v.String(), "\uFFFD")
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v.String()
		}
	case slog.KindAny:
		return anyOf(v.Any())
	}
	return v.Any()
}

// anyOf returns the JSON of any value.
func anyOf(v any) any {
	_, marshals := v.(json.Marshaler)
	if err, ok := v.(error); ok && !marshals {
		return strings.ToValidUTF8(err.Error(), "\uFFFD")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return strings.ToValidUTF8(fmt.Sprintf("%+v", v), "\uFFFD")
	}
	return json.RawMessage(text)
}

// printable returns text as members can hold it.
func printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// clip returns the beginning of a text.
func clip(text string, most int) string {
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
